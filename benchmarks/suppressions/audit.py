"""How long an audit of a large package takes beside `tokenize` over the same files.

Three packages, fetched once into .cache/trees, or the folders given. In each round both read every file from the disk
(from its cache), in shuffled order; what is printed is the ratio of the times, as a median with its spread. The audit does
more: it finds, places and fingerprints what `tokenize` only passes over. Python 3.12 made `tokenize` several times faster,
so the target is lower there.

python -m benchmarks.suppressions.audit [FOLDER ...] [--rounds 5]
"""

from __future__ import annotations

import gc
import statistics
import subprocess
import sys
import time
import tokenize
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from benchmarks.program import command_line, conclude
from quickwins.rig import Target
from quickwins.suppressions import AuditConfig, Report, audit

if TYPE_CHECKING:
    from collections.abc import Callable

TREES = Path(".cache/trees")
PACKAGES = ("django", "sqlalchemy", "pandas")
LEAST = 8.0 if sys.version_info < (3, 12) else 3.0


def fetched() -> list[Path]:
    """The packages, from the package index when they are not there."""
    folders = [TREES / name for name in PACKAGES]
    if not all(folder.is_dir() for folder in folders):
        print(f"fetching {', '.join(PACKAGES)} into {TREES}", flush=True)
        wanted = Path(__file__).with_name("trees.txt")
        subprocess.run(
            [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--upgrade",
             "--target", str(TREES), "--requirement", str(wanted)],
            check=True,
        )  # fmt: skip
    return folders


def tokenized(folder: Path) -> int:
    """Tokenise each file, as a tool would that looks for comments."""
    seen = 0
    for path in folder.rglob("*.py"):
        with path.open("rb") as file:
            seen += sum(1 for _ in tokenize.tokenize(file.readline))
    return seen


def seconds(call: Callable[[], object]) -> float:
    gc.collect()
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def measured(folder: Path, rounds: int, rng: Random) -> tuple[Report, list[float], list[float]]:
    config = AuditConfig(root=folder.resolve().parent)
    ours: list[float] = []
    theirs: list[float] = []
    report = audit([folder], config)
    for _ in range(rounds):
        for kept, call in rng.sample(
            [(ours, lambda: audit([folder], config)), (theirs, lambda: tokenized(folder))], 2
        ):
            kept.append(seconds(call))
    return report, ours, theirs


def main() -> int:
    """Measure, print, and say whether the targets were met."""
    parser = command_line("benchmarks.suppressions.audit", __doc__)
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER")
    parser.add_argument("--rounds", type=int, default=5, help="default: 5")
    options = parser.parse_args()
    rng = Random(1)
    targets = []
    print(f"Python {sys.version.split()[0]}, {options.rounds} rounds")
    print(f"{'':<12} files     MB  findings  unreadable  tokenize, s  audit, s  tokenize/audit")
    for folder in options.folders or fetched():
        report, ours, theirs = measured(folder, options.rounds, rng)
        ratios = [other / own for other, own in zip(theirs, ours, strict=True)]
        median = statistics.median(ratios)
        unreadable = sum(1 for one in report.findings if one.check == "SUP000")
        print(
            f"{folder.name:<12} {report.files:>5}  {report.size_bytes / 1e6:>5.1f}  {len(report.findings):>8}  {unreadable:>10}  "
            f"{statistics.median(theirs):>11.2f}  {statistics.median(ours):>8.3f}  {median:>5.1f} ({min(ratios):.1f}-{max(ratios):.1f})",
            flush=True,
        )
        targets.append(
            Target(f"{folder.name}: {median:.1f} times as fast as tokenize ≥ {LEAST:g}", met=median >= LEAST)
        )
    return conclude(targets)


if __name__ == "__main__":
    sys.exit(main())
