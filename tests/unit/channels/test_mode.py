"""What a channel is made of, and what a target says of its addresses."""

from __future__ import annotations

import socket

import pytest

from quickwins.channels import Mode
from quickwins.channels._core.mode import decide
from quickwins.channels._target import Target, distinct, parse


@pytest.mark.parametrize(
    ("mode", "size", "addresses", "expected"),
    [
        pytest.param(Mode.AUTO, 3, 1, (Mode.POOL, "the target has one address"), id="one address"),
        pytest.param(Mode.AUTO, 3, 4, (Mode.CORE, "the target has 4 addresses"), id="several addresses"),
        pytest.param(Mode.AUTO, 3, None, (Mode.SINGLE, "the target's addresses are not known yet"), id="not known"),
        pytest.param(Mode.AUTO, 1, 1, (Mode.SINGLE, "size is 1"), id="size 1"),
        pytest.param(Mode.POOL, 1, 1, (Mode.SINGLE, "size is 1"), id="a pool of 1"),
        pytest.param(Mode.POOL, 3, None, (Mode.POOL, "mode is pool"), id="pool"),
        pytest.param(Mode.CORE, 3, 1, (Mode.CORE, "mode is core"), id="core"),
        pytest.param(Mode.SINGLE, 3, 4, (Mode.SINGLE, "mode is single"), id="single"),
    ],
)  # fmt: skip
def test_a_mode_and_why(mode: Mode, size: int, addresses: int | None, expected: tuple[Mode, str]) -> None:
    assert decide(mode, size, addresses) == expected


def test_a_flag_that_is_off_wins() -> None:
    assert decide(Mode.POOL, 3, 1, on=False) == (Mode.SINGLE, "the flag is off")


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("10.0.0.1:50051", Target(1)),
        ("[::1]:50051", Target(1)),
        ("ipv4:10.0.0.1:1,10.0.0.2:1", Target(2)),
        ("ipv6:[::1]:1", Target(1)),
        ("unix:/run/feed.sock", Target(1)),
        ("unix:///run/feed.sock", Target(1)),
        ("feed:50051", Target(None, "feed", "50051")),
        ("feed", Target(None, "feed", None)),
        ("dns:feed:50051", Target(None, "feed", "50051")),
        ("dns:///feed.prod.svc:50051", Target(None, "feed.prod.svc", "50051")),
        ("dns://8.8.8.8/feed:50051", Target(None, "feed", "50051")),
        ("dns:///10.0.0.1:50051", Target(1)),
        ("xds:///feed", Target(None)),
    ],
)
def test_a_target_says_how_many_addresses_it_has_or_whom_to_ask(target: str, expected: Target) -> None:
    assert parse(target) == expected


def test_an_address_of_each_family_is_one() -> None:
    four = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 1))
    six = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", 1, 0, 0))
    other = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.2", 1))
    assert distinct([four, six, four]) == 1
    assert distinct([four, six, other]) == 2
