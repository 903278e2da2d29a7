"""The few failures that callers meet, and the one answer that every HTTP, gRPC or GraphQL edge gives to each.

What an error becomes at an edge is plain integers and strings on its class, so that an adapter needs no knowledge of a
feature and this module needs no framework.
"""

from __future__ import annotations

import math
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from quickwins.core.lazy import shows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from enum import StrEnum

__all__ = [
    "PUSHBACK",
    "Answer",
    "ConfigError",
    "DeadlineExceeded",
    "MissingExtraError",
    "QuickWinsError",
    "Rejected",
    "answer",
    "needs_extra",
    "refusal_in",
]
__dir__ = shows(__name__)

ENDS_PROCESS = (KeyboardInterrupt, SystemExit)
"""What goes on through us, wherever it is raised. All else that foreign code raises stays where it was called, cancellations and
what derives from `BaseException` alone included, such as what `pytest.fail` raises: nothing is awaited there."""
PUSHBACK = "grpc-retry-pushback-ms"
"""The trailer in which a gRPC client with a retry policy looks for how long to wait (gRFC A6)."""


class QuickWinsError(Exception):
    """Base of every error this library raises on purpose. Survives pickle and copy with all that it carries.

    Attributes:
        reason: What kind of failure, as an enum of the feature that raised it; `None` where there is one kind only.
        retry_after_seconds: When trying again may help; `None` when it would not.
    """

    http_status: ClassVar[int] = 500
    grpc_status: ClassVar[str] = "INTERNAL"
    graphql_code: ClassVar[str] = "INTERNAL"
    sentence: ClassVar[str] = "The service could not do this."
    """What an edge tells its client. The message is for logs: it may name what is inside."""
    by_reason: ClassVar[Mapping[StrEnum, tuple[int, str]]] = {}
    """The reasons that have an HTTP status and a sentence of their own."""

    reason: StrEnum | None = None
    retry_after_seconds: float | None = None

    def __init__(
        self, message: str, *, reason: StrEnum | None = None, retry_after_seconds: float | None = None
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.retry_after_seconds = retry_after_seconds

    def __repr__(self) -> str:
        more = "" if self.reason is None else f", reason={str(self.reason)!r}"
        if self.retry_after_seconds is not None:
            more += f", retry_after_seconds={self.retry_after_seconds:.3g}"
        return f"{type(self).__name__}({str(self)!r}{more})"

    def __reduce__(self) -> tuple[Any, ...]:
        # An exception's own way is to call its class with `args`: only our plainest constructors take no more.
        state: Any = self.__getstate__()
        attributes, slots = state if isinstance(state, tuple) else (state, None)
        return _made_again, (type(self), self.args), {**(attributes or {}), **(slots or {})}


def _made_again(kind: type[QuickWinsError], args: tuple[object, ...]) -> QuickWinsError:
    error = kind.__new__(kind, *args)
    error.args = args  # `OSError.__new__`, for one, leaves that to its `__init__`
    return error


class Rejected(QuickWinsError):
    """Policy said no to protect the service: nothing is broken, and the same call may succeed a little later."""

    http_status = 503
    grpc_status = "UNAVAILABLE"
    graphql_code = "SERVICE_UNAVAILABLE"
    sentence = "The service has as much work as it can do. Nothing was done; try again later."


class DeadlineExceeded(Rejected, TimeoutError):
    """The time that the request had is over: something waited on its behalf until then (`core.deadline`).

    A caller that waits gets a `TimeoutError`, an edge has a refusal to answer. A caller's own time-out is no such error.
    """

    sentence = "The service did not get this done in the time that it had."


class ConfigError(QuickWinsError):
    """The caller's configuration, argument or environment is wrong; the message says what, where and what is allowed."""


class MissingExtraError(ConfigError, ImportError):
    """An optional dependency is not installed; the message names the extra that brings it."""


def refusal_in(raised: BaseException) -> Rejected | None:
    """The refusal in `raised`, when it holds nothing else: handlers that fan out raise groups."""
    if isinstance(raised, BaseExceptionGroup):
        found = [refusal_in(one) for one in raised.exceptions]
        return found[0] if all(found) else None
    return raised if isinstance(raised, Rejected) else _passed_on(raised)


def _passed_on(raised: BaseException) -> Rejected | None:
    """The refusal of a gRPC backend: its call ended with a pushback, which says when to come back, or never to (gRFC A6)."""
    grpc: Any = sys.modules.get("grpc")
    if grpc is None or not isinstance(raised, grpc.RpcError):
        return None
    try:
        # Older ones' metadata is no mapping: `dict` fails on it.
        told = [value for name, value in raised.trailing_metadata() or () if name == PUSHBACK]
        code, text = raised.code(), str(told[-1]) if told else ""
    except Exception:  # noqa: BLE001 -- of a call that is not grpc's own: then it is no refusal that we know of; until=never
        return None
    if text and code in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED}:
        seconds = int(text) / 1000 if text.isascii() and text.isdigit() else None
        return Rejected("a backend has refused the call", retry_after_seconds=seconds)
    return None


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


@dataclass(frozen=True, slots=True)
class Answer:
    """What an edge tells its client, and all that it tells: names and numbers from the inside are for logs.

    Attributes:
        sentence: For people: `detail` of HTTP's problem details, gRPC's status message, a GraphQL error's `message`.
        http_status: The status code.
        http_headers: Names in lower case, and values.
        grpc_status: The name of the status code, as in `grpc.StatusCode`.
        grpc_trailers: Names and values.
        extensions: For programs: `code`, and where there is one `reason` and `retryAfter`, in whole seconds. GraphQL has
            them under this name; they are also members of HTTP's problem details.
    """

    sentence: str
    http_status: int
    http_headers: tuple[tuple[str, str], ...]
    grpc_status: str
    grpc_trailers: tuple[tuple[str, str], ...]
    extensions: Mapping[str, str | int]


def answer(error: QuickWinsError) -> Answer:
    """What every edge tells its client about `error`."""
    status, sentence = error.http_status, error.sentence
    extensions: dict[str, str | int] = {"code": error.graphql_code}
    if error.reason is not None:
        extensions["reason"] = str(error.reason)
        status, sentence = error.by_reason.get(error.reason, (status, sentence))
    headers = [("cache-control", "no-store")]
    trailers = []
    if error.retry_after_seconds is not None:
        # Rounded up, and never 0: RFC 9110, 10.2.3, takes whole seconds, gRFC A6 whole milliseconds.
        after = max(1, math.ceil(error.retry_after_seconds))
        headers.append(("retry-after", str(after)))
        extensions["retryAfter"] = after
        trailers.append((PUSHBACK, str(max(1, math.ceil(error.retry_after_seconds * 1000)))))
    return Answer(sentence, status, tuple(headers), error.grpc_status, tuple(trailers), extensions)
