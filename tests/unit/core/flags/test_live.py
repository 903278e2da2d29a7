"""The snapshot is swapped whole, requests see one version, and a bad source never changes anything."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterator
from contextvars import copy_context
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from quickwins.core.audit import AuditLog
from quickwins.core.clock import FakeClock
from quickwins.core.config import Layer, Section, Settings
from quickwins.core.errors import ConfigError
from quickwins.core.flags import (
    EnvironmentSource,
    FileSource,
    Flag,
    Flags,
    FlagSettings,
    FlagsSettings,
    MemorySource,
    Source,
    SourceError,
    pinned,
)
from quickwins.core.flags.pin import PIN
from quickwins.core.flags.text import MAX_FILE_BYTES

SECTIONS: dict[str, type[Section]] = {"flags": FlagsSettings, "one": FlagSettings, "two": FlagSettings}
ON = {"one": {"enabled": True}, "two": {"enabled": True}}


class World:
    """Flags on a memory source, with everything they report at hand."""

    def __init__(self, values: dict[str, Any] | None = None, audit: AuditLog | None = None) -> None:
        self.source = MemorySource(ON if values is None else values)
        self.clock = FakeClock()
        self.registry = CollectorRegistry()
        self.flags = Flags(SECTIONS, [self.source], audit=audit, registry=self.registry, clock=self.clock)
        self.one, self.two = self.flags.flag("one"), self.flags.flag("two")

    def sample(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, {"service": "", "name": "", **labels})

    def set(self, feature: str, **fields: object) -> bool:
        self.source.set(feature, **fields)
        return self.flags.poll()


def on(flag: Flag) -> bool:
    return flag.state.on


@pytest.fixture
def world() -> World:
    return World()


def test_a_change_is_seen_at_the_next_poll_by_handle_and_by_snapshot(world: World) -> None:
    assert on(world.one)
    assert not world.flags.poll()
    world.source.set("one", enabled=False)
    assert on(world.one)
    assert world.flags.poll()
    assert not on(world.one)
    assert not world.one.active()
    assert (world.two.active(), world.flags.snapshot.version) == (True, 2)
    assert (world.sample("quickwins_flag", feature="one"), world.sample("quickwins_flag", feature="two")) == (
        0,
        1,
    )
    assert world.sample("quickwins_flag_changes_total", feature="one") == 1
    assert world.sample("quickwins_flag_snapshot_version") == 2


def test_a_request_keeps_its_snapshot_and_its_key(world: World) -> None:
    with pinned("user-1"):
        assert world.one.active()
        world.set("one", killed=True)
        world.set("two", killed=True)
        assert world.one.active()
        assert world.two.active(), "another flag of the same request is from the same snapshot"
        assert world.one.active_for("somebody else")
        with pinned("user-1"):
            assert not world.one.active(), "an inner request starts anew"
        assert world.one.active()
    assert not world.one.active()


def test_below_a_hundred_percent_the_pinned_key_decides_and_a_missing_one_is_off_and_counted(
    world: World,
) -> None:
    world.set("one", percent=50)
    verdicts = []
    for number in range(200):
        with pinned(f"user-{number}"):
            verdicts.append(world.one.active())
            assert world.one.active() == world.one.active_for(f"user-{number}")
    assert 60 < sum(verdicts) < 140
    assert world.sample("quickwins_flag_missing_key_total", feature="one") == 0
    assert not world.one.active()
    with pinned():
        assert not world.one.active()
    assert world.sample("quickwins_flag_missing_key_total", feature="one") == 2
    assert world.sample("quickwins_flag", feature="one") == 0.5


def test_a_flag_that_is_off_counts_no_missing_keys(world: World) -> None:
    world.set("one", enabled=False)
    assert not world.one.active()
    assert world.sample("quickwins_flag_missing_key_total", feature="one") == 0


@pytest.mark.asyncio
async def test_tasks_started_in_a_request_inherit_its_pin(world: World) -> None:
    async def child() -> bool:
        return world.one.active()

    with pinned("user-1"):
        task = asyncio.create_task(child())
        assert world.one.active()
        world.set("one", killed=True)
        assert await task
    assert not await asyncio.create_task(child())


@pytest.mark.asyncio
async def test_a_task_that_outlives_its_request_sees_a_kill_and_keeps_the_key(world: World) -> None:
    ended = asyncio.Event()

    async def background() -> tuple[bool, str | None]:
        assert world.one.active()
        await ended.wait()
        pin = PIN.get()
        return world.one.active(), pin.key if pin else None

    with pinned("user-1"):
        task = asyncio.create_task(background())
        await asyncio.sleep(0)
    world.set("one", killed=True)
    ended.set()
    assert await task == (False, "user-1")


def test_a_pin_that_is_used_again_starts_anew(world: World) -> None:
    pin = pinned("user-1")
    with pin:
        assert world.one.active()
    world.set("one", killed=True)
    with pin:
        assert not world.one.active()


def test_a_pin_is_entered_once_at_a_time_and_left_once(world: World) -> None:
    pin = pinned("a")
    with pin, pytest.raises(ConfigError, match="entered already"):
        pin.__enter__()
    pin.__exit__(None, None, None)
    assert PIN.get() is None
    assert world.one.active()


def test_a_pin_that_is_left_in_another_context_leaves_that_one_alone(world: World) -> None:
    def dependency() -> Iterator[None]:
        with pinned("user-1"):
            yield

    began, ended, steps = copy_context(), copy_context(), dependency()
    began.run(next, steps)
    with pytest.raises(StopIteration):
        ended.run(next, steps)
    world.set("one", killed=True)
    assert not began.run(world.one.active), "what outlives a request sees the newest snapshot"
    assert PIN.get() is ended.run(PIN.get) is None


@pytest.mark.parametrize("key", [7, b"user", object()])
def test_a_key_that_is_not_text_is_refused_at_once_not_when_the_percentage_is_lowered(key: object) -> None:
    with pytest.raises(ConfigError, match="pinned to text, not to"):
        pinned(key)  # type: ignore[arg-type]  # -- that it is refused is the test; until=never


@pytest.mark.asyncio
async def test_an_expiry_is_swapped_in_by_the_poller_when_its_time_has_come() -> None:
    world = World({"one": {"enabled": True, "fallback_percent": 5}})
    at = datetime.fromtimestamp(world.clock.wall() + 10, UTC)
    world.set("one", expires_at=at)
    async with world.flags:
        await world.clock.advance(9.9)
        assert world.one.state.percent == 100
        await world.clock.advance(1)
        assert str(world.one.state) == "5% (expired)"


@pytest.mark.asyncio
async def test_the_poller_works_at_the_configured_pace_and_ends_with_the_block(world: World) -> None:
    async with world.flags:
        world.source.set("one", enabled=False)
        await world.clock.advance(0.4)
        assert on(world.one)
        await world.clock.advance(0.1)
        assert not on(world.one)
    assert world.clock.sleeping == 0
    world.source.set("one", enabled=True)
    await world.clock.advance(5)
    assert not on(world.one)


def test_invalid_values_keep_the_last_good_snapshot_and_say_so_once(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    before = world.flags.snapshot
    for _ in range(3):
        assert not world.set("one", percent=400)
    assert world.flags.snapshot is before
    assert world.sample("quickwins_flag_source_up", source="memory") == 0
    assert world.sample("quickwins_flag_source_failures_total", source="memory", reason="invalid") == 1
    assert sum("flag.source_failed" in message for message in caplog.messages) == 1
    caplog.set_level(logging.INFO, "quickwins")
    assert world.set("one", percent=40)
    assert world.sample("quickwins_flag_source_up", source="memory") == 1
    assert any("flag.source_recovered" in message for message in caplog.messages)


def test_going_back_to_the_good_values_is_a_recovery_without_a_change() -> None:
    world = World({"one": {"percent": 100}})
    world.set("one", percent=400)
    assert world.sample("quickwins_flag_source_up", source="memory") == 0
    assert not world.set("one", percent=100)
    assert world.sample("quickwins_flag_source_up", source="memory") == 1
    assert world.flags.snapshot.version == 1


def test_each_change_is_an_event_and_an_audit_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "quickwins")
    audit = AuditLog(tmp_path / "audit.jsonl")
    world = World(audit=audit)
    world.set("one", percent=10)
    expected = {
        "feature": "one",
        "old": "100% (on)",
        "new": "10% (percent)",
        "source": "memory",
        "version": 2,
        "digest": world.flags.snapshot.digest,
    }
    fields = caplog.records[-1].__dict__["fields"]
    assert fields == {"service": "", "name": "", **expected}
    (record,) = audit.records()
    assert record == {
        "at": world.clock.wall(),
        "event": "flag.changed",
        "service": "",
        "pid": os.getpid(),
        **expected,
    }


def test_an_unwritable_audit_file_is_counted_and_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    world = World(audit=AuditLog(Path(__file__) / "nowhere"))
    assert world.set("one", killed=True)
    assert not on(world.one)
    assert world.sample("quickwins_audit_failures_total") == 1
    assert any("audit.failed" in message for message in caplog.messages)


def test_a_subscriber_hears_of_each_swap_and_a_broken_one_keeps_nobody_from_it(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[int] = []

    def broken(_: object) -> None:
        raise RuntimeError("a bug")

    world.flags.subscribe(broken)
    unsubscribe = world.flags.subscribe(lambda snapshot: heard.append(snapshot.version))
    assert world.set("one", killed=True)
    assert heard == [2]
    assert [one for one in caplog.messages if "flag.subscriber_failed" in one and "broken" in one]
    assert world.sample("quickwins_flag_subscriber_failures_total") == 1
    unsubscribe()
    assert world.set("one", killed=False)
    assert heard == [2]


def test_what_this_process_cannot_follow_is_refused_like_a_mistake_but_for_its_kills(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    def check(settings: Settings) -> None:
        if settings.section("one", FlagSettings).salt:
            raise ConfigError("salt is not in stock")

    world.flags.guard(check)
    assert not world.set("one", salt="sea", percent=50)
    assert str(world.one.state) == "100% (on)"
    assert any("salt is not in stock" in message for message in caplog.messages)
    assert world.set("two", killed=True), "although the rest is refused"
    assert [str(flag.state) for flag in (world.one, world.two)] == ["100% (on)", "0% (killed)"]
    assert world.set("one", salt="")
    assert str(world.one.state) == "50% (percent)"
    world.set("one", salt="sea")
    with pytest.raises(ConfigError, match="in stock"):
        World({"one": {"salt": "sea"}}).flags.guard(check)


def test_a_kill_beside_a_mistake_kills(tmp_path: Path) -> None:
    path = tmp_path / "quickwins.toml"
    flags = followed(path)
    path.write_text(FULL.replace("[two]\n", "[two]\nkilled = true\nenabeld = true\n"))
    assert flags.poll()
    assert [str(flags.flag(name).state) for name in ("one", "two")] == ["10% (percent)", "0% (killed)"]


def test_an_edit_that_changes_nothing_swaps_nothing(world: World) -> None:
    assert not world.set("one", percent=100.0)
    assert world.flags.snapshot.version == 1


def test_equal_configurations_have_equal_digests_and_others_do_not() -> None:
    assert World().flags.snapshot.digest == World().flags.snapshot.digest
    assert World().flags.snapshot.digest != World({"one": {"enabled": True}}).flags.snapshot.digest


def test_an_unknown_flag_is_named(world: World) -> None:
    with pytest.raises(ConfigError, match=r"no flag 'three'; known: one, two"):
        world.flags.flag("three")


def test_a_bad_source_at_the_start_is_an_error_not_a_guess(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="it is no path"):
        FileSource(Path("a\0b")).read()
    with pytest.raises(SourceError, match="there is no such file"):
        Flags(SECTIONS, [FileSource(tmp_path / "quickwins.toml")], registry=CollectorRegistry())


def test_where_a_file_was_looked_for_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceError, match=rf"^quickwins.toml: there is no such file in {tmp_path}$"):
        FileSource(Path("quickwins.toml")).read()
    with pytest.raises(SourceError, match=r"there is no such file$"):
        FileSource(tmp_path / "quickwins.toml").read()
    tmp_path.rmdir()
    with pytest.raises(SourceError, match=r"there is no such file$"):
        FileSource(Path("quickwins.toml")).read()


def test_precedence_is_kill_from_anywhere_then_environment_then_what_lies_between_then_file(
    tmp_path: Path,
) -> None:
    path = tmp_path / "quickwins.toml"
    path.write_text("[one]\nenabled = true\npercent = 10\n[two]\nkilled = true\n")
    between = MemorySource(
        {"one": {"percent": 20, "salt": "between"}, "two": {"enabled": True, "killed": False}}
    )
    env = EnvironmentSource({"QUICKWINS_ONE__PERCENT": "30", "QUICKWINS_TWO__KILLED": "false"}, SECTIONS)
    flags = Flags(SECTIONS, [env, between, FileSource(path)], registry=CollectorRegistry())
    assert flags.flag("one").state.percent == 30
    assert flags.snapshot.origin("one") == "environment"
    assert flags.snapshot.settings.origins["one.salt"] == "memory"
    assert flags.flag("two").state.why == "killed"
    assert flags.snapshot.origin("two") == str(path)
    assert flags.snapshot.settings.origins["one.enabled"] == str(path)


def become_a_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


Break = Callable[[Path], object]


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        pytest.param(lambda path: path.unlink(), "missing", id="missing"),
        pytest.param(lambda path: path.write_text(""), "empty", id="empty"),
        pytest.param(lambda path: path.write_text("\n \n"), "empty", id="blank"),
        pytest.param(lambda path: path.write_text("service = 'feed'\n"), "truncated", id="cut short"),
        pytest.param(lambda path: path.write_text("[one]\nenabled = "), "invalid", id="not TOML"),
        pytest.param(
            lambda path: path.write_text("service = 1\n[one]\nenabled = 7\nsalt = 1\n"),
            "invalid",
            id="bad value",
        ),
        pytest.param(lambda path: path.write_bytes(b"\xff\xfe"), "invalid", id="not UTF-8"),
        pytest.param(lambda path: path.write_bytes(b"#" * (MAX_FILE_BYTES + 1)), "invalid", id="huge"),
        pytest.param(lambda path: (path.unlink(), path.mkdir()), "unreadable", id="a folder"),
        pytest.param(become_a_fifo, "unreadable", id="a FIFO"),
    ],
)
def test_a_damaged_file_keeps_the_last_good_snapshot_and_recovers(
    tmp_path: Path, damage: Break, reason: str
) -> None:
    path = tmp_path / "quickwins.toml"
    text = "service = 'feed'\n[one]\nenabled = true\nsalt = 'x'\n"
    path.write_text(text)
    registry = CollectorRegistry()
    flags = Flags(SECTIONS, [FileSource(path)], registry=registry)
    before = flags.snapshot
    damage(path)
    assert not flags.poll()
    assert not flags.poll()
    assert flags.snapshot is before
    labels = {"service": "feed", "name": "", "source": "file"}
    assert (
        registry.get_sample_value("quickwins_flag_source_failures_total", {**labels, "reason": reason}) == 1
    )
    assert registry.get_sample_value("quickwins_flag_source_up", labels) == 0
    if path.is_dir():
        path.rmdir()
    path.unlink(missing_ok=True)
    path.write_text(text.replace("true", "false"))
    assert flags.poll()
    assert not flags.flag("one").state.on
    assert registry.get_sample_value("quickwins_flag_source_up", labels) == 1


FULL = "service = 'feed'\n[one]\nenabled = true\npercent = 10\n[two]\nenabled = true\n# quickwins: complete\n"


def followed(path: Path, text: str = FULL, clock: FakeClock | None = None) -> Flags:
    path.write_text(text)
    return Flags(SECTIONS, [FileSource(path)], registry=CollectorRegistry(), clock=clock)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda path: path.unlink(), id="missing"),
        pytest.param(lambda path: path.write_text("["), id="not TOML"),
        pytest.param(lambda path: path.write_text("[one]\n"), id="cut short"),
    ],
)
@pytest.mark.asyncio
async def test_a_flag_expires_also_while_its_file_is_damaged(tmp_path: Path, damage: Break) -> None:
    clock = FakeClock()
    at = datetime.fromtimestamp(clock.wall() + 60, UTC).isoformat()
    path = tmp_path / "quickwins.toml"
    flags = followed(path, FULL.replace("percent = 10", f"expires_at = {at}"), clock)
    damage(path)
    assert not flags.poll()
    await clock.advance(59)
    assert not flags.poll()
    assert flags.flag("one").state.on
    await clock.advance(2)
    assert flags.poll()
    assert str(flags.flag("one").state) == "0% (expired)"


def test_a_file_that_was_cut_short_kills_what_it_kills_and_changes_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "quickwins.toml"
    flags = followed(path)
    path.write_text("[two]\nenabled = true\nkilled = true\n[nonsense]\nkilled = true\n")
    assert flags.poll()
    assert [str(flags.flag(name).state) for name in ("one", "two")] == ["10% (percent)", "0% (killed)"]
    assert not flags.poll()
    path.write_text(FULL)
    assert flags.poll(), "the last good text is back"
    assert [str(flags.flag(name).state) for name in ("one", "two")] == ["10% (percent)", "100% (on)"]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("x = " + "1" * 5000, id="a number of thousands of digits"),
        pytest.param(".".join("a" * 3000) + " = 1\n", id="a key of thousands of levels"),
    ],
)
@pytest.mark.asyncio
async def test_no_text_ends_the_poller(tmp_path: Path, text: str) -> None:
    clock = FakeClock()
    path = tmp_path / "quickwins.toml"
    flags = followed(path, clock=clock)
    async with flags:
        path.write_text(text + "\n# quickwins: complete\n")
        await clock.advance(1)
        assert on(flags.flag("two"))
        path.write_text(FULL.replace("[two]\n", "[two]\nkilled = true\n"))
        await clock.advance(1)
        assert not on(flags.flag("two"))


@pytest.mark.asyncio
async def test_polling_twice_at_the_same_time_is_refused(world: World) -> None:
    async with world.flags:
        with pytest.raises(ConfigError, match="polled already"):
            await world.flags.__aenter__()
    assert world.clock.sleeping == 0


@pytest.mark.parametrize(
    ("file", "env", "expected"),
    [
        pytest.param("enabled = true\npercent = 10", {"ENABLED": "false"}, "environment", id="disabled by"),
        pytest.param("enabled = true", {"PERCENT": "10"}, "environment", id="lowered by"),
        pytest.param("enabled = true\nkilled = true", {"ENABLED": "true"}, "file", id="killed by"),
        pytest.param(
            "enabled = true\nexpires_at = 2020-01-01T00:00:00Z", {"PERCENT": "5"}, "file", id="expired by"
        ),
        pytest.param("", {}, "default", id="nobody"),
    ],
)
def test_the_source_that_is_named_is_the_one_that_decided(
    tmp_path: Path, file: str, env: dict[str, str], expected: str
) -> None:
    path = tmp_path / "quickwins.toml"
    path.write_text(f"service = 'x'\n[one]\n{file}\n")
    variables = {f"QUICKWINS_ONE__{key}": value for key, value in env.items()}
    sources: list[Source] = [EnvironmentSource(variables, SECTIONS), FileSource(path)]
    snapshot = Flags(SECTIONS, sources, registry=CollectorRegistry()).snapshot
    assert snapshot.origin("one") == (str(path) if expected == "file" else expected)


def test_a_setting_that_is_not_the_flags_own_leaves_a_trace_too(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "quickwins")
    world = World(audit=AuditLog(tmp_path / "audit.jsonl"))
    world.set("one", salt="spring")
    fields = caplog.records[-1].__dict__["fields"]
    assert (fields["old"], fields["new"]) == ('100% (on) salt=""', '100% (on) salt="spring"')
    assert [record["new"] for record in AuditLog(tmp_path / "audit.jsonl").records()] == [
        '100% (on) salt="spring"'
    ]


def test_a_memory_layer_is_a_layer_like_any_other() -> None:
    assert MemorySource(ON).layer() == Layer("memory", ON)
