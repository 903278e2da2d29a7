"""Backpressure's part in `QuickWins`: what is made here follows `[backpressure]`, live."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypedDict, TypeGuard

from quickwins.backpressure.settings import BackpressureSettings
from quickwins.core.errors import ConfigError
from quickwins.core.events import CONFIG_UNUSED, Reporter
from quickwins.core.feature import close_together

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from collections.abc import Set as AbstractSet
    from typing import Unpack

    from prometheus_client import CollectorRegistry

    from quickwins.backpressure import Gate, GatedInPlace, GatedPool, Priority, Rule
    from quickwins.backpressure._gate import ShellOptions
    from quickwins.backpressure.asgi import BackpressureMiddleware
    from quickwins.backpressure.grpc import BackpressureInterceptor
    from quickwins.backpressure.sqlalchemy import GatedEngine
    from quickwins.backpressure.strawberry import BackpressureExtension
    from quickwins.core.asgi import App, Scope
    from quickwins.core.clock import Clock
    from quickwins.core.flags import Flags, Snapshot


class AsyncpgPool(Protocol):
    """asyncpg's pool, or a test's: what no other library's pool has."""

    def get_max_size(self) -> int:
        """How many connections it may have."""
        ...


class DoorOptions(TypedDict, total=False):
    """What `BackpressureMiddleware` takes besides a gate, as keywords; explained there."""

    exempt: Collection[str]
    graphql: Collection[str]
    deadline_header: str | None
    priority: Callable[[Scope], Priority] | None
    tenant: Callable[[Scope], str | None] | None


