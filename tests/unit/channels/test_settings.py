"""`[channels]` and its tables by name, and what may not be said at all."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from quickwins.channels import (
    ChannelConflict,
    ChannelsSettings,
    MethodPolicy,
    Mode,
    Pick,
    PoolConfig,
    rotating_channel,
)
from quickwins.channels._core.conflicts import check_options
from quickwins.channels.config import checked_methods
from quickwins.core.config import Layer, resolve
from quickwins.core.errors import ConfigError

RETRY_POLICY = '{"methodConfig": [{"name": [{}], "retryPolicy": {"maxAttempts": 3}}]}'


def resolved(values: dict[str, Any]) -> ChannelsSettings:
    layer = Layer("the file", {"channels": values})
    return resolve([layer], {"channels": ChannelsSettings}).section("channels", ChannelsSettings)


def test_the_defaults_of_a_file_are_those_of_the_constructor() -> None:
    assert resolved({}).config() == PoolConfig()


def test_a_channel_has_its_own_table_or_the_section() -> None:
    settings = resolved({"size": 5, "names": {"feed": {"mode": "pool", "pick": "least_inflight"}}})
    assert settings.for_name("feed").config() == PoolConfig(size=5, mode=Mode.POOL, pick=Pick.LEAST_INFLIGHT)
    assert settings.for_name("search").config() == PoolConfig(size=5)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        pytest.param({"size": 0}, "size", id="no connection"),
        pytest.param({"size": 65}, "size", id="too many"),
        pytest.param({"mode": "fast"}, "mode", id="no such mode"),
        pytest.param({"max_attempts": 0}, "max_attempts", id="no attempt"),
        pytest.param({"ejection_seconds": 0}, "ejection_seconds", id="no ejection"),
        pytest.param({"retry_budget_ratio": 1.5}, "retry_budget_ratio", id="more than all"),
        pytest.param({"names": {"feed": {"size": 99}}}, "names", id="in a table"),
    ],
)
def test_what_is_out_of_bounds_is_refused_by_its_name(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        resolved(values)


@pytest.mark.parametrize("size", [0, 65, 2.5, True, "3"])
def test_a_size_is_a_whole_number_from_1_to_64(size: Any) -> None:
    with pytest.raises(
        ConfigError, match=r"size=.* is not allowed: a whole number at least 1 and at most 64"
    ):
        PoolConfig(size=size)


@pytest.mark.parametrize("seconds", [0, -1.0, 1e10, float("inf"), float("nan")])
def test_a_default_deadline_is_above_zero_and_no_more_than_grpc_knows(seconds: float) -> None:
    with pytest.raises(ChannelConflict, match="timeout_seconds"):
        MethodPolicy(timeout_seconds=seconds)


def test_codes_are_those_of_grpcs_failures() -> None:
    with pytest.raises(ChannelConflict, match="codes=\\['OK', 'TIRED'\\] are not allowed"):
        MethodPolicy(codes=("OK", "UNAVAILABLE", "TIRED"))


@pytest.mark.parametrize("name", ["GetFeed", "/GetFeed", "feed.v1.Feed/GetFeed", "/a/b/c", "/a/", 3])
def test_methods_are_named_in_full(name: Any) -> None:
    with pytest.raises(ChannelConflict, match="name it in full"):
        checked_methods({name: MethodPolicy()})


@pytest.mark.parametrize("methods", [{"/a/b": {"idempotent": True}}, MethodPolicy(), ["/a/b"]])
def test_methods_have_policies(methods: object) -> None:
    with pytest.raises(ChannelConflict, match="a MethodPolicy is needed"):
        checked_methods(methods)


@pytest.mark.parametrize("mode", ["pool", "auto"])
@pytest.mark.parametrize("policy", [RETRY_POLICY, RETRY_POLICY.replace("retryPolicy", "hedgingPolicy")])
def test_retries_of_grpcs_and_ours_are_not_stacked(mode: Any, policy: str) -> None:
    with pytest.raises(ChannelConflict, match=r"retryPolicy in grpc.service_config and mode"):
        check_options([("grpc.service_config", policy)], PoolConfig(mode=mode))


def test_a_service_config_beside_core_mode_would_be_a_second_one() -> None:
    with pytest.raises(ChannelConflict, match="mode 'core'"):
        check_options([("grpc.service_config", "{}")], PoolConfig(mode="core"))


@pytest.mark.parametrize(
    ("target", "said"),
    [
        pytest.param("", "empty", id="nothing"),
        pytest.param(None, "is a NoneType", id="none"),
        pytest.param(b"feed:50051", "is a bytes", id="bytes"),
        pytest.param("feed:50051\n", "begins or ends with a space", id="a line of a file"),
        pytest.param("http://feed:50051", "is a URL", id="a URL"),
        pytest.param("grpcs://feed", "is a URL", id="another"),
        pytest.param(":50051", "names nobody", id="a port alone"),
        pytest.param("dns:///", "names nobody", id="no name"),
        pytest.param("ipv4:", "names nobody", id="no address"),
        pytest.param("unix:", "names nobody", id="no path"),
    ],
)
def test_a_target_that_leads_nowhere_is_refused(target: Any, said: str) -> None:
    with pytest.raises(ChannelConflict, match=said):
        rotating_channel(target, registry=CollectorRegistry())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        pytest.param({"config": {"size": 3}}, "config is a dict: a PoolConfig is needed", id="config"),
        pytest.param({"credentials": [("grpc.x", 1)]}, "credentials is a list", id="options in its place"),
        pytest.param({"metadata": (("a", "b"),)}, "metadata is a tuple: a function", id="metadata itself"),
    ],
)
def test_an_argument_of_another_kind_is_refused_where_the_channel_is_made(given: Any, said: str) -> None:
    with pytest.raises(ChannelConflict, match=said):
        rotating_channel("feed:50051", registry=CollectorRegistry(), **given)


@pytest.mark.parametrize("milliseconds", [1, 9_999])
def test_keepalive_is_not_below_ten_seconds(milliseconds: int) -> None:
    with pytest.raises(ChannelConflict, match="at least 10000"):
        check_options([("grpc.keepalive_time_ms", milliseconds)], PoolConfig())


@pytest.mark.parametrize(
    ("option", "mode"),
    [
        pytest.param(("grpc.service_config", RETRY_POLICY), "single", id="the stock channel may retry by itself"),
        pytest.param(("grpc.service_config", '{"loadBalancingConfig": []}'), "pool", id="no retries in it"),
        pytest.param(("grpc.service_config", "not json"), "pool", id="gRPC says what is wrong with it"),
        pytest.param(("grpc.service_config", "[1]"), "pool", id="nor is a list one"),
        pytest.param(("grpc.keepalive_time_ms", 10_000), "pool", id="ten seconds"),
        pytest.param(("grpc.enable_retries", 0), "pool", id="the caller's own choice"),
    ],
)  # fmt: skip
def test_other_options_are_the_callers(option: tuple[str, Any], mode: Any) -> None:
    assert check_options([option], PoolConfig(mode=mode)) is None  # type: ignore[func-returns-value]  # -- it refuses nothing; until=never
