"""Finds statements that silence warnings or swallow exceptions: in masked code first, then read as Python expressions."""

from __future__ import annotations

import ast
import builtins
import re
from typing import TYPE_CHECKING

from quickwins.suppressions.scan.aliases import Aliases
from quickwins.suppressions.scan.checks import Check
from quickwins.suppressions.scan.lexer import balance

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quickwins.suppressions.scan.lexer import Lexed
    from quickwins.suppressions.scan.places import Places

_EXCEPT = re.compile(
    r"except(?!\w)\*?(?P<types>[^:]{0,2000}+):\s*(?P<doc>\"+\s*;?\s*)?(?P<body>(?:pass|continue)(?!\w)|\.\.\.)[ \t;]*(?=\n|$)"
)
_CALLS = {
    name: re.compile(name + r"\s*\(")
    for name in (
        "suppress",
        "simplefilter",
        "filterwarnings",
        "catch_warnings",
        "disable_warnings",
        "captureWarnings",
    )
}
"""Each pattern begins with plain letters: searching for each of them is faster than for one alternative of all."""

_BEFORE = re.compile(r"(?:(?P<word>\w+)|(?P<other>\S))?\s*(?P<dot>\.)?\s*$")
_LONGEST_CALL = 10_000
"""In characters: bounds the cost of nested calls."""

_CODE = re.compile(r"\S")
_WORD = re.compile(r"\w+")
_PARTIAL = re.compile(r"partial\s*\(")
_BROAD = {"Exception", "BaseException"}
_BUILTINS = frozenset(vars(builtins))
"""Built-in names are not used for anything else."""

_WITH = re.compile(r"(?:async\s+)?with\b")
_MAIN = re.compile(r"if\b[^\n]*__name__")
_SETS_IGNORE = r"\s*(?:\[|\.\s*setdefault\s*\()\s*[\"']PYTHONWARNINGS[\"']\s*(?:\]\s*=|,)\s*[\"'][^\"'\n]*?(?<![\w.])i(?:gnore)?(?!\w)"
_LOG_SETUP = re.compile(r"\b(?:basicConfig|dictConfig|fileConfig|addHandler|structlog)\b")
_PY_WARNINGS_OFF = re.compile(
    r"getLogger\(\s*[\"']py\.warnings[\"']\s*\)\s*\.\s*(?:disabled\s*=\s*True|propagate\s*=\s*False"
    r"|addHandler\(\s*(?:logging\.)?NullHandler|setLevel\(\s*(?:logging\.)?(?:ERROR|CRITICAL|FATAL))"
)


def statements(lexed: Lexed, places: Places) -> Iterator[tuple[Check, int, str]]:
    """The check, the offset and a few words for each statement found."""
    aliases = Aliases(lexed.code)
    yield from _swallowing_clauses(lexed.code, aliases)
    yield from _calls(lexed, places, aliases)
    if "environ" in lexed.code and "PYTHONWARNINGS" in lexed.text:
        yield from _set_variables(lexed, aliases)


def _swallowing_clauses(code: str, aliases: Aliases) -> Iterator[tuple[Check, int, str]]:
    at = code.find("except")  # several times faster than the search of `re`
    while at >= 0:
        match = _EXCEPT.match(code, at)
        if match is not None and _is_clause(code, match) and _catches_all(match["types"], aliases):
            caught = " ".join(match["types"].split()).split(" as ")[0]
            yield Check.SWALLOWED, at, f"except {caught}: {match['body']}".replace(" :", ":")
        at = code.find("except", at + 1)


def _calls(lexed: Lexed, places: Places, aliases: Aliases) -> Iterator[tuple[Check, int, str]]:
    code = lexed.code
    some_warnings = "arnings" in code
    for name, pattern in _CALLS.items():
        if (some_warnings or "arnings" not in name) and name in code:
            for match in pattern.finditer(code):
                yield from _call(name, match, lexed, places, aliases)
            for alias in aliases.of(name)[1:]:
                for match in re.finditer(rf"(?<!\w){alias}\s*\(", code):
                    yield from _call(name, match, lexed, places, aliases)
            if name == "suppress":
                yield from _partial(lexed, aliases)


