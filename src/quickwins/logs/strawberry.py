"""GraphQL operations on the request's line, and an event for each of their errors.

    schema = strawberry.Schema(Query, extensions=[LogExtension])     # the last one: others may replace errors after it

The line that `quickwins.logs.asgi` writes gets `graphql.operation.type` and, where the document gives the operation a
name, `graphql.operation.name`. Each error leaves `graphql.error` with its type, and the fields that lead to it, instead of
Strawberry's own record, which the application's other handlers have as ever. Fields that were refused leave one together,
with the first one's path: that is policy.

Documents, variables, arguments, aliases and messages are never shown: clients write them, or programs about them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from quickwins.core.contexts import leave
from quickwins.core.errors import needs_extra, refusal_in
from quickwins.core.lazy import shows
from quickwins.logs._context import annotate
from quickwins.logs._logger import get_logger, is_on
from quickwins.logs._takeover.told import GRAPHQL_ERROR, OPERATION

with needs_extra("graphql"):
    from graphql import (
        FieldNode,
        FragmentDefinitionNode,
        FragmentSpreadNode,
        GraphQLError,
        InlineFragmentNode,
        OperationDefinitionNode,
    )
    from strawberry.extensions import SchemaExtension

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from graphql import DocumentNode, SelectionSetNode
    from strawberry.types import ExecutionContext
    from strawberry.types.execution import StreamExecutionResult

    from quickwins.core.flags import Flag

__all__ = ["MAX_ERRORS", "LogExtension"]
__dir__ = shows(__name__)

MAX_ERRORS = 20
"""How many errors of one result are reported: a list of a thousand items may fail a thousand times."""

_MAX_NODES = 1_000
_NAME = re.compile(r"[_A-Za-z][_0-9A-Za-z]{0,63}").fullmatch
_log = get_logger()


class LogExtension(SchemaExtension):
    """Annotates operations and reports errors, with or without a loop; those of a subscription as each result is sent.

    It keeps nothing of a request: Strawberry may share one between concurrent requests.
    """

    def __init__(
        self, *, flag: Flag | None = None, execution_context: ExecutionContext | None = None
    ) -> None:
        """Strawberry makes one for each request of the class it is given, or of `lambda: LogExtension(flag=flag)`.

        Args:
            flag: While it is off, it does nothing; `None`: always on.
            execution_context: As older versions of Strawberry give it.
        """
        super().__init__(execution_context=execution_context)
        self._flag = flag

    def __repr__(self) -> str:
        return f"<LogExtension {'on' if self._flag is None or self._flag.state.on else 'off'}>"

    def on_operation(self) -> Iterator[None]:
        """See `SchemaExtension`."""
        if not is_on(self._flag):
            yield
            return
        running = _Running(self.execution_context)
        token = OPERATION.set(running)
        try:
            yield
        finally:
            _safely(running.end)
            leave(OPERATION, token)  # the rest of a subscription may be closed in another context

    def on_stream_result(self, result: StreamExecutionResult) -> Iterator[None]:
        """See `SchemaExtension`."""
        running = OPERATION.get()
        if isinstance(running, _Running):
            _safely(running.tell, getattr(result, "errors", None))
        yield


class _Running:
    """One operation. `execution_context` of a shared extension is another request's as soon as that begins."""

    __slots__ = ("_execution", "_told")

    def __init__(self, execution: ExecutionContext) -> None:
        self._execution = execution
        self._told: object = None

    def end(self) -> None:
        operation = self._operation()
        if operation is not None:
            named: dict[str, object] = {"graphql.operation.type": operation.operation.value}
            if operation.name is not None and _NAME(operation.name.value):
                named["graphql.operation.name"] = operation.name.value
            annotate(**named)
        execution = self._execution
        self.tell(getattr(execution.result, "errors", None) or execution.pre_execution_errors)

    def tell(self, errors: Sequence[GraphQLError] | None) -> None:
        if not errors or errors is self._told:
            return
        self._told = errors  # the last result of a subscription is there at its end, too
        refused: list[GraphQLError] = []
        failed: list[GraphQLError] = []
        for error in errors:
            (refused if _is_refused(error) else failed).append(error)
        for error in failed[:MAX_ERRORS]:
            self._tell_one(error)
        if refused:
            _log.info(GRAPHQL_ERROR, **self._fields(refused[0]), count=len(refused))

    def _tell_one(self, error: GraphQLError) -> None:
        cause = _cause(error)
        if cause is None:
            _log.warning(GRAPHQL_ERROR, **self._fields(error))
        else:
            _log.error(GRAPHQL_ERROR, **self._fields(error), exc_info=cause)

    def _fields(self, error: GraphQLError) -> dict[str, object]:
        fields: dict[str, object] = {"error.type": type(_cause(error) or error).__name__}
        path = self._path(error.path or ())
        if path:
            fields["graphql.path"] = path
        return fields

    def _operation(self) -> OperationDefinitionNode | None:
        """What is executed; `None` where the document has no such operation, or there is none."""
        document, wanted = self._execution.graphql_document, self._execution.operation_name
        for node in () if document is None else document.definitions:
            if isinstance(node, OperationDefinitionNode) and (
                wanted is None or (node.name is not None and node.name.value == wanted)
            ):
                return node
        return None

    def _path(self, path: Iterable[str | int]) -> str:
        """The names of the fields on a path, which itself has the client's aliases; without the indexes of lists."""
        document, operation = self._execution.graphql_document, self._operation()
        if document is None or operation is None:
            return ""
        names: list[str] = []
        selections: list[SelectionSetNode | None] = [operation.selection_set]
        for key in path:
            if isinstance(key, int):
                continue
            nodes = [node for node in _fields_of(selections, document) if _key_of(node) == key]
            if not nodes:
                break
            names.append(nodes[0].name.value)
            selections = [node.selection_set for node in nodes]
        return ".".join(names)


def _cause(error: GraphQLError) -> BaseException | None:
    """What a resolver has raised; `None`: it is an error of GraphQL's own."""
    cause = error.original_error
    return None if isinstance(cause, GraphQLError) else cause


def _is_refused(error: GraphQLError) -> bool:
    cause = error.original_error
    return cause is not None and refusal_in(cause) is not None


def _safely(say: Callable[..., None], *args: object) -> None:
    try:
        say(*args)
    except Exception as failure:  # noqa: BLE001 -- logging must not fail an operation; until=never
        _log.error("log.failed", exc_info=failure)


def _key_of(field: FieldNode) -> str:
    return field.name.value if field.alias is None else field.alias.value


def _fields_of(selections: list[SelectionSetNode | None], document: DocumentNode) -> list[FieldNode]:
    """The fields that are selected, through fragments; a bounded number, since a client wrote the document."""
    fields: list[FieldNode] = []
    left = [selection for selection in selections if selection is not None]
    visited: set[str] = set()
    for _ in range(_MAX_NODES):
        if not left:
            break
        for node in left.pop().selections:
            if isinstance(node, FieldNode):
                fields.append(node)
            elif isinstance(node, InlineFragmentNode):
                left.append(node.selection_set)
            elif isinstance(node, FragmentSpreadNode) and node.name.value not in visited:
                visited.add(node.name.value)
                left += [
                    fragment.selection_set
                    for fragment in document.definitions
                    if isinstance(fragment, FragmentDefinitionNode) and fragment.name.value == node.name.value
                ]
    return fields
