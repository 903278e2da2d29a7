"""`quickwins suppressions`, on a small code base in a folder of its own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Answer

Call = Callable[..., Answer]

TODAY = datetime.now(UTC).date()
SOON, NEXT_YEAR, TOO_FAR = (str(TODAY + timedelta(days=days)) for days in (30, 365, 3 * 365))
APP = "import os  # noqa: F401\n\n\ndef main():\n    try:\n        f()\n    except Exception:\n        pass\n"


@pytest.fixture
def app(folder: Path) -> Path:
    (folder / "pyproject.toml").write_text("[project]\nname = 'app'\n\n[tool.other]\nkey = 1  # kept\n")
    path = folder / "src" / "app.py"
    path.parent.mkdir()
    path.write_text(APP)
    return path


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def test_audit_lists_what_is_there_and_ends_with_3(quickwins: Call, app: Path) -> None:
    answer = quickwins("suppressions", "audit", "src")
    assert answer.code == 3
    assert [line.split(" ")[:2] for line in answer.out.splitlines()] == [["src/app.py:7:5:", "SUP010"]]
    assert answer.err == (
        "quickwins: 1 file, 2 suppressions\nquickwins: 1 have codes and lack only a reason: --reasons lists them\n"
    )
    answer = quickwins("suppressions", "audit", "src", "--reasons")
    assert [line.split(" ")[:2] for line in answer.out.splitlines()] == [
        ["src/app.py:1:12:", "SUP013"],
        ["src/app.py:7:5:", "SUP010"],
    ]


def test_audit_of_clean_code_ends_with_0_and_looks_at_this_folder_by_default(
    quickwins: Call, app: Path
) -> None:
    app.write_text("x = 1\n")
    answer = quickwins("suppressions", "audit")
    assert (answer.code, answer.out) == (0, "")
    assert "2 files, 0 suppressions" in answer.err


def test_audit_writes_json(quickwins: Call, app: Path) -> None:
    first, second = json.loads(quickwins("suppressions", "audit", "src", "--reasons", "--format", "json").out)
    assert (first["check"], first["path"], first["line"], first["scope"]) == ("SUP013", "src/app.py", 1, "")
    assert (second["check"], second["scope"]) == ("SUP010", "main")


def test_audit_writes_sarif(quickwins: Call, app: Path) -> None:
    document = json.loads(quickwins("suppressions", "audit", "src", "--reasons", "--format", "sarif").out)
    (run,) = document["runs"]
    assert document["version"] == "2.1.0"
    assert [one["ruleId"] for one in run["results"]] == ["SUP013", "SUP010"]
    assert {one["id"] for one in run["tool"]["driver"]["rules"]} >= {"SUP000", "SUP016"}
    assert run["results"][0]["locations"][0]["physicalLocation"]["region"] == {
        "startLine": 1,
        "startColumn": 12,
    }
    assert len({one["partialFingerprints"]["quickwins/v2"] for one in run["results"]}) == 2


def test_audit_writes_annotations_that_cannot_be_broken_out_of(quickwins: Call, app: Path) -> None:
    (app.parent / "a,b:c.py").write_text("x = 1  # pylint: disable=a%0A::error::b\n")
    lines = quickwins("suppressions", "audit", "src", "--reasons", "--format", "github").out.splitlines()
    assert all(line.startswith("::error file=") for line in lines)
    assert lines[0].startswith("::error file=src/a%2Cb%3Ac.py,line=1,col=8,title=SUP013::")
    assert len(lines) == 3


def test_a_missing_path_is_named(quickwins: Call, app: Path) -> None:
    answer = quickwins("suppressions", "audit", "nowhere")
    assert answer.code == 2
    assert "nowhere: no such file or folder" in answer.err


def test_check_without_a_baseline_says_how_to_make_one(quickwins: Call, app: Path) -> None:
    answer = quickwins("suppressions", "check", "src")
    assert answer.code == 2
    assert "baseline create" in answer.err


def test_the_way_of_a_code_base_from_many_to_none(quickwins: Call, app: Path, folder: Path) -> None:
    assert quickwins("suppressions", "baseline", "create", "src").code == 0
    assert quickwins("suppressions", "check", "src").code == 0

    app.write_text(APP + "import sys  # noqa\n")
    answer = quickwins("suppressions", "check", "src")
    assert answer.code == 3
    assert "SUP001" in answer.out
    assert "1 new" in answer.err
    assert quickwins("suppressions", "baseline", "update", "src").code == 0
    assert quickwins("suppressions", "check", "src").code == 3, "an update adds nothing"

    app.write_text(APP.replace("  # noqa: F401", ""))
    answer = quickwins("suppressions", "check", "src")
    assert answer.code == 7
    assert "src/app.py: SUP013 listed but gone: import os" in answer.out
    answer = quickwins("suppressions", "baseline", "update", "src")
    assert "1 removed, 0 moved, 1 left" in answer.err
    assert quickwins("suppressions", "check", "src").code == 0

    (folder / "lib").mkdir()
    app.rename(folder / "lib" / "core.py")
    answer = quickwins("suppressions", "check", "src", "lib")
    assert answer.code == 0
    assert "1 moved, edited or narrowed" in answer.err


def test_a_second_baseline_is_refused(quickwins: Call, app: Path, folder: Path) -> None:
    quickwins("suppressions", "baseline", "create", "src")
    before = (folder / "suppressions.baseline").read_text()
    app.write_text(APP + "import sys  # noqa\n")
    answer = quickwins("suppressions", "baseline", "create", "src")
    assert answer.code == 2
    assert "exists" in answer.err
    assert (folder / "suppressions.baseline").read_text() == before


def test_a_file_that_cannot_be_read_fails_whatever_the_baseline_says(quickwins: Call, app: Path) -> None:
    app.write_text("def f(:\n")
    assert quickwins("suppressions", "baseline", "create", "src").code == 3
    answer = quickwins("suppressions", "check", "src")
    assert answer.code == 3
    assert "SUP000" in answer.out


def test_a_baseline_edited_by_hand_is_caught_by_the_base_revision(
    quickwins: Call, app: Path, folder: Path
) -> None:
    git(folder, "init")
    quickwins("suppressions", "baseline", "create", "src")
    git(folder, "add", ".")
    git(folder, "commit", "-m", "start")
    git(folder, "checkout", "-b", "work")
    assert quickwins("suppressions", "check", "--base", "main", "src").code == 0

    app.write_text(APP + "import sys  # noqa\n")
    (folder / "suppressions.baseline").unlink()
    quickwins("suppressions", "baseline", "create", "src")
    git(folder, "commit", "-am", "more")
    assert quickwins("suppressions", "check", "src").code == 0, "by itself the list looks fine"
    answer = quickwins("suppressions", "check", "--base", "main", "src")
    assert answer.code == 3
    assert "SUP001" in answer.out


def test_a_first_baseline_has_no_base(quickwins: Call, app: Path, folder: Path) -> None:
    git(folder, "init")
    git(folder, "add", ".")
    git(folder, "commit", "-m", "start")
    quickwins("suppressions", "baseline", "create", "src")
    answer = quickwins("suppressions", "check", "--base", "main", "src")
    assert answer.code == 0
    assert "has no suppressions.baseline yet" in answer.err


@pytest.mark.parametrize("revision", ["no-such-branch", "--help"])
def test_an_unknown_base_is_named(quickwins: Call, app: Path, folder: Path, revision: str) -> None:
    git(folder, "init")
    git(folder, "add", ".")
    git(folder, "commit", "-m", "start")
    quickwins("suppressions", "baseline", "create", "src")
    answer = quickwins("suppressions", "check", f"--base={revision}", "src")
    assert answer.code == 5
    assert revision in answer.err
    assert answer.out == ""


def test_outside_of_a_repository_a_base_is_refused(quickwins: Call, app: Path) -> None:
    quickwins("suppressions", "baseline", "create", "src")
    answer = quickwins("suppressions", "check", "--base", "main", "src")
    assert answer.code == 5
    assert "needs a git repository" in answer.err


@pytest.mark.parametrize("command", [("check",), ("baseline", "update")])
def test_what_was_not_looked_at_is_not_gone(
    quickwins: Call, app: Path, folder: Path, command: tuple[str, ...]
) -> None:
    (folder / "lib").mkdir()
    (folder / "lib" / "x.py").write_text("x = 1  # noqa\n")
    quickwins("suppressions", "baseline", "create", "src", "lib")
    before = (folder / "suppressions.baseline").read_text()
    answer = quickwins("suppressions", *command, "src")
    assert answer.code == 2
    assert "lib/x.py, which was not looked at" in answer.err
    assert (folder / "suppressions.baseline").read_text() == before


def test_folders_that_are_built_are_left_out_at_the_root_only(
    quickwins: Call, app: Path, folder: Path
) -> None:
    for place in ("build", "src/build"):
        (folder / place).mkdir()
        (folder / place / "x.py").write_text("x = 1  # noqa\n")
    (folder / "src" / "dist").write_text("#!/bin/sh\npython -W ignore app.py\n")
    (folder / "src" / "app.py").write_text("x = 1\n")
    answer = quickwins("suppressions", "audit")
    assert [line.split(":")[0] for line in answer.out.splitlines()] == ["src/build/x.py", "src/dist"]


ALLOW = (
    "suppressions",
    "allow",
    "SUP010",
    "src/app.py::main",
    "--reason",
    "shutting down",
    "--expires",
    NEXT_YEAR,
)


def test_allowing_writes_it_down_with_reason_and_date(quickwins: Call, app: Path, folder: Path) -> None:
    assert quickwins(*ALLOW).code == 0
    text = (folder / "pyproject.toml").read_text()
    assert "key = 1  # kept" in text
    assert 'scope = "main"' in text
    answer = quickwins("suppressions", "audit", "src")
    assert answer.out == ""
    assert "1 allowed" in answer.err
    assert quickwins(*ALLOW[:-1], SOON).code == 0
    assert (folder / "pyproject.toml").read_text().count("[[tool.quickwins.suppressions.allow]]") == 1


def test_a_decision_that_is_permanent_has_no_date(quickwins: Call, app: Path, folder: Path) -> None:
    assert quickwins(*ALLOW[:-1], "never").err.endswith("allowed until never\n")
    assert 'until = "never"' in (folder / "pyproject.toml").read_text()
    assert "SUP010" not in quickwins("suppressions", "audit", "src").out


def test_an_allowance_covers_no_more_than_it_says(quickwins: Call, app: Path) -> None:
    quickwins(*ALLOW)
    app.write_text(APP + "    try:\n        g()\n    except Exception:\n        pass\n")
    assert "SUP010" in quickwins("suppressions", "audit", "src").out


def test_an_allowance_that_is_not_used_is_stale(quickwins: Call, app: Path) -> None:
    quickwins(*ALLOW)
    app.write_text("x = 1\n")
    quickwins("suppressions", "baseline", "create", "src")
    answer = quickwins("suppressions", "check", "src")
    assert answer.code == 7
    assert "allowance not used: SUP010 src/app.py::main" in answer.err


def test_an_allowance_past_its_date_is_a_finding(quickwins: Call, app: Path, folder: Path) -> None:
    quickwins(*ALLOW)
    pyproject = folder / "pyproject.toml"
    pyproject.write_text(pyproject.read_text().replace(NEXT_YEAR, "2020-12-31"))
    checks = [line.split(" ")[1] for line in quickwins("suppressions", "audit", "src").out.splitlines()]
    assert sorted(checks) == ["SUP010", "SUP014"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({2: "SUP000"}, "cannot be allowed"),
        ({2: "SUP999"}, "there is no check 'SUP999': they are SUP000 to SUP017"),
        ({3: "src/gone.py"}, "no such file"),
        ({5: ""}, "reason"),
        ({7: "soon"}, "--expires"),
        ({7: "2020-01-01"}, "is in the past"),
        ({7: TOO_FAR}, "more than two years ahead"),
    ],
)
def test_an_allowance_that_makes_no_sense_changes_nothing(
    quickwins: Call, app: Path, folder: Path, change: dict[int, str], said: str
) -> None:
    before = (folder / "pyproject.toml").read_text()
    answer = quickwins(*(change.get(place, one) for place, one in enumerate(ALLOW)))
    assert answer.code == 2
    assert said in answer.err
    assert (folder / "pyproject.toml").read_text() == before


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("no_cover_quota = -1", "tool.quickwins.suppressions.no_cover_quota"),
        ("unknown = 1", "tool.quickwins.suppressions.unknown"),
        ("root = 'x'", "root"),
        ("allow = [{ check = 'SUP010', path = 'x' }]", "allow[0].reason"),
    ],
)
def test_a_mistake_in_pyproject_is_named(
    quickwins: Call, app: Path, folder: Path, table: str, said: str
) -> None:
    (folder / "pyproject.toml").write_text(f"[tool.quickwins.suppressions]\n{table}\n")
    answer = quickwins("suppressions", "audit", "src")
    assert answer.code == 2
    assert said in answer.err


def test_what_is_excluded_is_not_looked_into(quickwins: Call, app: Path, folder: Path) -> None:
    (folder / "src" / "generated").mkdir()
    (folder / "src" / "generated" / "x.py").write_text("x = 1  # noqa\n")
    (folder / "pyproject.toml").write_text(
        "[tool.quickwins.suppressions]\nexclude = ['generated', 'src/app.py']\n"
    )
    assert quickwins("suppressions", "audit", "src").code == 0


def test_a_quota_lets_lines_be_excluded_from_coverage(quickwins: Call, app: Path, folder: Path) -> None:
    app.write_text("x = 1  # pragma: no cover\n")
    assert quickwins("suppressions", "audit", "src").code == 3
    (folder / "pyproject.toml").write_text("[tool.quickwins.suppressions]\nno_cover_quota = 1\n")
    assert quickwins("suppressions", "audit", "src").code == 0
