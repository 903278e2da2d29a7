"""The channel that stubs are made with: it says where a new call goes, and what the channel is made of."""

from __future__ import annotations

import asyncio
import itertools
from asyncio import get_running_loop
from contextvars import Context
from os import getpid
from typing import TYPE_CHECKING, Any

from quickwins.channels._calls.added import Added
from quickwins.channels._calls.stubs import ForStubs
from quickwins.channels._connections.pool import Pool
from quickwins.channels._connections.stock import Stock
from quickwins.channels._core.conflicts import check_options
from quickwins.channels._core.mode import decide
from quickwins.channels._counts import READINGS, Counts
from quickwins.channels._native import core_options, grpc, member_options
from quickwins.channels._target import distinct, parse
from quickwins.channels.config import Mode, PoolConfig
from quickwins.channels.errors import ChannelMisuse, MisuseReason
from quickwins.channels.stats import ChannelStats, SwitchReason
from quickwins.core.events import Reporter
from quickwins.core.feature import close_together
from quickwins.core.given import a_flag, of_type
from quickwins.core.metrics import Tallies

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from random import Random
    from typing import Self

    from prometheus_client import CollectorRegistry

    from quickwins.channels._calls.added import AddedMetadata
    from quickwins.channels._native import Recipe
    from quickwins.channels.config import MethodPolicy
    from quickwins.channels.stats import MemberState
    from quickwins.core.clock import Clock
    from quickwins.core.flags import Flag

_ASK_AGAIN_SECONDS = (0.1, 1.0, 10.0, 30.0)
_BEST_FIRST = (
    grpc.ChannelConnectivity.READY,
    grpc.ChannelConnectivity.CONNECTING,
    grpc.ChannelConnectivity.IDLE,
    grpc.ChannelConnectivity.TRANSIENT_FAILURE,
)


