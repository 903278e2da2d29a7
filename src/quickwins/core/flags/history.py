"""What the audit file says of flags: the shape of a line, and how the lines of many processes become one row.

Every process that sees a switch adds a line, and so does the one that wrote it. A row is one switch. The rule:

1. A line belongs to the newest row with its digest and feature,
2. unless that row began more than `FOLD_SECONDS` before it,
3. or its process has seen another state of this feature since: on, off and on again are three rows,
4. or it is the write of a switch, and that row is not the feature's last, has a write, or says something else.

The trap: a digest tells what was seen, not when. Without 2 to 4 every return to an earlier state would be folded
into the first time it was there.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from quickwins.core.events import FLAG_CHANGED, FLAG_KEY_MISSING, FLAG_WRITTEN

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from quickwins.core.events import Event
    from quickwins.core.flags.snapshot import Snapshot

FOLD_SECONDS = 120.0
"""More than it takes Kubernetes to bring a ConfigMap to every node, and the longest poll interval besides: a process that
sees a switch later than this was not looking when it happened."""

_IN_THE_STATE = {"enabled", "percent", "killed"}
_TEXTS = ("event", "service", "feature", "old", "new", "source", "digest")


@dataclass(frozen=True, slots=True)
class Change:
    """One switch, as all processes together recorded it.

    Attributes:
        at: When it was first recorded, in seconds since the epoch.
        feature: Which one was switched.
        old: The state before, as the first process saw it.
        new: The state after.
        source: Who decided the state after.
        digest: Of the snapshot after.
        written: The keys that were written, if `quickwins flags set` did it; `None` if nobody recorded a write.
        processes: How many processes saw it; 0 when none was running.
        spread_seconds: From the first line to the last.
    """

    at: float
    feature: str
    old: str
    new: str
    source: str
    digest: str
    written: Mapping[str, object] | None
    processes: int
    spread_seconds: float


def change_fields(feature: str, old: Snapshot, new: Snapshot) -> dict[str, object]:
    """What is said of `feature`'s change, in events and in the audit file: its state, and the settings that differ."""
    changes = new.settings.changes(feature, old.settings)
    others = {key: pair for key, pair in changes.items() if key not in _IN_THE_STATE}
    was, now = ([f"{key}={json.dumps(pair[at])}" for key, pair in others.items()] for at in (0, 1))
    return {
        "feature": feature,
        "old": " ".join([str(old.flags[feature]), *was]),
        "new": " ".join([str(new.flags[feature]), *now]),
        "source": new.decider(feature, old),
        "version": new.version,
        "digest": new.digest,
    }


def audit_record(
    event: Event, fields: Mapping[str, object], *, service: str, wall_now: float
) -> dict[str, object]:
    """A line of the audit file: `fields`, with when, who and what before them."""
    return {"at": wall_now, "event": event.name, "service": service, "pid": os.getpid(), **fields}


def fold(records: Iterable[Mapping[str, object]]) -> list[Change]:
    """One row for each switch, by the rule above, in the order of their first lines. Lines that are not ours are skipped."""
    rows: list[_Row] = []
    newest: dict[tuple[str, str], int] = {}
    last_of_feature: dict[str, int] = {}
    last_of_process: dict[tuple[str, str, object], int] = {}
    for record in records:
        if not _is_ours(record):
            continue
        line: Mapping[str, Any] = record
        feature = line["feature"]
        process = (feature, line["service"], line["pid"])
        at = newest.get((line["digest"], feature))
        if (
            at is None
            or line["at"] > rows[at].first_at + FOLD_SECONDS
            or last_of_process.get(process, -1) > at
            or (
                line["event"] == FLAG_WRITTEN.name
                and not rows[at].takes(line, last_of_feature[feature] == at)
            )
        ):
            at = len(rows)
            rows.append(_Row(line, line["at"], line["at"]))
            newest[line["digest"], feature] = last_of_feature[feature] = at
        rows[at].add(line)
        last_of_process[process] = at
    return [row.change() for row in rows]


def keyless(
    records: Iterable[Mapping[str, object]], since: float
) -> dict[tuple[str, float], Mapping[str, object]]:
    """By flag and percentage, the last record of a question without a key.

    Args:
        records: The lines of an audit file, oldest first. A later change of a flag makes those before it void.
        since: What happened before, in seconds since the epoch, is not told.
    """
    found: dict[tuple[str, float], Mapping[str, object]] = {}
    for record in records:
        feature, percent, at = record.get("feature"), record.get("percent"), record.get("at")
        if not isinstance(feature, str) or not isinstance(at, (int, float)):
            continue
        if record.get("event") == FLAG_KEY_MISSING.name:
            if isinstance(percent, (int, float)) and at >= since:
                found[feature, percent] = record
        else:
            found = {key: one for key, one in found.items() if key[0] != feature}
    return found


def _is_ours(record: Mapping[str, object]) -> bool:
    return (
        record.get("event") in {FLAG_CHANGED.name, FLAG_WRITTEN.name}
        and all(isinstance(record.get(key), str) for key in _TEXTS)
        and isinstance(record.get("at"), (int, float))
        and isinstance(record.get("pid"), int)
    )


@dataclass(slots=True)
class _Row:
    first: Mapping[str, Any]
    first_at: float
    last_at: float
    written: Mapping[str, object] | None = None
    seen_by: set[tuple[str, int]] = field(default_factory=set)

    def takes(self, write: Mapping[str, Any], is_last: bool) -> bool:
        same = self.first["old"] == write["old"] and self.first["new"] == write["new"]
        return is_last and self.written is None and same

    def add(self, line: Mapping[str, Any]) -> None:
        self.first_at = min(self.first_at, line["at"])
        self.last_at = max(self.last_at, line["at"])
        if line["event"] == FLAG_WRITTEN.name:
            changes = line.get("changes")
            self.written = changes if isinstance(changes, dict) else {}
        else:
            self.seen_by.add((line["service"], line["pid"]))

    def change(self) -> Change:
        first = self.first
        return Change(
            at=self.first_at,
            feature=first["feature"],
            old=first["old"],
            new=first["new"],
            source=first["source"],
            digest=first["digest"],
            written=self.written,
            processes=len(self.seen_by),
            spread_seconds=self.last_at - self.first_at,
        )
