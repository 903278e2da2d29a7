"""The three servers as containers, with the same handles as the embedded ones."""

from __future__ import annotations

import asyncio
import re
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Final, Self

import asyncpg
import valkey
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from docker.errors import APIError
from testcontainers.core.container import DockerContainer
from testcontainers.core.waiting_utils import WaitStrategy

from quickwins.engines import KafkaBroker, PostgresServer, ValkeyServer
from quickwins.engines._engine import HOST, free_port
from tests.containers.daemon import IMAGES, STAND_IN
from tests.containers.owner import labels
from tests.engines import ANSWER_SECONDS, about_valkey, apart

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from testcontainers.core.waiting_utils import WaitStrategyTarget

    from quickwins.engines import Capability

PASSWORD: Final = "of-the-tests"
"""Of PostgreSQL. Unlike the embedded servers these have one, as those that users run do."""

PORT_ATTEMPTS: Final = 5
"""How many ports are tried when others are faster."""

READY_SECONDS: Final = 120.0
"""Limit for a server's first answer; a Java virtual machine on a loaded machine takes long."""

FREEZES: Final = 5
"""How many times it is tried to freeze a container that runs."""

TAKEN: Final = ("port is already allocated", "address already in use")
"""How Docker says that another process has the port."""


class NotReadyError(Exception):
    """The server does not answer yet."""