class RotatingChannel(ForStubs):
    """A `grpc.aio.Channel` over several connections; made by `rotating_channel`.

    Nothing is created before its first use, which must be on a running event loop; it belongs to that loop and that process
    from then on.

    Attributes:
        name: What it is called.
        stock: What calls go to that go to no pool.
        added: What a `metadata` function adds to calls; `None`: there is no such function.
        is_secure: Whether it was made with credentials, so that calls may bring more.
    """

    def __init__(
        self,
        recipe: Recipe,
        config: PoolConfig,
        *,
        methods: Mapping[str, MethodPolicy],
        metadata: AddedMetadata | None,
        flag: Flag | None,
        service: str,
        name: str,
        registry: CollectorRegistry | None,
        clock: Clock,
        rng: Random,
    ) -> None:
        """Use `rotating_channel` instead."""
        super().__init__(methods)
        self.name = name
        self._recipe = recipe
        self._config = config
        self._policies = methods
        self.is_secure = recipe.credentials is not None
        self._flag = a_flag(flag)
        self._clock = clock
        self._rng = rng
        self._reporter = Reporter(service=service, name=name, registry=registry)
        self.added = None if metadata is None else Added(metadata, self._reporter)
        self._numbers = itertools.count(1).__next__
        self._counts = Counts(
            self._states,
            lambda: sum(pool.inflight for pool in self._pools()),
            lambda: self._in_effect()[0] if self._loop is not None else None,
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pid = 0
        self._is_open = False
        self._opened = asyncio.Event()
        self._closed = False
        self._target = parse(recipe.target)
        self._addresses = self._target.addresses
        self._asks = False
        self._mode, self._why = Mode.SINGLE, "not used yet"
        self._pool: Pool | None = None
        self._left: list[Pool] = []
        self.stock = Stock(recipe)
        self._tasks: set[asyncio.Task[None]] = set()
        # Last, since another thread may read at once.
        self._tallies = Tallies(self._counts, READINGS, registry=registry, service=service, name=name)

    def __repr__(self) -> str:
        return (
            f"<RotatingChannel {self.name!r}: {'closed' if self._closed else f'{self._mode}, {self._why}'}>"
        )

    # -- Where calls go.

    def route(self) -> Pool | None:
        """Where a new call goes: to a pool, or, when there is none, to the stock channel.

        Raises:
            ChannelMisuse: This is another event loop, or a process forked from the channel's.
            UsageError: The channel is closed, as gRPC says it.
        """
        try:  # as in `_here`, without a call: every call of the channel's comes by
            is_here = get_running_loop() is self._loop and getpid() == self._pid
        except RuntimeError:
            is_here = False
        if not is_here:
            self._here()
        if not self._is_open:
            self._open()
        flag = self._flag
        if flag is not None and not flag.active():
            return None
        return self._pool

    def _open(self) -> None:
        """Make what the first call needs."""
        if self._closed:
            raise grpc.aio.UsageError("Channel is closed.")
        self._is_open = True
        self._decide()
        self._opened.set()

    def _here(self) -> None:
        """Refuse to be used elsewhere than at the first use."""
        try:
            loop = get_running_loop()
        except RuntimeError:
            loop = None
        if loop is None or loop is not self._loop or getpid() != self._pid:
            self._bind(loop)

    def _bind(self, loop: asyncio.AbstractEventLoop | None) -> None:
        if self._loop is not None and getpid() != self._pid:
            raise ChannelMisuse(
                f"channel {self.name!r} belongs to process {self._pid}, and this one was forked from it: gRPC's connections "
                "don't survive a fork; make the channel after it",
                reason=MisuseReason.FORK,
            )
        if loop is None:
            raise ChannelMisuse(
                f"channel {self.name!r} is used without a running event loop", reason=MisuseReason.NO_LOOP
            )
        if self._loop is not None:
            raise ChannelMisuse(
                f"channel {self.name!r} belongs to another event loop: make one for each loop",
                reason=MisuseReason.LOOP,
            )
        self._loop = loop
        self._pid = getpid()

    def _decide(self) -> None:
        """Make what the configuration and the addresses ask for, and ask for these where they matter."""
        config = self._config
        self._make()
        # Last: a task that begins where it is made may have the answer, and decide again, in here.
        if (
            config.mode is Mode.AUTO
            and self._addresses is None
            and self._target.host is not None
            and not self._asks
        ):
            self._asks = True
            self._spawn(self._ask(self._target.host, self._target.port))

    def _make(self) -> None:
        before, config = self._mode, self._config
        self._mode, self._why = decide(config.mode, config.size, self._addresses)
        if self._pool is not None and self._mode is before:
            self._pool.reconfigure(config, config.size if self._mode is Mode.POOL else 1)
            return
        old, self._pool = self._pool, None
        if self._mode is Mode.POOL:
            self._pool = self._new_pool(member_options(config), size=config.size, alone=False)
        elif self._mode is Mode.CORE:
            self._pool = self._new_pool(core_options(config, self._policies), size=1, alone=True)
        if old is not None:
            self._left.append(old)
            self._spawn(self._leave(old))

    def _new_pool(self, options: Sequence[tuple[str, Any]], *, size: int, alone: bool) -> Pool:
        return Pool(
            lambda: self._recipe.channel(options),
            self._config,
            size=size,
            alone=alone,
            is_on=self._is_on,
            counts=self._counts,
            numbers=self._numbers,
            clock=self._clock,
            rng=self._rng,
            reporter=self._reporter,
        )

    async def _leave(self, pool: Pool) -> None:
        await pool.close(self._config.drain_seconds)
        self._left.remove(pool)

    async def _ask(self, host: str, port: str | None) -> None:
        """Find out how many addresses the target has; until then calls go to the stock channel."""
        for wait in itertools.chain(_ASK_AGAIN_SECONDS, itertools.repeat(_ASK_AGAIN_SECONDS[-1])):
            try:
                self._addresses = distinct(await get_running_loop().getaddrinfo(host, port, type=1))
            except (OSError, UnicodeError):  # the latter of a name that no name service could be asked for
                await self._clock.sleep(wait)
                continue
            break
        self._decide()
        if self._pool is not None:
            await self.stock.close(self._config.drain_seconds)

    # -- What gRPC's channels have.

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        """As in gRPC: the state of the best connection."""
        if self._closed:
            return grpc.ChannelConnectivity.SHUTDOWN
        if not self._is_open and not try_to_connect:
            return grpc.ChannelConnectivity.IDLE
        begins = not self._is_open
        pool = self.route()
        if pool is None:
            return self.stock.channel.get_state(try_to_connect)
        if begins:
            return grpc.ChannelConnectivity.IDLE  # what it was when it was asked, as gRPC has it
        states = {member.channel.get_state(try_to_connect) for member in pool.members}
        return next(state for state in _BEST_FIRST if state in states)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """As in gRPC."""
        if not self._is_open and not self._closed:
            self._here()
            if last_observed_state is not grpc.ChannelConnectivity.IDLE:
                return
            await self._opened.wait()
            if self.get_state() is grpc.ChannelConnectivity.SHUTDOWN:  # before anybody used it
                return
        pool = self.route()
        if pool is None:
            await self.stock.channel.wait_for_state_change(last_observed_state)
            return
        while True:
            # The watches first, then the look, so that no change is between the two.
            changes = {member.changed() for member in pool.members}
            if self.get_state() is not last_observed_state:
                return
            await asyncio.wait(changes, return_when=asyncio.FIRST_COMPLETED)

    async def channel_ready(self) -> None:
        """As in gRPC: until some connection is there."""
        while (state := self.get_state(try_to_connect=True)) is not grpc.ChannelConnectivity.READY:
            await self.wait_for_state_change(state)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self, grace: float | None = None) -> None:
        """Take no new calls, let those under way end for `grace` seconds, then cancel them. Idempotent.

        Raises:
            ChannelMisuse: This is another event loop, or another process.
            ValueError: `grace` is negative, as in gRPC.
        """
        if grace is not None and grace < 0:
            raise ValueError(f"grace must be non-negative, got {grace}.")
        if self._closed:
            return
        self._here()
        self._closed, self._is_open = True, False
        self._opened.set()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        closings = [self.stock.close(grace), *(pool.close(grace) for pool in self._pools())]
        try:
            await close_together("connections", closings)
        finally:
            self._tallies.flush()

    # -- What gRPC's channels don't have.

    async def rotate(self) -> None:
        """Replace all connections, one by one; calls on the old ones go on behind.

        Returns when the new ones serve. The stock channel has nothing to rotate.

        Raises:
            RotationFailed: Some could not be replaced in time; they are still in use.
            ChannelMisuse: See `route`.
        """
        pool = self.route()
        if pool is not None:
            await pool.rotate(SwitchReason.ASKED)

    def reconfigure(self, config: PoolConfig) -> None:
        """Follow another configuration. Calls go on where they are.

        Raises:
            ConfigError: It is no `PoolConfig`.
            ChannelConflict: It does not go together with the channel's options; nothing has changed then.
        """
        check_options(self._recipe.options, of_type("config", config, PoolConfig, "a PoolConfig"))
        self._config = config
        if self._is_open:
            self._decide()

    def stats(self) -> ChannelStats:
        """What it is made of, and what is going on."""
        now = self._clock.monotonic()
        mode, why = self._in_effect()
        pools = list(self._pools())
        pool = self._pool
        draining = [one for each in pools for one in each.draining]
        draining += [one for each in self._left for one in each.members]
        return ChannelStats(
            name=self.name,
            mode=mode,
            why=why,
            addresses=self._addresses,
            members=() if pool is None else tuple(one.stats(now) for one in pool.members),
            draining=tuple(one.stats(now) for one in draining),
            inflight=sum(each.inflight for each in pools),
            held=sum(call.is_held for each in pools for call in each.pending),
            retry_tokens=0.0 if pool is None else pool.budget.tokens,
            requests={code: n for code, n in self._counts.requests.items() if n},
        )

    def _in_effect(self) -> tuple[Mode, str]:
        """The mode, and why; for all requests, so that a share of them makes no difference."""
        if not self._is_on():
            return decide(self._config.mode, self._config.size, self._addresses, on=False)
        return self._mode, self._why

    def _is_on(self) -> bool:
        """Whether the flag lets any call come to a pool."""
        return self._flag is None or self._flag.state.limit > 0

    def _pools(self) -> Iterator[Pool]:
        if self._pool is not None:
            yield self._pool
        yield from self._left

    def _states(self) -> list[MemberState]:
        if self._closed:
            return []
        return [one.state() for pool in self._pools() for one in (*pool.members, *pool.draining)]

    def _spawn(self, work: Any) -> None:
        task = Context().run(get_running_loop().create_task, work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
