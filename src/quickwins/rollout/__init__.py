"""Staged rollout: a flag's percentage goes up in steps, each through gates, and back to 0 in seconds when one says so.

    controller = RolloutController(source, writer, FileStore(Path("rollout.json")), feature="query_cache")
    await controller.start(load_plans(Path("rollout.toml"))["query_cache"])
    await controller.run()

The service counts its requests by whether the feature was on for them (`rollout.asgi`, `rollout.grpc`); the controller compares
the two cohorts, and moves the flag. Turn a ramp off with `abort`: the flag is killed, whether a controller runs or not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quickwins.core.lazy import lazily

if TYPE_CHECKING:
    from quickwins.rollout._audit import Replayed, replayed
    from quickwins.rollout._controller import RolloutController
    from quickwins.rollout._core.decide import Decision, decide
    from quickwins.rollout._core.facts import Arm, Facts, Looks, Process, Reading
    from quickwins.rollout._core.state import Phase, Reason, State, Verdict
    from quickwins.rollout._flag import Writer
    from quickwins.rollout._look import Look
    from quickwins.rollout.errors import RolloutBlocked, RolloutReason
    from quickwins.rollout.plan import Gates, Plan, Step, load_plans
    from quickwins.rollout.sources.prometheus import PrometheusSource
    from quickwins.rollout.sources.reading import FactSource
    from quickwins.rollout.sources.registry import RegistrySource
    from quickwins.rollout.sources.scrapes import ScrapeSource
    from quickwins.rollout.stores.file import FileStore
    from quickwins.rollout.stores.postgres import PostgresStore
    from quickwins.rollout.stores.record import Held, Record, Store

__all__ = [
    "Arm",
    "Decision",
    "FactSource",
    "Facts",
    "FileStore",
    "Gates",
    "Held",
    "Look",
    "Looks",
    "Phase",
    "Plan",
    "PostgresStore",
    "Process",
    "PrometheusSource",
    "Reading",
    "Reason",
    "Record",
    "RegistrySource",
    "Replayed",
    "RolloutBlocked",
    "RolloutController",
    "RolloutReason",
    "ScrapeSource",
    "State",
    "Step",
    "Store",
    "Verdict",
    "Writer",
    "decide",
    "load_plans",
    "replayed",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "Arm": "_core.facts",
        "Decision": "_core.decide",
        "FactSource": "sources.reading",
        "Facts": "_core.facts",
        "FileStore": "stores.file",
        "Gates": "plan",
        "Held": "stores.record",
        "Look": "_look",
        "Looks": "_core.facts",
        "Phase": "_core.state",
        "Plan": "plan",
        "PostgresStore": "stores.postgres",
        "Process": "_core.facts",
        "PrometheusSource": "sources.prometheus",
        "Reading": "_core.facts",
        "Reason": "_core.state",
        "Record": "stores.record",
        "RegistrySource": "sources.registry",
        "Replayed": "_audit",
        "RolloutBlocked": "errors",
        "RolloutController": "_controller",
        "RolloutReason": "errors",
        "ScrapeSource": "sources.scrapes",
        "State": "_core.state",
        "Step": "plan",
        "Store": "stores.record",
        "Verdict": "_core.state",
        "Writer": "_flag",
        "decide": "_core.decide",
        "load_plans": "plan",
        "replayed": "_audit",
    },
)
