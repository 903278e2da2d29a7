"""The one place where tests get their servers, whichever way `--engines` says.

A test names what it needs:

    @pytest.mark.engines("kafka")
    @pytest.mark.capability(Capability.TRANSACTIONS)

and takes the fixtures `postgres`, `valkey`, `kafka` (a `Target` for the whole run) or, for a corner of its own,
`postgres_database`, `key_prefix`, `topic_prefix`. What a server cannot do, or one that was not given, skips the test
with the capability and its reason, and the summary lists them; with containers, which can do everything, it fails. A
test that kills, pauses or restarts a server takes one of its own: `own_postgres`, `own_valkey`, `own_kafka`. Whatever
takes one of these has the marker `engines`, by itself if need be: `-m engines` is all that needs a server. `any_server`
beside it says that no version makes a difference.

In a parallel run each worker starts servers of its own, so tests of two workers never meet on one.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NoReturn, Protocol, TypeVar

import asyncpg
import pytest
import valkey

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
    "postgres": "TEST_POSTGRES_URL",
    "valkey": "TEST_VALKEY_URL",
    "kafka": "TEST_KAFKA_BOOTSTRAP",
}

SKIPPED: Final = "cannot: "
"""What the reason of every skip made here begins with; the summary collects them by it."""


ANSWER_SECONDS: Final = 5.0
"""Limit of one question about a server's version."""


class Choice(StrEnum):
    """Where the servers come from."""

    EMBEDDED = "embedded"
    CONTAINERS = "containers"
    EXTERNAL = "external"
    AUTO = "auto"


class UnavailableError(Exception):
    """There is no such server in this run; the message says why."""


class Server(Protocol):
    """A server that we started, from a wheel or in a container."""

    @property
    def url(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def capabilities(self) -> frozenset[Capability]: ...
    @property
    def lacking(self) -> Mapping[Capability, str]: ...
    def kill(self) -> None: ...
    def restart(self) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def stop(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Target:
    """A server to test against. `lacking` says what it cannot do, each with the reason."""

    kind: str
    url: str
    capabilities: frozenset[Capability]
    lacking: Mapping[Capability, str]
    version: str


@dataclass(slots=True)
class Servers:
    """The servers of one run, each started when first asked for."""

    choice: Choice
    _targets: dict[str, Target] = field(default_factory=dict)
    _started: list[Server] = field(default_factory=list)

    def target(self, kind: str) -> Target:
        """The server of this kind that the whole run shares.

        Raises:
            UnavailableError: `--engines=external`, and its variable is not set.
        """
        if kind not in self._targets:
            if self.choice is Choice.EXTERNAL:
                self._targets[kind] = external(kind)
            else:
                server = self.own(kind)
                self._targets[kind] = Target(
                    kind, server.url, server.capabilities, server.lacking, server.version
                )
        return self._targets[kind]

    def own(self, kind: str) -> Server:
        """A new server of this kind, for one test to do with as it likes; stopped at the end of the run at the latest.

        Raises:
            UnavailableError: `--engines=external`.
        """
        if self.choice is Choice.EXTERNAL:
            raise UnavailableError(f"{Capability.PROCESS_CONTROL}: {NOT_OURS}")
        server = SERVERS[kind].start() if self.choice is Choice.EMBEDDED else container(kind)
        self._started.append(server)
        return server

    def versions(self) -> list[str]:
        """What the servers that were used say they are."""
        return [f"{target.kind} {target.version}" for target in self._targets.values()]

    def close(self) -> None:
        """Stop what was started."""
        while self._started:
            self._started.pop().stop()
        if self.choice is Choice.CONTAINERS:
            from tests.containers.daemon import remove_mine

            remove_mine()


NOT_OURS: Final = "an external server is not ours to stop"


def decide(asked: Choice) -> tuple[Choice, list[str]]:
    """What `auto` means here, and lines that say why.

    Raises:
        UnavailableError: `--engines=containers`, and none can be had.
    """
    if asked not in {Choice.AUTO, Choice.CONTAINERS}:
        return asked, []
    try:
        from tests.containers import daemon
    except ModuleNotFoundError as error:
        obstacle = f"{error.name} is not installed"
    else:
        obstacle = daemon.obstacle()
    if not obstacle:
        return Choice.CONTAINERS, daemon.describe()
    if asked is Choice.CONTAINERS:
        raise UnavailableError(obstacle)
    return Choice.EMBEDDED, [f"no containers: {obstacle}"]


def container(kind: str) -> Server:
    """A container of this kind."""
    from tests.containers.server import KafkaContainer, PostgresContainer, ValkeyContainer

    containers = {"postgres": PostgresContainer, "valkey": ValkeyContainer, "kafka": KafkaContainer}
    return containers[kind].start()


def external(kind: str) -> Target:
    """The server that the environment names."""
    url = os.environ.get(EXTERNAL[kind])
    if not url:
        raise UnavailableError(f"{EXTERNAL[kind]} is not set")
    lacking = {Capability.PROCESS_CONTROL: NOT_OURS}
    version = "of unknown version"
    if kind == "postgres":
        level, version = apart(_about_postgres(url))
        if level != "logical":
            lacking[Capability.LOGICAL_DECODING] = f"wal_level is {level}"
    if kind == "valkey":
        version = about_valkey(url)
    return Target(kind, url, SERVERS[kind].can - lacking.keys(), lacking, version)


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


def leave_out(choice: Choice, reason: str) -> NoReturn:
    """Skip the test that runs; with containers fail it: they are the servers that users run."""
    if choice is Choice.CONTAINERS:
        pytest.fail(f"nothing is left out with containers, but: {reason}", pytrace=False)
    pytest.skip(reason)


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


def about_valkey(url: str) -> str:
    """What a server of this protocol says it is; Redis names itself."""
    with valkey.Valkey.from_url(url, socket_timeout=ANSWER_SECONDS) as client:
        facts = client.info("server")
    return str(facts.get("valkey_version") or f"Redis {facts['redis_version']}")


async def _about_postgres(dsn: str) -> tuple[str, str]:
    connection = await asyncpg.connect(dsn)
    try:
        level, version = await connection.fetchrow(
            "SELECT current_setting('wal_level'), current_setting('server_version')"
        )
        return str(level), str(version)
    finally:
        await connection.close()
