"""One address in front of several servers, as a ClusterIP or another balancer of connections has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quickwins.rig.proxy import TcpProxy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from quickwins.core.clock import Clock
    from quickwins.rig.proxy import Connection


class TcpBalancer(TcpProxy):
    """Gives each new connection to the next of its targets, in turn from the first on, and leaves it there.

        async with TcpBalancer([50051, 50052, 50053]) as balancer:
            channel = grpc.aio.insecure_channel(f"127.0.0.1:{balancer.port}")
            balancer.targets.remove(50052)  # later connections go to the other two

    It knows nothing of requests, so a client with one connection is served by one target for as long as that lasts. A
    target that refuses the connection is passed over; one that is stopped (SIGSTOP) is not noticed, since the system
    accepts for it. With none left the client gets an RST. Faults are those of `TcpProxy`, and are for all targets at
    once; for one alone put a `TcpProxy` between.

    Attributes:
        targets: The ports on 127.0.0.1 that later connections go to; change it at any time.
    """

    def __init__(self, targets: Iterable[int], *, clock: Clock | None = None) -> None:
        super().__init__("127.0.0.1", 0, clock=clock)
        self.targets = [*targets]
        self._turn = 0

    def _aim(self) -> str:
        return ", ".join(map(str, self.targets)) or "nowhere"

    async def _reach(self, connection: Connection) -> None:
        for _ in range(len(self.targets)):
            if not self.targets:  # changed while we waited
                break
            port = self.targets[self._turn % len(self.targets)]
            self._turn += 1
            try:
                await connection.connect("127.0.0.1", port)
            except OSError:
                continue
            return
        raise ConnectionRefusedError("no target accepts connections")