def _set_variables(lexed: Lexed, aliases: Aliases) -> Iterator[tuple[Check, int, str]]:
    for alias in aliases.of("environ"):
        for match in re.finditer(rf"(?<!\w){alias}{_SETS_IGNORE}", lexed.text):
            if lexed.code.startswith(alias, match.start()):
                yield Check.COMMAND_LINE, match.start(), "PYTHONWARNINGS set to ignore"


def _is_clause(code: str, match: re.Match[str]) -> bool:
    """Whether this is a whole `except` clause, not part of a name or the start of a longer body."""
    line_start = code.rfind("\n", 0, match.start()) + 1
    if code[line_start : match.start()].strip():
        return False
    following = _CODE.search(code, match.end())
    if following is None:
        return True
    body = match.start("doc") if match["doc"] else match.start("body")
    body_line = code.rfind("\n", 0, body) + 1
    if body_line <= match.start():  # `except: pass` on one line
        return True
    column = following.start() - (code.rfind("\n", 0, following.start()) + 1)
    return column < body - body_line


def _catches_all(types: str, aliases: Aliases) -> bool:
    names = types.split(" as ", maxsplit=1)[0].strip().strip("()").split(",")
    return names == [""] or any(_is_everything(name.split(".")[-1].strip(), aliases) for name in names)


def _is_everything(name: str, aliases: Aliases) -> bool:
    return name in _BROAD or (name not in _BUILTINS and any(name in aliases.of(one) for one in _BROAD))


def _call(
    name: str, match: re.Match[str], lexed: Lexed, places: Places, aliases: Aliases
) -> Iterator[tuple[Check, int, str]]:
    start = match.start()
    on = _receiver(lexed.code, start)
    arguments = _arguments(lexed, match.end() - 1)
    if on is None or arguments is None:
        return
    if name == "suppress":
        is_alias = not match[0].startswith(name)
        if (is_alias or on in {"", *aliases.of("contextlib")}) and _any_is_everything(
            arguments.args, aliases
        ):
            yield Check.SWALLOWED, start, "suppress(Exception)"
    elif name == "captureWarnings":
        if _first(arguments, "capture") is True and _goes_nowhere(lexed):
            yield Check.CAPTURED, start, "captureWarnings(True)"
    elif name == "disable_warnings":
        if on in {"", "?", *aliases.of("urllib3")}:
            yield Check.BROAD_FILTER, start, "urllib3.disable_warnings()"
    elif name == "filterwarnings" and on not in {"", "warnings"} and on in aliases.of("mark"):
        yield from (
            (Check.BROAD_FILTER, start, f'filterwarnings("{one}")') for one in _broad_specs(arguments)
        )
    else:
        check = _ignored(name, arguments, lexed.code, places, start, aliases)
        if check is not None:
            yield check, start, f'{name}("ignore")'


def _partial(lexed: Lexed, aliases: Aliases) -> Iterator[tuple[Check, int, str]]:
    """`partial(suppress, Exception)`."""
    for match in _PARTIAL.finditer(lexed.code):
        call = _arguments(lexed, match.end() - 1)
        if call is None or not call.args or _last_name(call.args[0]) not in aliases.of("suppress"):
            continue
        if _any_is_everything(call.args[1:], aliases):
            yield Check.SWALLOWED, match.start(), "suppress(Exception)"


def _any_is_everything(types: list[ast.expr], aliases: Aliases) -> bool:
    return any(_is_everything(_last_name(one), aliases) for one in types)


def _receiver(code: str, start: int) -> str | None:
    """What the name at `start` is an attribute of: a name, `?` for an expression, "" for nothing. `None`: it is not a call."""
    if re.match(r"\w", code[max(0, start - 1) : start]):
        return None
    before = _BEFORE.search(code, max(0, start - 60), start)
    assert before is not None
    if before["dot"]:
        return before["word"] or "?"
    return None if before["word"] in {"def", "class"} else ""


