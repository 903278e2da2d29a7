"""What a line looks like, whatever is logged."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import json
import logging
import pathlib
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickwins.logs import Redaction, bound, get_logger
from quickwins.logs._context import CONTEXT, EMPTY, Context
from quickwins.logs._levels import INFO, LEVELS
from quickwins.logs._render.envelope import ENVELOPE, MAX_LINE_BYTES
from quickwins.logs._render.line import Renderer
from quickwins.logs._render.memory import MAX_EVENTS, MAX_NAMES
from quickwins.logs._render.values import MAX_DEPTH, MAX_ITEMS, UNSAFE
from quickwins.logs._trace.w3c import Trace
from quickwins.logs.redaction._scan import MAX_CLEAN, Scanner
from tests.unit.logs.conftest import Configure, Written

log = get_logger()
SECRET = "opaque-4Zk8"  # nobody could tell by its looks
AT = 1_700_000_000_123_456_789


def renderer(**options: Any) -> Renderer:
    return Renderer(Scanner(Redaction.strict()), service="feed", declared={}, wall_ns=lambda: AT, **options)


def made(fields: dict[Any, Any], context: Context = EMPTY) -> dict[str, Any]:
    line = renderer().line(INFO, "a", fields, Context(context.fields, trace=context.trace)) + b"}"
    assert len(line.splitlines()) == 1
    result: dict[str, Any] = json.loads(line, object_pairs_hook=unique)
    return result


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    assert len(names) == len(set(names)), f"a name stands twice: {names}"
    return dict(pairs)


def test_a_line_begins_with_the_envelope_and_ends_with_its_number(
    configure: Configure, written: Written
) -> None:
    configure()
    log.info("cache.access", cache="feed", hit=True)
    assert written.raw == (
        b'{"timestamp":"2023-11-14T22:13:20.123456Z","severity_text":"INFO","severity_number":9,'
        b'"event.name":"cache.access","service.name":"feed","service.instance.id":"web-1:17","cache":"feed","hit":true,"seq":1}\n'
    )


@pytest.mark.parametrize("level", LEVELS, ids=lambda level: level.name)
def test_each_level_has_opentelemetrys_name_and_number(
    configure: Configure, written: Written, level: Any
) -> None:
    configure(level="debug")
    getattr(log, level.name)("a")
    log.log(level.number, "b")
    expected = {"severity_text": level.text, "severity_number": level.severity}
    assert [{name: line[name] for name in expected} for line in written.lines] == [expected, expected]


def test_what_is_bound_is_on_each_line_and_what_the_call_says_wins(
    configure: Configure, written: Written
) -> None:
    configure()
    with bound(tenant="t1", shard=1):
        log.info("a")
        with bound(shard=2, region="eu"):
            log.info("b", region="us")
        log.info("c")
    log.info("d")
    shown = [{key: line.get(key) for key in ("tenant", "shard", "region")} for line in written.lines]
    assert shown == [
        {"tenant": "t1", "shard": 1, "region": None},
        {"tenant": "t1", "shard": 2, "region": "us"},
        {"tenant": "t1", "shard": 1, "region": None},
        {"tenant": None, "shard": None, "region": None},
    ]


def test_the_trace_is_on_each_line(configure: Configure, written: Written) -> None:
    configure()
    trace: Any = SimpleNamespace(trace_id="1" * 32, span_id="2" * 16)
    token = CONTEXT.set(EMPTY.with_({"correlation_id": "c"}, trace=trace))
    log.info("a", x=[1])
    log.info("b", trace_id="mine", correlation_id="mine")
    CONTEXT.reset(token)
    for line in written.lines:
        assert (line["trace_id"], line["span_id"], line["correlation_id"]) == ("1" * 32, "2" * 16, "c")
    assert written.last["attributes"] == {"trace_id": "mine", "correlation_id": "mine"}


@pytest.mark.parametrize("name", sorted(ENVELOPE))
def test_the_envelope_is_protected(name: str) -> None:
    line = made({name: "mine", "own": 1})
    assert line["attributes"] == {name: "mine"}
    assert line["own"] == 1
    assert line.get(name, "") != "mine"


@pytest.mark.parametrize("name", sorted(ENVELOPE - {"correlation_id"}))
def test_the_envelope_is_protected_from_what_is_bound(name: str) -> None:
    line = made({"attributes": 1}, Context({name: "mine", "own": 1}))
    assert line["attributes"][name] in {"mine", 1}
    assert line["own"] == 1


def test_undeclared_fields_of_a_declared_event_are_kept_apart(configure: Configure, written: Written) -> None:
    configure()
    log.info("cache.access", cache="feed", hit=True, size=3)
    assert (written.last["hit"], written.last["attributes"]) == (True, {"size": 3})


NAMES = st.sampled_from(
    ["cache", "hit", "posts", "policy", "password", "seq", "attributes", "n\n", "n" * 300]
)
VALUES = st.one_of(
    st.integers(-9, 9), st.booleans(), st.sampled_from(["public", "a@b.example", "two\nlines", "x " * 4_000])
)


@given(st.lists(st.dictionaries(NAMES, VALUES), min_size=1, max_size=5))
def test_what_is_known_of_a_declared_events_fields_changes_no_line(calls: list[dict[str, Any]]) -> None:
    one = Renderer(
        Scanner(Redaction.strict()),
        service="feed",
        declared={"cache.access": ("cache", "hit")},
        wall_ns=lambda: AT,
    )
    for fields in calls:
        quickly = one.line(INFO, "cache.access", {**fields}, EMPTY)
        assert quickly == one.line(INFO, "cache.access", {**fields}, EMPTY, extra={})


def test_a_declared_event_with_ever_other_fields_remembers_so_many() -> None:
    one = Renderer(Scanner(Redaction.strict()), service="feed", declared={"a": ()}, wall_ns=lambda: AT)
    for number in range(3 * MAX_NAMES):
        line = json.loads(one.line(INFO, "a", {f"n{number}": number}, EMPTY) + b"}")
        assert line["attributes"] == {f"n{number}": number}
    (head,) = one._heads[INFO.index].values()
    assert len(head.names) <= MAX_NAMES
    assert len(head.moved) <= MAX_NAMES


def test_in_strict_mode_an_undeclared_field_is_an_error(configure: Configure, written: Written) -> None:
    from quickwins import ConfigError

    configure(strict=True)
    for fields in ({"size": 3}, {"exc_info": True, "size": 3}, {"hit": [1], "size": 3}):
        with pytest.raises(
            ConfigError, match=r"cache.access takes the fields \['cache', 'hit'\], not 'size'"
        ):
            log.info("cache.access", **fields)
    log.info("anything.else", size=3)
    assert [line["event.name"] for line in written.lines] == ["anything.else"]


class Colour(enum.Enum):
    RED = "red"
    GREEN = object()


class Text(str):
    __slots__ = ()

    def __str__(self) -> str:
        return SECRET

    def __repr__(self) -> str:
        return SECRET


class Number(int):
    def __repr__(self) -> str:
        return SECRET

    __str__ = __repr__


class Opaque:
    def __repr__(self) -> str:
        return SECRET

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return SECRET


class Broken:
    def __repr__(self) -> str:
        raise RuntimeError(SECRET)

    __str__ = __repr__

    @property
    def __dict__(self) -> Any:  # type: ignore[override]  # -- as broken as can be; until=never
        raise RuntimeError(SECRET)


class BrokenMapping(dict[str, object]):
    def items(self) -> Any:
        raise RuntimeError(SECRET)


@dataclass
class Record:
    name: str


DEEP: list[Any] = []
for _ in range(50):
    DEEP = [DEEP]
CYCLE: dict[str, Any] = {"a": 1}
CYCLE["self"] = CYCLE


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        pytest.param("x", "x", id="text"),
        pytest.param("ü€😀", "ü€😀", id="text beyond ASCII"),
        pytest.param(1, 1, id="integer"),
        pytest.param(True, True, id="boolean"),
        pytest.param(None, None, id="nothing"),
        pytest.param(1.5, 1.5, id="float"),
        pytest.param(float("nan"), None, id="no number"),
        pytest.param(1 << 63, 1 << 63, id="64 bits"),
        pytest.param(-(1 << 63), -(1 << 63), id="64 bits, negative"),
        pytest.param(1 << 70, "1180591620717411303424", id="70 bits"),
        pytest.param(1 << 100_000, "<int>", id="100,000 bits"),
        pytest.param({"a": [1, {"b": "c"}]}, {"a": [1, {"b": "c"}]}, id="nested"),
        pytest.param((1, 2), [1, 2], id="tuple"),
        pytest.param({3}, [3], id="set"),
        pytest.param([("accept", "a"), ("Cookie", SECRET)], [["accept", "a"], ["Cookie", "[redacted:key]"]], id="pairs"),
        pytest.param([["a", [1]], ["b", 2]], [["a", [1]], ["b", 2]], id="pairs of other things"),
        pytest.param(b"secret", "<bytes 6>", id="bytes"),
        pytest.param(dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC), "2026-01-02T03:04:05+00:00", id="datetime"),
        pytest.param(dt.date(2026, 1, 2), "2026-01-02", id="date"),
        pytest.param(dt.time(3, 4), "03:04:00", id="time"),
        pytest.param(dt.timedelta(seconds=1.5), 1.5, id="timedelta"),
        pytest.param(decimal.Decimal("1.10"), "1.10", id="decimal"),
        pytest.param(uuid.UUID(int=7), "00000000-0000-0000-0000-000000000007", id="uuid"),
        pytest.param(pathlib.PurePosixPath("/srv/feed"), "/srv/feed", id="path"),
        pytest.param(Colour.RED, "red", id="enum"),
        pytest.param(Colour.GREEN, "GREEN", id="enum of objects"),
        pytest.param(Text("plain"), "plain", id="a subclass of str that says something else"),
        pytest.param(Number(7), 7, id="a subclass of int that says something else"),
        pytest.param(Opaque(), "<Opaque>", id="an object"),
        pytest.param(Broken(), "<Broken>", id="a broken object"),
        pytest.param(Record(SECRET), "<Record>", id="a dataclass"),
        pytest.param(ValueError(SECRET), "<ValueError>", id="an exception"),
        pytest.param(Opaque, "<type>", id="a class"),
        pytest.param(lambda: SECRET, "<function>", id="a function"),
        pytest.param({1: "a", None: "b", (1, 2): "c", b"k": "d"}, {"1": "a", "None": "b", "<tuple>": "c", "<bytes 1>": "d"}, id="keys that are no text"),
        pytest.param({"1": "a", 1: "b"}, {"1": "a", "1#2": "b"}, id="keys that look alike"),
        pytest.param(list(range(MAX_ITEMS + 5)), [*range(MAX_ITEMS), "..."], id="a long list"),
        pytest.param("\ud800x", "\\ud800x", id="a lone surrogate"),
        pytest.param({"\ud800": ["\udfff"]}, {"\\ud800": ["\\udfff"]}, id="lone surrogates, nested"),
    ],
)  # fmt: skip
def test_any_value_is_shown_or_named(value: object, shown: object) -> None:
    assert made({"x": value})["x"] == shown
    assert made({}, Context({"x": value}))["x"] == shown


def test_depth_breadth_and_cycles_are_bounded() -> None:
    line = made({"x": DEEP, "y": CYCLE, "z": {str(number): number for number in range(MAX_ITEMS + 7)}})
    assert json.dumps(line["x"]).count("[") == MAX_DEPTH
    assert json.dumps(line["y"]).count("self") == MAX_DEPTH
    assert line["z"]["..."] == "7 more"
    wide = [[list(range(50))] * 50] * 50
    assert len(json.dumps(made({"x": wide}))) < MAX_LINE_BYTES


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"x": [1]}, id="nested"),
        pytest.param({"correlation_id": "mine", "x": [1]}, id="a name of the envelope's"),
        pytest.param({"trace_id": "1" * 32, "x": [1]}, id="what the line has anyway"),
        pytest.param({f"x{number}": "word " * 50 for number in range(90)}, id="too long"),
    ],
)
def test_a_requests_own_ids_are_on_a_line_that_cannot_be_written_as_it_is(fields: dict[str, object]) -> None:
    trace = Trace("1" * 32, "2" * 16, 1)
    context = Context({"correlation_id": trace.trace_id}, trace=trace)
    for line in (made({}, context), made(fields, context)):
        ids = [line.get(name) for name in ("trace_id", "span_id", "correlation_id")]
        assert ids == ["1" * 32, "2" * 16, "1" * 32]
        assert "trace_id" not in line.get("attributes", {})


def test_a_line_that_is_too_long_loses_its_largest_values() -> None:
    line = made({"small": 1, **{f"x{number}": f"{number} " * 1_000 for number in range(20)}})
    assert len(json.dumps(line)) <= MAX_LINE_BYTES + 100
    kept = [name for name in line if name.startswith("x") and not line[name].startswith("<")]
    assert line["log.error"].startswith(f"{20 - len(kept)} values are left out: the line was ")
    assert line["small"] == 1
    assert len(kept) >= 4, "no more than is needed"
    plain = made({f"x{number}": "word " * 48 for number in range(90)})
    assert "left out" in plain["log.error"], "the fast way has the same bound"


def test_one_large_value_costs_neither_context_nor_exception_nor_the_other_fields() -> None:
    items = ["word " * 60 for _ in range(99)]
    line = made({"items": items, "a": "b", "exc_info": raised()}, Context({"tenant": "t1"}))
    assert (line["a"], line["tenant"], line["exception.type"]) == ("b", "t1", "KeyError")
    assert line["items"].endswith(" bytes>")
    assert line["log.error"].startswith("a value is left out: ")


def test_a_large_value_that_is_bound_is_left_out_as_well() -> None:
    line = made({"a": "b"}, Context({"tenant": "t1", "items": ["word " * 60 for _ in range(99)]}))
    assert (line["a"], line["tenant"], line["items"][0]) == ("b", "t1", "<")


def test_names_that_are_too_much_themselves_leave_a_line_that_fits() -> None:
    line = made({f"{number}" * 2_000: number for number in range(90)} | {"a": "b"})
    assert len(json.dumps(line)) <= MAX_LINE_BYTES
    assert line["a"] == "b"
    assert "left out" in line["log.error"]


class Hostile:
    """Does in every way it can what a log call must not ask for."""

    def _raise(self, *args: object) -> Any:
        raise RuntimeError(SECRET)

    __class__ = property(_raise)
    __str__ = __repr__ = __bool__ = __len__ = __iter__ = __eq__ = __format__ = _raise
    __hash__ = None  # type: ignore[assignment]  # -- as any class that has `__eq__`; until=never


class BrokenText(str):
    __slots__ = ()

    def _raise(self, *args: object) -> Any:
        raise RuntimeError(SECRET)

    __str__ = __repr__ = __format__ = __len__ = __contains__ = __eq__ = _raise
    __hash__ = str.__hash__


class BrokenList(list[object]):
    def __iter__(self) -> Any:
        raise RuntimeError(SECRET)

    __len__ = __iter__


class BrokenName(type):
    @property
    def __name__(cls) -> str:  # type: ignore[override]  # -- what the test is about; until=never
        raise RuntimeError(SECRET)


class Nameless(metaclass=BrokenName):
    pass


class BrokenZone(dt.tzinfo):
    def utcoffset(self, when: dt.datetime | None) -> Any:
        raise RuntimeError(SECRET)

    dst = tzname = utcoffset


class BrokenError(Exception):
    __module__ = Hostile()  # type: ignore[assignment]  # -- what the test is about; until=never

    @property
    def __cause__(self) -> Any:  # type: ignore[override]  # -- what the test is about; until=never
        raise RuntimeError(SECRET)


@pytest.mark.parametrize(
    ("make", "shown"),
    [
        pytest.param(Hostile, "<Hostile>", id="an object"),
        pytest.param(
            lambda: [1, Hostile(), {"b": Hostile(), "c": 2}],
            [1, "<Hostile>", {"b": "<Hostile>", "c": 2}],
            id="within",
        ),
        pytest.param(lambda: {Hostile: 1}, {"<type>": 1}, id="a key"),
        pytest.param(lambda: BrokenText("text"), "text", id="a text"),
        pytest.param(
            lambda: {BrokenText("password"): "hunter2"}, {"password": "[redacted:key]"}, id="a text as a key"
        ),
        pytest.param(lambda: BrokenMapping(a=1), {"a": 1}, id="a dictionary"),
        pytest.param(lambda: BrokenList([1, Hostile()]), [1, "<Hostile>"], id="a list"),
        pytest.param(
            lambda: [1, BrokenList(["password", "hunter2"])], [1, ["password", "[redacted:key]"]], id="a pair"
        ),
        pytest.param(Nameless, "<Nameless>", id="a class without a name"),
        pytest.param(lambda: dt.datetime(2026, 1, 1, tzinfo=BrokenZone()), "<datetime>", id="a time"),
    ],
)
def test_a_value_that_breaks_takes_nothing_else_along(
    configure: Configure, written: Written, make: Callable[[], object], shown: object
) -> None:
    configure()
    value = make()
    with bound(tenant="t1", worse=value):
        log.error("x", before=1, value=value, after=2, exc_info=raised())
    line = written.last
    assert (line["before"], line["value"], line["after"]) == (1, shown, 2)
    assert (line["tenant"], line["worse"], line["exception.type"]) == ("t1", shown, "KeyError")
    assert "log.error" not in line
    assert SECRET.encode() not in written.raw


@pytest.mark.parametrize("heard", [False, True], ids=["", "other handlers hear it"])
@pytest.mark.parametrize("make", [Hostile, lambda: BrokenText("text"), list, lambda: None, int])
def test_an_event_that_is_no_text_leaves_a_line_with_its_fields(
    configure: Configure,
    written: Written,
    make: Callable[[], Any],
    heard: bool,
    request: pytest.FixtureRequest,
) -> None:
    configure()
    if heard:
        other = logging.NullHandler()
        logging.root.addHandler(other)
        request.addfinalizer(lambda: logging.root.removeHandler(other))
    log.error(make(), a=1)
    assert (type(written.last["event.name"]), written.last["a"]) == (str, 1)
    assert SECRET.encode() not in written.raw


def test_an_exception_whose_class_breaks_is_described(configure: Configure, written: Written) -> None:
    configure()
    log.error("x", a=1, exc_info=BrokenError(SECRET))
    log.error("y", a=1, exc_info=Hostile())
    log.error("z", a=1, exc_info=(Hostile(),))
    assert [line["a"] for line in written.lines] == [1, 1, 1]
    assert written.lines[0]["exception.type"] == "?.BrokenError"


def test_what_another_thread_changes_meanwhile_is_shown_as_it_was_at_some_time() -> None:
    changing: dict[str, object] = {str(number): number for number in range(50)}

    class Changes(enum.Enum):
        ONE = 1

        @property
        def name(self) -> str:
            changing["more"] = 1
            return "ONE"

        value = name  # type: ignore[assignment]  # -- as above; until=never

    changing["0"] = Changes.ONE
    line = made({"state": changing, "all": {*range(3)}})
    assert (line["state"]["49"], line["all"]) == (49, [0, 1, 2])


def grouped() -> BaseException:
    def first() -> None:
        raise KeyError(SECRET)

    def second() -> None:
        raise OSError(SECRET)

    errors: list[Exception] = []
    for call in (first, second):
        try:
            call()
        except Exception as error:  # noqa: BLE001 -- as task groups do; until=never
            errors.append(error)
    return ExceptionGroup(SECRET, [errors[0], ExceptionGroup(SECRET, [errors[1]])])


def test_a_group_shows_what_is_in_it(configure: Configure, written: Written) -> None:
    configure()
    log.error("x", exc_info=grouped())
    members = written.last["exception.members"]
    assert [one["type"] for one in members] == ["KeyError", "OSError"]
    assert [one["frames"][-1].split(":")[1] for one in members] == [
        "grouped.<locals>.first",
        "grouped.<locals>.second",
    ]
    cause = RuntimeError()
    cause.__cause__ = grouped()
    log.error("x", exc_info=cause)
    assert [one["type"] for one in written.last["exception.members"]] == ["KeyError", "OSError"]
    assert SECRET.encode() not in written.raw


def test_groups_of_different_things_have_different_hashes_and_are_bounded() -> None:
    def line_of(*members: Exception) -> dict[str, Any]:
        return made({"exc_info": ExceptionGroup("g", members)})

    assert line_of(KeyError())["exception.stack_hash"] == line_of(KeyError("a"))["exception.stack_hash"]
    assert line_of(KeyError())["exception.stack_hash"] != line_of(OSError())["exception.stack_hash"]
    deep: Exception = KeyError()
    for _ in range(500):
        deep = ExceptionGroup("g", [deep])
    assert len(made({"exc_info": deep})["exception.members"]) == 1
    many = line_of(*[KeyError() for _ in range(500)])["exception.members"]
    assert (len(many), many[-1]) == (11, "490 more")


def raised() -> BaseException:
    def inner() -> None:
        secret_local = SECRET  # noqa: F841 -- what a traceback with locals would show; until=never
        raise ValueError(SECRET)

    try:
        try:
            inner()
        except ValueError as error:
            raise KeyError(SECRET) from error
    except KeyError as error:
        return error
    raise AssertionError


def test_an_exception_is_its_type_its_places_and_a_hash(configure: Configure, written: Written) -> None:
    configure()
    try:
        raise raised()
    except KeyError:
        log.exception("failed")
    first = written.last
    log.error("failed", exc_info=raised())
    second = written.last
    log.error("failed", exc_info=sys.exc_info())
    log.error("failed", exc_info=False)
    log.error("failed", exc_info=(None, None, None))
    assert first["exception.type"] == second["exception.type"] == "KeyError"
    assert first["exception.causes"] == ["ValueError"]
    module, function, line = second["exception.frames"][-1].split(":")
    assert (module, function) == (__name__, "raised")
    assert line.isdigit()
    assert len(second["exception.stack_hash"]) == 16
    assert not any("exception.type" in line for line in written.lines[2:])
    assert SECRET.encode() not in written.raw


def test_a_recursion_shows_its_innermost_frames(configure: Configure, written: Written) -> None:
    configure()

    def deeper(left: int) -> None:
        if left == 0:
            raise RecursionError
        deeper(left - 1)

    try:
        deeper(500)
    except RecursionError:
        log.exception("failed")
    assert len(written.last["exception.frames"]) == 20


def test_the_hash_of_a_stack_survives_other_line_numbers() -> None:
    from quickwins.logs._render.exceptions import described

    hashes = set()
    for blank in ("", "\n\n"):
        scope: dict[str, Any] = {"__name__": "service"}
        exec(f"{blank}def work():\n    raise ValueError({blank!r})", scope)  # noqa: S102 -- the same function on another line; until=never
        try:
            scope["work"]()
        except ValueError as error:
            hashes.add(
                described(error.with_traceback(error.__traceback__.tb_next if error.__traceback__ else None))[
                    "exception.stack_hash"
                ]
            )
    assert len(hashes) == 1


SPLITTERS = ["\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]
HARMFUL = [
    *SPLITTERS,
    "\x00",
    "\x1b[31m",
    "\x9b",
    "\x7f",
    "\u202e",
    "\u2066",
    "\u200f",
    "\ufeff",
    "\ud800",
    "\u061c",
]


@pytest.mark.parametrize("harm", HARMFUL, ids=ascii)
@pytest.mark.parametrize(
    "place", ["value", "key", "nested", "nested key", "event", "bound", "bound key", "service"]
)
def test_one_record_is_one_line_for_every_splitter(harm: str, place: str) -> None:
    text = f'a{harm}{{"seq":1}}'
    fields: dict[str, Any] = {}
    context: dict[str, Any] = {}
    event = service = "x"
    match place:
        case "value":
            fields = {"x": text}
        case "key":
            fields = {text: 1}
        case "nested":
            fields = {"x": [{"y": text}]}
        case "nested key":
            fields = {"x": [{text: 1}]}
        case "event":
            event = text
        case "bound":
            context = {"x": text}
        case "bound key":
            context = {text: 1}
        case _:
            service = text
    one = Renderer(Scanner(Redaction.strict()), service=service, declared={}, wall_ns=lambda: AT)
    for _ in range(2):  # what is remembered is as harmless
        line = one.line(INFO, event, dict(fields), Context(context)) + b"}"
        assert UNSAFE.search(line.decode()) is None
        assert len(line.splitlines()) == len(line.decode().splitlines()) == 1
        told = json.loads(line)
        assert inside(told, text.replace("\ud800", "\\ud800"))


def inside(told: object, text: str) -> bool:
    if isinstance(told, dict):
        return any(inside(key, text) or inside(value, text) for key, value in told.items())
    if isinstance(told, list):
        return any(inside(value, text) for value in told)
    return told == text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.builds(object),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers() | st.none(), inner),
    max_leaves=12,
)


@pytest.mark.no_cover  # tracing takes many times as long as the lines
@given(fields=st.dictionaries(st.text(), JSON), context=st.dictionaries(st.text(), JSON), event=st.text())
def test_whatever_is_logged_is_one_valid_line(
    fields: dict[str, Any], context: dict[str, Any], event: str
) -> None:
    one = renderer()
    shared = Context(context)
    lines = [one.line(INFO, event, dict(fields), shared) + b"}" for _ in range(2)]
    assert lines[0] == lines[1]
    assert UNSAFE.search(lines[0].decode()) is None
    told = json.loads(lines[0], object_pairs_hook=unique)
    assert orjson.loads(lines[0]) == told
    assert "log.error" not in told or told["log.error"].startswith("a line of")


def test_nothing_unsafe_is_printable() -> None:
    characters = map(chr, range(0x110000))
    assert not [one for one in characters if one.isprintable() and UNSAFE.match(one)]


def test_what_is_remembered_is_bounded() -> None:
    one = renderer()
    for number in range(3 * MAX_CLEAN):
        one.line(INFO, f"event {number}", {f"name{number}": f"value {number}"}, EMPTY)
    assert len(one._memory.heads[INFO.index]) <= MAX_EVENTS
    assert len(one._memory.names) <= MAX_NAMES
    assert len(one._memory.scanner.clean) <= MAX_CLEAN
    one.line(INFO, "x" * 5_000, {"y" * 5_000: "z" * 5_000}, EMPTY)
    assert (
        max(map(len, [*one._memory.scanner.clean, *one._memory.names, *one._memory.heads[INFO.index]])) <= 256
    )


def test_redactions_are_counted_on_the_line_and_in_a_metric(
    configure: Configure, written: Written, registry: Any
) -> None:
    configure()
    with bound(password="x"):
        log.info("a", token="y", nested={"who": "somebody@example.com"})
        log.info("b")
    assert [line["log.redactions"] for line in written.lines] == [3, 1]
    labels = {"service": "feed", "name": "", "rule": "key"}
    assert registry.get_sample_value("log_redactions_total", labels) == 2, "what is bound counts once"


def test_other_redaction_is_seen_by_what_was_bound_before(configure: Configure, written: Written) -> None:
    pipeline = configure()
    with bound(colour="red"):
        log.info("a")
        pipeline.reconfigure(level="info", redaction=Redaction.strict(keys=("colour",)))
        log.info("b", colour="red")
        log.info("c")
    first, *others = written.lines
    assert first["colour"] == "red"
    assert "red" not in {line["colour"] for line in others}
