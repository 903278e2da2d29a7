"""The places for a reason that we print and document, tried with the tools themselves.

A tool that is installed nowhere is skipped; `TEST_TOOLS` names a folder with more of them, such as the `bin` of an
environment with `pip install bandit flake8 pylint pyright`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from quickwins.suppressions import scan_text

TODAY = date(2026, 6, 1)
REASONS = [
    "see the docs",
    "all of them register, disable=all",
    "see B602, B607 and E401",
    "skip-file: no [attr-defined]",
    "unused: it's fine (W0611, E402)",
    "type: ignore, noqa, nosec, no branch",
    "F401 E401",
]
UNTIL = "until=2028-01-01"


@dataclass(frozen=True, slots=True)
class Commented:
    """A tool that reads comments.

    Attributes:
        command: What runs it on `file.py`.
        directive: Hides one of what the tool finds in `code`.
        code: One line of it, or two; `{n}` is another number each time, and the directive goes to the end.
        reads_on: Whether the tool takes what follows in the same comment for more of the directive.
        head: What comes first in the file.
    """

    command: Sequence[str]
    directive: str
    code: str
    reads_on: bool = False
    head: str = ""


COMMENTED = {
    "flake8": Commented(
        ["flake8", "--isolated", "--max-line-length=999", "file.py"], "noqa: F401", "import a{n}, b{n}"
    ),
    "ruff": Commented(
        ["ruff", "check", "--isolated", "--no-cache", "--select=E4,F,RUF100,PGH", "--output-format=concise", "file.py"],
        "noqa: F401",
        "import a{n}, b{n}",
    ),
    "mypy": Commented(
        ["mypy", "--no-incremental", "--cache-dir=/dev/null", "--no-error-summary", "file.py"],
        "type: ignore[name-defined]",
        "len(1, nope{n})",
        reads_on=True,
    ),
    "pyright": Commented(
        ["pyright", "file.py"], "pyright: ignore[reportUndefinedVariable]", "len([], 1, nope{n})"
    ),
    "pylint": Commented(
        ["pylint", "--rcfile=/dev/null", "--disable=C,I", "--enable=multiple-imports", "--score=n", "file.py"],
        "pylint: disable=unused-import",
        "import a{n}, b{n}",
        reads_on=True,
    ),
    "bandit": Commented(
        ["bandit", "-q", "-f", "custom", "--msg-template", "{line} {test_id}", "file.py"],
        "nosec B607",
        "subprocess.call('ls {n}', shell=True)",
        reads_on=True,
        head="import subprocess\n",
    ),
    "coverage": Commented(
        ["sh", "-c", "coverage run file.py && coverage report -m"],
        "pragma: no cover",
        "def f{n}():\n    return {n}\ndef g{n}():",
    ),
}  # fmt: skip


def few(names: Iterable[str]) -> list[ParameterSet]:
    """All names; only those of the fastest tools are not volume."""
    return [pytest.param(name, marks=() if name.startswith("ruff") else pytest.mark.volume) for name in names]


def printed(command: Sequence[str], folder: Path) -> str:
    """What a tool says in `folder`; skips the test if there is no such tool."""
    places = [os.environ.get("TEST_TOOLS", ""), str(Path(sys.executable).parent), os.environ["PATH"]]
    path = os.pathsep.join(filter(None, places))
    name = command[2].split()[0] if command[0] == "sh" else command[0]
    if shutil.which(name, path=path) is None:
        pytest.skip(f"{name} is not installed")
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=120,
        env={"PATH": path, "HOME": str(folder), "TMPDIR": str(folder)},
    )  # fmt: skip
    assert "No module named" not in done.stderr, done.stderr
    return re.sub(r"in [\d.]+s", "", done.stdout + done.stderr)


def checked(tool: Commented, form: str, folder: Path) -> tuple[str, list[str]]:
    """What the tool says of a file with a line for each reason, and the checks that we find in it."""
    tail = "\n    return 0" if tool.code.endswith(":") else ""
    lines = [
        tool.code.format(n=number) + "  " + form.format(directive=tool.directive, reason=reason) + tail
        for number, reason in enumerate(REASONS)
    ]
    text = tool.head + "\n".join(lines) + "\n"
    (folder / "file.py").write_text(text)
    return printed(tool.command, folder), [
        one.check.value for one in scan_text("file.py", text, today=TODAY).findings
    ]


@pytest.mark.parametrize("name", few(COMMENTED))
def test_a_reason_is_safe_in_a_comment_of_its_own_and_found_where_a_tool_would_read_it(
    name: str, tmp_path: Path
) -> None:
    tool = COMMENTED[name]
    without, unreasoned = checked(tool, "# {directive}", tmp_path)
    assert len(unreasoned) == len(REASONS)
    assert checked(tool, f"# {{directive}}  # -- {{reason}}; {UNTIL}", tmp_path) == (without, [])
    said, found = checked(tool, f"# {{directive}} -- {{reason}}; {UNTIL}", tmp_path)
    assert (said != without) is tool.reads_on
    assert found == ["SUP017"] * len(REASONS) * tool.reads_on


IMPORTS = "import os, sys\n"
MISSING = "import no_such_module\nx: int = 'a'\n"
WARNS = "import warnings\ndef test_it():\n    warnings.warn('x', DeprecationWarning)\n"
RAISES = "def f():\n    raise NotImplementedError\ndef g():\n    return 1\n"
CALLS = "import subprocess\nsubprocess.call('ls', shell=True)\n"
MYPY = COMMENTED["mypy"].command
PYTEST = ["pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", "file.py"]
PYLINT = ["pylint", "--score=n", "file.py"]
COVERAGE = COMMENTED["coverage"].command
BANDIT = ["bandit", "-q", "-r", ".", "-f", "custom", "--msg-template", "{line} {test_id}"]
RUFF = ["ruff", "check", "--no-cache", "--output-format=concise", "file.py"]

# `@` is where a line above goes, `$` the end of the line.
CONFIGURED = {
    "flake8": (".flake8", ["flake8", "file.py"], IMPORTS, "[flake8]\n@ignore = E401,E241$\n"),
    "flake8, a list": ("setup.cfg", ["flake8", "file.py"], IMPORTS, "[flake8]\nextend-ignore =\n@    E401$\n"),
    "flake8, a file": ("tox.ini", ["flake8", "file.py"], IMPORTS, "[flake8]\nper-file-ignores =\n@    file.py: E401$\n"),
    "mypy": ("mypy.ini", MYPY, MISSING, "[mypy]\n@ignore_missing_imports = True$\n"),
    "mypy, codes": ("mypy.ini", MYPY, MISSING, "[mypy]\n@disable_error_code = import-not-found, assignment$\n"),
    "mypy, a module": ("setup.cfg", MYPY, MISSING, "[mypy]\n[mypy-no_such_module]\n@ignore_missing_imports = True$\n"),
    "mypy, TOML": ("pyproject.toml", MYPY, MISSING, "[tool.mypy]\n@ignore_missing_imports = true$\n"),
    "pytest": ("pytest.ini", PYTEST, WARNS, "[pytest]\nfilterwarnings =\n    error\n@    ignore::DeprecationWarning$\n"),
    "pytest, addopts": ("tox.ini", PYTEST, WARNS, "[pytest]\n@addopts = -p no:warnings$\n"),
    "pytest, TOML": ("pyproject.toml", PYTEST, WARNS, "[tool.pytest.ini_options]\nfilterwarnings = [\n@    'ignore::DeprecationWarning',$\n]\n"),
    "coverage": (".coveragerc", COVERAGE, RAISES, "[report]\nexclude_also =\n@    raise NotImplementedError$\n"),
    "coverage, files": (".coveragerc", COVERAGE, RAISES, "[run]\nomit =\n@    file.py$\n"),
    "coverage, TOML": ("pyproject.toml", COVERAGE, RAISES, "[tool.coverage.report]\nexclude_also = [\n@    'raise NotImplementedError',$\n]\n"),
    "pylint": (".pylintrc", PYLINT, IMPORTS, "[MESSAGES CONTROL]\ndisable=\n@    unused-import,$\n"),
    "pylint, TOML": ("pyproject.toml", PYLINT, IMPORTS, "[tool.pylint.'messages control']\ndisable = [\n@    'unused-import',$\n]\n"),
    "bandit": (".bandit", BANDIT, CALLS, "[bandit]\n@skips = B602$\n"),
    "ruff, TOML": ("ruff.toml", RUFF, IMPORTS, "[lint]\nselect = ['E', 'F']\nignore = [\n@    'E401',$\n]\n"),
    "pyright": ("pyrightconfig.json", ["pyright", "file.py"], MISSING, '{\n@  "reportMissingImports": false\n}\n'),
}  # fmt: skip


def configured(name: str, folder: Path, *, above: str = "", inline: str = "") -> tuple[str, list[str]]:
    """What the tool says with that configuration, and the checks that we find in it."""
    path, command, code, text = CONFIGURED[name]
    text = re.sub(r"@( *)", rf"\1{above}\n\1" if above else r"\1", text).replace("$", inline)
    (folder / "file.py").write_text(code)
    (folder / path).write_text(text)
    return printed(command, folder), [one.check.value for one in scan_text(path, text, today=TODAY).findings]


@pytest.mark.parametrize("name", few(CONFIGURED))
def test_a_reason_is_safe_on_the_line_above_and_found_at_the_end_of_a_line_where_a_tool_would_read_it(
    name: str, tmp_path: Path
) -> None:
    path, _, _, text = CONFIGURED[name]
    without, found = configured(name, tmp_path)
    assert set(found) == {"SUP011"}
    mark = "//" if path.endswith(".json") else "#"
    above = f"{mark} -- {REASONS[1]} = {REASONS[2]}; {UNTIL}"
    assert configured(name, tmp_path, above=above) == (without, [])
    if "$" in text:
        reads_on = not (path.endswith(".toml") or name == "pylint")
        said, found = configured(name, tmp_path, inline=f"  # -- {REASONS[0]}; {UNTIL}")
        assert (said != without) is reads_on
        assert set(found) == ({"SUP017"} if reads_on else set())
