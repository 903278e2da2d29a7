"""Unit tests start no server, so they use nothing of the tests that do."""

from __future__ import annotations

import ast
from pathlib import Path

UNIT = Path(__file__).parent
ABOVE = tuple(f"tests.{folder}." for folder in ("containers", "faults", "integration", "security"))


def uses(node: ast.AST) -> list[str]:
    """The modules that an import names."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []


def test_unit_tests_import_nothing_of_the_tests_with_servers() -> None:
    files = [file for file in UNIT.rglob("*.py") if file.parent != UNIT / "containers"]
    found = [
        f"{file.relative_to(UNIT)}:{node.lineno}: {name}"
        for file in files
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in uses(node)
        if name.startswith(ABOVE)
    ]
    assert len(files) > 100
    assert found == []
