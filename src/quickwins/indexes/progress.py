"""How far a migration is: what `Runner.apply` yields."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """One look at the work, some ten a second.

    Attributes:
        migration: Its name.
        step: Which action, from 1.
        action: Its SQL, or what it waits for.
        index: The index that it is about.
        phase: As the server calls it; empty where it tells nothing.
        ratio: Of this action, 0 to 1; never less than before.
        blocks_done: Pages of the table or index that this phase has read.
        blocks_total: Of how many.
        tuples_done: Rows that this phase has handled.
        tuples_total: Of how many.
        lockers_done: Transactions that this phase has waited for.
        lockers_total: Of how many, as known so far.
        blockers: Who holds it up now, for people.
        waited_seconds: For how long this action has been held up, all in all.
        elapsed_seconds: Since this action began.
        eta_seconds: How long the rest of it takes if nothing holds it up; `None`: nobody can tell yet.
    """

    migration: str
    step: int
    action: str
    index: str = ""
    phase: str = ""
    ratio: float = 0.0
    blocks_done: int = 0
    blocks_total: int = 0
    tuples_done: int = 0
    tuples_total: int = 0
    lockers_done: int = 0
    lockers_total: int = 0
    blockers: tuple[str, ...] = ()
    waited_seconds: float = 0.0
    elapsed_seconds: float = 0.0
    eta_seconds: float | None = None

    def __str__(self) -> str:
        words = [f"{self.ratio:6.1%}", self.index, self.phase or self.action]
        if self.lockers_total:
            words.append(f"{min(self.lockers_done, self.lockers_total)} of {self.lockers_total} transactions")
        elif self.blocks_total:
            words.append(f"{self.blocks_done:,} of {self.blocks_total:,} pages")
        if self.eta_seconds is not None and self.ratio < 1:
            words.append(f"about {self.eta_seconds:.0f} s left")
        if self.blockers:
            words.append(f"held up for {self.waited_seconds:.0f} s by {'; '.join(self.blockers)}")
        return "  ".join(filter(None, words))
