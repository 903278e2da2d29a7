"""What must hold before a migration changes anything, and who holds a build up."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from quickwins.indexes._core.actions import Action, Do, Target
from quickwins.indexes._core.facts import Holding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from quickwins.indexes._core.facts import Holder, Server
    from quickwins.indexes._statements import Name

OLDEST = 130_000
CORRUPTING = range(140_000, 140_004)
"""`CREATE INDEX CONCURRENTLY` of 14.0 to 14.3 may miss rows (release notes of 14.4)."""
YOUNG_SECONDS = 1.0
"""A transaction younger than this is the database's daily work: a build simply waits for it."""


class Precondition(StrEnum):
    """What must hold before anything is changed; each can be overridden by its name."""

    WINDOW = "window"
    STANDBY = "standby"
    VERSION = "version"
    PERMISSIONS = "permissions"
    PROXY = "proxy"
    SNAPSHOTS = "snapshots"
    LOCKS = "locks"
    PREPARED = "prepared"
    VACUUM = "vacuum"
    BUILDS = "builds"
    RUNNER = "runner"
    """Another runner is at work. Cannot be overridden."""
    FLAG = "flag"
    """The feature is switched off. Cannot be overridden."""


OVERRIDABLE = tuple(one for one in Precondition if one not in {Precondition.RUNNER, Precondition.FLAG})
_HELD_BY = {
    Holding.SNAPSHOT: Precondition.SNAPSHOTS,
    Holding.LOCK: Precondition.LOCKS,
    Holding.READER: Precondition.LOCKS,
    Holding.PREPARED: Precondition.PREPARED,
    Holding.VACUUM: Precondition.VACUUM,
    Holding.BUILD: Precondition.BUILDS,
}


@dataclass(frozen=True, slots=True)
class Obstacle:
    """A precondition that is not met, and who is in the way: then waiting may help."""

    precondition: Precondition
    text: str
    holder: Holder | None = None

    def __str__(self) -> str:
        return f"{self.precondition}: {self.text}"


def standing(
    server: Server, targets: Sequence[Target], *, in_window: bool, window: str, now_text: str
) -> Iterator[Obstacle]:
    """What does not go away by waiting a little."""
    if not in_window:
        yield Obstacle(Precondition.WINDOW, f"it is {now_text}, outside of {window}")
    if server.standby:
        yield Obstacle(
            Precondition.STANDBY, "this server is a standby: it takes no changes; connect to the primary"
        )
    if server.version in CORRUPTING or server.version < OLDEST:
        shown = f"{server.version // 10_000}.{server.version % 100}"
        why = "builds that miss rows" if server.version in CORRUPTING else "too old to be known here"
        yield Obstacle(Precondition.VERSION, f"PostgreSQL {shown}: {why}; use 14.4 or newer")
    if server.proxied:
        yield Obstacle(
            Precondition.PROXY,
            "a pooler is between us and the server: locks and time-outs of a session do not hold there; connect directly",
        )
    for target in targets:
        for table in target.table.tree() if target.table is not None else ():
            if not table.owned:
                yield Obstacle(
                    Precondition.PERMISSIONS,
                    f"our role does not own {table.name}, or may not create in its schema",
                )
        if target.lacking:
            yield Obstacle(Precondition.PERMISSIONS, target.lacking)
    if not server.may_keep_history:
        yield Obstacle(
            Precondition.PERMISSIONS,
            f"our role may not make or write quickwins.index_history in {server.database}: GRANT CREATE ON DATABASE",
        )


def passing(actions: Sequence[Action], holders: Mapping[Name, Sequence[Holder]]) -> Iterator[Obstacle]:
    """Who would hold the first of `actions` up, and goes away some day.

    Args:
        actions: What is to do.
        holders: Those on each table; those with a snapshot are among those of each.
    """
    first = next((one for one in actions if one.do in {Do.BUILD, Do.DROP, Do.REINDEX}), None)
    if first is None:
        return
    seen = set()
    for holder in holders.get(first.table, ()):
        young = holder.age_seconds < YOUNG_SECONDS and holder.holding is not Holding.BUILD
        # A drop waits for all who use the table, and for no snapshot; a build for no reader.
        harmless = Holding.SNAPSHOT if first.do is Do.DROP else Holding.READER
        if young or holder.holding is harmless or (holder.pid, holder.query) in seen:
            continue
        seen.add((holder.pid, holder.query))
        yield Obstacle(_HELD_BY[holder.holding], str(holder), holder)
