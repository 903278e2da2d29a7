"""What the two views share: between Strawberry's reading of a request and its executing, and behind it.

A subclass that has its own `get_context`, `process_result`, `create_response` or `encode_json` keeps it: the context is made
for every request before anything is looked up, and where results or responses are made by the subclass they are made for
every request, of the stored data instead of the stored bytes.

Most requests are, byte for byte, what somebody has asked before. Those are answered as soon as they have their context,
without being parsed; see `CachedView.run`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from quickwins.core.contexts import leave
from quickwins.core.errors import needs_extra
from quickwins.query_cache._execution import EXECUTION, Execution
from quickwins.query_cache._observed import ObservedRequest
from quickwins.query_cache._passed import PASSED
from quickwins.query_cache._raw import RawAnswers, look_at
from quickwins.query_cache._responses import Stored, StoredAnswer, StoredResponse, made_of, state_of
from quickwins.query_cache._serving import Executed
from quickwins.query_cache._session import Session

with needs_extra("query-cache"):
    from strawberry.types import ExecutionResult
    from strawberry.types.unset import UNSET

if TYPE_CHECKING:
    from collections.abc import Iterable

    from strawberry.http import GraphQLRequestData
    from strawberry.schema.base import BaseSchema

    from quickwins.query_cache._known import Known
    from quickwins.query_cache._serving import Asked
    from quickwins.query_cache.cache import QueryCache

_MAKING = ("process_result", "create_response")
"""What makes responses of results."""
_READING = (
    "request_adapter_class", "get_sub_response", "is_request_allowed", "should_render_graphql_ide", "parse_http_body",
    "parse_json", "decode_json", "parse_query_params", "stream_transport_classes_by_protocol", "execute_operation",
    "execute_single",
)  # fmt: skip
"""What may look at a request between its context and its answer."""
_LIBRARIES = ("strawberry.", "quickwins.query_cache.")


class CachedView:
    """Comes before one of Strawberry's views among the bases of a class."""

    schema: BaseSchema
    _answers: RawAnswers
    _cache: QueryCache
    _comma: bytes
    _joins_bytes: bool
    _reads_bytes: bool
    _serves_bytes: bool
    _variant: str

    def _cached_by(self, cache: QueryCache) -> None:
        own = type(self)
        self._cache = cache
        self._answers = RawAnswers(cache.desk.serving)
        self._variant = f"{own.__module__}.{own.__qualname__}"
        self._joins_bytes = _leaves(own, ("encode_json",))
        # As Strawberry puts it between a list's items: older ones have a space behind it.
        self._comma = self._encode([0, 0])[2:-2] if self._joins_bytes else b","
        self._serves_bytes = _leaves(own, _MAKING)
        self._reads_bytes = self._serves_bytes and _leaves(own, _READING)
        cache.desk.attach(self.schema)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} with {self._cache!r}>"

    async def get_sub_response(self, request: Any) -> Any:
        """See Strawberry. There is one for each request: its context has it already."""
        found = getattr(request, "sub_response", None)
        parent: Any = super()
        return await parent.get_sub_response(request) if found is None else found

    async def run(self, request: Any, context: Any = UNSET, root_value: Any = UNSET) -> Any:
        """See Strawberry. What was asked before, byte for byte, is answered as soon as the request has its context."""
        parent: Any = super()
        view: Any = self
        raw = None
        if self._reads_bytes and isinstance(request, ObservedRequest):
            raw = look_at(request.plain_scope)
        desk = self._cache.desk
        if raw is None or raw.method == "HEAD" or not desk.possible():
            return await parent.run(request, context, root_value)
        request.shared = request.sub_response = None
        # As Strawberry does, in its order.
        if root_value is UNSET:
            root_value = await view.get_root_value(request)
        sub_response = request.sub_response = await self.get_sub_response(request)
        if context is UNSET:
            context = await view.get_context(request, response=sub_response)
        if raw.method == "POST":
            raw.content = await request.plain_body()
        request.reads.is_open = False
        owner = await desk.owner(context)
        session = request.shared = Session(request, owner, is_on=desk.serves(owner), raw=raw)
        if (
            session.is_on
            and not (sub_response.raw_headers or sub_response.status_code or sub_response.background)
            and (raw.method == "POST" or view.allow_queries_via_get)
        ):
            now = desk.now()
            slot = self._answers.find(request.plain_scope, raw, owner.pseudonym, now)
            if slot is not None:
                passed = PASSED.get()
                if passed is not None:
                    passed.served.append((slot, slot.start.known, owner.pseudonym))
                return StoredResponse(*self._answers.answer(slot, raw, now))
        return await parent.run(request, context, root_value)

    async def execute_operation(
        self,
        request: Any,
        request_adapter: Any,
        request_data: Any,
        context: Any,
        root_value: Any,
        sub_response: Any,
    ) -> Any:
        """See Strawberry. What the operations say together goes into the response's headers."""
        parent: Any = super()
        desk = self._cache.desk
        given = {
            "request": request,
            "request_adapter": request_adapter,
            "request_data": request_data,
            "root_value": root_value,
            "sub_response": sub_response,
        }
        if not isinstance(request, ObservedRequest):
            return await parent.execute_operation(context=context, **given)
        session: Session | None = request.shared if self._reads_bytes else None
        if not desk.possible():
            request.shared = None  # it was on when the request came
            return await parent.execute_operation(context=context, **given)
        reads = request.reads
        reads.is_open = False
        if session is None:
            owner = await desk.owner(context)
            session = request.shared = Session(request, owner, is_on=desk.serves(owner))
        elif isinstance(request_data, list):
            session.raw = None  # it is several
        context = desk.contexts.observed(context, reads)
        reads.context = reads.context or root_value is not None
        try:
            result = await parent.execute_operation(context=context, **given)
        finally:
            reads.executing = 0
        session.say(result, sub_response, may_be_empty=self._serves_bytes)
        return result

    async def execute_single(
        self,
        request: Any,
        request_adapter: Any,
        sub_response: Any,
        context: Any,
        root_value: Any,
        request_data: GraphQLRequestData,
    ) -> ExecutionResult:
        """See Strawberry."""
        parent: Any = super()
        session: Session | None = getattr(request, "shared", None)

        async def execute() -> ExecutionResult:
            found: ExecutionResult = await parent.execute_single(
                request=request,
                request_adapter=request_adapter,
                sub_response=sub_response,
                context=context,
                root_value=root_value,
                request_data=request_data,
            )
            return found

        if session is None:
            return await execute()
        desk = self._cache.desk
        data = request_data
        known = desk.known(self.schema, data.query, data.operation_name, self._variant)
        if known is not None and known.plan.operation == "mutation":
            return await self._mutate(execute)
        by_get = request_adapter.method == "GET" and not getattr(self, "allow_queries_via_get", True)
        if known is None or not known.plan.cacheable or by_get or not session.is_on:
            session.said.append(None)
            return await execute()
        asked = desk.asked(
            known, data.variables, data.extensions, session.owner, request.value_of, request.reads
        )
        if asked is None:
            session.said.append(None)
            return await execute()
        session.touched = True
        return await self._serve(session, asked, sub_response, execute)

    async def _serve(
        self, session: Session, asked: Asked, sub_response: Any, execute: Any
    ) -> ExecutionResult:
        async def watched() -> Executed:
            reads = session.request.reads
            before = state_of(sub_response)
            reads.executing += 1
            try:
                result = await execute()
            finally:
                reads.executing -= 1
            changed = "response" if state_of(sub_response) != before else None
            return self._executed(asked.known, result, changed)

        serving = self._cache.desk.serving
        served = await serving.serve(asked, watched)
        slot = served.slot
        if slot is None:
            session.said.append(None)
            result: ExecutionResult = served.result
            return result
        session.said.append(serving.said(slot, is_new=served.result is not None))
        passed = PASSED.get()
        if passed is not None and self._serves_bytes:  # what a subclass makes of it is made for each request
            passed.served.append((slot, asked.known, asked.owner))
        if session.raw is not None:
            scope = session.request.plain_scope
            self._answers.remember(scope, session.raw, slot, asked.known, asked.owner)
        return Stored.of(slot, decoded=not self._serves_bytes)

    async def _mutate(self, execute: Any) -> ExecutionResult:
        desk = self._cache.desk
        execution = Execution()
        token = EXECUTION.set(execution)
        try:
            found: ExecutionResult = await execute()
        finally:
            leave(EXECUTION, token)
            desk.serving.void(execution.invalidation())
            desk.tell_soon()  # the request may be given up
        await desk.serving.tell()
        return found

    def _executed(self, known: Known, result: Any, changed: str | None) -> Executed:
        """What may be stored of a result."""
        if not isinstance(result, ExecutionResult):
            return Executed(result, None, "incremental")
        if result.errors or result.data is None:
            return Executed(result, None, changed or "error")
        content: dict[str, Any] = {"data": result.data}
        if result.extensions:
            if not known.plan.store_extensions:
                return Executed(result, None, changed or "extensions")
            content["extensions"] = result.extensions
        return Executed(result, None if changed else self._encoded(content), changed)

    def _encode(self, content: Any) -> bytes:
        view: Any = self
        made = view.encode_json(content)
        return made if isinstance(made, bytes) else str(made).encode()

    def _encoded(self, content: Any) -> bytes | None:
        try:
            body = self._encode(content)
            if not self._joins_bytes:
                json.loads(body)  # as it will be for a batch
        except (TypeError, ValueError):
            return None  # and where the response is made of it, it fails as it would without a cache
        return body

    async def process_result(self, request: Any, result: Any) -> Any:
        """See Strawberry."""
        if self._serves_bytes and type(result) is Stored:
            answer = StoredAnswer()
            answer.slot = result.slot
            return answer
        parent: Any = super()
        return await parent.process_result(request, result)

    def create_response(self, response_data: Any, sub_response: Any) -> Any:
        """See Strawberry."""
        parent: Any = super()
        if isinstance(response_data, list):
            if not any(type(one) is StoredAnswer for one in response_data):
                return parent.create_response(response_data, sub_response)
            if not self._joins_bytes:
                members = [
                    json.loads(one.slot.entry.body) if type(one) is StoredAnswer else one
                    for one in response_data
                ]
                return parent.create_response(members, sub_response)
            parts = [
                one.slot.entry.body if type(one) is StoredAnswer else self._encode(one)
                for one in response_data
            ]
            return made_of(b"[" + self._comma.join(parts) + b"]", sub_response)
        if type(response_data) is StoredAnswer:
            return made_of(response_data.slot.entry.body, sub_response)
        return parent.create_response(response_data, sub_response)


def _leaves(own: type, names: Iterable[str]) -> bool:
    """Whether a subclass has left all of these as they are."""
    makers = (next((kind for kind in own.__mro__ if name in vars(kind)), CachedView) for name in names)
    return all(f"{maker.__module__}.".startswith(_LIBRARIES) for maker in makers)
