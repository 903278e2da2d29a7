"""Finds statements that silence warnings or swallow exceptions: in masked code first, then read as Python expressions."""

from __future__ import annotations

import ast
import builtins
import re
from typing import TYPE_CHECKING

from quickwins.suppressions.scan.aliases import Aliases
from quickwins.suppressions.scan.checks import Check
from quickwins.suppressions.scan.codes import spelled
from quickwins.suppressions.scan.heads import Heads
from quickwins.suppressions.scan.lexer import balance

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from quickwins.suppressions.scan.lexer import Lexed
    from quickwins.suppressions.scan.places import Places

_EXCEPT = re.compile(
    r"except(?!\w)\*?(?P<types>[^:]{0,2000}+):\s*+(?P<doc>\"++\s*+;?\s*+)?+(?P<body>(?:pass|continue)(?!\w)|\.\.\.)[ \t;]*(?=\n|$)"
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
_TYPE_NAME = re.compile(r"[\w.]+")
_MADE = re.compile(r"\w\s*\(")
"""A call among the types of a clause: what it gives is not known."""

_PARTIAL = re.compile(r"partial\s*\(")
_BROAD = {"Exception", "BaseException"}
_BUILTINS = frozenset(vars(builtins))
"""Built-in names are not used for anything else."""

_SETS_IGNORE = r"\s*(?:\[|\.\s*setdefault\s*\()\s*[\"']PYTHONWARNINGS[\"']\s*(?:\]\s*=|,)\s*[\"'][^\"'\n]*?(?<![\w.])i(?:gnore)?(?!\w)"
_LOG_SETUP = re.compile(r"\b(?:basicConfig|dictConfig|fileConfig|addHandler|structlog)\b")
_PY_WARNINGS_OFF = re.compile(
    r"getLogger\(\s*[\"']py\.warnings[\"']\s*\)\s*\.\s*(?:disabled\s*=\s*True|propagate\s*=\s*False"
    r"|addHandler\(\s*(?:logging\.)?NullHandler|setLevel\(\s*(?:logging\.)?(?:ERROR|CRITICAL|FATAL))"
)


Found = tuple[Check, int, str, str]
"""The check, the offset, a few words and the codes (see `scan.codes`) of a statement that was found."""


def statements(lexed: Lexed, places: Places) -> Iterator[Found]:
    """Every statement that is a suppression."""
    aliases = Aliases(lexed.code)
    bare = lexed.bare
    if "except" in bare:
        yield from _swallowing_clauses(lexed.code, aliases)
    if "suppress" in bare or "arnings" in bare or "simplefilter" in bare:
        yield from _calls(lexed, places, aliases)
    if "PYTHONWARNINGS" in lexed.text and "environ" in bare:
        yield from _set_variables(lexed, aliases)


def _swallowing_clauses(code: str, aliases: Aliases) -> Iterator[Found]:
    at = code.find("except")  # several times faster than the search of `re`
    while at >= 0:
        match = _EXCEPT.match(code, at)
        if match is not None and _is_clause(code, match):
            types = match["types"].split(" as ", maxsplit=1)[0]
            names = [] if _MADE.search(types) else _TYPE_NAME.findall(types)
            codes = _caught(names, aliases) if types.strip() else spelled("catch")
            if codes:
                caught = " ".join(match["types"].split()).split(" as ")[0]
                yield Check.SWALLOWED, at, f"except {caught}: {match['body']}".replace(" :", ":"), codes
        at = code.find("except", at + 1)


def _calls(lexed: Lexed, places: Places, aliases: Aliases) -> Iterator[Found]:
    code = lexed.code
    for name, pattern in _CALLS.items():
        if name in code:
            heads = Heads(code)
            for match in pattern.finditer(code):
                yield from _call(name, match, lexed, heads, places, aliases)
            for alias in aliases.of(name)[1:]:
                heads = Heads(code)
                for match in re.finditer(rf"(?<!\w){alias}\s*\(", code):
                    yield from _call(name, match, lexed, heads, places, aliases)
    if "partial" in code:
        yield from _partials(lexed, places, aliases)


def _set_variables(lexed: Lexed, aliases: Aliases) -> Iterator[Found]:
    for alias in aliases.of("environ"):
        for match in re.finditer(rf"(?<!\w){alias}{_SETS_IGNORE}", lexed.text):
            if lexed.code.startswith(alias, match.start()):
                yield Check.COMMAND_LINE, match.start(), "PYTHONWARNINGS set to ignore", spelled("warnings")


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


def _caught(names: Iterable[str], aliases: Aliases) -> str:
    """What is caught, if it is everything; else nothing."""
    known = [name for name in names if _is_everything(name, aliases)]
    if not known:
        return ""
    bases = aliases.of("BaseException")
    return spelled("catch", () if any(_last(name) in bases for name in known) else ["Exception"])


def _last(name: str) -> str:
    return name.rsplit(".", 1)[-1].strip()


def _is_everything(name: str, aliases: Aliases) -> bool:
    module, _, last = "".join(name.split()).rpartition(".")
    if last in _BROAD:
        return not module or module in aliases.of("builtins")
    return last not in _BUILTINS and any(last in aliases.of(one) for one in _BROAD)


def _call(
    name: str, match: re.Match[str], lexed: Lexed, heads: Heads, places: Places, aliases: Aliases
) -> Iterator[Found]:
    start = match.start()
    on = _receiver(lexed.code, start)
    arguments = _arguments(lexed, match.end() - 1)
    if on is None or arguments is None:
        return
    if name == "suppress":
        is_alias = not match[0].startswith(name)
        codes = _caught(_type_names(arguments.args), aliases)
        if codes and (is_alias or on in {"", *aliases.of("contextlib")}):
            yield Check.SWALLOWED, start, "suppress(Exception)", codes
    elif name == "captureWarnings":
        if _first(arguments, "capture") is True and _goes_nowhere(lexed):
            yield Check.CAPTURED, start, "captureWarnings(True)", spelled("capture")
    elif name == "disable_warnings":
        if on in {"", "?", *aliases.of("urllib3")}:
            yield Check.BROAD_FILTER, start, "urllib3.disable_warnings()", spelled("urllib3")
    elif name == "filterwarnings" and on not in {"", "warnings"} and on in aliases.of("mark"):
        yield from (
            (Check.BROAD_FILTER, start, f'filterwarnings("{one}")', spec_codes(one))
            for one in _broad_specs(arguments)
        )
    else:
        check = _ignored(name, arguments, heads, places, start, aliases)
        if check is not None:
            yield check, start, f'{name}("ignore")', _filter_codes(name, arguments)


def _partials(lexed: Lexed, places: Places, aliases: Aliases) -> Iterator[Found]:
    """`partial(suppress, Exception)` and `partial(simplefilter, "ignore")`."""
    heads = Heads(lexed.code)
    for match in _PARTIAL.finditer(lexed.code):
        call = _arguments(lexed, match.end() - 1)
        if call is None or not call.args:
            continue
        of = _last_name(call.args[0])
        call.args = call.args[1:]
        if of in aliases.of("suppress"):
            codes = _caught(_type_names(call.args), aliases)
            if codes:
                yield Check.SWALLOWED, match.start(), "suppress(Exception)", codes
            continue
        for name in ("simplefilter", "filterwarnings"):
            if of in aliases.of(name):
                check = _ignored(name, call, heads, places, match.start(), aliases)
                if check is not None:
                    yield check, match.start(), f'{name}("ignore")', _filter_codes(name, call)


def _type_names(types: list[ast.expr]) -> list[str]:
    """The names among some types, those in nested tuples included."""
    found = []
    for one in types:
        value = one.value if isinstance(one, ast.Starred) else one
        if isinstance(value, (ast.Tuple, ast.List)):
            found += _type_names(value.elts)
        else:
            found.append(ast.unparse(value))
    return found


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


def _ignored(
    name: str, call: ast.Call, heads: Heads, places: Places, at: int, aliases: Aliases
) -> Check | None:
    """The check that finds a filter, if it ignores too much."""
    if _first(call, "action") != "ignore":
        return None
    inside = name == "catch_warnings" or heads.inside_with(at, aliases.of("catch_warnings"))
    if not inside and heads.runs_at_import(at, places):
        return Check.FILTER_AT_IMPORT
    return None if _is_narrow(name, call, inside=inside) else Check.BROAD_FILTER


def spec_codes(spec: str) -> str:
    """What a filter in the form of pytest and `-W` ignores."""
    _, message, category, module, *_ = [part.strip() for part in spec.split(":")] + [""] * 4
    narrower = [f"/{name}" for name, given in (("message", message), ("module", module)) if given]
    return spelled("filter", ["".join([category or "Warning", *narrower])])


def _filter_codes(name: str, call: ast.Call) -> str:
    given = _given(name, call)
    category = _last_name(given["category"]) if "category" in given else "Warning"
    narrower = [f"/{one}" for one in ("message", "module") if one in given]
    return spelled("filter", ["".join([category, *narrower])])


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
    given = _given(name, call)
    category = "category" in given and _last_name(given["category"]) != "Warning"
    # A block around the call limits it as well as a module would.
    return category and (inside or bool({"message", "module"} & given.keys()))


def _given(name: str, call: ast.Call) -> dict[str, ast.expr]:
    """The arguments by name, without those that are empty."""
    order = {
        "filterwarnings": ("action", "message", "category", "module"),
        "simplefilter": ("action", "category"),
        "catch_warnings": (),
    }[name]
    given = dict(zip(order, call.args, strict=False)) | {
        one.arg: one.value for one in call.keywords if one.arg
    }
    return {
        key: value
        for key, value in given.items()
        if not (isinstance(value, ast.Constant) and not value.value)
    }
