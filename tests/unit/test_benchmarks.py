"""That `make bench` runs all benchmarks."""

from __future__ import annotations

from pathlib import Path

from benchmarks.__main__ import ALONE, COMPUTING, WAITING

FOLDER = Path(__file__).parents[2] / "benchmarks"
STARTED_BY_OTHERS = {"logs.gateway", "channels.backend", "query_cache.apps"}
ASKS_FOR_A_REPOSITORY = {"suppressions.replay"}


def test_every_program_is_run() -> None:
    programs = {
        ".".join(path.relative_to(FOLDER).with_suffix("").parts)
        for path in FOLDER.rglob("*.py")
        if 'if __name__ == "__main__":' in path.read_text(encoding="utf-8")
    }
    named = {one.words(quick=True)[0] for one in (*COMPUTING, *WAITING, *ALONE)}
    assert named == programs - {"__main__"} - STARTED_BY_OTHERS - ASKS_FOR_A_REPOSITORY
