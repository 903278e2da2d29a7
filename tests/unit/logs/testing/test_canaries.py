"""The canaries themselves: what is planted is found in every encoding, and what is clean is not blamed."""

from __future__ import annotations

import base64
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickwins.logs.testing import Canaries, Canary, Encoding, LeakError, Shape, canaries

_ = canaries  # a fixture, used by its name

ONE = Canaries(seed=1)
EVERY = [pytest.param(canary, id=f"{canary.place}-{canary.shape}") for canary in ONE.planted]


def swapped(text: str) -> str:
    return "".join(letter.lower() if letter.isupper() else letter.upper() for letter in text)


WRITTEN: dict[str, tuple[Encoding, Callable[[str], bytes]]] = {
    "plain": (Encoding.PLAIN, str.encode),
    "json": (Encoding.PLAIN, lambda text: json.dumps({"a": text}).encode()),
    "upper": (Encoding.PLAIN, lambda text: text.upper().encode()),
    "lower": (Encoding.PLAIN, lambda text: text.lower().encode()),
    "case swapped": (Encoding.PLAIN, lambda text: swapped(text).encode()),
    "quoted": (Encoding.PLAIN, lambda text: quote(text, safe="").encode()),
    "quoted plus": (Encoding.PLAIN, lambda text: quote_plus(text).encode()),
    "repr": (Encoding.PLAIN, lambda text: repr(text).encode()),
    "reversed": (Encoding.REVERSED, lambda text: text[::-1].encode()),
    "reversed upper": (Encoding.REVERSED, lambda text: text[::-1].upper().encode()),
    "base64": (Encoding.BASE64, lambda text: base64.b64encode(text.encode())),
    "base64 inside, one on": (Encoding.BASE64, lambda text: base64.b64encode(b"x" + text.encode() + b"y")),
    "base64 inside, two on": (Encoding.BASE64, lambda text: base64.b64encode(b"xx" + text.encode())),
    "base64 for URLs": (Encoding.BASE64, lambda text: base64.urlsafe_b64encode(b"\xff\xfe" + text.encode())),
    "base64 of lower case": (Encoding.BASE64, lambda text: base64.b64encode(text.lower().encode())),
    "base64 of swapped case": (Encoding.BASE64, lambda text: base64.b64encode(swapped(text).encode())),
    "hex": (Encoding.HEX, lambda text: text.encode().hex().encode()),
    "hex upper": (Encoding.HEX, lambda text: text.encode().hex().upper().encode()),
    "every byte percent-encoded": (
        Encoding.URL,
        lambda text: "".join(f"%{byte:02X}" for byte in text.encode()).encode(),
    ),
    "every letter escaped": (
        Encoding.JSON,
        lambda text: "".join(f"\\u{ord(letter):04x}" for letter in text).encode(),
    ),
}


@pytest.mark.parametrize(("encoding", "write"), WRITTEN.values(), ids=WRITTEN)
def test_what_is_planted_is_found_in_every_encoding(
    encoding: Encoding, write: Callable[[str], bytes]
) -> None:
    for canary in ONE.planted:
        written = b'{"event.name":"a"}\n{"x":"' + write(canary.text) + b'"}\n'
        found = {leak.encoding: leak for leak in ONE.leaks(written) if leak.canary == canary}
        assert encoding in found, canary
        assert found[encoding].line >= 2  # a private key has lines of its own
        with pytest.raises(LeakError, match=canary.place) as caught:
            ONE.assert_clean(written)
        assert not [core for core in canary.cores if core.lower() in str(caught.value).lower()]


@pytest.mark.parametrize("canary", EVERY)
def test_ten_characters_are_a_leak_and_nine_are_none(canary: Canary) -> None:
    for core in canary.cores:
        for start in range(len(core) - 9):
            assert ONE.leaks(core[start : start + 10].encode())
            assert not ONE.leaks(core[start : start + 9].encode())


