"""What git knows of another revision: its baseline, and the files that have been renamed since."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from quickwins.suppressions.baseline import TITLE, Baseline
from quickwins.suppressions.errors import GitError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quickwins.suppressions.report import Identity

_TIMEOUT_SECONDS = 60.0
_MOST_BASES = 16


@dataclass(frozen=True, slots=True)
class Base:
    """Where this work branched off.

    Attributes:
        baseline: The baseline there; `None` if there was none yet.
        renamed: The former path of each file that has been renamed or copied since, relative to the root of the audit.
    """

    baseline: Baseline | None
    renamed: Mapping[str, str]


def base_of(revision: str, path: str | os.PathLike[str], root: Path) -> Base:
    """The baseline at `path` where this work branched off from `revision`, under the name that it had there.

    Args:
        revision: A branch or commit.
        path: The baseline as it is called now.
        root: The root of the audit.

    Raises:
        GitError: This is not a git repository, `revision` is unknown, or the clone is too shallow to have the merge base.
        BaselineError: What was there is not a baseline.
    """
    file = Path(path).resolve()
    if revision.startswith("-"):
        raise GitError(f"{revision!r} is not a revision")
    top = Path(
        _git(file.parent, "rev-parse", "--show-toplevel", what="--base needs a git repository")
    ).resolve()
    try:
        bases = _bases(top, revision, "HEAD")
    except GitError as error:
        raise GitError(
            f"{error}; has it been fetched, with its history? (actions/checkout: fetch-depth: 0)"
        ) from error
    known = _known(top, bases, file.relative_to(top).as_posix())
    renamed = {
        _relative(top / new, root): _relative(top / old, root)
        for base in bases
        for new, old in _renamed(top, base).items()
    }
    return Base(None if known is None else Baseline(known), renamed)


def ignored_by_git(folder: str) -> set[str]:
    """The files and folders below `folder` that git ignores; none if it is ignored itself, or git is not there."""
    try:
        listed = _git(
            Path(folder), "-c", "core.fsmonitor=false", "ls-files", "--others", "--ignored", "--exclude-standard",
            "--directory", "-z", what="git cannot list what it ignores",
        )  # fmt: skip
    except GitError:
        return set()
    found = {one.rstrip("/") for one in listed.split("\0") if one}
    return set() if found & {".", "./", ""} else {f"{folder}/{one}" for one in found}


def _bases(top: Path, one: str, other: str) -> list[str]:
    found = _git(top, "merge-base", "--all", one, other, what=f"there is no merge base with {one!r}")
    return found.split()[:_MOST_BASES]


def _known(top: Path, bases: list[str], name: str) -> frozenset[Identity] | None:
    """What the baseline had at `bases`; `None` if there was none at any.

    After merges in both directions there are several bases. As git merges them, an entry is there that both sides have,
    and one that either side has added since their own base, but not one that either has removed.
    """
    first = _known_at(top, bases[0], name)
    for other in bases[1:]:
        second = _known_at(top, other, name)
        if first is None or second is None:
            first = second if first is None else first
            continue
        common = _known(top, _bases(top, bases[0], other), name) or frozenset()
        first = (first & second) | ((first | second) - common)
    return first


def _known_at(top: Path, base: str, name: str) -> frozenset[Identity] | None:
    text = _file(top, base, name)
    if text is not None:
        return Baseline.parse(text, where=f"{base[:12]}:{name}").known
    # Baselines of then that are gone: this one had another name.
    listed = _git(top, "grep", "-lz", "-e", f"^{TITLE}", base, what="git cannot search the base", none=1)
    others = [one.partition(":")[2] for one in listed.split("\0") if one]
    gone = [one for one in others if not (top / one).exists()]
    texts = [(one, _file(top, base, one) or "") for one in gone]
    parsed = [
        Baseline.parse(text, where=f"{base[:12]}:{one}").known
        for one, text in texts
        if text.startswith(TITLE)
    ]
    return frozenset().union(*parsed) if parsed else None


def _relative(path: Path, root: Path) -> str:
    return Path(os.path.relpath(path, root.resolve())).as_posix()


def _renamed(top: Path, base: str) -> dict[str, str]:
    """The former name of files, by the name that they have now."""
    parts = _git(
        top, "diff", "--name-status", "-z", "--find-renames=30%", "--find-copies", "--diff-filter=RC", base,
        what="git cannot compare with the base",
    ).split("\0")  # fmt: skip
    return {parts[at + 2]: parts[at + 1] for at in range(0, len(parts) - 2, 3)}


def _file(top: Path, base: str, name: str) -> str | None:
    listed = _git(top, "ls-tree", "--name-only", "--full-tree", base, name, what="git cannot list the base")
    if not listed:
        return None
    return _git(top, "show", f"{base}:{name}", what="git cannot show the base")


def _git(folder: Path, *arguments: str, what: str, none: int = 0) -> str:
    """What git prints; `none` is a code that it ends with if there is nothing to print."""
    try:
        done = subprocess.run(  # noqa: S603  # -- no shell, arguments of our own; until=never
            ["git", "-C", str(folder), *arguments],  # noqa: S607  # -- git is where PATH says; until=never
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise GitError(f"git: {error}") from error
    if done.returncode not in {0, none}:
        said = done.stderr.strip().splitlines()
        raise GitError(f"{what}: {said[0] if said else done.returncode}")
    return done.stdout.strip("\n")
