"""The table of the oracles: on generated comments, whatever a tool lets hide its report is found, and hardly anything else."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from quickwins.suppressions import scan_text
from tests.integration.suppressions.oracles import ORACLES, written
from tests.integration.suppressions.test_tools import printed

TODAY = date(2026, 6, 1)


@pytest.mark.parametrize(
    "name", [pytest.param(one, marks=() if one == "ruff" else pytest.mark.volume) for one in ORACLES]
)
def test_every_comment_that_hides_something_from_its_tool_is_found(name: str, tmp_path: Path) -> None:
    oracle = ORACLES[name]
    text, comments = written(oracle)
    (tmp_path / "file.py").write_text(text)
    reported = oracle.reported(printed(oracle.command, tmp_path))
    hidden = comments.keys() - reported
    assert reported, "the tool sees its lines"
    assert len(hidden) >= 10, "some comments hide something"
    ours = {one.line for one in scan_text("file.py", text, today=TODAY).findings}
    missed = sorted({comments[line] for line in hidden - ours})
    assert missed == []
    if oracle.is_exact:
        assert ours <= hidden
