"""What is said of a change: the settings that differ, and the source that decided."""

from __future__ import annotations

from typing import Any

import pytest

from quickwins.core.config import Layer, resolve
from quickwins.core.flags import Snapshot
from quickwins.core.flags.history import change_fields
from quickwins.facade import SECTIONS

ON = {"enabled": True}


def snapshot(file: dict[str, Any], environment: dict[str, Any] | None = None) -> Snapshot:
    layers = [
        Layer("environment", {"backpressure": environment or {}}),
        Layer("file", {"backpressure": file}),
    ]
    return Snapshot.build(resolve(layers, SECTIONS), version=1, wall_now=0.0)


CHANGES = [
    pytest.param(
        snapshot(ON, {"names": {"feed": {"threshold": 0.7}}}),
        snapshot(ON, {"names": {"feed": {"threshold": 0.6}}}),
        ("names.feed.threshold=0.7", "names.feed.threshold=0.6", "environment"),
        id="a key of an instance",
    ),
    pytest.param(
        snapshot(ON, {"threshold": 0.7}),
        snapshot({**ON, "names": {"feed": {"threshold": 0.6}}}, {"threshold": 0.7}),
        ("names.feed.threshold=0.7", "names.feed.threshold=0.6", "file"),
        id="a table where there was none",
    ),
    pytest.param(
        snapshot({**ON, "names": {"feed": {"threshold": 0.6}}}, {"threshold": 0.7}),
        snapshot(ON, {"threshold": 0.7}),
        ("names.feed.threshold=0.6", "names.feed.threshold=0.7", "environment"),
        id="a table that is gone",
    ),
    pytest.param(
        snapshot({**ON, "names": {"feed": {"threshold": 0.6}}}),
        snapshot({**ON, "names": {"feed": {}}}),
        ("names.feed.threshold=0.6", "names.feed.threshold=0.85", "default"),
        id="a key that is gone",
    ),
    pytest.param(
        snapshot(ON),
        snapshot(ON, {"shadow": True}),
        ("shadow=false", "shadow=true", "environment"),
        id="a key",
    ),
]


@pytest.mark.parametrize(("old", "new", "said"), CHANGES)
def test_a_setting_that_changes_is_named_with_who_decided(
    old: Snapshot, new: Snapshot, said: tuple[str, str, str]
) -> None:
    fields = change_fields("backpressure", old, new)
    assert (fields["old"], fields["new"], fields["source"]) == (
        f"100% (on) {said[0]}",
        f"100% (on) {said[1]}",
        said[2],
    )


def test_where_the_flag_changes_too_its_source_is_named() -> None:
    old, new = snapshot(ON), snapshot({**ON, "percent": 10.0}, {"names": {"feed": {"threshold": 0.6}}})
    fields = change_fields("backpressure", old, new)
    assert (fields["new"], fields["source"]) == ("10% (percent) names.feed.threshold=0.6", "file")


def test_a_table_that_says_what_its_section_says_changes_nothing() -> None:
    old, new = snapshot(ON), snapshot({**ON, "names": {"feed": {"threshold": 0.85}}})
    assert new.settings.changes("backpressure", old.settings) == {}
    assert change_fields("backpressure", old, new)["source"] == "file"
