"""A request's headers are read the same way by every adapter."""

from __future__ import annotations

import pytest

from quickwins.core.asgi import Scope, header


@pytest.mark.parametrize(
    ("scope", "found"),
    [
        pytest.param({"headers": [(b"accept", b"a/b")]}, b"a/b", id="given once"),
        pytest.param(
            {"headers": [(b"accept", b"a/b"), (b"host", b"h"), (b"accept", b"c/d")]},
            b"c/d",
            id="the last counts",
        ),
        pytest.param({"headers": [(b"accept", b"")]}, b"", id="empty is given"),
        pytest.param({"headers": [(b"host", b"h")]}, None, id="another"),
        pytest.param({"headers": ((b"accept", b"a/b") for _ in range(1))}, b"a/b", id="any iterable"),
        pytest.param({"headers": None}, None, id="none at all"),
        pytest.param({}, None, id="headers are optional"),
    ],
)
def test_a_header_is_found_by_its_name(scope: Scope, found: bytes | None) -> None:
    assert header(scope, b"accept") == found
