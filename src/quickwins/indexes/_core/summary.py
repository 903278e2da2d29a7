"""A plan: what a migration has left to do, what is in its way, and what people should know of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from quickwins.indexes._core.plan import decide
from quickwins.indexes._core.preconditions import Obstacle, Precondition, passing, standing
from quickwins.indexes._statements import CreateIndex

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from quickwins.indexes._core.actions import Action, Past, Target
    from quickwins.indexes._core.facts import Building, Holder, Server
    from quickwins.indexes._core.window import Window
    from quickwins.indexes._statements import Name
    from quickwins.indexes.migration import Migration


@dataclass(frozen=True, slots=True)
class Plan:
    """What `apply` would do now. It is made again before each action: the database goes on meanwhile.

    Attributes:
        migration: What it is for.
        rollback: Whether it takes the migration back.
        actions: What is left to do, in order.
        obstacles: What `apply` waits for, or refuses to begin with.
        overridden: Those that you have overridden.
        refusals: Why the migration cannot be run at all.
        notes: What else there is to know.
        sizes: Table, its bytes, index, and the bytes that it will take; `None`: nobody can tell.
    """

    migration: Migration
    rollback: bool
    actions: tuple[Action, ...]
    obstacles: tuple[Obstacle, ...] = ()
    overridden: tuple[Obstacle, ...] = ()
    refusals: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    sizes: tuple[tuple[str, int, str, int | None], ...] = ()

    def noted(self, notes: Sequence[str]) -> Plan:
        """The same with more to know."""
        return replace(self, notes=(*self.notes, *notes))

    @property
    def nothing_to_do(self) -> bool:
        """Whether the server is as the migration wants it."""
        return not self.actions and not self.refusals and not self.obstacles


@dataclass(frozen=True, slots=True)
class Gathered:
    """What the server says of one migration."""

    server: Server
    targets: tuple[Target, ...]
    building: tuple[Building, ...]
    holders: Mapping[Name, Sequence[Holder]]
    past: Past


@dataclass(frozen=True, slots=True)
class Rules:
    """What a runner was told.

    Attributes:
        window: When it may begin; `None`: at any time.
        overrides: Preconditions that do not count.
        cancel_orphan: Whether a build of one of our indexes by somebody else is cancelled instead of waited for.
    """

    window: Window | None = None
    overrides: Collection[Precondition] = ()
    cancel_orphan: bool = False


def plan_of(
    migration: Migration, facts: Gathered, rules: Rules, *, rollback: bool, wall: float, now_text: str
) -> Plan:
    """The plan.

    Args:
        migration: What is to be done.
        facts: What the server says.
        rules: What we were told.
        rollback: Whether it is taken back.
        wall: The time, in seconds since the epoch.
        now_text: The same for people.
    """
    decision = decide(
        facts.targets,
        building=facts.building,
        past=facts.past,
        rollback=rollback,
        cancel_orphan=rules.cancel_orphan,
    )
    refusals = list(decision.refusals)
    if not rollback and facts.past.digest not in {"", migration.digest}:
        refusals.insert(
            0,
            f"{migration.name} was applied when it said something else (digest {facts.past.digest}, now {migration.digest}): "
            "put the change into a migration of its own, or roll this one back first",
        )
    found: list[Obstacle] = []
    if decision.actions or facts.server.standby:
        window = rules.window
        found += standing(
            facts.server,
            facts.targets,
            in_window=window is None or window.holds(wall),
            window=str(window),
            now_text=now_text,
        )
    found += passing(decision.actions, facts.holders)
    notes = list(decision.notes)
    if not facts.server.sees_others:
        notes.append(
            "our role does not see what other roles' sessions and builds do: GRANT pg_read_all_stats"
        )
    sizes = [
        (str(one.table.name), one.table.bytes, str(one.statement.index), one.bytes)
        for one in facts.targets
        if one.table is not None and isinstance(one.statement, CreateIndex)
    ]
    return Plan(
        migration=migration,
        rollback=rollback,
        actions=tuple(decision.actions),
        obstacles=tuple(one for one in found if one.precondition not in rules.overrides),
        overridden=tuple(one for one in found if one.precondition in rules.overrides),
        refusals=tuple(refusals),
        notes=tuple(notes),
        sizes=tuple(sizes),
    )
