"""The Strawberry extension: mutations void what they change, however they came, and `schema.execute` has a cache, too.

Inside of a view of ours it does nothing: that one watches already. Elsewhere it can't see how a context was made, so that it
stores nothing public that was made from the context, and keeps to this process's memory.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

from quickwins.core.contexts import leave
from quickwins.core.errors import needs_extra
from quickwins.query_cache._execution import EXECUTION, USER, Execution, Reads
from quickwins.query_cache._serving import Executed

with needs_extra("query-cache"):
    from graphql import ExecutionResult
    from strawberry.extensions import SchemaExtension

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Iterator

    from strawberry.types import ExecutionContext

    from quickwins.query_cache._desk import Desk
    from quickwins.query_cache._serving import Asked, Serving


MOST_RULES = 4
"""How many sets of rules are remembered for a document: some extensions make a new one for each operation."""


class QueryCacheExtension(SchemaExtension):
    """See `QueryCache.extension`."""

    desk: ClassVar[Desk]
    _execution: Execution | None = None
    _owes = False

    def __repr__(self) -> str:
        return "<QueryCacheExtension>"

    def on_operation(self) -> Iterator[None]:
        """See `SchemaExtension`."""
        context = self.execution_context
        if not self.desk.possible():
            yield
            return
        self.desk.attach(context.schema)
        execution = self._execution = Execution()
        token = EXECUTION.set(execution)
        try:
            yield
        finally:
            leave(EXECUTION, token)
            if _is_mutation(context):
                self.desk.serving.void(execution.invalidation())
                self.desk.tell_soon()
                self._owes = self.desk.serving.shared is not None

    def on_execute(self) -> Iterator[None]:
        """See `SchemaExtension`."""
        context = self.execution_context
        execution = self._execution
        asked = None if execution is None else self._asked(context)
        if asked is None or execution is None:
            yield
            return
        slot = self.desk.serving.peek(asked)
        if slot is not None:
            stored = json.loads(slot.entry.body)
            context.result = ExecutionResult(data=stored["data"], errors=None)
            yield
            return
        fence = self.desk.serving.memory.fence
        context.context = self.desk.contexts.observed(context.context, asked.reads)
        asked.reads.executing = 1
        try:
            yield
        finally:
            asked.reads.executing = 0
        result = context.result
        if isinstance(result, ExecutionResult):
            body = None if result.errors or result.data is None else _body(result.data)
            executed = Executed(result, body, "error" if result.errors else None)
            found = self.desk.serving.key_of(asked)
            _, reason = self.desk.serving.settle(asked, execution, executed, fence, found)
            self.desk.serving.counts.misses[asked.known.plan.policy, reason] += 1

    def get_results(self) -> Awaitable[dict[str, Any]] | dict[str, Any]:
        """A mutation's answer waits until the shared store knows of it. A synchronous execution does not."""
        return _Telling(self.desk.serving) if self._owes else {}

    def _asked(self, context: ExecutionContext) -> Asked | None:
        known = self.desk.known(context.schema, context.query, _name_given(context), "")
        if known is None or not known.plan.cacheable or context.root_value is not None:
            return None
        owner = self.desk.owner_now(context.context)
        if not self.desk.serves(owner):
            return None
        reads = Reads()
        reads.door.add(USER)  # whatever its context was made of
        reads.is_open = reads.watches_request = False
        values, more = context.variables, context.operation_extensions
        asked = self.desk.asked(known, values, more, owner, lambda _: None, reads)
        return None if known.vary else asked  # nobody knows what the request has for it


class _Watched(SchemaExtension):
    """What is left to do where a view watches: a document that was planned is not parsed again."""

    def on_parse(self) -> Iterator[None]:
        """See `SchemaExtension`."""
        context, execution = self.execution_context, EXECUTION.get()
        # With options of its own, such as a limit of tokens, a document may be refused.
        if execution is not None and execution.parsed is not None and not context.parse_options:
            text, document = execution.parsed
            if context.graphql_document is None and context.query == text:
                context.graphql_document = document
        yield

    def on_validate(self) -> Iterator[None]:
        """See `SchemaExtension`: what some rules have found nothing against is not asked by the same rules again."""
        context, execution = self.execution_context, EXECUTION.get()
        parsed = None if execution is None else execution.parsed
        if execution is None or parsed is None or context.graphql_document is not parsed[1]:
            yield
            return
        rules = context.validation_rules
        if (
            execution.passed is not None
            and rules in execution.passed
            and context.pre_execution_errors is None
        ):
            context.pre_execution_errors = []
        yield
        if (
            not context.pre_execution_errors
            and execution.passed is not None
            and len(execution.passed) < MOST_RULES
        ):
            execution.passed.add(rules)


class _Telling(dict[str, Any]):
    """No results, once they were waited for. Whoever executes synchronously takes them as they are: nothing tells which it is."""

    def __init__(self, serving: Serving) -> None:
        super().__init__()
        self._serving = serving

    def __await__(self) -> Generator[Any, None, dict[str, Any]]:
        yield from self._serving.tell().__await__()
        return {}


def extension_of(desk: Desk) -> Callable[[], SchemaExtension]:
    """What makes the extension of one cache for each operation; none to speak of, where a view watches already."""
    own = type("QueryCacheExtension", (QueryCacheExtension,), {"desk": desk})

    def made() -> SchemaExtension:
        return own() if EXECUTION.get() is None else _Watched()

    return made


def _name_given(context: ExecutionContext) -> str | None:
    return context._provided_operation_name  # noqa: SLF001 -- the other one is the document's; until=2028-11-30


def _is_mutation(context: ExecutionContext) -> bool:
    try:
        return context.operation_type.value == "mutation"
    except Exception:  # noqa: BLE001 -- it did not parse, or has no such operation; until=never
        return False


def _body(data: object) -> bytes | None:
    try:
        return json.dumps({"data": data}, separators=(",", ":")).encode()
    except (TypeError, ValueError):
        return None
