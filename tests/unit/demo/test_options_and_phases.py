import tomllib
from pathlib import Path

import pytest

from quickwins.core.errors import ConfigError
from quickwins.demo.options import FAST, FULL, MAX_ROWS, DemoOptions
from quickwins.demo.phases import PHASES, Phase, config_text, features, flips
from quickwins.facade import SECTIONS


@pytest.mark.parametrize("rows", [0, -1, MAX_ROWS + 1])
def test_a_number_of_rows_out_of_range_is_refused_by_name(rows: int) -> None:
    with pytest.raises(ConfigError, match="rows must be 1 to 10,000,000"):
        DemoOptions(rows=rows)


def test_the_command_repeats_the_run() -> None:
    assert DemoOptions(rows=7, seed=3).command == "quickwins demo --rows 7 --seed 3"
    assert DemoOptions(fast=True, output=Path("x")).command.endswith("--fast")


def test_a_fast_run_has_shorter_steps() -> None:
    assert DemoOptions().durations is FULL
    assert DemoOptions(fast=True).durations is FAST
    assert FAST.phase_seconds < FULL.phase_seconds


def test_every_phase_has_a_name_of_its_own_and_says_what_it_is() -> None:
    assert len({phase.name for phase in PHASES}) == len(PHASES)
    assert all(phase.title and phase.description.endswith(".") for phase in PHASES)


def test_the_first_phase_protects_nothing() -> None:
    assert PHASES[0].on == frozenset()


def test_every_feature_of_a_phase_has_a_section_in_the_configuration() -> None:
    assert features(PHASES) <= SECTIONS.keys()


def test_flips_are_the_differences_between_two_phases() -> None:
    before = Phase("a", "A", frozenset({"x", "y"}), "A.")
    after = Phase("b", "B", frozenset({"y", "z"}), "B.")
    assert flips(before, after) == {"x": False, "z": True}
    assert flips(after, after) == {}


def test_the_first_configuration_names_every_feature_in_the_state_of_the_first_phase() -> None:
    phases = (
        Phase("a", "A", frozenset({"x"}), "A."),
        Phase("b", "B", frozenset({"x", "y"}), "B."),
    )
    text = config_text(phases)
    assert tomllib.loads(text) == {"service": "feed", "x": {"enabled": True}, "y": {"enabled": False}}
    assert text.endswith("# quickwins: complete\n")
