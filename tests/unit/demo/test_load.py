import json

import pytest

from quickwins.demo.client import Answer
from quickwins.demo.load import Ending, Load, outcome_of, request_body
from quickwins.rig import Outcome


def answer(document: object, status: int = 200) -> Answer:
    return Answer(status, json.dumps(document).encode())


def error(code: str) -> Answer:
    return answer({"data": None, "errors": [{"message": "no", "extensions": {"code": code}}]})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(answer({"data": {"feed": []}}), Outcome.OK, id="a feed"),
        pytest.param(error("SERVICE_UNAVAILABLE"), Outcome.REJECTED, id="a refusal"),
        pytest.param(error("DEADLINE_EXCEEDED"), Outcome.TIMED_OUT, id="a passed deadline"),
        pytest.param(error("UPSTREAM_FAILED"), Outcome.FAILED, id="a broken backend"),
        pytest.param(answer({"errors": [{"message": "?"}]}), Outcome.FAILED, id="an error without code"),
        pytest.param(answer({"data": {}}, status=500), Outcome.FAILED, id="a broken gateway"),
        pytest.param(ConnectionResetError(), Outcome.FAILED, id="a lost connection"),
        pytest.param(TimeoutError(), Outcome.FAILED, id="a time-out that is not the client's"),
    ],
)
def test_an_answer_counts_as_what_the_service_says_it_is(given: object, expected: Outcome) -> None:
    assert outcome_of(given) is expected


def test_the_same_seed_offers_the_same_load() -> None:
    def drawn(seed: int) -> Load:
        return Load.drawn(rate_per_second=50, duration_seconds=4, users=20, seed=seed)

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


def test_users_exist_and_the_first_is_asked_for_most() -> None:
    load = Load.drawn(rate_per_second=500, duration_seconds=4, users=20, seed=1)
    assert len(load.user_ids) == len(load.arrivals)
    assert set(load.user_ids) <= set(range(1, 21))
    assert max(set(load.user_ids), key=load.user_ids.count) == 1


def test_a_request_asks_for_its_user() -> None:
    assert json.loads(request_body(7))["variables"] == {"userId": 7}


def test_latency_counts_from_when_the_request_was_due() -> None:
    assert Ending(1.0, 1.5, Outcome.OK).latency_seconds == 0.5