class Backpressure:
    """A `core.feature.Feature`: pools and gates by name, and the adapters that tell callers of refusals."""

    section = "backpressure"
    model = BackpressureSettings

    def __init__(
        self,
        flags: Flags,
        *,
        registry: CollectorRegistry | None,
        clock: Clock | None,
        trace: Callable[[], str | None] | None = None,
    ) -> None:
        self._trace = trace
        self._flags = flags
        self._flag = flags.flag(self.section)
        self._registry = registry
        self._clock = clock
        self._pools: dict[str, GatedPool | GatedInPlace] = {}
        self._gates: dict[str, Gate] = {}
        self._left: dict[str, GatedEngine] = {}
        """Engines of an earlier start: an application that is started again, as test clients do, may have made them once."""

    def pool(self, pool: Any, *, name: str, size: int | None = None) -> GatedPool | GatedInPlace:
        """`pool` behind a gate; closed here.

        Args:
            pool: An asyncpg pool (or a test's fake one), which is then used through what is returned here alone; or an engine
                of SQLAlchemy or a pool of psycopg_pool, which are used as before.
            name: What it is called in configuration, metrics and errors.
            size: How many connections there may be at once, for an engine or a pool that sets no limit itself.

        Raises:
            ConfigError: It is nothing that a gate is known for, it was given here before, or there is a pool or gate of that
                name.
        """
        from quickwins.backpressure import Gate, GatedPool

        left = self._left.pop(name, None)
        if left is not None and left.engine is pool:
            left.reconfigure(self._rule_of_new(name))
            self._pools[name] = left
            return left
        gate = Gate(self._rule_of_new(name))
        options: ShellOptions = {
            "flag": self._flag,
            "name": name,
            "service": self._flags.snapshot.settings.service,
            "registry": self._registry,
            "clock": self._clock,
            "trace": self._trace,
        }
        made: GatedPool | GatedInPlace
        of = _library_of(pool)
        if of == "sqlalchemy":
            from quickwins.backpressure.sqlalchemy import GatedEngine

            made = GatedEngine(pool, gate=gate, size=size, **options)
        elif of == "psycopg_pool":
            from quickwins.backpressure.psycopg import GatedPsycopgPool

            made = GatedPsycopgPool(pool, gate=gate, size=size, **options)
        elif not hasattr(pool, "get_max_size"):
            raise ConfigError(
                f"a gate is known for asyncpg's pools, SQLAlchemy's AsyncEngine and psycopg_pool's AsyncConnectionPool, not for "
                f"{type(pool).__name__}; for anything else, make one by gate(name=..., size=...)"
            )
        elif any(made.pool is pool for made in self._pools.values() if isinstance(made, GatedPool)):
            raise ConfigError(
                f"the pool for {name!r} has a gate already: two gates would admit twice its size"
            )
        else:
            made = GatedPool(pool, gate=gate, **options)
        self._pools[name] = made
        return made

    def gate(self, *, name: str, size: int) -> Gate:
        """A gate for anything that `size` may use at once.

        Args:
            name: What it is called in configuration, metrics and errors.
            size: At least 1.

        Raises:
            ConfigError: There is a pool or gate of that name.
        """
        from quickwins.backpressure import Gate

        gate = Gate(self._rule_of_new(name))
        gate.bind(
            size,
            name=name,
            service=self._flags.snapshot.settings.service,
            flag=self._flag,
            registry=self._registry,
            clock=self._clock,
            trace=self._trace,
        )
        self._gates[name] = gate
        return gate

    def asgi(
        self, app: App, *, gate: Gate | None = None, **door: Unpack[DoorOptions]
    ) -> BackpressureMiddleware:
        """`app` with refusals as answers, behind `gate` if there is one."""
        from quickwins.backpressure.asgi import BackpressureMiddleware

        return BackpressureMiddleware(app, gate=gate, clock=self._clock, **door)

    def grpc_interceptor(self, gate: Gate | None = None) -> BackpressureInterceptor:
        """What answers refusals of a gRPC server's handlers, with `gate` at the door if there is one."""
        from quickwins.backpressure.grpc import BackpressureInterceptor

        return BackpressureInterceptor(gate=gate, clock=self._clock)

    def strawberry_extension(self) -> type[BackpressureExtension]:
        """What answers refusals of a GraphQL schema's resolvers."""
        from quickwins.backpressure.strawberry import BackpressureExtension

        return BackpressureExtension

    def apply(self, snapshot: Snapshot) -> None:
        """Have everything follow its own table, or the section."""
        settings = self._settings(snapshot)
        made: dict[str, GatedPool | GatedInPlace | Gate] = {**self._left, **self._pools, **self._gates}
        for name, one in made.items():
            one.reconfigure(settings.for_name(name).rule())

    async def close(self) -> None:
        """Close the pools, each with its grace, and say which tables nobody has used.

        Gates stay, and so do engines, which are only disposed of: an application that is started again, as test clients do,
        has the same ones.
        """
        pools: dict[str, GatedPool | GatedInPlace] = {**self._left, **self._pools}
        self._pools = {}
        self._left = {name: one for name, one in pools.items() if _reopens(one)}
        try:
            await close_together(
                "pools", (one.dispose() if _reopens(one) else one.close() for one in pools.values())
            )
        finally:
            # Not before: a service may make a pool at any time.
            self._report_unused(pools.keys() | self._gates.keys())

    def _report_unused(self, used: AbstractSet[str]) -> None:
        snapshot = self._flags.snapshot
        for name in self._settings(snapshot).names.keys() - used:
            Reporter(service=snapshot.settings.service).report(
                CONFIG_UNUSED,
                key=f"{self.section}.names.{name}",
                reason="no pool and no gate had that name",
            )

    def _settings(self, snapshot: Snapshot) -> BackpressureSettings:
        return snapshot.settings.section(self.section, self.model)

    def _rule_of_new(self, name: str) -> Rule:
        if name in self._pools or name in self._left or name in self._gates:
            kind = "gate" if name in self._gates else "pool"
            raise ConfigError(
                f"there is a {kind} {name!r} already: give each pool and gate a name of its own"
            )
        return self._settings(self._flags.snapshot).for_name(name).rule()


def _reopens(pool: GatedPool | GatedInPlace) -> TypeGuard[GatedEngine]:
    return hasattr(pool, "dispose")


def _library_of(pool: object) -> str:
    """Whose `pool` is, of those that gate a pool in place; nothing is imported to find out."""
    names = {f"{base.__module__.partition('.')[0]}.{base.__name__}" for base in type(pool).__mro__}
    if "sqlalchemy.AsyncEngine" in names:
        return "sqlalchemy"
    return "psycopg_pool" if "psycopg_pool.AsyncConnectionPool" in names else ""
