"""What the ratchet would have said of each commit of a real history: run it on a repository that you know.

For each commit of the first-parent line, the code after it is compared with a baseline of the code before it. A report is
suspect when the commit has no more suppressions of that kind than before: then it is a swap, or noise. Suspects are
printed with their commit, to be judged by people.

python -m benchmarks.suppressions.replay REPOSITORY [--commits 500] [--show]
"""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections import Counter
from datetime import date
from pathlib import Path

from benchmarks.program import command_line
from quickwins.suppressions import Baseline, Report, scan_text
from quickwins.suppressions.scan.codes import owner

TODAY = date(2000, 1, 1)
"""Before any date in a comment: what has expired since is not what this is about."""


def git(repository: Path, *arguments: str) -> bytes:
    return subprocess.run(["git", "-C", str(repository), *arguments], check=True, capture_output=True).stdout


def names(output: bytes) -> list[str]:
    return [
        one for one in output.decode("utf-8", "surrogateescape").split("\0") if one.endswith((".py", ".pyi"))
    ]


class Tree:
    """The Python files of a commit, each scanned once."""

    def __init__(self, repository: Path) -> None:
        self._repository = repository
        self._texts: dict[str, str] = {}
        self._reports: dict[str, Report] = {}

    def read(self, commit: str, paths: list[str]) -> None:
        """Take over some files of a commit; those that it doesn't have are gone."""
        listed = set(names(git(self._repository, "ls-tree", "-rz", "--name-only", commit)))
        for path in paths:
            self._texts.pop(path, None)
            self._reports.pop(path, None)
            if path in listed:
                data = git(self._repository, "show", f"{commit}:{path}")
                self._texts[path] = text = data.decode("utf-8", "replace")
                self._reports[path] = scan_text(path, text, today=TODAY)

    def report(self) -> Report:
        findings = tuple(one for path in sorted(self._reports) for one in self._reports[path].findings)
        return Report(findings, paths=frozenset(self._texts), text=dict(self._texts).__getitem__)


def kinds(report: Report) -> Counter[str]:
    return Counter(owner(one.identity.codes) for one in report.findings)


def main() -> int:
    """Replay, and print the sums."""
    parser = command_line("benchmarks.suppressions.replay", __doc__)
    parser.add_argument("repository", type=Path)
    parser.add_argument("--commits", type=int, default=500, help="the last so many; default: 500")
    parser.add_argument("--show", action="store_true", help="print each suspect")
    options = parser.parse_args()
    repository: Path = options.repository
    commits = (
        git(repository, "rev-list", "--first-parent", f"--max-count={options.commits + 1}", "HEAD")
        .decode()
        .split()
    )
    commits.reverse()
    tree = Tree(repository)
    tree.read(commits[0], names(git(repository, "ls-tree", "-rz", "--name-only", commits[0])))
    before = tree.report()
    reports = suspects = red = moved = 0
    for last, commit in itertools.pairwise(commits):
        changed = names(git(repository, "diff", "-z", "--name-only", "--no-renames", last, commit))
        if not changed:
            continue
        tree.read(commit, changed)
        after = tree.report()
        diff = Baseline.of(before).compare(after)
        more = kinds(after) - kinds(before)
        new = [one for one in diff.new if one.check != "SUP000"]
        doubtful = [one for one in new if not more[owner(one.identity.codes)]]
        reports, suspects, moved = reports + len(new), suspects + len(doubtful), moved + len(diff.moved)
        red += bool(new)
        for one in doubtful if options.show else ():
            print(commit[:12], one.path, one.line, one.check, one.identity.codes, one.identity.statement)
        before = after
    print(
        f"{len(commits) - 1} commits, {len(before.findings)} suppressions at the end; {red} commits red, {reports} reports, "
        f"{moved} followed; {suspects} reports without more suppressions of their kind"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
