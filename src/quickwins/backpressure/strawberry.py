"""A refusal inside a GraphQL execution: an error that says when to come back, next to the data that succeeded.

    schema = strawberry.Schema(Query, extensions=[BackpressureExtension])

Refusals before the execution are answered by `quickwins.backpressure.asgi`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quickwins.core.errors import answer, needs_extra, refusal_in
from quickwins.core.lazy import shows

with needs_extra("graphql"):
    from strawberry.extensions import SchemaExtension

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphql import GraphQLError

__all__ = ["BackpressureExtension"]
__dir__ = shows(__name__)


class BackpressureExtension(SchemaExtension):
    """Gives the error of each refused field `extensions {code, reason, retryAfter}`, the last one in whole seconds.

    Its message becomes what every edge says of such a refusal, without the pool's name and numbers. All other errors, and
    what others have put into `extensions`, stay as they are. Each result of a subscription is looked at by itself.
    """

    def __repr__(self) -> str:
        return "<BackpressureExtension>"

    def on_operation(self) -> Iterator[None]:
        """See `SchemaExtension`."""
        context = (
            self.execution_context
        )  # now: a schema that was given an instance has it serve the next operation meanwhile
        yield
        errors = getattr(context.result, "errors", None) or context.pre_execution_errors
        for error in errors or ():
            _explain(error)


def _explain(error: GraphQLError) -> None:
    refusal = None if error.original_error is None else refusal_in(error.original_error)
    if refusal is not None:
        said = answer(refusal)
        error.message = said.sentence
        error.extensions = {**(error.extensions or {}), **said.extensions}
