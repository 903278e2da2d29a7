"""What the two views share: between Strawberry's reading of a request and its executing, and behind it.

A subclass that has its own `get_context`, `process_result`, `create_response` or `encode_json` keeps it: the context is made
for every request before anything is looked up, and where results or responses are made by the subclass they are made for
every request, of the stored data instead of the stored bytes.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from quickwins.core.contexts import leave
from quickwins.core.errors import needs_extra
from quickwins.query_cache._execution import EXECUTION, Execution
from quickwins.query_cache._headers import NO_STORE, Said, matches
from quickwins.query_cache._observed import ObservedRequest, observed
from quickwins.query_cache._passed import PASSED
from quickwins.query_cache._serving import Executed

with needs_extra("query-cache"):
    from cross_web import StarletteRequestAdapter
    from starlette.responses import Response
    from strawberry.types import ExecutionResult

if TYPE_CHECKING:
    from collections.abc import Mapping

    from strawberry.http import GraphQLRequestData
    from strawberry.schema.base import BaseSchema

    from quickwins.query_cache._core.memory import Slot
    from quickwins.query_cache._desk import Owner
    from quickwins.query_cache._known import Known
    from quickwins.query_cache._serving import Asked
    from quickwins.query_cache.cache import QueryCache

_NOT_MODIFIED = 304
_JSON = "application/json"


class PlainAdapter(StarletteRequestAdapter):
    """A request as Strawberry itself reads it: these reads are not the application's."""

    def __init__(self, request: Any) -> None:
        super().__init__(request)
        self._observed = request if isinstance(request, ObservedRequest) else None
        if self._observed is not None:
            self._headers = self._observed.plain_headers

    @property
    def query_params(self) -> Any:
        """See Strawberry."""
        return super().query_params if self._observed is None else self._observed.plain_query

    async def get_body(self) -> bytes:
        """See Strawberry."""
        if self._observed is None:
            return await super().get_body()
        with self._observed.reads.unnoted():
            return await super().get_body()

    async def get_form_data(self) -> Any:
        """See Strawberry."""
        if self._observed is None:
            return await super().get_form_data()
        with self._observed.reads.unnoted():
            return await super().get_form_data()


class Stored(ExecutionResult):
    """A result that is stored already.

    Attributes:
        slot: Where.
    """

    slot: Slot

    @classmethod
    def of(cls, slot: Slot, *, decoded: bool) -> Stored:
        """The result of `slot`; with its data, for those who want to see it."""
        stored: Mapping[str, Any] = json.loads(slot.entry.body) if decoded else {}
        made = cls(data=stored.get("data"), errors=None, extensions=stored.get("extensions"))
        made.slot = slot
        return made


class StoredAnswer(dict[str, Any]):
    """In the place of a response's data: the bytes are there already."""

    slot: Slot


class Session:
    """One HTTP request in a view.

    Attributes:
        request: It.
        owner: Whose it is.
        said: What each of its operations says of how long it lasts; `None` for one that must not be stored.
        touched: Whether any of them is cached at all.
    """

    __slots__ = ("owner", "request", "said", "touched")

    def __init__(self, request: ObservedRequest, owner: Owner) -> None:
        self.request = request
        self.owner = owner
        self.said: list[Said | None] = []
        self.touched = False


class CachedView:
    """Comes before one of Strawberry's views among the bases of a class."""

    schema: BaseSchema
    _cache: QueryCache
    _serves_bytes: bool
    _variant: str

    def _cached_by(self, cache: QueryCache) -> None:
        own = type(self)
        self._cache = cache
        self._variant = f"{own.__module__}.{own.__qualname__}"
        self._serves_bytes = (
            own.process_result is CachedView.process_result
            and own.create_response is CachedView.create_response
        )
        cache.desk.attach(self.schema)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} with {self._cache!r}>"

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
        if not isinstance(request, ObservedRequest) or not desk.possible():
            return await parent.execute_operation(context=context, **given)
        reads = request.reads
        reads.is_open = False
        owner = await desk.owner(context)
        session = request.shared = Session(request, owner)
        context = observed(context, reads, desk.shared_context)
        reads.context = reads.context or root_value is not None
        try:
            result = await parent.execute_operation(context=context, **given)
        finally:
            reads.executing = 0
        _say(session, result, sub_response, may_be_empty=self._serves_bytes)
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
        if known is None or not known.plan.cacheable or by_get or not desk.serves(session.owner):
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
            before = _state_of(sub_response)
            reads.executing += 1
            try:
                result = await execute()
            finally:
                reads.executing -= 1
            changed = "response" if _state_of(sub_response) != before else None
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

    def _encoded(self, content: Any) -> bytes | None:
        view: Any = self
        try:
            made = view.encode_json(content)
        except (TypeError, ValueError):
            return None  # and where the response is made of it, it fails as it would without a cache
        return made if isinstance(made, bytes) else str(made).encode()

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
            parts = [
                one.slot.entry.body if type(one) is StoredAnswer else self._encoded(one)
                for one in response_data
            ]
            return _response(b"[" + b",".join(part or b"null" for part in parts) + b"]", sub_response)
        if type(response_data) is StoredAnswer:
            return _response(response_data.slot.entry.body, sub_response)
        return parent.create_response(response_data, sub_response)


def _response(body: bytes, sub_response: Any) -> Response:
    """What Strawberry makes of `body` and what the application has set."""
    status = sub_response.status_code or 200
    if status == _NOT_MODIFIED:
        body = b""
    response = Response(body, status_code=status, media_type=_JSON)
    if status == _NOT_MODIFIED:
        del response.headers["content-type"]
    response.headers.raw.extend(sub_response.headers.raw)
    if sub_response.background:
        response.background = sub_response.background
    return response


def _state_of(sub_response: Any) -> tuple[Any, ...]:
    return tuple(sub_response.headers.raw), sub_response.status_code, sub_response.background


def _say(session: Session, result: Any, sub_response: Any, *, may_be_empty: bool) -> None:
    """Put into the response what its operations say together; what the application has said itself stays."""
    headers = sub_response.headers
    if "cache-control" in headers:
        return
    results = result if isinstance(result, list) else [result]
    failed = any(getattr(one, "errors", None) for one in results)
    said = [one for one in session.said if one is not None]
    if failed or (session.touched and len(said) != len(results)):
        headers["cache-control"] = NO_STORE
        return
    if not said:
        return
    together = said[0] if len(said) == 1 else Said.together(said)
    made = together.headers()
    if not headers.raw:  # as nearly always, and the way below looks through all headers for each
        headers.raw.extend((name.encode(), value.encode("latin-1")) for name, value in made)
    else:
        for name, value in made:
            if name == "vary":
                headers.add_vary_header(value)
            else:
                headers[name] = value
    request = session.request
    asked = request.plain_headers.get("if-none-match") if may_be_empty else None
    if asked and together.etag and request.method in {"GET", "HEAD"} and matches(together.etag, asked):
        sub_response.status_code = _NOT_MODIFIED
