"""What is given instead of a pool or a gate is named."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from quickwins.backpressure import Gate, GatedPool, Priority, Rule
from quickwins.backpressure.asgi import BackpressureMiddleware
from quickwins.backpressure.testing import FakePool
from quickwins.core.errors import ConfigError


@pytest.mark.parametrize(
    ("pool", "gate", "said"),
    [
        pytest.param(None, Gate.queue(), "an asyncpg pool, not a NoneType", id="no pool"),
        pytest.param("postgresql://", Gate.queue(), "an asyncpg pool, not a str", id="an address"),
        pytest.param(FakePool(2), Rule(), "a Gate, such as Gate.queue(), not a Rule", id="a rule"),
        pytest.param(FakePool(2), "queue", "a Gate, such as Gate.queue(), not a str", id="a kind of gate"),
    ],
)
def test_a_wrong_argument_of_a_gated_pool_is_named(pool: Any, gate: Any, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        GatedPool(pool, gate=gate)

    assert said in str(caught.value)


BOUND = Gate.queue(size=1, registry=CollectorRegistry())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        pytest.param({"gate": "x"}, "a Gate, such as Gate.queue(), not a str", id="the name of a gate"),
        pytest.param({"gate": Gate.queue()}, "is not bound", id="a gate without a size"),
        pytest.param(
            {"gate": BOUND, "priority": Priority.CRITICAL}, "a function of the scope", id="priority"
        ),
        pytest.param({"gate": BOUND, "tenant": "acme"}, "tenant='acme' is not allowed", id="tenant"),
        pytest.param({"exempt": "/health"}, "a list of texts, such as ['/health']", id="one path"),
        pytest.param({"exempt": [b"/health"]}, "a list of texts", id="bytes"),
        pytest.param({"graphql": "/graphql"}, "graphql='/graphql' is not allowed", id="one path of GraphQL"),
        pytest.param({"deadline_header": 5}, "deadline_header=[5] is not allowed", id="a number of seconds"),
    ],
)
def test_a_wrong_argument_of_a_door_is_named_when_it_is_made(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        BackpressureMiddleware(nothing, **given)

    assert said in str(caught.value)


async def nothing(*_: object) -> None:
    pass
