"""The closing lines of a run, from pytest's JUnit files: what failed, and how many tests passed, failed, were skipped."""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree as ET


def main(paths: list[Path]) -> int:
    """Print the lines; 1 when something failed or nothing ran."""
    suites = [suite for path in paths for suite in ET.parse(path).getroot().iter("testsuite")]  # noqa: S314 -- our own; until=never
    counts = {
        key: sum(int(suite.get(key, 0)) for suite in suites)
        for key in ("tests", "failures", "errors", "skipped")
    }
    for suite in suites:
        for case in suite.iter("testcase"):
            for end in (*case.iter("failure"), *case.iter("error")):
                said = (end.get("message") or "").strip().partition("\n")[0]
                print(f"FAILED: {case.get('classname')}::{case.get('name')}: {said[:200]}")
    failed = counts["failures"] + counts["errors"]
    passed = counts["tests"] - failed - counts["skipped"]
    print(f"{passed} passed, {failed} failed, {counts['skipped']} skipped")
    return int(failed > 0 or passed == 0)


if __name__ == "__main__":
    sys.exit(main([Path(argument) for argument in sys.argv[1:]]))
