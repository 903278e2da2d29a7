"""`quickwins logs timeline`, on logs of a small incident."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from quickwins.cli._timeline import _value
from quickwins.cli.app import run
from quickwins.logs.timeline import earliest, first_errors
from tests.unit.cli.conftest import Answer

Call = Callable[..., Answer]

TRACE, CLIENT = "4bf92f3577b34da6a3ce929d0e0e4736", "c" * 32


def line(second: float, service: str, level: str, event: str, **fields: object) -> str:
    number = {"INFO": 9, "WARN": 13, "ERROR": 17}[level]
    return json.dumps(
        {
            "timestamp": f"2026-11-26T01:21:{second:09.6f}Z",
            "severity_text": level,
            "severity_number": number,
            "event.name": event,
            "service.name": service,
            **{name.replace("__", "."): value for name, value in fields.items()},
        }
    )


GATEWAY = [
    line(10, "gateway", "INFO", "start", seq=1),
    line(12.5, "gateway", "ERROR", "http.request", trace_id=TRACE, http__route="/feed", seq=2),
    line(11, "gateway", "INFO", "http.request", trace_id=CLIENT, seq=3),
]
FEED = [
    line(
        12,
        "feed",
        "ERROR",
        "pool.rejected",
        trace_id=TRACE,
        span_id="1" * 16,
        correlation_id=TRACE,
        exception__type="Rejected",
        exception__frames=["app:main:1", "pool:acquire:40"],
        seq=7,
    ),
    line(12.75, "feed", "INFO", "http.request", trace_id=TRACE, link__trace_id=CLIENT, body="a b", hit=True),
    line(40, "feed", "ERROR", "pool.rejected", exception__type="Rejected"),
]


@pytest.fixture
def logs(folder: Path) -> tuple[str, str]:
    (folder / "gateway.log").write_text("\n".join(GATEWAY) + "\n")
    (folder / "feed.log.gz").write_bytes(gzip.compress("\n".join(FEED).encode()))
    return "gateway.log", "feed.log.gz"


def test_logs_become_one_story(quickwins: Call, logs: tuple[str, str]) -> None:
    answer = quickwins("logs", "timeline", *logs)
    assert answer.code == 0
    assert answer.rows[0] == ["time", "seconds", "service", "level", "event", "fields"]
    assert [row[0][17:] for row in answer.rows[1:]] == [
        "10.000Z",
        "11.000Z",
        "12.000Z",
        "12.500Z",
        "12.750Z",
        "40.000Z",
    ]
    assert answer.rows[4] == [
        "2026-11-26T01:21:12.500Z",
        "+0.500",
        "gateway",
        "ERROR",
        "http.request",
        f"http.route=/feed trace_id={TRACE}",
    ]
    assert answer.err == "quickwins: 2 files, 6 lines, 0 malformed; 6 matched\n"


def test_a_trace_is_shown_with_what_is_linked(quickwins: Call, logs: tuple[str, str]) -> None:
    answer = quickwins("logs", "timeline", *logs, "--trace", f"00-{TRACE}-{'1' * 16}-01")
    assert answer.code == 0
    assert [(row[0][17:], row[2]) for row in answer.rows[1:]] == [
        ("11.000Z", "gateway"),
        ("12.000Z", "feed"),
        ("12.500Z", "gateway"),
        ("12.750Z", "feed"),
    ]
    assert answer.rows[2][5] == (
        f'exception.type=Rejected exception.frames="pool:acquire:40 < app:main:1" trace_id={TRACE}'
    )
    assert answer.rows[4][5] == f'body="a b" link.trace_id={CLIENT} hit=true trace_id={TRACE}'
    assert f"linked with {TRACE}, and shown: {CLIENT}" in answer.err


def test_a_single_trace_is_not_repeated_on_every_row(quickwins: Call, folder: Path) -> None:
    (folder / "a").write_text("\n".join(GATEWAY))
    assert quickwins("logs", "timeline", "a", "--trace", TRACE).rows[1][5] == "http.route=/feed"


def test_first_errors_end_with_3_and_say_where_it_began(quickwins: Call, logs: tuple[str, str]) -> None:
    answer = quickwins("logs", "timeline", *logs, "--first-errors")
    assert answer.code == 3
    assert answer.rows[0] == [
        "first",
        "seconds",
        "times",
        "last",
        "service",
        "level",
        "event",
        "fields",
    ]
    assert [row[:7] for row in answer.rows[1:]] == [
        [
            "2026-11-26T01:21:12.000Z",
            "-",
            "2",
            "2026-11-26T01:21:40.000Z",
            "feed",
            "ERROR",
            "pool.rejected",
        ],
        [
            "2026-11-26T01:21:12.500Z",
            "+0.500",
            "1",
            "2026-11-26T01:21:12.500Z",
            "gateway",
            "ERROR",
            "http.request",
        ],
    ]


def test_no_errors_near_a_moment_end_with_0(quickwins: Call, logs: tuple[str, str]) -> None:
    answer = quickwins("logs", "timeline", *logs, "--first-errors", "--around", "2026-11-26T02:21:10+01:00")
    assert (answer.code, len(answer.rows)) == (3, 3)
    answer = quickwins(
        "logs", "timeline", *logs, "--first-errors", "--around", "2026-11-26T01:21:10Z", "--window", "1"
    )
    assert (answer.code, answer.out) == (0, "")
    assert "nothing matched: looked from 2026-11-26T01:21:09.000Z to 2026-11-26T01:21:11.000Z" in answer.err


@pytest.mark.parametrize(
    ("options", "events"),
    [
        (("--around", "2026-11-26T01:21:11.5Z", "--window", "0.5"), ["http.request", "pool.rejected"]),
        (("--around", "1795656070", "--window", "0"), ["start"]),
        (("--level", "error"), ["pool.rejected", "http.request", "pool.rejected"]),
        (("--service", "gateway", "--level", "WARNING"), ["http.request"]),
        (("--service", "gateway", "--service", "feed", "--limit", "1"), ["start"]),
    ],
)
def test_what_is_asked_for_combines(
    quickwins: Call, logs: tuple[str, str], options: tuple[str, ...], events: list[str]
) -> None:
    assert [row[4] for row in quickwins("logs", "timeline", *logs, *options).rows[1:]] == events


def test_what_there_is_no_room_for_is_said(
    quickwins: Call, logs: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "6 lines match, the first 2 are shown" in quickwins("logs", "timeline", *logs, "--limit", "2").err
    monkeypatch.setattr("quickwins.cli.logs.earliest", partial(earliest, max_bytes=500))
    assert (
        "the first 2 are shown; narrow it down with --around, --level or --service, since no more than 64 MiB are kept"
        in (quickwins("logs", "timeline", *logs).err)
    )
    answer = quickwins("logs", "timeline", *logs, "--first-errors", "--limit", "1")
    assert "the first 1 of 2 errors are shown" in answer.err
    assert len(answer.rows) == 2


def test_more_links_and_errors_than_are_followed_are_said(
    quickwins: Call, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "a").write_text(
        "\n".join(
            line(n % 60, "feed", "ERROR", str(n), trace_id=f"{n + 1:032x}", link__trace_id=TRACE)
            for n in range(100)
        )
    )
    answer = quickwins("logs", "timeline", "a", "--trace", TRACE)
    assert len(answer.rows) == 101
    assert f"linked with {TRACE}, and shown: " in answer.err
    assert " and 59 more\n" in answer.err
    assert "more than 64 traces are linked with it; the rest were not followed" in answer.err
    monkeypatch.setattr("quickwins.cli.logs.first_errors", partial(first_errors, max_groups=30))
    answer = quickwins("logs", "timeline", "a", "--first-errors")
    assert len(answer.rows) == 31
    assert "70 lines with other errors are not shown: there are too many kinds" in answer.err


def test_lines_of_others_show_what_they_have(quickwins: Call, folder: Path) -> None:
    (folder / "a").write_text(
        '{"timestamp":"2026-11-26T01:21:49Z"}\n{"timestamp":"2026-11-26T01:21:50Z","severity_number":18}\n'
    )
    assert [row[2:] for row in quickwins("logs", "timeline", "a").rows[1:]] == [
        ["-", "-", "-", "-"],
        ["-", "ERROR", "-", "-"],
    ]


def test_a_value_too_deep_to_be_written_is_not() -> None:
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    assert _value("x", deep) == "..."


def test_json_is_the_lines_as_they_were(quickwins: Call, logs: tuple[str, str]) -> None:
    out = quickwins("logs", "timeline", *logs, "--json").out
    assert sorted(out.splitlines()) == sorted(GATEWAY + FEED)
    first, second = map(
        json.loads, quickwins("logs", "timeline", *logs, "--json", "--first-errors").out.splitlines()
    )
    assert first == {
        **json.loads(FEED[0]),
        "timeline.count": 2,
        "timeline.last": "2026-11-26T01:21:40.000000Z",
    }
    assert second["timeline.count"] == 1


def test_nothing_found_says_what_was_looked_for_and_what_there_is(
    quickwins: Call, logs: tuple[str, str]
) -> None:
    answer = quickwins("logs", "timeline", *logs, "--trace", "e" * 32, "--level", "error", "--service", "x")
    assert (answer.code, answer.out) == (0, "")
    assert answer.err.splitlines() == [
        "quickwins: 2 files, 6 lines, 0 malformed; 0 matched",
        "quickwins: gateway.log: 3 lines from 2026-11-26T01:21:10.000Z to 2026-11-26T01:21:11.000Z",
        "quickwins: feed.log.gz: 3 lines from 2026-11-26T01:21:12.000Z to 2026-11-26T01:21:40.000Z",
        f"quickwins: nothing matched: no line has {'e' * 32} as trace_id, link.trace_id or correlation_id; looked for ERROR and worse; looked for the service x",
    ]


def test_an_empty_file_is_said(quickwins: Call, folder: Path) -> None:
    (folder / "a").touch()
    answer = quickwins("logs", "timeline", "a")
    assert answer.code == 0
    assert answer.err.splitlines()[1:] == [
        "quickwins: a: 0 lines",
        "quickwins: nothing matched: there are no lines",
    ]
    (folder / "a").write_text("rubbish")
    assert (
        "nothing matched: no line is a JSON object with a timestamp" in quickwins("logs", "timeline", "a").err
    )


def test_damage_is_said_by_file_and_not_fatal(quickwins: Call, logs: tuple[str, str], folder: Path) -> None:
    (folder / "bad.log").write_text(f"\x1b[2Jrubbish\n{FEED[0]}\n[]\n")
    (folder / "cut.gz").write_bytes((folder / "feed.log.gz").read_bytes()[:-9])
    answer = quickwins("logs", "timeline", *logs, "bad.log", "cut.gz", "--trace", TRACE)
    assert answer.code == 0
    assert (
        "bad.log: 3 lines from 2026-11-26T01:21:12.000Z to 2026-11-26T01:21:12.000Z; 2 malformed, the first is line 1: not JSON"
        in answer.err
    )
    assert "; read up to line " in answer.err
    assert "the gzip data ends early" in answer.err
    assert "gateway.log:" not in answer.err
    assert answer.err.isprintable() or "\x1b" not in answer.err


HOSTILE = "\x1b[2J\x07\x9b2J\u202e\u2028\x85\x7f\t\r\n\0\ud800\U000e0001x"


def test_a_hostile_log_moves_no_cursor(quickwins: Call, folder: Path) -> None:
    raw = json.dumps(
        {
            "timestamp": "2026-11-26T01:21:49Z",
            "event.name": HOSTILE,
            "service.name": HOSTILE,
            "severity_text": HOSTILE,
            HOSTILE: HOSTILE,
            "list": [HOSTILE, {HOSTILE: None}],
            "forged": 'x level=INFO "quoted"',
            "forged=yes x": 1,
            "trace_id": HOSTILE,
        },
        ensure_ascii=False,
    )
    for one in "\x1b\x07\t\r\n\0":  # these JSON never has as they are
        raw = raw.replace(one, json.dumps(one)[1:-1])
    raw = raw.replace("\ud800", "\\ud800").replace("{", "{\t\r", 1)
    (folder / "a").write_bytes(b"{}\n\t" + raw.encode() + b"\r\n" + raw.replace("{", "[", 1).encode("utf-8"))
    for options in ((), ("--first-errors", "--level", "debug"), ("--json",)):
        answer = quickwins("logs", "timeline", "a", *options)
        assert all(one.isprintable() for one in answer.out if one not in "\t\n"), options
    answer = quickwins("logs", "timeline", "a")
    assert len(answer.rows) == 2
    assert len(answer.rows[1]) == 6
    assert 'forged="x level=INFO \\"quoted\\"" "forged=yes x"=1' in answer.out
    (shown,) = quickwins("logs", "timeline", "a", "--json").out.splitlines()
    assert json.loads(shown) == json.loads(raw)


def test_a_deep_value_and_a_long_one_are_cut(quickwins: Call, folder: Path) -> None:
    deep = (
        '{"timestamp":"2026-11-26T01:21:49Z","long":"'
        + "x" * 5000
        + '","deep":'
        + "[" * 400
        + "]" * 400
        + "}"
    )
    (folder / "a").write_text(deep)
    (cell,) = [row[5] for row in quickwins("logs", "timeline", "a").rows[1:]]
    assert f"long={'x' * 200}...(+4800)" in cell
    assert "deep=[[[" in cell
    assert len(cell) < 500

    (folder / "a").write_text(
        json.dumps({"timestamp": "2026-11-26T01:21:49Z", **dict.fromkeys(map(str, range(9_999)), 1)})
    )
    (cell,) = [row[5] for row in quickwins("logs", "timeline", "a").rows[1:]]
    assert 4_000 < len(cell) < 4_100


def test_standard_input_is_a_file_too(
    quickwins: Call, logs: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stdin() -> None:
        content = io.BufferedReader(io.BytesIO(gzip.compress("\n".join(FEED).encode())))
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(content))

    stdin()
    assert len(quickwins("logs", "timeline", "-").rows) == 4
    stdin()
    answer = quickwins("logs", "timeline", "-", "gateway.log", "--trace", CLIENT)
    assert [row[2] for row in answer.rows[1:]] == ["gateway", "feed", "gateway", "feed"]
    monkeypatch.setattr("sys.stdin", None)
    assert quickwins("logs", "timeline", "-").code == 2


def test_a_file_named_twice_is_read_once(quickwins: Call, logs: tuple[str, str], folder: Path) -> None:
    answer = quickwins("logs", "timeline", "gateway.log", str(folder / "gateway.log"), "./gateway.log")
    assert len(answer.rows) == 4
    assert "1 file, 3 lines" in answer.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nowhere.log",), "nowhere.log: No such file"),
        (("gateway.log", "nowhere.log"), "nowhere.log: No such file"),
        ((".",), "a folder; name the files in it"),
        (("gateway.log", "--around", "yesterday"), "allowed: 2026-11-26T01:21:49.123Z"),
        (("gateway.log", "--around", "2026-11-26T01:21:49"), "add Z for UTC"),
        (("gateway.log", "--trace", " "), "--trace is empty"),
        (("gateway.log", "--window", "-1", "--around", "1"), "--window"),
        (("gateway.log", "--window", "nan", "--around", "1"), "--window"),
        (("gateway.log", "--window", "inf", "--around", "1"), "--window inf"),
        (("gateway.log", "--level", "loud"), "--level"),
        (("gateway.log", "--limit", "0"), "--limit"),
        (("--first-errors",), "FILES"),
    ],
)
def test_a_wrong_command_line_ends_with_2_and_says_what_is_allowed(
    quickwins: Call, logs: tuple[str, str], arguments: tuple[str, ...], said: str
) -> None:
    answer = quickwins("logs", "timeline", *arguments)
    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err


@pytest.mark.usefixtures("children_untraced")
def test_a_reader_that_has_seen_enough_is_no_failure(logs: tuple[str, str], folder: Path) -> None:
    (folder / "many.log").write_text("\n".join(GATEWAY * 3000))
    for options in ([], ["--json"]):
        reader, writer = os.pipe()
        process = subprocess.Popen(
            [sys.executable, "-m", "quickwins", "logs", "timeline", "many.log", *options],
            stdout=writer,
            stderr=subprocess.PIPE,
        )
        os.close(writer)
        assert os.read(reader, 10)
        os.close(reader)
        _, said = process.communicate()
        assert (process.returncode, b"Traceback" in said) == (0, False)


def test_ctrl_c_ends_with_130(
    logs: tuple[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("quickwins.cli.logs.read", interrupted)
    assert run(["logs", "timeline", *logs]) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_the_command_works_without_the_extra_of_what_writes_the_lines(logs: tuple[str, str]) -> None:
    code = (
        "import sys; sys.modules.update(structlog=None, orjson=None)\n"
        f"from quickwins.cli.app import run; sys.exit(run(['logs', 'timeline', *{logs!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 7), done.stderr


def test_missing_lines_are_told_of_by_instance(quickwins: Call, folder: Path) -> None:
    lines = [
        line(number, "feed", "INFO", "a", service__instance__id=f"web-1:{worker}", seq=number)
        for number in range(1, 30)
        for worker in (17, 18)
        if worker == 18 or number % 4
    ]
    text = "\n".join(one.replace('": ', '":').replace(", ", ",") for one in lines)
    (folder / "a").write_text(f"{text}\n")
    answer = quickwins("logs", "timeline", "a")
    assert answer.code == 0
    told = [one for one in answer.err.splitlines() if "missing" in one]
    assert told[0] == (
        "quickwins: feed, instance web-1:17: 1 line missing, seq 4, between 2026-11-26T01:21:03.000Z and "
        "2026-11-26T01:21:05.000Z"
    )
    assert len(told) == 6
    assert told[-1] == "quickwins: 2 lines missing in 2 more gaps"
    assert "web-1" not in answer.out
