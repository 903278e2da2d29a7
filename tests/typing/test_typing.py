"""A strict type checker accepts what callers write, and refuses their mistakes."""

from __future__ import annotations

import re
from pathlib import Path

from mypy import api

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def test_the_api_is_accepted_and_each_mistake_is_refused_for_its_reason() -> None:
    files = [str(HERE / "api.py"), str(HERE / "refused.py")]
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
