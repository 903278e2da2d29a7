"""A client that goes away while its request is in the door's line is not served; all it has said reaches a service that is."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import CollectorRegistry

from quickwins.backpressure import Gate
from quickwins.backpressure.asgi import KEPT_BYTES, BackpressureMiddleware
from quickwins.core.clock import FakeClock

if TYPE_CHECKING:
    from quickwins.core.asgi import Message, Receive, Scope, Send

pytestmark = pytest.mark.asyncio

GONE: Message = {"type": "http.disconnect"}


class Client:
    """One request: what it says, in order, and what it was answered."""

    def __init__(self, *says: Message) -> None:
        self.says: asyncio.Queue[Message] = asyncio.Queue()
        self.heard: list[Message] = []
        self.reading = 0
        for message in says:
            self.say(message)

    def say(self, message: Message) -> None:
        self.says.put_nowait(message)

    async def receive(self) -> Message:
        self.reading += 1
        try:
            return await self.says.get()
        finally:
            self.reading -= 1

    async def send(self, message: Message) -> None:
        self.heard.append(message)


class Service:
    """Behind a door for one. It reads a request whole, and answers once it may."""

    def __init__(self) -> None:
        self.may_answer = asyncio.Event()
        self.bodies: list[bytes] = []
        self.gate = Gate.queue(
            size=1, name="door", target_seconds=30, interval_seconds=60, registry=CollectorRegistry()
        )
        self.app = BackpressureMiddleware(self, gate=self.gate)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        self.bodies.append(body)
        await self.may_answer.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    def serve(self, client: Client) -> asyncio.Task[None]:
        scope: dict[str, Any] = {"type": "http", "method": "POST", "path": "/", "headers": []}
        return asyncio.ensure_future(self.app(scope, client.receive, client.send))


def body(content: bytes, *, more: bool = False) -> Message:
    return {"type": "http.request", "body": content, "more_body": more}


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_client_that_hangs_up_in_line_is_not_served_and_leaves_its_place() -> None:
    service = Service()
    first, second = Client(body(b"first")), Client(body(b"second"))
    serving = service.serve(first)
    await settle()
    waiting = service.serve(second)
    await settle()
    assert service.gate.stats().waiting == 1
    second.say(GONE)
    await asyncio.wait_for(waiting, 10)
    assert (service.gate.stats().waiting, second.heard) == (0, [])
    service.may_answer.set()
    await serving
    await settle()
    assert service.bodies == [b"first"]
    assert service.gate.stats().inflight == 0


async def test_a_request_that_waits_and_is_served_loses_nothing_that_was_said_meanwhile() -> None:
    service = Service()
    serving = service.serve(Client(body(b"first")))
    await settle()
    second = Client(body(b"sec", more=True), body(b"o", more=True))
    waiting = service.serve(second)
    await settle()
    service.may_answer.set()
    await serving
    await settle()
    second.say(body(b"nd"))
    await asyncio.wait_for(waiting, 10)
    assert service.bodies == [b"first", b"second"]
    assert second.heard[0]["status"] == 200
    assert second.reading == 0, "nobody else reads beside the service"


async def test_a_large_body_is_not_read_into_memory_in_line() -> None:
    service = Service()
    serving = service.serve(Client(body(b"")))
    await settle()
    pieces = [body(b"x" * KEPT_BYTES, more=True) for _ in range(8)]
    large = Client(*pieces, body(b""))
    waiting = service.serve(large)
    await settle()
    assert large.says.qsize() == 8, "no more than what may be kept was taken"
    service.may_answer.set()
    await asyncio.gather(serving, waiting)
    assert len(service.bodies[1]) == 8 * KEPT_BYTES


async def test_a_server_that_always_has_another_message_is_not_asked_for_ever() -> None:
    class Endless(Client):
        async def receive(self) -> Message:
            self.reading += 1
            return body(b"")

    service, endless = Service(), Endless()
    serving = service.serve(Client(body(b"")))
    await settle()
    waiting = service.serve(endless)
    await settle()
    asked = endless.reading
    assert 1 < asked <= KEPT_BYTES // 1_000
    await settle()
    assert endless.reading == asked
    service.may_answer.set()
    await asyncio.gather(serving, waiting)


async def test_cancelled_in_line_it_is_cancelled_and_stops_reading() -> None:
    service = Service()
    serving = service.serve(Client(body(b"")))
    await settle()
    client = Client(body(b""))
    waiting = service.serve(client)
    await settle()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert (client.reading, service.gate.stats().waiting) == (0, 0)
    service.may_answer.set()
    await serving


async def test_a_client_s_deadline_is_read_on_the_clock_that_the_gate_reads() -> None:
    clock, refused = FakeClock(), Client(body(b""))
    service = Service()
    gate = Gate.queue(
        size=1, name="door", target_seconds=30, interval_seconds=60, clock=clock, registry=CollectorRegistry()
    )
    app = BackpressureMiddleware(service, gate=gate, deadline_header="timeout", clock=clock)
    scope: dict[str, Any] = {"type": "http", "method": "GET", "path": "/", "headers": [(b"timeout", b"0")]}
    async with gate.permit():
        asking = asyncio.ensure_future(app(scope, refused.receive, refused.send))
        await settle()
        assert asking.done()
    assert refused.heard[0]["status"] == 503


async def test_a_connection_that_is_lost_while_it_is_read_ends_the_wait() -> None:
    class Broken(Client):
        async def receive(self) -> Message:
            raise ConnectionResetError("lost")

    service = Service()
    serving = service.serve(Client(body(b"")))
    await settle()
    await asyncio.wait_for(service.serve(Broken()), 10)
    assert service.gate.stats().waiting == 0
    service.may_answer.set()
    await serving


@pytest.mark.parametrize("error", [RuntimeError("flow error"), IndexError(), asyncio.CancelledError()])
async def test_a_server_that_has_nothing_more_to_say_keeps_no_request_from_being_served(
    error: BaseException,
) -> None:
    class Silent(Client):
        async def receive(self) -> Message:
            if self.says.empty():
                raise error
            return await super().receive()

    service, silent = Service(), Silent(body(b"second"))
    serving = service.serve(Client(body(b"first")))
    await settle()
    waiting = service.serve(silent)
    await settle()
    service.may_answer.set()
    await asyncio.gather(serving, waiting)
    assert service.bodies == [b"first", b"second"]
    assert silent.heard[0]["status"] == 200


@pytest.mark.parametrize("last", [GONE, body(b"", more=True)], ids=["gone", "a part"])
async def test_a_server_that_answers_a_cancellation_with_a_message_has_no_client_taken_for_gone(
    last: Message,
) -> None:
    class Answering(Client):
        async def receive(self) -> Message:
            try:
                return await super().receive()
            except asyncio.CancelledError:
                return last

    class Curious(Service):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await super().__call__(scope, receive, send)
            while (message := await receive()) is last is not GONE:
                pass
            self.bodies.append(message.get("body", b"gone"))

    service = Curious()
    first, second = Client(body(b"first"), body(b"more")), Answering(body(b"second"))
    serving = service.serve(first)
    await settle()
    waiting = service.serve(second)
    await settle()
    service.may_answer.set()
    await serving
    await settle()
    second.say(body(b"later"))
    await asyncio.wait_for(waiting, 10)
    assert service.bodies == [b"first", b"more", b"second", b"later"]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(lambda scope: scope["user"], id="raises"),
        pytest.param(lambda _: ["critical"], id="makes no sense"),
    ],
)
@pytest.mark.parametrize("question", ["priority", "tenant"])
async def test_a_function_of_the_request_that_fails_fails_no_request_and_is_told_once(
    question: str, answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    service = Service()
    service.may_answer.set()
    options: dict[str, Any] = {question: answer}
    gate = Gate.queue(size=1, name="door", tenants=3, registry=CollectorRegistry())
    service.app = BackpressureMiddleware(service, gate=gate, **options)
    for _ in range(2):
        client = Client(body(b""))
        await service.serve(client)
        assert client.heard[0]["status"] == 200
    assert gate.stats().inflight == 0
    (told,) = caplog.messages
    assert told.startswith(f"door.question_failed question={question} error=")
