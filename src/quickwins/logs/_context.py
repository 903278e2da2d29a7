"""What the lines of a request have in common: one immutable object in one context variable, restored by token.

One variable, since merging all variables of a context costs microseconds a line and reading one costs nanoseconds.
"""

from __future__ import annotations

from contextvars import ContextVar, copy_context
from functools import wraps
from types import MappingProxyType
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from quickwins.core.contexts import leave

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextvars import Token
    from typing import Self

    from quickwins.logs._trace.w3c import Trace

MAX_FIELDS = 64
"""How many fields a context holds; any more are left out."""

_P = ParamSpec("_P")
_R = TypeVar("_R")


class Canonical(dict[str, object]):
    """What a request's one line will say in the end, by name.

    Attributes:
        span: The first span of OpenTelemetry's that was active in the request; `None`: there was none.
    """

    span: Trace | None = None


class Context:
    """What is bound, and what belongs to the request. Never changed; `with_` makes another.

    Attributes:
        fields: On each line, under their names; a line's own field of the same name wins.
        trace: Where this work stands in a distributed trace; `None` outside one.
        canonical: What the request's one line will say in the end (`annotate`); `None` outside a request.
        rendered: What the renderer made of `fields` at the first line; for its use alone.
        spanned: The last active span of OpenTelemetry's, and this context with its ids; for `_span`.
    """

    __slots__ = ("canonical", "fields", "rendered", "spanned", "trace")

    def __init__(
        self,
        fields: Mapping[str, object],
        *,
        trace: Trace | None = None,
        canonical: Canonical | None = None,
    ) -> None:
        self.fields = fields
        self.trace = trace
        self.canonical = canonical
        self.rendered: object = None
        self.spanned: tuple[object, Context] | None = None

    def with_(
        self,
        fields: Mapping[str, object],
        *,
        trace: Trace | None = None,
        canonical: Canonical | None = None,
    ) -> Context:
        """This one with `fields` over its own, and with `trace` and `canonical` where they are given."""
        merged = {**self.fields, **fields}
        if len(merged) > MAX_FIELDS:
            merged = dict(list(merged.items())[:MAX_FIELDS])
        return Context(
            merged,
            trace=self.trace if trace is None else trace,
            canonical=self.canonical if canonical is None else canonical,
        )


EMPTY = Context(MappingProxyType({}))
CONTEXT: ContextVar[Context] = ContextVar("quickwins_log_context", default=EMPTY)


class within:  # noqa: N801 -- used as a context manager, like a function; until=never
    """A block in which a context is in force. Left in another context than it was entered in, it changes nothing."""

    __slots__ = ("_context", "_token")

    def __init__(self, context: Context) -> None:
        self._context = context
        self._token: Token[Context] | None = None

    def __enter__(self) -> Self:
        self._token = CONTEXT.set(self._context)
        return self

    def __exit__(self, *raised: object) -> None:
        token, self._token = self._token, None
        if token is not None:
            leave(CONTEXT, token)


class bound(within):  # noqa: N801 -- used as a context manager, like a function; until=never
    """Within this block every line carries `fields`; tasks started inside inherit them.

    Values are looked at, and redacted, at the first line. At most `MAX_FIELDS` fields are kept. Enter an object once.
    """

    __slots__ = ("_fields",)

    def __init__(self, /, **fields: object) -> None:
        super().__init__(EMPTY)
        self._fields = fields

    def __repr__(self) -> str:
        return f"<bound {', '.join(self._fields)}>"  # not the values, which may be anything

    def __enter__(self) -> Self:
        self._context = CONTEXT.get().with_(self._fields)
        return super().__enter__()


def annotate(**fields: object) -> None:
    """Add fields to the request's one line, which its middleware writes at the end. Outside a request it does nothing.

    At most `MAX_FIELDS` names; any more are left out.
    """
    canonical = CONTEXT.get().canonical
    if canonical is None:
        return
    if len(canonical) + len(fields) <= MAX_FIELDS:
        canonical.update(fields)
        return
    for name, value in fields.items():
        if name in canonical or len(canonical) < MAX_FIELDS:
            canonical[name] = value


def in_context(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """`function`, to be run with the context of this place: threads and executors start with an empty one.

    Example:
        await loop.run_in_executor(None, in_context(work), argument)
    """
    context = copy_context()

    @wraps(function)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        # A copy for each call: one context cannot be entered by two threads at once.
        return context.copy().run(function, *args, **kwargs)

    return run
