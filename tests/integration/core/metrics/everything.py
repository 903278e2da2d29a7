"""A process that makes every declared series say something, and waits until its files of multiprocess mode say so too.

It prints, while everything is still open, the names of the series that the files do not have. With `serve` it then prints
the port of its endpoint, and goes on, so that rates have something to show, until its standard input ends.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
import pkgutil
import sys
import warnings
from collections import Counter
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import strawberry
from aiokafka import TopicPartition

import quickwins
from quickwins import QuickWins, pinned
from quickwins.backpressure import Gate, PoolExhausted
from quickwins.channels import MethodPolicy, PoolConfig, RotatingChannel, rotating_channel
from quickwins.core.asgi import Receive, Scope, Send
from quickwins.core.flags import Snapshot
from quickwins.core.metrics import Metric, Metrics, exposed_registry
from quickwins.dedup import Decision, PostgresState
from quickwins.dedup._core.batch import Batch
from quickwins.dedup._reports import Reports
from quickwins.indexes._core.actions import Past, Target
from quickwins.indexes._core.facts import Index, Key, Server, Shape, Table
from quickwins.indexes._core.summary import Gathered
from quickwins.indexes._gauges import Gauges
from quickwins.indexes._statements import DropIndex, Name
from quickwins.logs import get_logger
from quickwins.query_cache import CacheControl, CachedGraphQL, QueryCache
from quickwins.query_cache._core.fences import Invalidation
from quickwins.query_cache._store import BreakerState, Found, Store
from quickwins.rollout.asgi import RolloutMiddleware
from quickwins.rollout.metrics import LEADER, PERCENT, ROLLBACKS, UNCONFIRMED, VERDICTS
from tests.eventually import eventually
from tests.grpc_service import listening

CONFIG = """\
service = "api"
[flags]
audit_path = "/nowhere/audit.jsonl"
[logs]
enabled = true
output = "/dev/full"
sample_first = 1
sample_every = 1000
[suppressions]
enabled = true
[backpressure]
enabled = true
gate = "queue"
target_seconds = 30
interval_seconds = 300
queue_size = 2
[backpressure.names.shadow]
shadow = true
queue_size = 1
# quickwins: complete
"""


class Shipper(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        raise OSError(record.name)


def declared() -> set[str]:
    found = pkgutil.walk_packages(quickwins.__path__, "quickwins.", onerror=lambda _: None)
    names = [module.name for module in found if module.name.split(".")[-1] in {"metrics", "reports"}]
    metrics: list[Metric] = []
    for name in names:
        metrics += getattr(importlib.import_module(name), "METRICS", ())
    return {metric.name for metric in metrics}


def silent() -> list[str]:
    """The declared series that the files have nothing above zero of."""
    said: dict[str, float] = {}
    for family in exposed_registry().collect():
        for sample in family.samples:
            name = sample.name.removesuffix("_count")
            said[name] = max(said.get(name, 0.0), sample.value)
    return sorted(name for name in declared() if not said.get(name))


def change(qw: QuickWins, path: Path, text: str) -> None:
    path.write_text(text)
    qw.flags.poll()


def broken(_: Snapshot) -> None:
    raise RuntimeError


async def overload(qw: QuickWins, name: str) -> Gate:
    """A gate with permits in use, callers in line, some that were refused, and a use that is over."""
    gate = qw.gate(name=name, size=1)
    async with gate.permit():
        with suppress(PoolExhausted):
            async with gate.permit():  # nested
                pass
    waited = asyncio.create_task(hold(gate))
    await asyncio.sleep(0)
    keep.extend([asyncio.create_task(hold(gate)) for _ in range(6)])
    await asyncio.sleep(0)
    waited.cancel()
    return gate


async def hold(gate: Gate) -> None:
    with suppress(PoolExhausted):
        async with gate.permit():
            await asyncio.Event().wait()


keep: list[asyncio.Task[None]] = []
counters: list[RolloutMiddleware] = []


async def refused(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
    await context.abort(grpc.StatusCode.UNAVAILABLE, request.decode())
    return b""


async def silence(request: bytes, _: grpc.aio.ServicerContext) -> bytes:
    await asyncio.Event().wait()
    return request


async def calls(port: int, name: str, ratio: float) -> tuple[RotatingChannel, object]:
    """A channel with calls that were retried, or not for want of a token, and one that is under way."""
    config = PoolConfig(mode="pool", size=4, eject_after=1, retry_budget_ratio=ratio)
    methods = {"/test/no": MethodPolicy(idempotent=True)}
    channel = rotating_channel(f"127.0.0.1:{port}", name=name, config=config, methods=methods)
    await channel.channel_ready()
    with suppress(grpc.RpcError):
        await channel.unary_unary("/test/no")(b"no")
    await channel.rotate()
    return channel, channel.unary_unary("/test/never")(b"")


def migrations() -> None:
    """The series of a migration that runs, and of a table with an index that is INVALID."""
    gauges = Gauges(service="api", name="dba", registry=None)
    shape = Shape("btree", (Key("a", "", "", 0),))
    table = Table(1, Name("t"), indexes=(Index(2, Name("i"), shape, valid=False),))
    statement = DropIndex(1, "", Name("i"), concurrently=True, missing_ok=True)
    gauges.looked(Gathered(Server(180_000), (Target(statement, table),), (), {}, Past()))
    gauges.moved(phase="building index", ratio=0.5, lockers=1)
    gauges.state("090", "running")


class Database:
    """A pool that nobody asks for a connection."""

    def acquire(self) -> None: ...


class Remembering(PostgresState):
    """A store that is one of ids, too."""

    entries = 1
    table_bytes = 24


def change_events() -> Reports:
    """The series of a consumer of change events, as long as it is kept."""
    reports = Reports("feed", Remembering(Database()), service="api", registry=None)
    consume(reports)
    reports.quarantined(TopicPartition("posts", 0), "its source was restored")
    reports.behind(7)
    return reports


def consume(reports: Reports) -> None:
    counts = Counter({Decision.NEW: 1, Decision.DUP_SOURCE: 1, Decision.QUARANTINE: 1})
    reports.applied(TopicPartition("posts", 0), Batch(counts=counts, altered=1), 0.01)


def ramp() -> None:
    """The series of the controller."""
    metrics = Metrics(service="api")
    for gauge in (PERCENT, UNCONFIRMED, LEADER):
        metrics.gauge(gauge, feature="backpressure").set(1)
    metrics.counter(VERDICTS, feature="backpressure", verdict="pass").inc()
    metrics.counter(ROLLBACKS, feature="backpressure", reason="crash").inc()


class Elsewhere:
    """A shared store that is not there."""

    state = BreakerState.OPEN

    @property
    def hears(self) -> bool:
        return True

    async def get(self, _: bytes) -> Found:
        return Found(None, None)

    async def put(self, _: object) -> bool:
        return False

    async def invalidate(self, _: Invalidation) -> None: ...

    async def subscribe(self, _: object, __: object) -> None: ...

    async def close(self) -> None: ...

    def open(self, namespace: str, **_: Any) -> Store:
        return self


begun = asyncio.Event()


@strawberry.type
class Query:
    @strawberry.field(directives=[CacheControl(policy="PUBLIC")])
    async def hello(self) -> str:
        begun.set()
        await asyncio.sleep(0)
        return "hello"


async def answers(cache: QueryCache) -> None:
    """The series of a query cache: executed, found, waited for, invalidated, and refused for its fence."""
    view = CachedGraphQL(strawberry.Schema(Query), cache=cache)

    async def ask() -> None:
        scope = {
            "type": "http",
            "method": "GET",
            "query_string": b"query={hello}",
            "headers": [],
            "path": "/",
        }

        async def received() -> dict[str, object]:
            return {"type": "http.request"}

        async def sent(message: object) -> None: ...

        await view(scope, received, sent)

    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(ask())
    await ask()
    await cache.invalidate(lists=["Query.hello"])
    begun.clear()
    async with asyncio.TaskGroup() as group:
        group.create_task(ask())
        await begun.wait()
        await cache.invalidate(lists=["Query.hello"])
    await ask()


async def nothing(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b""})


async def cohorts(qw: QuickWins) -> None:
    """The series of requests by cohort."""
    counting = RolloutMiddleware(nothing, qw.flags, features=["backpressure"])

    async def received() -> dict[str, object]:
        return {"type": "http.request"}

    async def sent(message: object) -> None: ...

    await counting({"type": "http", "path": "/feed"}, received, sent)
    counters.append(counting)


async def use(gate: Gate) -> None:
    async with gate.permit():
        pass


async def go_on(qw: QuickWins, reports: Reports, channel: RotatingChannel, cache: QueryCache) -> None:
    """Do a little of what has a duration, again and again, until standard input ends."""
    gate = qw.gate(name="busy", size=1)
    ended = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    for number in count():
        if ended.done():
            break
        with pinned(str(number)):  # of these keys one in two has it on
            async with gate.permit():
                waiting = asyncio.create_task(use(gate))
                await asyncio.sleep(0)
            await waiting
        consume(reports)
        await answers(cache)
        await cohorts(qw)
        await channel.rotate()
        await asyncio.wait([ended], timeout=0.2)


async def main(path: Path, *, serve: bool) -> None:
    migrations()
    reports = change_events()
    ramp()
    cache = QueryCache(name="feed", service="api", l2=Elsewhere(), secret="s")
    await answers(cache)
    async with QuickWins.load(path, env={}) as qw:
        logging.getLogger("quickwins").addHandler(Shipper())
        qw.flags.subscribe(broken)
        log = get_logger()
        for number in range(200):
            log.info("thing.done", number=number, password="hunter2")
        warnings.warn("old", DeprecationWarning, stacklevel=1)
        warnings.warn_explicit("old", DeprecationWarning, grpc.__file__, 1)
        keep_gates = [await overload(qw, name) for name in ("feed", "shadow")]
        change(qw, path, CONFIG.replace('gate = "queue"', 'gate = "queue"\npercent = 50'))
        qw.flag("backpressure").active()
        await cohorts(qw)
        change(qw, path, "")
        async with listening(
            no=grpc.unary_unary_rpc_method_handler(refused),
            never=grpc.unary_unary_rpc_method_handler(silence),
        ) as port:
            made = [await calls(port, "feed", 0.2), await calls(port, "poor", 0.0)]
            with suppress(AssertionError):
                await eventually(lambda: not silent(), seconds=20)
            print(json.dumps(silent()), len(keep_gates))
            if serve:
                change(qw, path, CONFIG.replace('gate = "queue"', 'gate = "queue"\npercent = 50'))
                with qw.metrics_server(port=0) as server:
                    print(server.port, flush=True)
                    await go_on(qw, reports, made[0][0], cache)
            await cache.close()
            for channel, _ in made:
                await channel.close()
        for task in keep:
            task.cancel()


if __name__ == "__main__":
    file = Path(sys.argv[1])
    file.write_text(CONFIG)
    asyncio.run(main(file, serve=sys.argv[2:] == ["serve"]))
