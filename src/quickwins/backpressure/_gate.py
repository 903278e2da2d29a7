"""The gate as a service sees it: made, bound to a resource, asked for permits, and looked at."""

from __future__ import annotations

from sys import _getframe  # `inspect.currentframe` is the same behind a slower door
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from quickwins.backpressure._core.gate import GateCore
from quickwins.backpressure._hold import wanted, wishes
from quickwins.backpressure._permit import Permit
from quickwins.backpressure._waiting import GateShell
from quickwins.backpressure.rule import GateKind, Nested, Priority, Rule
from quickwins.backpressure.stats import PoolStats
from quickwins.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random
    from typing import Unpack

    from prometheus_client import CollectorRegistry

    from quickwins.core.clock import Clock
    from quickwins.core.flags import Flag

_NORMAL = Priority.NORMAL
_RULE = Rule()


class ShellOptions(TypedDict, total=False):
    """Where a gate belongs and what it works with, as keywords; all are optional.

    Attributes:
        name: Of the resource, on metrics, events and errors.
        service: Of the process, on metrics and events.
        flag: Asked at each use. While it is off, permits are only counted: nothing is refused, and nothing waits. `None`:
            always on.
        registry: For the series; the default registry when `None`.
        clock: For deadlines and hold times; must run as the event loop's does. The system's when `None`.
        rng: For the jitter of what the refused are told to wait.
        trace: Gives the id of the trace that is going on, for exemplars on the histograms; none when `None`.
    """

    name: str
    service: str
    flag: Flag | None
    registry: CollectorRegistry | None
    clock: Clock | None
    rng: Random | None
    trace: Callable[[], str | None] | None


class GateOptions(ShellOptions, total=False):
    """What every kind of gate takes, as keywords; and with a `size` what `ShellOptions` says.

    Attributes:
        reserved_critical: `Rule` says what this and those below do, what they may be, and are by default.
        reserved_normal: See `Rule`.
        floor: See `Rule`.
        tenants: See `Rule`.
        nested: See `Rule`.
        shadow: See `Rule`.
        retry_after_seconds: See `Rule`.
        size: How many permits there are. It binds the gate; leave it out for a gate that a `GatedPool` will bind.
    """

    reserved_critical: float
    reserved_normal: float
    floor: float
    tenants: int
    nested: Nested | Literal["refuse", "allow"]
    shadow: bool
    retry_after_seconds: float
    size: int | None


