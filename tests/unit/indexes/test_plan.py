"""What is decided from facts: no server has a say here."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickwins.indexes._core.actions import Action, Do, Target
from quickwins.indexes._core.facts import Building, Holder, Holding, Index, Key, Server, Shape, Table
from quickwins.indexes._core.past import Entry, State, past_of
from quickwins.indexes._core.plan import decide, is_rebuilt_from
from quickwins.indexes._core.preconditions import OVERRIDABLE, Obstacle, Precondition, passing, standing
from quickwins.indexes._statements import CreateIndex, Name

SHAPE = Shape("btree", (Key("a", "pg_catalog.int4_ops", "", 0),))
OTHER = Shape("btree", (Key("b", "pg_catalog.int4_ops", "", 0),))
CREATE = CreateIndex(1, "", Name("i"), Name("t"), unique=False, concurrently=True, only=False, definition="USING btree (a)", tablespace="", where="")  # fmt: skip
INDEX = st.builds(
    Index,
    oid=st.just(7),
    name=st.just(Name("i", "s")),
    shape=st.just(SHAPE),
    valid=st.booleans(),
    ready=st.booleans(),
    live=st.booleans(),
)


def table(*indexes: Index) -> Table:
    return Table(1, Name("t", "s"), rows=10, bytes=8192, indexes=indexes)


def done(actions: list[Action], before: Table) -> Table:
    """The table after the first action, as the server would have it."""
    first = actions[0]
    left = tuple(one for one in before.indexes if one.name != first.index)
    return table(*left, Index(8, first.index, SHAPE)) if first.do is Do.BUILD else table(*left)


@given(st.lists(INDEX, max_size=1))
def test_one_look_after_the_other_ends_with_the_index_whatever_was_there(indexes: list[Index]) -> None:
    now = table(*indexes)
    for _ in range(3):
        actions = decide([Target(CREATE, now, wanted=SHAPE)]).actions
        if not actions:
            break
        now = done(actions, now)
    there = now.index("i")
    assert there is not None
    assert there.state == "valid" or (there.valid and there.live)
    assert decide([Target(CREATE, now, wanted=SHAPE)]).actions == []


def test_a_build_that_runs_is_waited_for_or_cancelled_and_never_dropped() -> None:
    now = table(Index(7, Name("i", "s"), SHAPE, valid=False, ready=False))
    running = [Building(pid=42, index_oid=7, table_oid=1)]
    for cancel, do in ((False, Do.ADOPT), (True, Do.CANCEL)):
        decision = decide([Target(CREATE, now, wanted=SHAPE)], building=running, cancel_orphan=cancel)
        assert [(one.do, one.pid) for one in decision.actions] == [(do, 42)]


@pytest.mark.parametrize(
    ("name", "index", "is_one"),
    [
        ("i_ccnew", "i", True), ("i_ccold12", "i", True), ("i_ccnew", "j", False), ("i_cc", "i", False), ("ccnew", "i", False),
        ("x" * 57 + "_ccnew", "x" * 63, True), ("x" * 56 + "_ccnew1", "x" * 63, True), ("x_ccnew", "x" * 63, False),
    ],
)  # fmt: skip
def test_the_remains_of_a_rebuild_are_known_by_their_names(name: str, index: str, is_one: bool) -> None:
    assert is_rebuilt_from(name, index) is is_one


@pytest.mark.parametrize(("version", "refused"), [(140_000, True), (140_003, True), (140_004, False), (150_000, False), (180_006, False), (120_022, True), (130_000, False)])  # fmt: skip
def test_versions_whose_builds_miss_rows_are_refused(version: int, refused: bool) -> None:
    found = list(standing(Server(version), [], in_window=True, window="", now_text=""))
    assert [one.precondition for one in found] == [Precondition.VERSION] * refused


def test_every_precondition_that_can_be_overridden_is_found() -> None:
    lacking = Target(CREATE, Table(1, Name("t"), owned=False))
    server = Server(140_000, standby=True, proxied=True, may_keep_history=False)
    found = {one.precondition for one in standing(server, [lacking], in_window=False, window="", now_text="")}
    build = Action(Do.BUILD, Name("i"), Name("t"))
    holders = [Holder(holding, 1 + number, 60) for number, holding in enumerate(Holding)]
    found |= {one.precondition for one in passing([build], {Name("t"): holders})}
    assert found == {*OVERRIDABLE}


@pytest.mark.parametrize(
    ("do", "holding", "age", "obstacle"),
    [
        pytest.param(Do.BUILD, Holding.SNAPSHOT, 5, True, id="a build waits for snapshots"),
        pytest.param(Do.BUILD, Holding.SNAPSHOT, 0.5, False, id="but not for daily work"),
        pytest.param(Do.BUILD, Holding.READER, 5, False, id="nor for readers"),
        pytest.param(Do.DROP, Holding.READER, 5, True, id="a drop waits for readers"),
        pytest.param(Do.DROP, Holding.SNAPSHOT, 5, False, id="but not for snapshots"),
        pytest.param(Do.BUILD, Holding.BUILD, 0.1, True, id="another build is one at once"),
        pytest.param(Do.BRIEF, Holding.LOCK, 5, False, id="what locks briefly tries by itself"),
    ],
)
def test_who_is_in_the_way_of_what(do: Do, holding: Holding, age: float, obstacle: bool) -> None:
    action = Action(do, Name("i"), Name("t"))
    found: list[Obstacle] = list(passing([action], {Name("t"): [Holder(holding, 1, age)]}))
    assert bool(found) is obstacle


def test_the_history_says_whose_an_index_is_even_when_the_runner_was_killed() -> None:
    building = Entry(State.BUILDING, "d", "s.i")
    assert past_of([building]).ours == {"s.i"}
    assert past_of([building, Entry(State.DROPPED, "d", "s.i")]).ours == frozenset()
    whole = past_of([building, Entry(State.BUILT, "d", "s.i"), Entry(State.APPLIED, "d")])
    assert whole.digest == "d"
    assert whole.ours == {"s.i"}
    assert past_of([building, Entry(State.APPLIED, "d"), Entry(State.ROLLED_BACK, "d")]) == past_of([])
    assert past_of([Entry(State.REINDEXED, "d", "s.i", "REINDEX …")]).reindexed == {"REINDEX …"}
    assert past_of([Entry(State.DROPPING, "d", "s.i")]).dropped == {"s.i"}
