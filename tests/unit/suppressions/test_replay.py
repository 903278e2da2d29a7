"""Replays of generated histories: what is new is always seen, and what is unchanged hardly ever reported."""

from __future__ import annotations

import pytest

from quickwins.suppressions import Baseline
from tests.unit.suppressions.replay import History
from tests.unit.suppressions.test_ratchet import report

MOST_NOISE = 0.02


@pytest.mark.parametrize(
    ("seed", "commits"),
    [(1, 60), *(pytest.param(seed, 250, marks=pytest.mark.volume) for seed in (2, 3, 4, 5))],
)
def test_what_is_new_is_seen_and_what_is_unchanged_is_not_reported(seed: int, commits: int) -> None:
    history = History(seed)
    before = Baseline.of(report(history.files()))
    missed, noise, reported, kinds = [], [], 0, set()
    for commit in history.commits(commits):
        after = report(commit.files)
        diff = before.compare(after)
        reported += len(diff.new)
        kinds |= set(commit.kind.split(" and "))
        missed += [commit.kind] * max(0, commit.new - len(diff.new))
        noise += [(commit.kind, str(one.identity)) for one in diff.new[commit.new :]]
        before = Baseline.of(after)
    assert missed == []
    assert len(noise) <= MOST_NOISE * reported, noise
    assert reported >= commits / 5, "there is something to see"
    assert len(kinds) == len(History.QUIET) + len(History.LOUD) + 1


def test_an_updated_list_serves_as_well_as_a_new_one() -> None:
    history = History(7)
    kept = Baseline.of(report(history.files()))
    kept = Baseline.parse(kept.text(), where="list")
    for commit in history.commits(60):
        after = report(commit.files)
        diff = kept.compare(after)
        assert len(diff.new) >= commit.new, commit.kind
        if diff.new:
            kept = Baseline.of(after)  # accepted by review
            kept = Baseline.parse(kept.text(), where="list")
            continue
        kept = kept.updated(after)
        assert kept.compare(after).ok
        assert Baseline.parse(kept.text(), where="list") == kept
        assert kept.known == Baseline.of(after).known