class Gate:
    """Admits, refuses, or lets callers wait. Belongs to one event loop, and is bound to one resource and its size.

    A `GatedPool` binds it to its pool. For anything else, make it with a size and take permits from it.

    Example:
        gate = Gate.queue(size=20, name="search")
        async with gate.permit(timeout=1.0):
            await client.get("/search")
    """

    __slots__ = ("_rule", "_shell")

    def __init__(self, rule: Rule) -> None:
        """Use `Gate.queue`, `Gate.threshold` or `Gate.adaptive` instead."""
        self._rule = rule
        self._shell: GateShell | None = None

    def __repr__(self) -> str:
        if self._shell is None:
            return f"<Gate: {self._rule.kind}, not bound>"
        return f"<Gate {self._shell}>"

    @classmethod
    def threshold(
        cls,
        threshold: float = _RULE.threshold,
        **options: Unpack[GateOptions],
    ) -> Gate:
        """Refuse when `threshold` of the permits, rounded up to whole ones, are in use.

        Critical work may use the others. Simple and blunt: bursts of ordinary traffic are refused well below capacity,
        and the spare connections serve nobody under overload.

        Args:
            threshold: See `Rule`.
            options: What every gate takes, such as `size` and `name`: see `GateOptions`.

        Raises:
            ConfigError: An argument is out of range.
        """
        return cls._made(GateKind.THRESHOLD, options, threshold=threshold)

    @classmethod
    def queue(
        cls,
        *,
        target_seconds: float = _RULE.target_seconds,
        interval_seconds: float = _RULE.interval_seconds,
        queue_size: int = _RULE.queue_size,
        **options: Unpack[GateOptions],
    ) -> Gate:
        """Use every permit, and keep a line that is bounded in length and in time.

        First come, first served, until the oldest in line has been above the target for a whole interval. From then
        until the line is empty the newest is served first, and callers that have waited for the target are refused.

        Args:
            target_seconds: See `Rule`.
            interval_seconds: See `Rule`.
            queue_size: See `Rule`.
            options: What every gate takes, such as `size` and `name`: see `GateOptions`.

        Raises:
            ConfigError: An argument is out of range.
        """
        return cls._made(
            GateKind.QUEUE,
            options,
            target_seconds=target_seconds,
            interval_seconds=interval_seconds,
            queue_size=queue_size,
        )

    @classmethod
    def adaptive(
        cls,
        *,
        target_seconds: float = _RULE.target_seconds,
        interval_seconds: float = _RULE.interval_seconds,
        queue_size: int = _RULE.queue_size,
        min_limit: int = _RULE.min_limit,
        **options: Unpack[GateOptions],
    ) -> Gate:
        """Use as many permits as get the most work done, and keep a line that is bounded in length and in time.

        The limit is learned from how long permits are held and how often their use fails: by a time-out, or by a lost
        connection. `stats()` says what was learned, and why. It is for resources that do less when more is asked of them
        at once, such as a database with contended locks.

        In line it is first come, first served, until the oldest has been above the target for a whole interval. From then
        until the line is empty the newest is served first, and callers that have waited for the target are refused.

        Args:
            target_seconds: See `Rule`.
            interval_seconds: See `Rule`.
            queue_size: See `Rule`.
            min_limit: See `Rule`.
            options: What every gate takes, such as `size` and `name`: see `GateOptions`.

        Raises:
            ConfigError: An argument is out of range.
        """
        return cls._made(
            GateKind.ADAPTIVE,
            options,
            target_seconds=target_seconds,
            interval_seconds=interval_seconds,
            queue_size=queue_size,
            min_limit=min_limit,
        )

    def bind(self, max_size: int, **options: Unpack[ShellOptions]) -> None:
        """Tell the gate what it guards.

        Args:
            max_size: How many may use it at once; at least 1.
            options: `name`, `service`, `flag`, `registry`, `clock`, `rng` and `trace`: see `ShellOptions`.

        Raises:
            ConfigError: It is bound already: two pools would share one count.
        """
        if self._shell is not None:
            raise ConfigError("this gate is bound to a pool already; make one gate for each pool")
        self._shell = GateShell(self._core_for(max_size), **options)

    @property
    def shell(self) -> GateShell:
        """What a bound gate works with; for the files of this room.

        Raises:
            ConfigError: The gate is not bound.
        """
        if self._shell is None:
            raise _unbound()
        return self._shell

    def permit(
        self, *, timeout: float | None = None, priority: Priority = _NORMAL, tenant: str | None = None
    ) -> Permit:
        """The right to use the resource inside an `async with` block.

        Args:
            timeout: Seconds to wait for it; `None`: as long as the gate lets callers wait. The request's deadline
                (`quickwins.backpressure.deadline`) counts where it is earlier.
            priority: How much the work matters: what goes first in line, and is shed last.
            tenant: Whose work it is, where the gate tells tenants apart.

        Raises:
            ConfigError: The gate is not bound, or an argument is of a wrong type.

        Raises (when entered):
            PoolExhausted: The gate said no.
            NestedAcquire: This task holds a permit already, and there is no other one.
            DeadlineExceeded: The request's deadline passed in line.
            TimeoutError: `timeout` passed in line.
        """
        if self._shell is None:  # not by the property, which is a call more
            raise _unbound()
        # Nearly every call gives neither, or what it should.
        if (timeout is not None and timeout.__class__ is not float) or (
            priority is not _NORMAL and priority.__class__ is not Priority
        ):
            wishes(timeout, priority)
        return wanted(Permit, self._shell, timeout, priority, tenant, _getframe(1))

    def stats(self) -> PoolStats:
        """What is going on now."""
        shell = self.shell
        core, counts, holders = shell.core, shell.counts, shell.holders
        return PoolStats(
            name=shell.name,
            gate=core.rule.kind,
            why=core.why,
            gated=core.limit is not None and (shell.flag is None or shell.flag.state.on),
            shadow=core.rule.shadow,
            max_size=core.max_size,
            limit=core.limit,
            inflight=counts.in_use,
            waiting=core.waiting,
            overloaded=core.overloaded,
            mean_hold_seconds=core.mean_hold_seconds,
            mean_delay_seconds=counts.mean_delay_seconds,
            admitted=core.admitted,
            timed_out=core.timed_out,
            nested=counts.nested,
            rejected=counts.rejected.copy(),
            shadow_rejected=counts.shadow_rejected.copy(),
            holders=holders.longest(shell.now()),
            longest_held=holders.sites(),
        )

    def close(self) -> None:
        """Refuse everybody from now on, those in line included. Idempotent."""
        self.shell.close()

    def reconfigure(self, rule: Rule) -> None:
        """Follow another rule. Permits in use stay in use, and callers in line go on waiting."""
        self.shell.reconfigure(rule)

    def _core_for(self, max_size: int) -> GateCore:
        return GateCore(self._rule, max_size)

    @classmethod
    def _made(cls, kind: GateKind, options: GateOptions, **knobs: float) -> Gate:
        given: dict[str, Any] = {**options, **knobs}
        size = given.pop("size", None)
        shell = {key: given.pop(key) for key in ShellOptions.__annotations__ if key in given}
        gate = cls(Rule(kind, **given))
        if size is not None:
            gate.bind(size, **shell)
        elif shell:
            raise ConfigError(f"{', '.join(shell)}: only with a size; a GatedPool gives its gate its own")
        return gate


def at_door(gate: Gate | None) -> Gate | None:
    """`gate`, for an adapter that asks it for each request.

    Raises:
        ConfigError: It is none, or not bound.
    """
    if gate is not None:
        _ = checked(gate).shell  # which says where it is not bound
    return gate


def checked(gate: Gate) -> Gate:
    """`gate`, which it should be.

    Raises:
        ConfigError: It is something else.
    """
    if not isinstance(gate, Gate):
        raise ConfigError(f"gate takes a Gate, such as Gate.queue(), not a {type(gate).__name__}")
    return gate


def _unbound() -> ConfigError:
    return ConfigError("this gate is not bound to a pool: give it to a GatedPool, or give it a size")
