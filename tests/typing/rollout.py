"""A ramp as a caller writes it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, assert_type

from quickwins.core.audit import AuditLog
from quickwins.core.clock import FakeClock
from quickwins.core.events import ROLLOUT_MOVED, ROLLOUT_PAGE, Event
from quickwins.core.flags.writer import FlagWriter
from quickwins.facade import SECTIONS
from quickwins.rollout import (
    Arm,
    Decision,
    Facts,
    FactSource,
    FileStore,
    Gates,
    Held,
    Look,
    Looks,
    Phase,
    Plan,
    PostgresStore,
    Process,
    PrometheusSource,
    Reading,
    Reason,
    Record,
    RegistrySource,
    Replayed,
    RolloutBlocked,
    RolloutController,
    RolloutReason,
    ScrapeSource,
    State,
    Step,
    Store,
    Verdict,
    Writer,
    decide,
    load_plans,
    replayed,
)
from quickwins.rollout.asgi import RolloutMiddleware
from quickwins.rollout.grpc import RolloutInterceptor
from quickwins.rollout.soak import (
    Criteria,
    Evidence,
    Finding,
    Hits,
    Pool,
    Report,
    Soak,
    Suite,
    Watch,
    judge,
    to_html,
    to_json,
)
from quickwins.rollout.soak import Verdict as SoakVerdict
from quickwins.rollout.work import RolloutWork

if TYPE_CHECKING:
    import asyncpg

    from quickwins import QuickWins
    from quickwins.core.asgi import App

FACTS: tuple[Event, ...] = (ROLLOUT_MOVED, ROLLOUT_PAGE)


def http(app: App, qw: QuickWins) -> App:
    return RolloutMiddleware(
        qw.asgi(app), qw.flags, features=["backpressure"], key=lambda scope: scope["state"]["user"]
    )


def calls(qw: QuickWins) -> list[object]:
    counting = RolloutInterceptor(qw.flags, features=["backpressure"], exempt=["/a.B/C"])
    return [counting, *qw.grpc_interceptors()]


def batches(qw: QuickWins) -> None:
    work = RolloutWork(qw.flags, features=["dedup"])
    with work.one("feed:0"):
        assert qw.flag("dedup").active_for("feed:0")


def sources() -> list[FactSource]:
    return [
        RegistrySource(),
        ScrapeSource(["http://127.0.0.1:9100/metrics"], timeout_seconds=1),
        PrometheusSource("http://127.0.0.1:9090"),
    ]


def stores(folder: Path, pool: asyncpg.Pool) -> list[Store]:
    return [FileStore(folder / "rollout.json"), PostgresStore(pool), PostgresStore(pool, service="feed")]


class Mine:
    async def read(self, feature: str, now: float) -> Reading:
        process = Process(now, {("on", "ok"): 1}, {"on": {0.1: 1, float("inf"): 1}}, (10.0,))
        return Reading({feature: process})


async def ramp(folder: Path) -> Look:
    plan = Plan(steps=(Step(percent=10, hold=600), Step(percent=100)), gates=Gates(error_rate_max=0.02))
    plans = assert_type(load_plans(folder / "rollout.toml"), dict[str, Plan])
    store: Store = FileStore(folder / "rollout.json")
    writer: Writer = FlagWriter(folder / "quickwins.toml", SECTIONS)
    audit = AuditLog(folder / "audit.jsonl")
    controller = RolloutController(Mine(), writer, store, clock=FakeClock(), feature="dedup", audit=audit)
    try:
        await controller.start(plans.get("dedup", plan))
    except RolloutBlocked as error:
        if error.reason is not RolloutReason.GROUP:
            raise
    async with store.exclusive("dedup") as held:
        await again(held)
    await controller.approve()
    assert_type(await controller.status(), State | None)
    look = await controller.tick()
    if look.verdict is Verdict.HOLD and look.reason is Reason.TIME:
        await controller.abort()
    for one in replayed(audit.records(), "dedup"):
        assert_type(one, Replayed)
        assert one.same
    return await controller.run()


async def again(held: Held) -> None:
    if held.record is not None and held.record.state.phase is Phase.DONE:
        await held.put(Record(held.record.state))


def judged(state: State, reading: Reading) -> Decision:
    _, facts = Looks().then(reading, 1.0)
    return decide(state, facts if facts.on == Arm() else Facts(), 1.0)


async def soaked(logs: Path) -> tuple[str, str]:
    soak = Soak(Criteria(), targets=["http://127.0.0.1:9100/metrics"], logs=[logs])
    await soak.run()
    report = assert_type(soak.report(), Report)
    return to_html(report), to_json(report)


def judged_anew(watch: Watch) -> list[Finding]:
    seen = watch.evidence(60.0, Suite(passed=1, failed=0, skipped=0))
    assert_type(seen, Evidence)
    more = Evidence(60.0, pools={"api/feed": Pool(refused=1)}, hits={"feed": Hits(1, 2)})
    return [one for one in judge(more, Criteria(), began=0.0).findings if one.verdict is not SoakVerdict.PASS]