def test_a_token_is_found_in_what_it_says() -> None:
    (token,) = [canary for canary in ONE.planted if canary.place == "headers.x-auth-token"]
    assert token.shape is Shape.JWT
    who = token.text.split(".")[1].encode()
    assert [leak.encoding for leak in ONE.leaks(who)] == [Encoding.BASE64]


@pytest.mark.parametrize("canary", EVERY)
def test_every_secret_has_its_shape(canary: Canary) -> None:
    assert canary.cores[0] in canary.text
    assert all(len(core) >= 11 for core in canary.cores)
    if canary.shape is Shape.CARD:
        digits = [int(digit) for digit in canary.text]
        doubled = [2 * digit - 9 * (digit > 4) for digit in digits[-2::-2]]
        assert (sum(doubled) + sum(digits[-1::-2])) % 10 == 0
    prefix = {
        Shape.GITHUB: "ghp_", Shape.STRIPE: "sk_live_", Shape.AWS: "AKIA", Shape.JWT: "eyJ", Shape.BEARER: "Bearer ",
        Shape.PHONE: "+49", Shape.CARD: "4", Shape.DSN: "postgresql://", Shape.PEM: "-----BEGIN PRIVATE KEY-----",
    }.get(canary.shape, "")  # fmt: skip
    assert canary.text.startswith(prefix)


def test_each_is_planted_once_and_every_place_has_some() -> None:
    assert len({canary.text for canary in ONE.planted}) == len(ONE.planted)
    given = {
        "headers": json.dumps(ONE.headers()),
        "path": ONE.path().replace("%40", "@"),
        "query": json.dumps(ONE.query()),
        "body": json.dumps(ONE.body()),
        "variables": json.dumps(ONE.variables()),
        "kafka": ONE.kafka_value().decode(),
        "object": repr(ONE.object()),
        "exception": repr(ONE.exception()) + repr(ONE.exception().__cause__) + ONE.exception().__notes__[0],
    }
    places: dict[str, set[str]] = {place: set() for place in given}
    for canary in ONE.planted:
        for place, text in given.items():
            if canary.text in text or json.dumps(canary.text)[1:-1] in text:
                places[place].add(canary.place)
    assert set().union(*places.values()) == {canary.place for canary in ONE.planted}
    for place, planted in places.items():
        assert planted
        assert all(name.partition(".")[0] == place for name in planted)
    item = ONE.object()
    assert {str(item), f"{item}", f"{item:>5}", "%s" % (item,)} == {str(item)}  # noqa: UP031 -- every way to write it; until=never
    assert str(ONE.exception()) in repr(ONE.exception())


def test_what_a_caller_does_with_a_document_stays_with_the_caller() -> None:
    ONE.body()["payment"].clear()
    ONE.headers().clear()
    assert ONE.body()["payment"]
    assert ONE.headers()


def test_a_seed_makes_the_same_secrets_again_and_without_one_they_are_new() -> None:
    assert Canaries(seed=7).planted == Canaries(seed=7).planted
    assert Canaries(Canaries().seed).planted
    assert not {canary.text for canary in Canaries().planted} & {canary.text for canary in Canaries().planted}


def test_clean_lines_are_clean() -> None:
    rng = random.Random(1)
    lines = [
        f'{{"timestamp":"2026-11-26T01:21:{number % 60:02}.{rng.randrange(10**6):06}Z","severity_text":"INFO",'
        f'"event.name":"http.request","trace_id":"{rng.getrandbits(128):032x}","span_id":"{rng.getrandbits(64):016x}",'
        f'"user":"[redacted:email]","authorization":"[redacted:bearer]","url":"postgresql://app:[redacted]@db.example.com'
        f':5432/app","key":"[redacted:key]","duration_ms":{rng.random()},"card":"[redacted:card]","seq":{number}}}'
        for number in range(500)
    ]
    assert ONE.leaks("\n".join(lines).encode()) == []


