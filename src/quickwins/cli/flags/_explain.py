"""Explains snapshots to people: their values, what differs between two, and why a write has no effect."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quickwins.core.errors import ConfigError
from quickwins.core.flags import Why

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from quickwins.core.flags import Snapshot

PERCENT_KEYS = {"percent", "fallback_percent", "salt", "expires_at"}


@dataclass(frozen=True, slots=True)
class Difference:
    """One section that changed from one snapshot to the next.

    Attributes:
        section: Its name.
        old: The flag's state before; empty for a section that is not a flag.
        new: The state after.
        source: The source that decided it.
        changes: The new value of each key that changed.
    """

    section: str
    old: str
    new: str
    source: str
    changes: Mapping[str, object]


def parse_assignments(texts: Sequence[str]) -> dict[str, object]:
    """The fields in `KEY=VALUE` texts. A value is read as TOML if it is valid, else as a string; `KEY=` is `None`.

    Raises:
        ConfigError: A text is not an assignment, repeats a key, or gives a table or list.
    """
    fields: dict[str, object] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        key = key.strip()
        if not equals or not key:
            raise ConfigError(f"{text!r} is not an assignment: write KEY=VALUE, e.g. percent=10 enabled=true")
        if key in fields:
            raise ConfigError(f"{key} is given twice")
        fields[key] = _parse_value(value.strip())
        if isinstance(fields[key], (dict, list)):
            raise ConfigError(f"{key}: only single values can be set here; edit tables and lists in the file")
    return fields


def _parse_value(text: str) -> object:
    if not text:
        return None
    try:
        parsed = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return parsed["value"] if parsed.keys() == {"value"} else text


def differences(old: Snapshot, new: Snapshot) -> list[Difference]:
    """What changed, one entry for each section."""
    found = []
    for section in new.settings.sections:
        changed = new.settings.changes(section, old.settings)
        was, now = (str(one.flags[section]) if section in one.flags else "" for one in (old, new))
        if not changed and was == now:
            continue
        source = new.decider(section, old)
        changes = {key: changed[key][1] for key in sorted(changed)}
        found.append(Difference(section, was, now, source, changes))
    return found


def obstacles(
    snapshot: Snapshot,
    feature: str,
    fields: Mapping[str, object],
    *,
    file: str,
    spell: Callable[[str, str], str],
) -> list[str]:
    """Why what was written has no effect; empty if it has.

    Args:
        snapshot: What is in effect after the write.
        feature: Whose section was written.
        fields: What was written; `None` for a key that was removed.
        file: The layer that was written.
        spell: How a layer (first argument) writes a dotted key (second).
    """
    found = []
    state = snapshot.flags[feature]
    for key, value in fields.items():
        layer = snapshot.settings.origin(feature, key)
        if layer in {file, "default"} or (key == "killed" and value is True):
            continue
        setting = spell(layer, f"{feature}.{key}")
        held = json.dumps(snapshot.settings.values(feature).get(key))
        found.append(
            f"{feature}.{key} is overridden: {layer} says {setting}={held}, which is stronger than the file"
        )
    effect = fields.keys() & ({"enabled"} | PERCENT_KEYS)
    if state.why is Why.KILLED and effect:
        killer = snapshot.origin(feature)
        remedy = f"`quickwins flags revive {feature}`" if killer == file else "only that source can revive it"
        found.append(f"{feature} stays off: {killer} has killed it; {remedy}")
    elif state.why is Why.DISABLED and fields.keys() & PERCENT_KEYS:
        found.append(f"{feature} stays off: it is not enabled; `quickwins flags set {feature} enabled=true`")
    elif state.why is Why.EXPIRED and "percent" in fields:
        found.append(
            f"{feature} has expired: fallback_percent applies; `quickwins flags set {feature} expires_at=` removes the date"
        )
    return found


def slips(feature: str, fields: Mapping[str, object]) -> list[str]:
    """What was written and can be meant, but seldom is: a share where a percentage is asked for."""
    return [
        f"{feature}.{key}={value} is less than one percent; {key}={value * 100:g} would be that share of all"
        for key, value in fields.items()
        if key in {"percent", "fallback_percent"} and isinstance(value, float) and 0 < value < 1
    ]
