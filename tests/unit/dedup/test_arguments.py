"""What is given to a deduplicator and is none of what it takes is named where it is given."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from quickwins.core.errors import ConfigError
from quickwins.dedup import (
    DebeziumPostgres,
    Deduplicator,
    MemoryWindow,
    PostgresState,
    ValkeyClaims,
)


class Pool:
    """As far as anybody looks before it is used."""

    def acquire(self) -> None: ...


def made(**options: Any) -> Deduplicator:
    return Deduplicator(
        **{
            "group": "g",
            "identity": DebeziumPostgres(incarnation="1"),
            "store": PostgresState(Pool()),
            "registry": CollectorRegistry(),
            **options,
        }
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        pytest.param({"identity": DebeziumPostgres}, "an identity, such as", id="a class of identities"),
        pytest.param({"store": PostgresState}, "a store, such as", id="a class of stores"),
        pytest.param({"store": Pool()}, "a store, such as", id="a pool for a store"),
        pytest.param({"poison": Pool()}, r"a DeadLetterTable\(pool\)", id="a pool for a table"),
    ],
)  # fmt: skip
def test_what_is_no_part_of_a_deduplicator_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        made(**options)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        pytest.param(lambda: ValkeyClaims(Pool()), "takes a URL", id="a client for a URL"),  # type: ignore[arg-type]  # -- it is refused; until=never
        pytest.param(lambda: MemoryWindow(ttl_seconds="60", max_entries=1_000), "ttl_seconds", id="text"),  # type: ignore[arg-type]  # -- as above; until=never
    ],
)  # fmt: skip
def test_what_is_no_part_of_a_store_is_refused(make: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make()
