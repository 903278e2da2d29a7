"""What callers give is looked at where they give it; what is nearly a known name is told from what isn't."""

from __future__ import annotations

from typing import Any

import pytest

from quickwins.core.errors import ConfigError
from quickwins.core.given import function, guess, texts


def test_a_function_is_anything_that_can_be_called_and_none_is_no_function() -> None:
    assert function("key", str, of="a request") is str
    assert function("key", None, of="a request") is None
    with pytest.raises(ConfigError, match="key='x' is not allowed: a function of a request"):
        function("key", "x", of="a request")


@pytest.mark.parametrize("given", [("a", "b"), ["a", "b"], {"a": 1, "b": 2}, iter(["a", "b"])])
def test_texts_are_any_collection_of_them(given: Any) -> None:
    assert texts("exempt", given, such_as="/health") == ("a", "b")


@pytest.mark.parametrize("given", ["/health", b"/health", None, 5, [b"/health"], ["/health", None]])
def test_what_is_no_collection_of_texts_is_refused(given: Any) -> None:
    with pytest.raises(
        ConfigError, match=r"exempt=.* is not allowed: a list of texts, such as \['/health'\]"
    ):
        texts("exempt", given, such_as="/health")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("BACKPRESSURE", " (did you mean 'backpressure'?)"),
        ("backpresure", " (did you mean 'backpressure'?)"),
        ("query-cache", " (did you mean 'query_cache'?)"),
        ("feed", ""),
        ("", ""),
        ("backpressure" * 100_000, ""),
    ],
)
def test_a_name_is_guessed_when_it_is_nearly_one(given: str, said: str) -> None:
    assert guess(given, ["backpressure", "logs", "query_cache"]) == said
