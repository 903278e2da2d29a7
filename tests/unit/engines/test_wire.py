"""The few bytes that readiness is asked with, against canned answers."""

from __future__ import annotations

import contextlib
import socket
import struct
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickwins.engines._engine import ANSWER_BYTES, NotReadyError, receive
from quickwins.engines.kafka import cluster_id
from quickwins.engines.postgres import query_row
from quickwins.engines.valkey import command


class Canned:
    """A connection that answers what it was told to, a few bytes at a time, and then ends."""

    def __init__(self, answer: bytes, chunk: int = 3) -> None:
        self.answer, self.chunk, self.sent = answer, chunk, b""

    def recv(self, size: int) -> bytes:
        size = min(size, self.chunk)
        given, self.answer = self.answer[:size], self.answer[size:]
        return given

    def sendall(self, data: bytes) -> None:
        self.sent += data


def canned(answer: bytes) -> tuple[Canned, socket.socket]:
    connection = Canned(answer)
    return connection, cast("socket.socket", connection)


def message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", 4 + len(body)) + body


def row(*columns: str | None) -> bytes:
    body = struct.pack("!h", len(columns))
    for column in columns:
        body += (
            struct.pack("!i", -1)
            if column is None
            else struct.pack("!i", len(column.encode())) + column.encode()
        )
    return message(b"D", body)


HELLO = message(b"R", struct.pack("!i", 0)) + message(b"S", b"TimeZone\0UTC\0") + message(b"Z", b"I")


def test_postgres_gives_the_row_and_is_told_goodbye() -> None:
    answer = (
        HELLO
        + message(b"T", b"\0\0")
        + row("18.6", None, "grüß")
        + message(b"C", b"SELECT 1\0")
        + message(b"Z", b"I")
    )
    connection, as_socket = canned(answer)
    assert query_row(as_socket, "SELECT 1") == ["18.6", "", "grüß"]
    assert connection.sent.startswith(struct.pack("!ii", 42, 196_608) + b"user\0quickwins\0")
    assert message(b"Q", b"SELECT 1\0") in connection.sent
    assert connection.sent.endswith(message(b"X", b""))


def test_postgres_that_is_starting_is_not_ready_and_says_so() -> None:
    refusal = message(b"E", b"SFATAL\0C57P03\0Mthe database system is starting up\0\0")
    with pytest.raises(NotReadyError, match="starting up"):
        query_row(canned(refusal)[1], "SELECT 1")


def test_valkey_gives_simple_and_bulk_strings() -> None:
    connection, as_socket = canned(b"+PONG\r\n$5\r\nhello\r\n")
    assert command(as_socket, "PING") == "PONG"
    assert command(as_socket, "GET", "key") == "hello"
    assert connection.sent == b"*1\r\n$4\r\nPING\r\n*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n"


def test_valkey_that_loads_its_data_is_not_ready_and_says_so() -> None:
    with pytest.raises(NotReadyError, match="LOADING"):
        command(canned(b"-LOADING Valkey is loading the dataset in memory\r\n")[1], "PING")


def test_kafka_names_its_cluster_behind_any_number_of_brokers() -> None:
    broker = struct.pack("!ih", 1, 9) + b"127.0.0.1" + struct.pack("!i", 9092)
    brokers = broker + struct.pack("!h", -1) + broker + struct.pack("!h", 4) + b"rack"
    body = struct.pack("!ii", 1, 2) + brokers + struct.pack("!h", 6) + b"mine-1" + struct.pack("!ii", 1, 0)
    assert cluster_id(canned(struct.pack("!i", len(body)) + body)[1]) == "mine-1"


def test_a_connection_that_ends_early_is_not_ready() -> None:
    with pytest.raises(NotReadyError, match="closed"):
        receive(canned(b"ab")[1], 3)


@pytest.mark.parametrize("size", [-1, ANSWER_BYTES + 1])
def test_no_memory_is_taken_for_sizes_that_no_server_of_ours_sends(size: int) -> None:
    with pytest.raises(NotReadyError, match="bytes"):
        receive(canned(b"")[1], size)


@given(st.binary(max_size=200))
def test_whatever_a_stranger_answers_is_one_of_the_errors_that_mean_not_ready(answer: bytes) -> None:
    for ask in (lambda c: query_row(c, "SELECT 1"), lambda c: command(c, "PING"), cluster_id):
        with contextlib.suppress(NotReadyError, OSError, ValueError, LookupError, struct.error):
            ask(canned(answer)[1])