@given(st.binary(max_size=400))
def test_any_bytes_can_be_looked_at(data: bytes) -> None:
    assert ONE.leaks(data) == []
    planted = ONE.planted[0].cores[0].encode()
    assert ONE.leaks(data + b" " + planted + b" " + data)


def write(descriptor: int, text: str) -> None:
    os.write(descriptor, text.encode() + b"\n")


def secret() -> str:
    return ONE.planted[0].text


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log.jsonl"


def test_a_descriptor_is_watched_and_what_it_was_given_reaches_its_place(log: Path) -> None:
    with log.open("wb", buffering=0) as file:
        write(file.fileno(), f"before: {secret()}")
        with ONE.watching(file.fileno()) as watched:
            write(file.fileno(), "clean")
        assert watched.data == b"clean\n"
        with pytest.raises(LeakError, match=f"seed {ONE.seed}"), ONE.watching(file.fileno()):
            write(file.fileno(), secret())
        write(file.fileno(), "after")
    assert log.read_text().splitlines() == [f"before: {secret()}", "clean", secret(), "after"]


def test_a_descriptor_sees_what_a_child_process_writes(log: Path) -> None:
    with (
        log.open("wb", buffering=0) as file,
        pytest.raises(LeakError),
        ONE.watching(file.fileno()),
    ):
        subprocess.run([sys.executable, "-c", f"print({secret()!r})"], stdout=file.fileno(), check=True)


def test_a_file_is_watched_from_where_it_ended(log: Path) -> None:
    log.write_text(f"{secret()}\n")
    with ONE.watching(log) as watched, log.open("a") as file:
        file.write("clean\n")
        file.flush()
    assert watched.data == b"clean\n"
    with pytest.raises(LeakError), ONE.watching(str(log)):
        log.write_text(f"{secret()} and then some, after it was truncated and written anew\n" * 2)


def test_a_file_that_is_new_is_watched(log: Path) -> None:
    with pytest.raises(LeakError), ONE.watching(log):
        log.write_text(secret())


def test_a_file_that_was_rotated_is_watched_from_its_beginning(log: Path) -> None:
    def rotate() -> None:
        log.rename(log.with_suffix(".1"))
        log.write_text(secret() * 3)

    log.write_text("clean")
    with pytest.raises(LeakError), ONE.watching(log):
        rotate()


def test_what_is_written_by_flushing_counts(log: Path) -> None:
    with pytest.raises(LeakError), ONE.watching(log, flush=lambda: log.write_text(secret())):
        pass


def test_what_cannot_be_flushed_shows_nothing(log: Path) -> None:
    with (
        pytest.raises(AssertionError, match="not everything was written"),
        ONE.watching(log, flush=lambda: False),
    ):
        log.write_text("clean")


def test_writing_nothing_shows_nothing(log: Path) -> None:
    with pytest.raises(AssertionError, match="nothing was written"), ONE.watching(log):
        pass
    with ONE.watching(log, nothing_is_fine=True):
        pass


def fail_after_writing(descriptor: int) -> None:
    write(descriptor, secret())
    raise OverflowError


def test_a_failure_inside_is_not_hidden_and_the_descriptor_is_given_back(log: Path) -> None:
    with log.open("wb", buffering=0) as file:
        with pytest.raises(OverflowError), ONE.watching(file.fileno()):
            fail_after_writing(file.fileno())
        write(file.fileno(), "after")
    assert log.read_text().splitlines() == [secret(), "after"]


def test_the_fixture_makes_them(canaries: Canaries) -> None:
    canaries.assert_clean(b"clean")
    assert canaries.planted


def test_without_pytest_all_but_the_fixture_is_there() -> None:
    code = "import sys; sys.modules['pytest'] = None; from quickwins.logs.testing import Canaries; Canaries()"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    with pytest.raises(ImportError):
        from quickwins.logs.testing import nothing  # noqa: F401 -- that it is not there is the test; until=never
