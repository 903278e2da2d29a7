import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickwins.demo.calibration import (
    BUSIEST_PROCESS_PLANNED,
    CPU_SHARE_PLANNED,
    MAX_SERVICE_SECONDS,
    MIN_SERVICE_SECONDS,
    OVERLOAD_FACTOR,
    POOL_SIZES,
    Choice,
    RequestCost,
    choose,
)

costs = st.builds(
    lambda total, part: RequestCost(total, total * part), st.floats(1e-5, 0.05), st.floats(0.05, 1.0)
)


@given(costs, st.integers(1, 64), st.integers(1, 5))
def test_a_choice_that_fits_keeps_the_burst_within_the_planned_shares(
    cost: RequestCost, core_count: int, backends: int
) -> None:
    choice = choose(cost, core_count=core_count, backends=backends)
    assert choice.pool_size in POOL_SIZES
    assert MIN_SERVICE_SECONDS <= choice.service_seconds <= MAX_SERVICE_SECONDS
    offered = OVERLOAD_FACTOR * backends * choice.pool_size / choice.service_seconds
    if choice.fits:
        assert offered * cost.cpu_seconds <= CPU_SHARE_PLANNED * core_count * 1.0001
        assert offered * cost.busiest_cpu_seconds <= BUSIEST_PROCESS_PLANNED * 1.0001
    else:
        assert choice == Choice(POOL_SIZES[-1], MAX_SERVICE_SECONDS, fits=False)


@given(costs, st.integers(1, 64))
def test_a_dearer_request_never_gives_a_higher_capacity(cost: RequestCost, core_count: int) -> None:
    dearer = RequestCost(2 * cost.cpu_seconds, 2 * cost.busiest_cpu_seconds)
    cheap, dear = choose(cost, core_count=core_count), choose(dearer, core_count=core_count)
    assert dear.pool_size / dear.service_seconds <= cheap.pool_size / cheap.service_seconds * 1.0001


@pytest.mark.parametrize(
    ("milliseconds", "expected"),
    [
        pytest.param(0.1, Choice(10, 0.1, fits=True), id="cheap: the shortest service time"),
        pytest.param(5.0, Choice(10, 0.54, fits=True), id="as on a small machine"),
        pytest.param(7.0, Choice(7, 0.53, fits=True), id="dear: the smaller pool"),
        pytest.param(50.0, Choice(7, 0.7, fits=False), id="too dear: says so"),
    ],
)
def test_service_time_and_pool_follow_from_the_cost_of_a_request(
    milliseconds: float, expected: Choice
) -> None:
    cost = RequestCost(milliseconds / 1000, milliseconds / 4000)
    assert choose(cost, core_count=2) == expected
