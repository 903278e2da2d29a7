"""What is given instead of a pool or a gate is named."""

from __future__ import annotations

from typing import Any

import pytest

from quickwins.backpressure import Gate, GatedPool, Rule
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