class ContainerServer(ABC):
    """A server in a container of its own, on a fixed port of 127.0.0.1.

    The port is chosen before the start: Kafka must be told where clients will find it, and Docker gives a container
    without a fixed port another one at every start.
    """

    like: ClassVar[type[PostgresServer | ValkeyServer | KafkaBroker]]
    """The embedded server that it takes the place of, with the same settings."""
    inner_port: ClassVar[int]
    address: ClassVar[str]
    """`url` for an authority to be filled in."""
    command: ClassVar[Sequence[str]] = ()

    def __init__(self) -> None:
        """Use `start`."""
        self.port = 0
        self.version = ""
        self.image = IMAGES[self.like.name]
        self.container: DockerContainer | None = None
        self.lacking: Mapping[Capability, str] = {}

    @classmethod
    def start(cls) -> Self:
        """Start a server and wait until it answers; pulls the image if it is not there."""
        server = cls()
        for attempt in range(1, PORT_ATTEMPTS + 1):
            try:
                server._start_on(free_port())
            except APIError as error:
                server.stop()
                if attempt == PORT_ATTEMPTS or not any(words in str(error) for words in TAKEN):
                    raise
            except BaseException:
                server.stop()
                raise
            else:
                break
        return server

    @property
    def url(self) -> str:
        """Where clients connect."""
        return self.address.format(f"{HOST}:{self.port}")

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What the server can do."""
        return self.like.can - self.lacking.keys()

    @property
    def stand_in(self) -> str:
        """What is in the image if it is not the official one."""
        return str(self._running().get_wrapped_container().labels.get(STAND_IN, ""))

    def kill(self) -> None:
        """SIGKILL, as a crash; data and port are kept for `restart`."""
        container = self._running().get_wrapped_container()
        container.kill()
        container.wait()

    def restart(self) -> None:
        """Start again on the same data and port; a server that runs is shut down cleanly first."""
        container = self._running()
        container.get_wrapped_container().restart()
        Answering(self).wait_until_ready(container)

    def pause(self) -> None:
        """Freeze all its processes: connections stay open and nothing answers.

        Where processes start and end meanwhile, runc may not catch all of them in one go, thaws what it has and says so
        (opencontainers/runc#2791, with version 1 of cgroups).
        """
        container = self._running().get_wrapped_container()
        for left in reversed(range(FREEZES)):
            try:
                container.pause()
            except APIError:
                container.reload()
                if not left or container.status != "running":
                    raise
            else:
                return

    def resume(self) -> None:
        """After `pause`."""
        self._running().get_wrapped_container().unpause()

    def stop(self) -> None:
        """Remove the container with its volumes. Idempotent."""
        if self.container is not None:
            self.container.stop()
            self.container = None

    def ask(self, container: WaitStrategyTarget) -> str:
        """One real question; the version.

        Raises:
            NotReadyError: No answer yet.
        """
        try:
            return self._ask(container)
        except (
            OSError,
            asyncpg.PostgresError,
            asyncpg.InterfaceError,
            valkey.ValkeyError,
            KafkaError,
        ) as error:
            raise NotReadyError(str(error)) from error

    @abstractmethod
    def _ask(self, container: WaitStrategyTarget) -> str: ...

    def _env(self) -> Mapping[str, str]:
        return {}

    def _start_on(self, port: int) -> None:
        self.port = port
        self.container = DockerContainer(self.image, env=dict(self._env()), _wait_strategy=Answering(self))
        # The network by name: testcontainers would guess another one when it runs in a container itself.
        self.container.with_kwargs(labels=labels(), network="bridge")
        if self.command:
            self.container.with_command(list(self.command))
        self.container.ports[f"{self.inner_port}/tcp"] = (HOST, port)  # type: ignore[assignment]  # -- handed on to docker, which takes an address too; until=never
        self.container.start()

    def _running(self) -> DockerContainer:
        assert self.container is not None, f"{self.like.name} is stopped"
        return self.container


class Answering(WaitStrategy):
    """Ready when it has answered a real request, not when something accepts: Docker's own proxy does at once."""

    def __init__(self, server: ContainerServer) -> None:
        super().__init__()
        self.server = server

    def wait_until_ready(self, container: WaitStrategyTarget) -> None:
        """Ask until there is an answer.

        Raises:
            TimeoutError: There is none in time, or the container ended.
        """
        deadline = time.monotonic() + READY_SECONDS
        while True:
            try:
                self.server.version = self.server.ask(container)
            except NotReadyError as error:
                container.reload()
                if container.status not in {"created", "running"} or time.monotonic() > deadline:
                    out, err = container.get_logs()
                    log = (out + err).decode(errors="replace")[-3000:]
                    raise TimeoutError(
                        f"{self.server.image} is {container.status} and does not answer ({error}):\n{log}"
                    ) from error
                time.sleep(0.1)
            else:
                return


class PostgresContainer(ContainerServer):
    """`postgres:18` with the settings of the embedded server."""

    like = PostgresServer
    inner_port = 5432
    address = f"postgresql://quickwins:{PASSWORD}@{{}}/quickwins"
    command = ("postgres", "-c", "fsync=off", "-c", "wal_level=logical", "-c", "timezone=UTC")

    def _env(self) -> Mapping[str, str]:
        return {
            "POSTGRES_USER": "quickwins",
            "POSTGRES_PASSWORD": PASSWORD,
            "POSTGRES_DB": "quickwins",
            # The same order of texts as on the embedded server.
            "POSTGRES_INITDB_ARGS": "--encoding=UTF8 --locale=C.UTF-8",
        }

    def _ask(self, container: WaitStrategyTarget) -> str:
        return apart(self._version())

    async def _version(self) -> str:
        connection = await asyncpg.connect(self.url, timeout=ANSWER_SECONDS)
        try:
            return str(await connection.fetchval("SHOW server_version", timeout=ANSWER_SECONDS))
        finally:
            await connection.close(timeout=ANSWER_SECONDS)


class ValkeyContainer(ContainerServer):
    """`valkey/valkey:9` with the settings of the embedded server."""

    like = ValkeyServer
    inner_port = 6379
    address = "redis://{}"
    command = ("valkey-server", "--appendonly", "yes", "--appendfsync", "no", "--save", "")

    def _ask(self, container: WaitStrategyTarget) -> str:
        return about_valkey(self.url)


class KafkaContainer(ContainerServer):
    """`apache/kafka:4`, one node that is broker and controller."""

    like = KafkaBroker
    inner_port = 9092
    address = "{}"

    def _env(self) -> Mapping[str, str]:
        # The broker talks to itself too (it marks the ends of transactions), and from inside of the container the
        # address that clients use leads nowhere: hence a listener of its own for it.
        return {
            "CLUSTER_ID": "cXVpY2t3aW5zLWthZmthIQ",
            "KAFKA_NODE_ID": "1",
            "KAFKA_PROCESS_ROLES": "broker,controller",
            "KAFKA_LISTENERS": "CLIENTS://:9092,BROKER://:19092,CONTROLLER://:9093",
            "KAFKA_ADVERTISED_LISTENERS": f"CLIENTS://{HOST}:{self.port},BROKER://localhost:19092",
            "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "CLIENTS:PLAINTEXT,BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "KAFKA_INTER_BROKER_LISTENER_NAME": "BROKER",
            "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
            "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
            "KAFKA_LOG_DIRS": "/var/lib/kafka/data",
            "KAFKA_HEAP_OPTS": "-Xms256m -Xmx512m",
            "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
            # One node cannot hold three copies; few partitions are made faster.
            "KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS": "4",
            "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
            "KAFKA_TRANSACTION_STATE_LOG_NUM_PARTITIONS": "4",
            "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
            "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
            "KAFKA_SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR": "1",
            "KAFKA_SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR": "1",
        }

    def _ask(self, container: WaitStrategyTarget) -> str:
        apart(self._brokers())
        # The protocol has no question for a version; the broker prints it when it starts.
        out, err = container.get_logs()
        versions = re.findall(r"Kafka version: (\S+)", (out + err).decode(errors="replace"))
        return versions[-1] if versions else "of unknown version"

    async def _brokers(self) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.url, request_timeout_ms=int(ANSWER_SECONDS * 1000))
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await admin.start()
                cluster = await admin.describe_cluster()
        finally:
            await admin.close()
        if not cluster["brokers"]:
            raise NotReadyError("no broker has registered")
