"""Command lines and variables that turn off Python's warnings: in scripts, Dockerfiles, CI files, Makefiles, `#!` lines."""

from __future__ import annotations

import re

SUFFIXES = {".yml", ".yaml", ".sh", ".bash", ".mk", ".env", ".dockerfile", ".service", ".just"}
NAMES = {
    "dockerfile",
    "containerfile",
    "makefile",
    "gnumakefile",
    "justfile",
    "procfile",
    ".env",
    ".envrc",
    "jenkinsfile",
}

_IGNORE = r"i(?:g(?:n(?:o(?:r(?:e)?)?)?)?)?(?!\w)"
_VARIABLE = re.compile(
    rf"\bPYTHONWARNINGS\b[\"']?\s*(?:[:?+]{{0,3}}=|:|\s)\s*[\"']?(?:[^\s\"'#]*,)?{_IGNORE}[^\s\"'#]*"
)
_OPTION = re.compile(
    rf"(?<![\w-])(?:-[bBdEiIOPqsSuvx]*W|--pythonwarnings)[=\s]*[\"',\s]*{_IGNORE}[^\s\"'#\],]*"
    r"|(?<![\w-])-p\s*[\"',\s]*no:warnings\b|(?<![\w-])--disable-(?:pytest-)?warnings\b"
)
_LAYOUT = re.compile(r"[\s\"',]+")


def is_command_file(name: str) -> bool:
    """Whether a file of this name has command lines or environment variables."""
    low = name.lower()
    return (
        low in NAMES
        or low.split(".")[0] in {"dockerfile", "containerfile"}
        or any(map(low.endswith, SUFFIXES))
    )


def ignoring(line: str) -> str:
    """What in this command line or assignment makes Python ignore warnings; empty for nothing."""
    found = _VARIABLE.search(line) or _OPTION.search(line)
    return _LAYOUT.sub(" ", found[0]) if found else ""


def command_lines(text: str) -> list[tuple[int, str, str]]:
    """The number and text of each line that turns off warnings, and what in it does; comments don't count."""
    return [
        (number, line.strip(), what)
        for number, line in enumerate(text.splitlines(), start=1)
        if ("PYTHONWARNINGS" in line or "W" in line or "warnings" in line)
        and not line.lstrip().startswith("#")
        and (what := ignoring(line.split(" #")[0]))
    ]


def shebang(text: str) -> str | None:
    """The first line, if it runs Python with warnings turned off."""
    if not text.startswith("#!"):
        return None
    line = text.partition("\n")[0]
    return line if ignoring(line) else None
