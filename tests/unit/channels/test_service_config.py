"""What gRPC is told to do in core mode."""

from __future__ import annotations

from quickwins.channels import MethodPolicy, PoolConfig
from quickwins.channels._native import member_options, service_config

IDEMPOTENT = {"/feed.v1.Feed/Get": MethodPolicy(idempotent=True), "/feed.v1.Feed/Put": MethodPolicy()}


def test_idempotent_methods_alone_are_retried() -> None:
    made = service_config(PoolConfig(), IDEMPOTENT)
    assert made["methodConfig"] == [
        {
            "name": [{"service": "feed.v1.Feed", "method": "Get"}],
            "retryPolicy": {
                "maxAttempts": 3,
                "initialBackoff": "0.010s",
                "maxBackoff": "1.000s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ]
    assert made["retryThrottling"] == {"maxTokens": 100, "tokenRatio": 0.2}


def test_grpc_does_five_attempts_at_most() -> None:
    made = service_config(PoolConfig(max_attempts=9), IDEMPOTENT)
    assert made["methodConfig"][0]["retryPolicy"]["maxAttempts"] == 5


def test_without_attempts_or_a_budget_nothing_is_retried() -> None:
    for config in (PoolConfig(max_attempts=1), PoolConfig(retry_budget_ratio=0.0)):
        assert not {"methodConfig", "retryThrottling"} & service_config(config, IDEMPOTENT).keys()


def test_outliers_are_ejected_for_as_long_and_half_of_them_at_most() -> None:
    [balancing] = service_config(PoolConfig(eject_after=4, ejection_seconds=7.0), {})["loadBalancingConfig"]
    detection = balancing["outlier_detection_experimental"]
    assert (detection["baseEjectionTime"], detection["maxEjectionPercent"]) == ("7.000s", 50)
    assert detection["failurePercentageEjection"]["requestVolume"] == 4
    assert detection["childPolicy"] == [{"round_robin": {}}]


def test_without_ejection_it_is_plain_round_robin() -> None:
    assert service_config(PoolConfig(eject_after=0), {})["loadBalancingConfig"] == [{"round_robin": {}}]


def test_members_share_no_connection_and_connect_again_as_often_as_calls_are_tried() -> None:
    options = dict(member_options(PoolConfig(backoff_max_seconds=0.5)))
    assert options["grpc.use_local_subchannel_pool"] == 1
    assert options["grpc.max_reconnect_backoff_ms"] == 500
    assert options["grpc.initial_reconnect_backoff_ms"] == 500
