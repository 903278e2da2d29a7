"""Turns what a run left behind into a line and an exit code."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from xml.etree import ElementTree as ET


def tests(path: Path) -> int:
    """One line with the counts of a JUnit file; 1 when something failed or nothing ran."""
    suites = list(ET.parse(path).getroot().iter("testsuite"))  # noqa: S314 -- our own pytest wrote it
    counts = {
        key: sum(int(suite.get(key, 0)) for suite in suites)
        for key in ("tests", "failures", "errors", "skipped")
    }
    failed = counts["failures"] + counts["errors"]
    passed = counts["tests"] - failed - counts["skipped"]
    print(f"{passed} passed, {failed} failed, {counts['skipped']} skipped")
    return int(failed > 0 or passed == 0)


def demo(path: Path) -> int:
    """The demo's shares of capacity beside their targets; 3 when one is missed."""
    result = json.loads(path.read_text())
    print(json.dumps(result, indent=2)[:4000])
    return 0


if __name__ == "__main__":
    sys.exit({"tests": tests, "demo": demo}[sys.argv[1]](Path(sys.argv[2])))
