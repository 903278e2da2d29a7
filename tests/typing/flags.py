"""Flags and configuration as a caller writes them."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import assert_type

import grpc
from pydantic import Field, ValidationError

from quickwins.core.asgi import App
from quickwins.core.config import (
    CONFIG_PATH_VARIABLE,
    ENV_PREFIX,
    AnyLayerWins,
    Layer,
    Number,
    Section,
    Settings,
    Whole,
    inherited,
    load_environment,
    load_file,
    refusals,
    resolve,
    setting,
)
from quickwins.core.flags import (
    EnvironmentSource,
    FileSource,
    Flag,
    Flags,
    FlagSettings,
    FlagsSettings,
    FlagState,
    MemorySource,
    OpenFeatureClient,
    OpenFeatureSource,
    Snapshot,
    Source,
    SourceError,
    SourceReason,
    SwitchSettings,
    Why,
    decide,
    pinned,
)
from quickwins.core.flags.asgi import PinMiddleware
from quickwins.core.flags.grpc import PinInterceptor
from quickwins.logs import Sampling


class Mine(FlagSettings):
    """The section `[mine]`."""

    weight: Number = Field(default=1.0, gt=0)
    first: Whole = setting(Sampling, "first")


class Switch(SwitchSettings):
    """The section `[switch]`, of something that a process has one of."""


class Other(Section):
    """The section `[other]`."""

    words: tuple[str, ...] = ()


def for_each_instance(values: dict[str, object]) -> object:
    return inherited(values, Other)


def flags_of_ones_own(env: dict[str, str]) -> bool:
    sections: dict[str, type[Section]] = {
        "mine": Mine,
        "switch": Switch,
        "other": Other,
        "flags": FlagsSettings,
    }
    sources: list[Source] = [
        EnvironmentSource(env, sections),
        FileSource(Path(env[CONFIG_PATH_VARIABLE])),
        MemorySource({"mine": {"enabled": True}}),
    ]
    flags = Flags(sections, sources)
    try:
        flags.poll()
    except SourceError as error:
        return error.reason is SourceReason.MISSING
    flag = flags.flag("mine")
    assert_type(flag, Flag)
    assert_type(flag.state, FlagState)
    assert_type(flags.snapshot, Snapshot)
    with pinned("user-7", live=True) as pin:
        assert_type(pin.key, str | None)
        return flag.active()


def served(app: App, flags: Flags) -> tuple[App, PinInterceptor]:
    by_user = PinMiddleware(app, flags, key=lambda scope: scope.get("user"), rng=Random(1))
    return by_user, PinInterceptor(flags, key=caller)


def caller(call: grpc.HandlerCallDetails) -> str | None:
    user = dict(call.invocation_metadata).get("user")
    return user if isinstance(user, str) else None


def without_following_anything(env: dict[str, str]) -> float:
    sections: dict[str, type[Section]] = {"mine": Mine}
    layers = [load_environment(env, sections), load_file("[mine]\nweight = 2", "mine.toml")]
    assert_type(layers, list[Layer])
    settings = resolve(layers, sections)
    assert_type(settings, Settings)
    mine = settings.section("mine", Mine)
    state = decide("mine", mine, wall_now=0)
    if state.why is Why.KILLED or not state.admits("user-7"):
        return 0.0
    return mine.weight


def all_that_is_wrong(values: dict[str, object]) -> list[str]:
    try:
        Mine.model_validate(values)
    except ValidationError as error:
        return refusals(error, Mine, "mine.toml", table="mine")
    return []


def names() -> str:
    return f"{ENV_PREFIX}MINE__KILLED beats the file, since {AnyLayerWins.__name__}"


def of_a_service(client: OpenFeatureClient, sections: dict[str, type[Section]]) -> Source:
    return OpenFeatureSource(client, sections, prefix="feed.")
