"""The few failures callers meet, and what each becomes at an HTTP, gRPC or GraphQL edge.

The mapping is plain integers and strings on the classes, so that an adapter needs no knowledge of a feature and
this module needs no framework.
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterator
    from enum import StrEnum


class QuickWinsError(Exception):
    """Base of every error this library raises on purpose.

    Attributes:
        reason: What kind of failure, as an enum of the feature that raised it; `None` where there is one kind only.
        retry_after_seconds: When trying again may help; `None` when it would not.
    """

    http_status: ClassVar[int] = 500
    grpc_status: ClassVar[str] = "INTERNAL"
    graphql_code: ClassVar[str] = "INTERNAL"

    def __init__(
        self, message: str, *, reason: StrEnum | None = None, retry_after_seconds: float | None = None
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.retry_after_seconds = retry_after_seconds


class Rejected(QuickWinsError):
    """Policy said no to protect the service: nothing is broken, and the same call may succeed a little later."""

    http_status = 503
    grpc_status = "UNAVAILABLE"
    graphql_code = "SERVICE_UNAVAILABLE"


class ConfigError(QuickWinsError):
    """The caller's configuration, argument or environment is wrong; the message says what, where and what is allowed."""


class MissingExtraError(ConfigError, ImportError):
    """An optional dependency is not installed; the message names the extra that brings it."""


@contextmanager
def needs_extra(extra: str) -> Iterator[None]:
    """Turn an `ImportError` inside the block into one that names the extra to install.

    Args:
        extra: The name of the extra, as in `pip install 'quickwins[cli]'`.

    Raises:
        MissingExtraError: A third-party module of that extra is missing.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] == "quickwins":
            raise
        raise MissingExtraError(
            f"{error.name} is not installed: pip install 'quickwins[{extra}]'",
        ) from error


def retry_after_header(seconds: float) -> str:
    """The value of an HTTP `Retry-After` header: whole seconds, rounded up, at least 1 (RFC 9110, 10.2.3)."""
    return str(max(1, math.ceil(seconds)))


def retry_pushback_ms(seconds: float) -> str:
    """The value of gRPC's `grpc-retry-pushback-ms` trailer: whole milliseconds, at least 1 (gRFC A6)."""
    return str(max(1, math.ceil(seconds * 1000)))
