"""The baseline of another revision, from git."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from quickwins.suppressions.baseline import Baseline
from quickwins.suppressions.errors import GitError

if TYPE_CHECKING:
    import os

_TIMEOUT_SECONDS = 60.0


def base_baseline(revision: str, path: str | os.PathLike[str]) -> Baseline | None:
    """The baseline at `path` where this work branched off from `revision`; `None` if there was none yet.

    Raises:
        GitError: This is not a git repository, `revision` is unknown, or the clone is too shallow to have the merge base.
        BaselineError: What was there is not a baseline.
    """
    file = Path(path).resolve()
    folder = file.parent
    if revision.startswith("-"):
        raise GitError(f"{revision!r} is not a revision")
    root = Path(_git(folder, "rev-parse", "--show-toplevel", what="--base needs a git repository"))
    try:
        base = _git(folder, "merge-base", revision, "HEAD", what=f"there is no merge base with {revision!r}")
    except GitError as error:
        raise GitError(
            f"{error}; has it been fetched, with its history? (actions/checkout: fetch-depth: 0)"
        ) from error
    name = f"{base}:{file.relative_to(root.resolve()).as_posix()}"
    if not _git(
        folder, "ls-tree", "--name-only", "--full-tree", *name.split(":", 1), what="git cannot list the base"
    ):
        return None
    return Baseline.parse(_git(folder, "show", name, what="git cannot show the base"), where=name)


def _git(folder: Path, *arguments: str, what: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603 -- no shell, arguments of our own; until=never
            ["git", "-C", str(folder), *arguments],  # noqa: S607 -- git is where PATH says; until=never
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise GitError(f"git: {error}") from error
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise GitError(f"{what}: {said[0] if said else done.returncode}")
    return done.stdout.strip()
