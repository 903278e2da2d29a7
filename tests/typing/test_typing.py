"""A strict type checker accepts what callers write, and refuses their mistakes."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from pathlib import Path

import pytest
from mypy import api

import quickwins

pytestmark = pytest.mark.timeout(600)  # mypy without a cache: ten seconds of a processor that others use, too

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def public_modules() -> list[str]:
    modules = ["quickwins", *(one.name for one in pkgutil.walk_packages(quickwins.__path__, "quickwins."))]
    return [name for name in modules if not re.search(r"\._|\.demo\.", name)]


def public_names() -> dict[str, int]:
    """Every public name, with the identity of what it names: some packages show what another has."""
    return {
        f"{module.__name__}.{name}": id(getattr(module, name))
        for module in map(importlib.import_module, public_modules())
        for name in getattr(module, "__all__", ())
    }


def used_names(tree: ast.AST) -> set[str]:
    """What a file imports and does something with."""
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    imported = {
        f"{node.module}.{one.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for one in node.names
        if (one.asname or one.name) in used
    }
    return imported | {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


def test_a_service_is_checked_without_any_settings_for_us_or_for_what_we_need(tmp_path: Path) -> None:
    imports = "".join(f"import {name}\n" for name in public_modules())
    out, err, code = api.run(
        [
            "--strict",
            "--config-file=",
            f"--cache-dir={tmp_path}",
            "-c",
            f"{imports}reveal_type(quickwins.QuickWins.load())",
        ]
    )
    assert (err, code) == ("", 0), out + err
    assert "QuickWins" in out


def test_every_public_name_is_used() -> None:
    public = public_names()
    files = [file for file in HERE.glob("*.py") if file != Path(__file__)]
    used = {
        public[name] for file in files for name in used_names(ast.parse(file.read_text())) & public.keys()
    }
    missing = [name for name, what in public.items() if what not in used]
    assert not missing, "\n".join(missing)


def test_the_api_is_accepted_and_each_mistake_is_refused_for_its_reason() -> None:
    files = [str(file) for file in HERE.glob("*.py") if file != Path(__file__)]
    out, _, _ = api.run(
        [f"--config-file={ROOT / 'pyproject.toml'}", "--no-error-summary", "--hide-error-context", *files]
    )
    found: dict[int, set[str]] = {}
    for line in out.splitlines():
        match = re.match(r".*?(\w+)\.py:(\d+): error: .*\[([\w-]+)\]$", line)
        if match:
            assert match[1] == "refused", line
            found.setdefault(int(match[2]), set()).add(match[3])
    expected = {
        number: set(line.partition("# refused: ")[2].split())
        for number, line in enumerate((HERE / "refused.py").read_text().splitlines(), 1)
        if "# refused: " in line
    }
    assert found.keys() == expected.keys(), out
    for number, codes in found.items():
        assert codes & expected[number], (number, codes)
