"""The live flags of one process: polls the sources, swaps the snapshot, tells the subscribers."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from types import FunctionType, MethodType
from typing import TYPE_CHECKING

from quickwins.core.clock import SystemClock
from quickwins.core.config import Layer, Settings, resolve
from quickwins.core.errors import ENDS_PROCESS, ConfigError
from quickwins.core.events import (
    AUDIT_FAILED,
    FLAG_CHANGED,
    FLAG_KEY_MISSING,
    FLAG_SOURCE_FAILED,
    FLAG_SOURCE_RECOVERED,
    FLAG_SUBSCRIBER_FAILED,
    Reporter,
)
from quickwins.core.flags._kills import killed_in
from quickwins.core.flags._polling import Polling
from quickwins.core.flags.errors import SourceError, SourceReason, no_flag
from quickwins.core.flags.flag import Flag
from quickwins.core.flags.history import audit_record, change_fields
from quickwins.core.flags.metrics import (
    AUDIT_FAILURES,
    FLAG,
    FLAG_CHANGES,
    FLAG_VERSION,
    SOURCE_FAILURES,
    SOURCE_UP,
    SUBSCRIBER_FAILURES,
)
from quickwins.core.flags.settings import FlagsSettings
from quickwins.core.flags.snapshot import Snapshot
from quickwins.core.metrics import Metrics
from quickwins.core.metrics.multiprocess import folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from prometheus_client import CollectorRegistry

    from quickwins.core.audit import AuditLog
    from quickwins.core.clock import Clock
    from quickwins.core.config import Section
    from quickwins.core.events import Event
    from quickwins.core.flags._state import FlagState
    from quickwins.core.flags.sources import Source

_DEFAULTS = FlagsSettings()


class Flags:
    """The snapshot of one process, kept fresh from its sources.

    Build it, then `async with` it (or call `poll` yourself). Reading `snapshot` or a `Flag` is safe from any thread;
    everything else belongs to one event loop.

    Attributes:
        snapshot: The newest whole. Replaced by reference, never changed.
    """

    def __init__(
        self,
        sections: Mapping[str, type[Section]],
        sources: Sequence[Source],
        *,
        audit: AuditLog | None = None,
        registry: CollectorRegistry | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Read every source once.

        Args:
            sections: The known sections; those that are `FlagSettings` are flags.
            sources: The strongest first.
            audit: Where each change of a flag is recorded; `None`: nowhere.
            registry: For the flags' series; the default registry when `None`.
            clock: For waiting and for expiry.

        Raises:
            ConfigError: A source cannot be read, or what they say together is not valid: nothing runs on a guess.
        """
        self._sections = sections
        self._sources = sources
        self._clock = SystemClock() if clock is None else clock
        self._audit = audit
        self._subscribers: dict[object, Callable[[Snapshot], None]] = {}
        self._checks: list[Callable[[Settings], None]] = []
        self._polling = Polling(self.poll, self._interval_seconds, self._clock)
        self._names = [source.name for source in sources]
        self._tokens, failure = self._read()
        if failure is not None:
            raise failure
        self.snapshot = self._build(version=1)
        self._frozen = False
        self._refused: list[object] | None = None
        self._failing: tuple[str, str] | None = None
        service = self.snapshot.settings.service
        self._metrics = Metrics(registry=registry, service=service)
        self._reporter = Reporter(service=service, registry=registry)
        self._flags = {
            feature: Flag(feature, self, state, self._metrics, say=self._key_missing)
            for feature, state in self.snapshot.flags.items()
        }
        if folder() is None:  # else they who follow show it, not who forks them
            self._show()

    def __repr__(self) -> str:
        flags = ", ".join(f"{feature} {state}" for feature, state in self.snapshot.flags.items())
        return f"<Flags version {self.snapshot.version}, {self._polling}: {flags}>"

    def flag(self, feature: str) -> Flag:
        """The handle on `feature`'s flag; always the same object.

        Raises:
            ConfigError: No known section of that name is a flag.
        """
        try:
            return self._flags[feature]
        except KeyError:
            raise no_flag(feature, self._flags) from None

    def subscribe(self, subscriber: Callable[[Snapshot], None]) -> Callable[[], None]:
        """Call `subscriber` with each new snapshot, after the swap, on the polling loop. It must not block.

        What it raises is reported and counted, and keeps nobody else from the change.

        Returns:
            What ends the subscription. Idempotent.
        """
        subscription = object()
        self._subscribers[subscription] = subscriber

        def unsubscribe() -> None:
            self._subscribers.pop(subscription, None)

        return unsubscribe

    def guard(self, check: Callable[[Settings], None]) -> None:
        """Have `check` say what this process cannot follow, now and before each swap.

        A `ConfigError` refuses the settings as a mistake in them would: the last good ones stay.

        Raises:
            ConfigError: The present settings are refused.
        """
        check(self.snapshot.settings)
        self._checks.append(check)

    def poll(self) -> bool:
        """Look at the sources once, and swap when they say something else, or when a flag has expired.

        Returns:
            Whether the snapshot was replaced. When the sources are missing, cut short or invalid, the last good
            snapshot stays, one event says why, and `quickwins_flag_source_up` is 0 until they are good again.
        """
        if self._frozen:
            return False
        tokens, failure = self._read()
        if failure is not None:
            changed = self._follow_kills()
            self._failed(failure)
            return changed
        if _same(tokens, self._tokens):
            self._recovered()
            return self._expire()
        if self._refused is not None and _same(tokens, self._refused):
            return self._expire()
        try:
            new = self._build(version=self.snapshot.version + 1)
        except BaseException as error:
            if isinstance(error, ENDS_PROCESS):
                raise
            # Only what is wrong with the text stays wrong as long as it says the same.
            self._refused = tokens if isinstance(error, ConfigError) else None
            changed = self._follow_kills()
            self._failed(error)
            return changed
        self._tokens = tokens
        changed = self._swap(new)
        self._recovered()
        return changed

    @contextmanager
    def frozen(self, states: Mapping[str, bool | int]) -> Iterator[None]:
        """See `core.flags.testing.frozen_flags`."""
        if self._frozen:
            raise ConfigError("these flags are frozen already")
        before = self.snapshot
        for feature in states:
            self.flag(feature)
        given = {
            one: {"enabled": bool(state), "percent": 100 if state is True else int(state)}
            for one, state in states.items()
        }
        resolve([Layer("frozen_flags", given)], self._sections)
        sections = dict(before.settings.sections)
        for one, said in given.items():
            sections[one] = sections[one].model_copy(update={**said, "killed": False, "expires_at": None})
        self._frozen = True
        try:
            self._swap(self._redecided(replace(before.settings, sections=sections)))
            yield
        finally:
            self._frozen = False
            self._swap(replace(before, version=self.snapshot.version + 1))

    def _follow_kills(self) -> bool:
        """Kill what any source kills: a kill needs nothing but itself, whatever is wrong with the rest."""
        killers = {
            feature: source.name for source in reversed(self._sources) for feature in _kills_of(source)
        }
        return self._kill(killers) if killers else self._expire()

    def _expire(self) -> bool:
        """Swap in what an expiry makes of the last good settings; it needs no source."""
        expires_at = self.snapshot.expires_at
        if expires_at is None or self._clock.wall() < expires_at:
            return False
        return self._swap(self._redecided(self.snapshot.settings))

    def _kill(self, killers: Mapping[str, str]) -> bool:
        """Kill features on top of the last good settings, although the source of each is not to be believed otherwise."""
        self._tokens = []  # so that the last good text, when it is back, is read again
        old = self.snapshot.settings
        sections = {
            name: one.model_copy(update={"killed": True}) if name in killers and name in self._flags else one
            for name, one in old.sections.items()
        }
        origins = {**old.origins, **{f"{feature}.killed": source for feature, source in killers.items()}}
        return self._swap(self._redecided(Settings(old.service, sections, origins)))

    def _redecided(self, settings: Settings) -> Snapshot:
        return Snapshot.build(settings, version=self.snapshot.version + 1, wall_now=self._clock.wall())

    async def __aenter__(self) -> Self:
        """Start polling.

        Raises:
            ConfigError: They are polled already.
        """
        self._polling.start()
        self._show()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop polling; the last snapshot stays."""
        await self._polling.stop()

    def _interval_seconds(self) -> float:
        settings = self.snapshot.settings.sections.get("flags")
        return (settings if isinstance(settings, FlagsSettings) else _DEFAULTS).poll_interval_seconds

    def _read(self) -> tuple[list[object], SourceError | None]:
        """What each source says, and how the first failed of those that could not be read."""
        tokens: list[object] = []
        failures: list[SourceError] = []
        for source, name in zip(self._sources, self._names, strict=True):
            try:
                tokens.append(source.read())
            except SourceError as error:  # the others are read all the same: one of them may kill
                failures.append(error)
            except BaseException as error:
                if isinstance(error, ENDS_PROCESS):
                    raise
                # What is not ours may quote anything: only its kind is told.
                said = f"{name}: reading it raised {type(error).__name__}"
                failures.append(SourceError(said, source=name, reason=SourceReason.UNREADABLE))
        return tokens, failures[0] if failures else None

    def _build(self, version: int) -> Snapshot:
        settings = resolve([source.layer() for source in self._sources], self._sections)
        for check in self._checks:
            check(settings)
        snapshot = Snapshot.build(settings, version=version, wall_now=self._clock.wall())
        for source in self._sources:
            source.accept()
        return snapshot

    def _swap(self, new: Snapshot) -> bool:
        old = self.snapshot
        if new.digest == old.digest:  # a comment was edited
            self.snapshot = replace(new, version=old.version, flags=old.flags)
            return False
        self.snapshot = new
        for feature, flag in self._flags.items():
            flag.state = new.flags[feature]
        failed: list[tuple[str, str]] = []
        for subscriber in list(self._subscribers.values()):
            try:
                subscriber(new)
            except BaseException as error:
                if isinstance(error, ENDS_PROCESS):
                    raise
                failed.append((_name_of(subscriber), type(error).__name__))
        # Reports last: what a log handler or the audit file does must not come between a switch and who follows it.
        self._show()
        for feature, state in new.flags.items():
            if (
                state != old.flags[feature]
                or new.settings.sections[feature] != old.settings.sections[feature]
            ):
                self._changed(feature, old, new)
        for name, kind in failed:
            self._metrics.counter(SUBSCRIBER_FAILURES).inc()
            self._reporter.report(FLAG_SUBSCRIBER_FAILED, subscriber=name, error=kind)
        return True

    def _show(self) -> None:
        self._metrics.gauge(FLAG_VERSION).set(self.snapshot.version)
        for feature, state in self.snapshot.flags.items():
            self._metrics.gauge(FLAG, feature=feature).set(state.percent / 100)
        for name in self._names:
            self._metrics.gauge(SOURCE_UP, source=name).set((name,) != (self._failing or ())[:1])

    def _changed(self, feature: str, old: Snapshot, snapshot: Snapshot) -> None:
        fields = change_fields(feature, old, snapshot)
        self._metrics.counter(FLAG_CHANGES, feature=feature).inc()
        self._reporter.report(FLAG_CHANGED, **fields)
        self._record(FLAG_CHANGED, fields)

    def _key_missing(self, state: FlagState) -> None:
        """Say that a question at a percentage had no key; `quickwins doctor` looks for it in the audit file."""
        fields = {"feature": state.feature, "percent": state.percent}
        self._reporter.report(FLAG_KEY_MISSING, **fields)
        self._record(FLAG_KEY_MISSING, fields)

    def _record(self, event: Event, fields: Mapping[str, object]) -> None:
        if self._audit is None:
            return
        try:
            service = self.snapshot.settings.service
            self._audit.append(audit_record(event, fields, service=service, wall_now=self._clock.wall()))
        except BaseException as error:  # the audit may be a user's own, and the switch has happened
            if isinstance(error, ENDS_PROCESS):
                raise
            self._metrics.counter(AUDIT_FAILURES).inc()
            why = error.strerror if isinstance(error, OSError) else None
            self._reporter.report(AUDIT_FAILED, reason=why or type(error).__name__)

    def _failed(self, error: BaseException) -> None:
        # An error that no source raised is about the values together, most of which the last one brings.
        source = error.source if isinstance(error, SourceError) else self._names[-1]
        # What is not ours may quote anything: only its kind is told.
        detail = str(error) if isinstance(error, ConfigError) else type(error).__name__
        if self._failing == (source, detail):
            return
        self._recovered_metrics()
        self._failing = (source, detail)
        reason = str(getattr(error, "reason", None) or SourceReason.INVALID)
        self._metrics.gauge(SOURCE_UP, source=source).set(0)
        self._metrics.counter(SOURCE_FAILURES, source=source, reason=reason).inc()
        self._reporter.report(FLAG_SOURCE_FAILED, source=source, reason=reason, detail=detail)

    def _recovered(self) -> None:
        self._refused = None
        if self._failing is not None:
            self._reporter.report(FLAG_SOURCE_RECOVERED, source=self._failing[0])
            self._recovered_metrics()
            self._failing = None

    def _recovered_metrics(self) -> None:
        if self._failing is not None:
            self._metrics.gauge(SOURCE_UP, source=self._failing[0]).set(1)


def _kills_of(source: Source) -> frozenset[str]:
    """What `source` kills, although it is not to be believed otherwise."""
    try:
        return killed_in(source.layer().values)
    except SourceError as error:
        return error.kills
    except BaseException as error:  # it has been reported, and other sources may kill
        if isinstance(error, ENDS_PROCESS):
            raise
        return frozenset()


def _same(one: list[object], other: list[object]) -> bool:
    """Whether two readings are equal; tokens that cannot be compared are not."""
    try:
        return one == other
    except BaseException as error:
        if isinstance(error, ENDS_PROCESS):
            raise
        return False


def _name_of(subscriber: object) -> str:
    if isinstance(subscriber, (FunctionType, MethodType)):
        return subscriber.__qualname__
    return type(subscriber).__qualname__
