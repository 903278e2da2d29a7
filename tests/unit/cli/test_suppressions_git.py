"""`quickwins suppressions check --base` on histories of branches and merges."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Answer

Call = Callable[..., Answer]
LINES = 12
MODULE = "".join(f"value_{n} = compute_{n}()  # type: ignore[name-defined]\n\n\n" for n in range(LINES))


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"]
    return subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout


@pytest.fixture
def module(quickwins: Call, folder: Path) -> Path:
    (folder / "pyproject.toml").write_text("[project]\nname = 'app'\n")
    path = folder / "app.py"
    path.write_text(MODULE)
    git(folder, "init")
    quickwins("suppressions", "baseline", "create", "app.py")
    git(folder, "add", ".")
    git(folder, "commit", "-m", "start")
    return path


def fix(quickwins: Call, module: Path, *lines: int) -> None:
    """Fix the suppressions on some lines, and update the list."""
    text = module.read_text()
    for n in lines:
        text = text.replace(f"compute_{n}()  # type: ignore[name-defined]", f"compute_{n}()")
    module.write_text(text)
    assert quickwins("suppressions", "baseline", "update", "app.py").code == 0


def branch(folder: Path, name: str, start: str = "main") -> None:
    git(folder, "checkout", "-q", "-b", name, start)


def commit(folder: Path) -> None:
    git(folder, "commit", "-aqm", "work")


def test_branches_that_fix_different_lines_merge_without_a_conflict(
    quickwins: Call, module: Path, folder: Path
) -> None:
    for n in range(LINES):
        branch(folder, f"fix-{n}")
        fix(quickwins, module, n)
        commit(folder)
    for ours, theirs in itertools.combinations(range(LINES), 2):
        git(folder, "checkout", "-q", "--detach", f"fix-{ours}")
        git(folder, "merge", "-q", "--no-edit", f"fix-{theirs}")
    answer = quickwins("suppressions", "check", "--base", "main", "app.py")
    assert answer.code == 0
    assert f"{LINES - 2} suppressions" in answer.err


def test_branches_that_each_fix_many_lines_merge_in_any_order(
    quickwins: Call, module: Path, folder: Path
) -> None:
    for third in range(3):
        branch(folder, f"third-{third}")
        fix(quickwins, module, *range(third, LINES, 3))
        commit(folder)
    git(folder, "checkout", "-q", "main")
    for third in range(3):
        git(folder, "merge", "-q", "--no-edit", f"third-{third}")
    assert quickwins("suppressions", "check", "app.py").code == 0
    assert "0 suppressions" in quickwins("suppressions", "audit", "app.py").err


def criss_cross(quickwins: Call, module: Path, folder: Path) -> None:
    """Leaves two merge bases: one has fixed the first line, the other the last."""
    for name, line in (("one", 0), ("two", LINES - 1)):
        branch(folder, name)
        fix(quickwins, module, line)
        commit(folder)
    for name, other in (("left", "two"), ("right", "one")):
        branch(folder, name, "one" if other == "two" else "two")
        git(folder, "merge", "-q", "--no-edit", other)
    assert len(git(folder, "merge-base", "--all", "left", "right").split()) == 2


def test_after_merges_in_both_directions_nothing_that_is_known_is_new(
    quickwins: Call, module: Path, folder: Path
) -> None:
    criss_cross(quickwins, module, folder)
    assert quickwins("suppressions", "check", "--base", "left", "app.py").code == 0


@pytest.mark.parametrize("line", [0, LINES - 1])
def test_after_merges_in_both_directions_what_either_side_fixed_stays_fixed(
    quickwins: Call, module: Path, folder: Path, line: int
) -> None:
    criss_cross(quickwins, module, folder)
    text = module.read_text()
    module.write_text(text.replace(f"compute_{line}()", f"compute_{line}()  # type: ignore[name-defined]", 1))
    (folder / "suppressions.baseline").unlink()
    quickwins("suppressions", "baseline", "create", "app.py")
    assert quickwins("suppressions", "check", "app.py").code == 0, "by itself the list looks fine"
    assert quickwins("suppressions", "check", "--base", "left", "app.py").code == 3


@pytest.mark.parametrize("rewrite", [False, True], ids=["as it was", "and written anew"])
def test_a_baseline_under_another_name_is_compared_with_the_one_that_it_was(
    quickwins: Call, module: Path, folder: Path, rewrite: bool
) -> None:
    branch(folder, "work")
    git(folder, "mv", "suppressions.baseline", "known.baseline")
    module.write_text("import os  # noqa\n" if rewrite else MODULE + "import os  # noqa\n")
    (folder / "known.baseline").unlink()
    arguments = ("--baseline", "known.baseline", "app.py")
    assert quickwins("suppressions", "baseline", "create", *arguments).code == 0
    git(folder, "add", ".")
    commit(folder)
    assert quickwins("suppressions", "check", *arguments).code == 0
    answer = quickwins("suppressions", "check", "--base", "main", *arguments)
    assert answer.code == 3
    assert "1 new" in answer.err


def test_a_base_with_a_baseline_of_another_version_is_named_and_left_out(
    quickwins: Call, module: Path, folder: Path
) -> None:
    baseline = folder / "suppressions.baseline"
    text = baseline.read_text()
    baseline.write_text("# quickwins suppressions baseline: one line\napp.py\tSUP013\t-\t1:00\t0\n")
    commit(folder)
    assert "made by version 1" in quickwins("suppressions", "check", "app.py").err
    branch(folder, "work")
    baseline.write_text(text)
    commit(folder)
    answer = quickwins("suppressions", "check", "--base", "main", "app.py")
    assert answer.code == 0
    assert "made by version 1 of the checks, this is 2: compared only with the one here" in answer.err


def test_a_module_that_git_knows_as_renamed_is_followed_though_it_was_edited(
    quickwins: Call, module: Path, folder: Path
) -> None:
    branch(folder, "work")
    git(folder, "mv", "app.py", "core.py")
    core = folder / "core.py"
    core.write_text(MODULE.replace("value_3 = compute_3()", "value_3 = compute_3(0)"))
    git(folder, "add", ".")
    commit(folder)
    assert quickwins("suppressions", "check", "--base", "main", "core.py").code == 0
