"""The one place where tests get their servers, whichever way `--engines` says.

A test names what it needs:

    @pytest.mark.engines("kafka")
    @pytest.mark.capability(Capability.TRANSACTIONS)

and takes the fixtures `postgres`, `valkey`, `kafka` (a `Target` for the whole run) or, for a corner of its own,
`postgres_database`, `key_prefix`, `topic_prefix`. What a server cannot do, or one that was not given, skips the test
with the capability and its reason, and the summary lists them. A test that kills servers starts its own.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, TypeVar

import asyncpg

from quickwins.engines import Capability, KafkaBroker, PostgresServer, ValkeyServer

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Mapping

Result = TypeVar("Result")

SERVERS: Final[Mapping[str, type[PostgresServer | ValkeyServer | KafkaBroker]]] = {
    "postgres": PostgresServer,
    "valkey": ValkeyServer,
    "kafka": KafkaBroker,
}

EXTERNAL: Final = {
    "postgres": "QUICKWINS_TEST_POSTGRES_URL",
    "valkey": "QUICKWINS_TEST_VALKEY_URL",
    "kafka": "QUICKWINS_TEST_KAFKA_BOOTSTRAP",
}

SKIPPED: Final = "cannot: "
"""What the reason of every skip made here begins with; the summary collects them by it."""


class Choice(StrEnum):
    """Where the servers come from."""

    EMBEDDED = "embedded"
    EXTERNAL = "external"


class UnavailableError(Exception):
    """There is no such server in this run; the message says why."""


@dataclass(frozen=True, slots=True)
class Target:
    """A server to test against. `lacking` says what it cannot do, each with the reason."""

    kind: str
    url: str
    capabilities: frozenset[Capability]
    lacking: Mapping[Capability, str]


@dataclass(slots=True)
class Servers:
    """The servers of one run, each started when first asked for."""

    choice: Choice
    _targets: dict[str, Target] = field(default_factory=dict)
    _started: list[PostgresServer | ValkeyServer | KafkaBroker] = field(default_factory=list)

    def target(self, kind: str) -> Target:
        """The server of this kind.

        Raises:
            UnavailableError: `--engines=external`, and its variable is not set.
        """
        if kind not in self._targets:
            self._targets[kind] = self._embedded(kind) if self.choice is Choice.EMBEDDED else external(kind)
        return self._targets[kind]

    def close(self) -> None:
        """Stop what was started."""
        while self._started:
            self._started.pop().stop()

    def _embedded(self, kind: str) -> Target:
        server = SERVERS[kind].start()
        self._started.append(server)
        return Target(kind, server.url, server.capabilities, server.lacking)


def external(kind: str) -> Target:
    """The server that the environment names."""
    url = os.environ.get(EXTERNAL[kind])
    if not url:
        raise UnavailableError(f"{EXTERNAL[kind]} is not set")
    lacking = {Capability.PROCESS_CONTROL: "an external server is not ours to stop"}
    if kind == "postgres" and (level := apart(_wal_level(url))) != "logical":
        lacking[Capability.LOGICAL_DECODING] = f"wal_level is {level}"
    return Target(kind, url, SERVERS[kind].can - lacking.keys(), lacking)


def obstacles(servers: Servers, kinds: Iterable[str], needed: Iterable[Capability]) -> list[str]:
    """Why a test that needs these servers and capabilities cannot run; empty if it can."""
    found = []
    for kind in kinds:
        try:
            target = servers.target(kind)
        except UnavailableError as error:
            found.append(f"{SKIPPED}{kind} ({servers.choice}): {error}")
            continue
        found += [
            f"{SKIPPED}{capability} of {kind} ({servers.choice}): {target.lacking[capability]}"
            for capability in needed
            if capability in target.lacking
        ]
    return found


def summary(reasons: Iterable[str]) -> list[str]:
    """One line for each of our reasons among those of all skips, with how many tests it cost."""
    ours = Counter(reason.partition(SKIPPED)[2] for reason in reasons if SKIPPED in reason)
    return [f"{reason} [{number} skipped]" for reason, number in sorted(ours.items())]


def apart(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine to its end in a loop and thread of its own, whether or not a loop runs here."""
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(asyncio.run, work).result()


async def execute(dsn: str, statement: str) -> None:
    """Run one statement on a connection of its own."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def _wal_level(dsn: str) -> str:
    connection = await asyncpg.connect(dsn)
    try:
        return str(await connection.fetchval("SHOW wal_level"))
    finally:
        await connection.close()
