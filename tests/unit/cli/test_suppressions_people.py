"""`quickwins suppressions` for those with thousands of findings: choosing, counting, fixing; which files are read."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Answer

Call = Callable[..., Answer]

FILES = {
    "src/app.py": "import os  # noqa: F401\nimport re  # noqa\ntry:\n    f()\nexcept Exception:\n    pass\n",
    "src/api/views.py": "import os  # noqa\nx = 1  # type: ignore[a, b]\n",
    "tests/test_app.py": "import re  # noqa\n",
}


@pytest.fixture
def tree(folder: Path) -> Path:
    (folder / "pyproject.toml").write_text("[project]\nname = 'app'\n")
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def found(answer: Answer) -> list[str]:
    return [f"{one['path'].rpartition('/')[2]} {one['check']}" for one in json.loads(answer.out)]


def audited(quickwins: Call, *arguments: str) -> list[str]:
    return found(quickwins("suppressions", "audit", "--reasons", "--format", "json", *arguments))


EVERYTHING = [
    "views.py SUP001", "views.py SUP013", "app.py SUP013", "app.py SUP001", "app.py SUP010", "test_app.py SUP001",
]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "config", "expected"),
    [
        ((), "", EVERYTHING),
        (("--select", "SUP010"), "", ["app.py SUP010"]),
        (("--select", "SUP010", "--select", "sup013"), "", ["views.py SUP013", "app.py SUP013", "app.py SUP010"]),
        (("--ignore", "SUP001"), "", ["views.py SUP013", "app.py SUP013", "app.py SUP010"]),
        (("--ignore", "SUP001:tests/*"), "", EVERYTHING[:-1]),
        (("--ignore", "SUP001:src"), "", [one for one in EVERYTHING if one not in {"views.py SUP001", "app.py SUP001"}]),
        ((), "select = ['SUP010']", ["app.py SUP010"]),
        ((), "ignore = ['SUP001', 'SUP013']", ["app.py SUP010"]),
        ((), "per_path = {'src/api/*' = ['SUP013'], 'tests' = ['SUP001']}", [
            one for one in EVERYTHING if one not in {"views.py SUP013", "test_app.py SUP001"}
        ]),
    ],
)  # fmt: skip
def test_checks_are_chosen_by_name_and_path(
    quickwins: Call, tree: Path, options: tuple[str, ...], config: str, expected: list[str]
) -> None:
    (tree / "pyproject.toml").write_text(f"[tool.quickwins.suppressions]\n{config}\n")
    assert audited(quickwins, *options) == expected


@pytest.mark.parametrize("option", ["--select", "--ignore"])
def test_a_check_that_does_not_exist_is_named(quickwins: Call, tree: Path, option: str) -> None:
    answer = quickwins("suppressions", "audit", option, "SUP999")
    assert answer.code == 2
    assert "there is no check 'SUP999'" in answer.err


def test_a_file_that_cannot_be_read_is_never_ignored(quickwins: Call, tree: Path) -> None:
    (tree / "broken.py").write_text("def f(:\n")
    assert "broken.py SUP000" in audited(quickwins, "--select", "SUP010")
    assert quickwins("suppressions", "audit", "--ignore", "SUP000").code == 2


def test_what_is_listed_of_a_check_that_does_not_count_is_left_alone(quickwins: Call, tree: Path) -> None:
    quickwins("suppressions", "baseline", "create")
    before = (tree / "suppressions.baseline").read_text()
    assert quickwins("suppressions", "check", "--ignore", "SUP001", "--fix").code == 0
    assert (tree / "suppressions.baseline").read_text() == before


def test_the_summary_counts_the_worst_first_and_how_they_changed(quickwins: Call, tree: Path) -> None:
    quickwins("suppressions", "baseline", "create")
    (tree / "tests" / "test_app.py").write_text("import re\n")
    (tree / "src" / "app.py").write_text(FILES["src/app.py"] + "import json  # noqa\n")
    answer = quickwins("suppressions", "summary")
    assert answer.code == 0
    assert answer.out.splitlines()[:4] == [
        "by check",
        "      3         SUP001  noqa without codes",
        "      2         SUP013  no reason or no date",
        "      1         SUP010  exception swallowed",
    ]
    rows = json.loads(quickwins("suppressions", "summary", "--json").out)
    counts = {(one["by"], one["name"]): (one["count"], one["before"]) for one in rows}
    assert counts["folder", "src/"] == (6, 5)
    assert counts["folder", "tests/"] == (0, 1)
    assert counts["file", "src/app.py"] == (4, 3)
    assert counts["code", "type:b"] == (1, 1)
    assert "      6     +1  src/" in answer.out.splitlines()


def test_a_fix_tightens_the_list_and_adds_nothing(quickwins: Call, tree: Path) -> None:
    quickwins("suppressions", "baseline", "create")
    (tree / "tests" / "test_app.py").write_text("import re\n")
    assert quickwins("suppressions", "check").code == 7
    assert quickwins("suppressions", "check", "--fix").code == 0
    assert quickwins("suppressions", "check").code == 0
    (tree / "tests" / "test_app.py").write_text("import re  # noqa\n")
    assert quickwins("suppressions", "check", "--fix").code == 3
    assert quickwins("suppressions", "check").code == 3


def test_by_setting_only_what_is_new_fails(quickwins: Call, tree: Path) -> None:
    (tree / "pyproject.toml").write_text("[tool.quickwins.suppressions]\nstale = 'tell'\n")
    quickwins("suppressions", "baseline", "create")
    (tree / "tests" / "test_app.py").write_text("import re\n")
    answer = quickwins("suppressions", "check")
    assert answer.code == 0
    assert "tests/test_app.py: SUP001 listed but gone" in answer.out
    (tree / "new.py").write_text("import re  # noqa\n")
    assert quickwins("suppressions", "check").code == 3


def test_narrowing_is_no_error_and_is_recorded_by_a_fix(quickwins: Call, tree: Path) -> None:
    quickwins("suppressions", "baseline", "create")
    test = tree / "tests" / "test_app.py"
    test.write_text("import re  # noqa: F401\n")
    answer = quickwins("suppressions", "check")
    assert answer.code == 0
    assert "1 moved, edited or narrowed" in answer.err
    assert quickwins("suppressions", "check", "--fix").code == 0
    test.write_text("import re  # noqa\n")
    assert quickwins("suppressions", "check").code == 3


def test_what_is_gone_is_in_every_format(quickwins: Call, tree: Path) -> None:
    quickwins("suppressions", "baseline", "create")
    (tree / "tests" / "test_app.py").write_text("import re\n")
    (tree / "new.py").write_text("import re  # noqa\n")

    def checked(form: str) -> str:
        return quickwins("suppressions", "check", "--format", form).out

    assert "tests/test_app.py: SUP001 listed but gone: import re" in checked("text")
    assert [(one["state"], one["path"]) for one in json.loads(checked("json"))] == [
        ("new", "new.py"),
        ("stale", "tests/test_app.py"),
    ]
    results = json.loads(checked("sarif"))["runs"][0]["results"]
    assert [(one["baselineState"], one["level"]) for one in results] == [("new", "error"), ("absent", "note")]
    assert "::warning file=tests/test_app.py,title=SUP001::listed but gone" in checked("github")


def test_a_swap_shows_both_sides(quickwins: Call, tree: Path) -> None:
    quickwins("suppressions", "baseline", "create")
    (tree / "tests" / "test_app.py").write_text("import re\nimport json  # noqa\n")
    states = [one["state"] for one in json.loads(quickwins("suppressions", "check", "--format", "json").out)]
    assert states == ["new", "stale"]


# Which files are read.


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)


def test_what_git_ignores_is_left_out_unless_it_is_named(quickwins: Call, tree: Path) -> None:
    git(tree, "init")
    (tree / ".gitignore").write_text("generated/\n*_pb2.py\n")
    for name in ("src/generated/x.py", "src/app_pb2.py"):
        (tree / name).parent.mkdir(exist_ok=True)
        (tree / name).write_text("x = 1  # noqa\n")
    assert audited(quickwins) == EVERYTHING
    assert audited(quickwins, "src/generated") == ["x.py SUP001"]
    assert audited(quickwins, "src/app_pb2.py") == ["app_pb2.py SUP001"]
    (tree / "pyproject.toml").write_text("[tool.quickwins.suppressions]\ngitignore = false\n")
    assert len(audited(quickwins)) == len(EVERYTHING) + 2


@pytest.mark.parametrize("mark", ["pyvenv.cfg", "conda-meta/history"])
def test_a_virtual_environment_is_left_out_whatever_its_name(quickwins: Call, tree: Path, mark: str) -> None:
    for name in (mark, "lib/python3/site-packages/x.py"):
        (tree / "python-here" / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / "python-here" / name).write_text("x = 1  # noqa\n")
    assert audited(quickwins) == EVERYTHING


def test_notebooks_are_read_by_cell_and_line(quickwins: Call, folder: Path) -> None:
    cells = [
        {"cell_type": "markdown", "source": ["# noqa"]},
        {"cell_type": "code", "source": ["%matplotlib inline\n", "!ls\n", "import os  # noqa\n", "os?\n"]},
        {"cell_type": "code", "source": "%%bash\necho '  # noqa\n"},
        {"cell_type": "code", "source": "try:\n    f()\nexcept Exception:\n    pass"},
        {"cell_type": "code", "source": ["x = (\n"]},
    ]
    (folder / "a.ipynb").write_text(json.dumps({"cells": cells, "nbformat": 4}))
    assert [line.split(" ")[:3] for line in quickwins("suppressions", "audit").out.splitlines()] == [
        ["a.ipynb:cell", "2:3:12:", "SUP001"],
        ["a.ipynb:cell", "4:3:1:", "SUP010"],
    ]
    quickwins("suppressions", "baseline", "create")
    cells.insert(0, {"cell_type": "code", "source": "x = 1\n"})
    (folder / "a.ipynb").write_text(json.dumps({"cells": cells, "nbformat": 4}))
    assert quickwins("suppressions", "check").code == 0
    (folder / "a.ipynb").write_text("no notebook")
    assert "SUP000" in quickwins("suppressions", "audit").out


def test_cython_is_read_and_need_not_be_python(quickwins: Call, folder: Path) -> None:
    (folder / "fast.pyx").write_text("cdef int f(int x) nogil:\n    return <int> x  # noqa\n")
    (folder / "fast.pxd").write_text("cdef extern from 'x.h':\n    int g(int)  # noqa\n")
    assert audited(quickwins) == ["fast.pxd SUP001", "fast.pyx SUP001"]


NEWER = 'x = f"{a["b # no"]} {"}" + f"{1:{"c"}}"}"  # noqa\ntype X = int\n'


def test_code_for_a_newer_python_is_read_with_a_target(quickwins: Call, folder: Path) -> None:
    (folder / "new.py").write_text(NEWER)
    assert audited(quickwins, "--target", "3.99") == ["new.py SUP001"]
    (folder / "pyproject.toml").write_text("[tool.quickwins.suppressions]\ntarget = '3.99'\n")
    assert audited(quickwins) == ["new.py SUP001"]
    (folder / "new.py").write_text('x = f"{a["b"]\n')
    assert audited(quickwins) == ["new.py SUP000"]
    assert quickwins("suppressions", "audit", "--target", "new").code == 2


def test_links_to_nothing_pipes_and_what_is_no_text_are_no_findings(quickwins: Call, folder: Path) -> None:
    (folder / ".#lock.py").symlink_to("somebody@host.1234")
    os.mkfifo(folder / "pipe")
    os.mkfifo(folder / "pipe.py")
    (folder / "latin.sh").write_bytes(b"# caf\xe9\npython -W ignore app.py\n")
    (folder / "installer").write_bytes(b"#!/bin/sh\ntail -n +3 $0\n\x00\xff\xfe")
    (folder / "zipapp").write_bytes(b"#!/usr/bin/env python3\nPK\x03\x04\x00\xff")
    assert audited(quickwins) == ["latin.sh SUP012"]


@pytest.mark.skipif(os.uname().sysname != "Linux", reason="elsewhere such a name may not be possible")
def test_any_name_of_a_file_goes_into_the_list_and_every_format(quickwins: Call, folder: Path) -> None:
    for name in (b"a\tb.py", b"new\nline.py", b"latin-\xe9.py", b"a b#%.py"):
        Path(os.fsdecode(bytes(folder) + b"/" + name)).write_text("x = 1  # noqa\n")
    for form in ("text", "json", "github", "sarif"):
        answer = quickwins("suppressions", "audit", "--format", form)
        assert answer.code == 3
        answer.out.encode()
    uris = [
        one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        for one in json.loads(quickwins("suppressions", "audit", "--format", "sarif").out)["runs"][0][
            "results"
        ]
    ]
    assert sorted(uris) == ["a%09b.py", "a%20b%23%25.py", "latin-%E9.py", "new%0Aline.py"]
    assert quickwins("suppressions", "baseline", "create").code == 0
    assert quickwins("suppressions", "check").code == 0


def test_a_list_that_cannot_be_written_leaves_nothing_behind(quickwins: Call, tree: Path) -> None:
    quickwins("suppressions", "baseline", "create")
    before = sorted(one.name for one in tree.iterdir())
    (tree / "blocked").mkdir()
    answer = quickwins("suppressions", "baseline", "create", "--baseline", "nowhere/list")
    assert answer.code == 2
    assert sorted(one.name for one in tree.iterdir()) == sorted([*before, "blocked"])


def test_paths_are_relative_to_the_root_that_is_named(quickwins: Call, tree: Path) -> None:
    rows = json.loads(quickwins("suppressions", "audit", "--format", "json", "--root", "src", "src").out)
    assert {one["path"] for one in rows} == {"app.py", "api/views.py"}
    assert quickwins("suppressions", "audit", "--root", "nowhere").code == 2


def test_a_reason_may_reach_two_years_ahead(quickwins: Call, folder: Path) -> None:
    today = datetime.now(UTC).date()
    for days, found_ in ((700, []), (3 * 365, ["x.py SUP013"])):
        until = today + timedelta(days=days)
        (folder / "x.py").write_text(f"import os  # noqa: F401  # -- why; until={until}\n")
        assert audited(quickwins) == found_
    assert "more than two years ahead" in quickwins("suppressions", "audit", "--reasons").out
