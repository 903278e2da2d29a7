"""Features follow one configuration together; one that fails keeps the others from nothing, and all are closed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest
from prometheus_client import CollectorRegistry

from quickwins.core.clock import Clock
from quickwins.core.config import Section
from quickwins.core.errors import ConfigError
from quickwins.core.feature import Feature, Features
from quickwins.core.flags import Flags, FlagSettings, FlagsSettings, MemorySource, Snapshot


@dataclass
class Told:
    """A feature that notes what it is told, and does what a test says at its end."""

    section: str
    said: list[str]
    model: type[Section] = FlagSettings
    fails_to_apply: bool = False
    closing: Callable[[], object] | None = None
    hangs: bool = False

    def apply(self, snapshot: Snapshot) -> None:
        if self.fails_to_apply:
            raise ConfigError(f"{self.section} cannot")
        self.said.append(f"{self.section} follows {snapshot.version}")

    async def close(self) -> None:
        try:
            if self.hangs:
                await asyncio.Event().wait()
        finally:
            self.said.append(f"{self.section} closed")
        if self.closing is not None:
            self.closing()


class Given(Features):
    """Features that somebody else has made."""

    def __init__(self, flags: Flags, features: Sequence[Feature]) -> None:
        self._given = features
        super().__init__(flags)

    def make(self, registry: CollectorRegistry | None, clock: Clock | None) -> Sequence[Feature]:
        return self._given


class House:
    """Three features on a memory source."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.one, self.two, self.three = (Told(name, self.said) for name in ("one", "two", "three"))
        self.source = MemorySource({"one": {"enabled": True}})
        sections: dict[str, type[Section]] = {
            "flags": FlagsSettings,
            "one": FlagSettings,
            "two": FlagSettings,
        }
        self.registry = CollectorRegistry()
        self.flags = Flags(sections, [self.source], registry=self.registry)
        self.features = Given(self.flags, (self.one, self.two, self.three))

    def change(self) -> None:
        self.source.set("two", salt=str(self.flags.snapshot.version))
        assert self.flags.poll()

    @staticmethod
    def polling() -> bool:
        return any(task.get_name() == "quickwins-flags" for task in asyncio.all_tasks())


@pytest.mark.asyncio
async def test_they_follow_at_the_start_and_at_each_change_until_they_are_closed_the_first_last() -> None:
    house = House()
    house.change()
    assert house.said == [], "nothing happens before it is entered"
    async with house.features as entered:
        assert entered is house.features
        assert house.polling()
        house.change()
    house.change()
    assert house.said[:6] == [f"{name} follows {at}" for at in (2, 3) for name in ("one", "two", "three")]
    assert set(house.said[6:8]) == {"two closed", "three closed"}
    assert house.said[8:] == ["one closed"]
    assert not house.polling()
    async with house.features:
        assert house.said[9:] == [f"{name} follows 4" for name in ("one", "two", "three")]


@pytest.mark.asyncio
async def test_one_that_cannot_start_ends_the_start_and_all_are_closed() -> None:
    house = House()
    house.three.fails_to_apply = True
    with pytest.raises(ConfigError, match="three cannot"):
        await house.features.__aenter__()
    assert {one for one in house.said if "closed" in one} == {"one closed", "two closed", "three closed"}
    assert not house.polling()


@pytest.mark.asyncio
async def test_one_that_cannot_follow_is_reported_and_counted_and_the_others_follow(
    caplog: pytest.LogCaptureFixture,
) -> None:
    house = House()
    async with house.features:
        house.two.fails_to_apply = True
        house.change()
        assert house.said[3:] == ["one follows 2", "three follows 2"]
    failures = house.registry.get_sample_value(
        "quickwins_flag_subscriber_failures_total", {"service": "", "name": ""}
    )
    assert failures == 1
    assert [one for one in caplog.messages if "flag.subscriber_failed" in one and "Told.apply" in one]


@pytest.mark.asyncio
async def test_they_are_closed_together_so_that_graces_do_not_add_up() -> None:
    house = House()
    together = asyncio.Barrier(2)

    class Waiting(Told):
        async def close(self) -> None:
            await together.wait()  # each waits for the other
            await super().close()

    two, three = Waiting("two", house.said), Waiting("three", house.said)
    async with asyncio.timeout(5), Given(house.flags, (house.one, two, three)):
        house.said.clear()
    assert house.said[-1] == "one closed"


@pytest.mark.asyncio
async def test_what_fails_at_its_end_is_raised_when_all_are_closed() -> None:
    def bug() -> None:
        raise RuntimeError("a bug")

    house = House()
    house.two.closing = bug

    async def live() -> None:
        async with house.features:
            house.said.clear()

    with pytest.raises(RuntimeError, match="a bug"):
        await live()
    assert set(house.said) == {"one closed", "two closed", "three closed"}
    assert not house.polling()
    house.three.closing = bug
    with pytest.raises(ExceptionGroup, match="closing the features") as caught:
        await live()
    assert [str(error) for error in caught.value.exceptions] == ["a bug", "a bug"]


@pytest.mark.parametrize("turns", range(6))
@pytest.mark.asyncio
async def test_cancelled_at_any_moment_of_its_end_it_leaves_nothing_behind(turns: int) -> None:
    house = House()
    house.two.hangs = house.three.hangs = True
    await house.features.__aenter__()
    house.said.clear()
    closing = asyncio.create_task(house.features.__aexit__())
    await asyncio.sleep(
        0
    )  # a task that is cancelled before its first step never closes anything: that is asyncio's
    for _ in range(turns):
        await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert set(house.said[:2]) == {"two closed", "three closed"}
    assert house.said[2:] == ["one closed"]
    assert not house.polling()
    assert asyncio.all_tasks() == {asyncio.current_task()}