def _goes_nowhere(lexed: Lexed) -> bool:
    """Whether nothing in this file handles what `captureWarnings` sends to the logger `py.warnings`."""
    return _PY_WARNINGS_OFF.search(lexed.text) is not None or _LOG_SETUP.search(lexed.code) is None


def _last_name(expression: ast.expr) -> str:
    return ast.unparse(expression).rsplit(".", 1)[-1].lstrip("*")


def _broad_specs(call: ast.Call) -> list[str]:
    given = [one.value for one in call.args if isinstance(one, ast.Constant)]
    return [one for one in given if isinstance(one, str) and is_broad(one)]


def _ignored(name: str, call: ast.Call, code: str, places: Places, at: int, aliases: Aliases) -> Check | None:
    """The check that finds a filter, if it ignores too much."""
    if _first(call, "action") != "ignore":
        return None
    inside = name == "catch_warnings" or _inside_with(code, places, at, aliases)
    if not inside and _runs_at_import(code, places, at):
        return Check.FILTER_AT_IMPORT
    return None if _is_narrow(name, call, inside=inside) else Check.BROAD_FILTER


def is_broad(spec: str) -> bool:
    """Whether a filter in the form of pytest and `-W`, `action:message:category:module`, ignores too much."""
    action, message, category, module, *_ = [part.strip() for part in spec.split(":")] + [""] * 4
    if not action or not "ignore".startswith(action):
        return False
    return category in {"", "Warning"} or not (message or module)


def _arguments(lexed: Lexed, opening: int) -> ast.Call | None:
    """The call whose bracket opens at `opening`; `None` if it cannot be parsed on its own."""
    code = lexed.code
    closing, depth = opening, 1
    while depth > 0:
        last, closing = closing + 1, code.find(")", closing + 1, opening + _LONGEST_CALL)
        if closing < 0:
            return None
        depth += balance(code, last, closing + 1)
    try:
        made = ast.parse(f"call{lexed.text[opening : closing + 1]}", mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return made if isinstance(made, ast.Call) else None


def _first(call: ast.Call, name: str) -> object:
    """The constant that is the first argument, or the keyword argument `name`."""
    given = call.args[0] if call.args else next((one.value for one in call.keywords if one.arg == name), None)
    return given.value if isinstance(given, ast.Constant) else None


def _is_narrow(name: str, call: ast.Call, *, inside: bool) -> bool:
    order = {
        "filterwarnings": ("action", "message", "category", "module"),
        "simplefilter": ("action", "category"),
        "catch_warnings": (),
    }[name]
    given = dict(zip(order, call.args, strict=False)) | {
        one.arg: one.value for one in call.keywords if one.arg
    }
    named = {key for key, value in given.items() if not (isinstance(value, ast.Constant) and not value.value)}
    category = "category" in named and _last_name(given["category"]) != "Warning"
    # A block around the call limits it as well as a module would.
    return category and (inside or bool({"message", "module"} & named))


def _inside_with(code: str, places: Places, offset: int, aliases: Aliases) -> bool:
    """Whether `offset` is inside a `with catch_warnings()` block."""
    names = aliases.of("catch_warnings")
    return any(
        _WITH.match(line) and not set(names).isdisjoint(_WORD.findall(line))
        for line in _heads(code, places, offset)
    )


def _runs_at_import(code: str, places: Places, offset: int) -> bool:
    if any(kind == "def" for kind, _ in places.scopes(offset)):
        return False
    return not any(_MAIN.match(line) for line in _heads(code, places, offset))


def _heads(code: str, places: Places, offset: int) -> Iterator[str]:
    """The first lines of the blocks around `offset`, innermost first: lines above that are indented less and less."""
    start, _ = places.statement_span(offset)
    width = 0
    while code[start + width : start + width + 1] in {" ", "\t"}:
        width += 1
    while width > 0 and start > 0:
        end = start - 1
        start = code.rfind("\n", 0, end) + 1
        line = code[start:end]
        bare = line.lstrip(" \t")
        if bare and bare[0] not in ")]}" and len(line) - len(bare) < width:
            width = len(line) - len(bare)
            yield bare
