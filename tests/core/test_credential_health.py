"""How stored credentials stand by what their calls show: health, cool-downs, and what may not lock anybody out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.core.credential_health import (
    COOLING_US_MAX, FAILING_FROM, GUESS_US, GUESS_US_MAX, MODELS_MAX, Cooling, Failure, Place, Standings, failure_of,
)
from tallystick.core.errors import FaultKind

SECOND = 1_000_000
HERE = Place("default", "openai", "default")
MODEL = "gpt-4o"


class At:
    """Credentials, and a clock that somebody turns."""

    def __init__(self, us_max: int = COOLING_US_MAX) -> None:
        self.now_us = 1_000 * SECOND
        self.standings = Standings(lambda: self.now_us, us_max)

    def answered(self, status: int = 200, *, wait_s: float | None = None, model: str | None = MODEL, sent_us: int | None = None,
                 fault: FaultKind | None = None, written: bool = True) -> None:
        wait_us = None if wait_s is None else int(wait_s * SECOND)
        failure = failure_of(status, fault, written=written, stated_wait=wait_us is not None)
        self.standings.observe(HERE, model, status, failure, wait_us, self.now_us if sent_us is None else sent_us)

    def cooling(self, model: str | None = MODEL) -> Cooling | None:
        return self.standings.cooling(HERE, model)

    @property
    def state(self) -> str:
        return next(state for (_, state), count in self.standings.states().items() if count)


@pytest.mark.parametrize(("status", "fault", "written", "failure"), [
    (200, None, True, None), (400, None, True, None), (404, None, True, None), (422, None, True, None),
    (429, None, True, "rate_limit"), (529, None, True, "rate_limit"), (401, None, True, "refused"), (402, None, True, "refused"),
    (403, None, True, "refused"), (500, None, True, "unavailable"), (502, None, True, "unavailable"), (503, None, True, "unavailable"),
    (504, None, True, "unanswered"), (524, None, True, "unanswered"), (408, None, True, "unanswered"), (0, "connect", False, "connect"),
    (0, "timeout", True, "unanswered"), (0, "timeout", False, "unanswered"), (200, "reset", True, "unanswered"), (429, "reset", True, "unanswered"),
    (200, "cancelled", True, None), (0, "cancelled", False, None),
])
def test_what_an_attempt_showed(status: int, fault: FaultKind | None, written: bool, failure: Failure | None) -> None:
    assert failure_of(status, fault, written=written) == failure


def test_a_busy_service_that_says_when_to_come_back_is_a_rate_limit() -> None:
    assert failure_of(503, None, written=True, stated_wait=True) == "rate_limit"


def test_a_stated_limit_cools_this_model_until_then_and_no_other() -> None:
    at = At()
    at.answered(429, wait_s=20)
    cooling = at.cooling()
    assert cooling is not None
    assert (cooling.stated, cooling.until_us - at.now_us, at.state) == (True, 20 * SECOND, "cooling")
    assert at.cooling("gpt-4o-mini") is None
    assert at.standings.cooling(Place("default", "openai", "second"), MODEL) is None
    assert at.standings.cooling(Place("other", "openai", "default"), MODEL) is None
    at.now_us += 20 * SECOND
    assert at.cooling() is None
    assert at.state == "healthy"


def test_a_reply_to_an_earlier_call_does_not_end_it_and_one_to_a_later_call_does() -> None:
    at = At()
    begun_us = at.now_us
    at.now_us += SECOND
    at.answered(429, wait_s=20)
    at.now_us += SECOND
    at.answered(200, sent_us=begun_us)
    assert at.cooling() is not None
    at.answered(200)                         # from before other processes had told: the provider takes calls again
    assert at.cooling() is None


def test_of_two_statements_the_later_end_counts() -> None:
    at = At()
    at.answered(429, wait_s=30)
    at.now_us += SECOND
    at.answered(429, wait_s=5)
    at.answered(429)
    cooling = at.cooling()
    assert cooling is not None
    assert cooling.until_us == 1_030 * SECOND


def test_without_a_statement_the_guess_grows_and_an_answer_ends_it() -> None:
    at = At()
    lengths = []
    for _ in range(8):
        at.answered(429)
        cooling = at.cooling()
        assert cooling is not None
        assert not cooling.stated
        lengths.append(cooling.until_us - at.now_us)
        at.now_us = cooling.until_us
    assert lengths == [min(GUESS_US << turn, GUESS_US_MAX) for turn in range(8)]
    at.answered(200)
    at.answered(429)
    cooling = at.cooling()
    assert cooling is not None
    assert cooling.until_us - at.now_us == GUESS_US


def test_calls_that_were_on_their_way_together_guess_once() -> None:
    at = At()
    begun_us = at.now_us
    at.now_us += SECOND
    for _ in range(100):
        at.answered(429, sent_us=begun_us)
    cooling = at.cooling()
    assert cooling is not None
    assert cooling.times == 1


def test_a_refused_credential_rests_for_every_model_until_it_is_taken_again() -> None:
    at = At()
    at.answered(401)
    assert at.state == "refused"
    for model in (MODEL, "other", None):
        cooling = at.cooling(model)
        assert cooling is not None
        assert (cooling.why, cooling.stated) == ("refused", False)
    at.answered(200)
    assert (at.cooling(), at.state) == (None, "healthy")


def test_one_failure_is_no_outage() -> None:
    at = At()
    for _ in range(FAILING_FROM - 1):
        at.answered(500)
        assert at.state == "healthy"
    at.answered(0, fault="connect", written=False)
    assert at.state == "failing"
    at.answered(404)
    assert at.state == "healthy"
    health = at.standings.health(HERE)
    assert (health.successes, health.failures, health.failure_status) == (1, FAILING_FROM, 0)


@pytest.mark.parametrize("wait_s", [COOLING_US_MAX / SECOND + 1, 1e9, 1e12])
def test_no_provider_locks_anybody_out_for_long(wait_s: float) -> None:
    at = At()
    at.answered(429, wait_s=wait_s)
    cooling = at.cooling()
    assert cooling is not None
    assert cooling.until_us - at.now_us == COOLING_US_MAX


def test_nor_does_another_process_nor_a_clock_that_was_set_back() -> None:
    at = At()
    at.standings.adopt(HERE, MODEL, Cooling("rate_limit", at.now_us, at.now_us + 10**18, stated=True))
    cooling = at.cooling()
    assert cooling is not None
    assert cooling.until_us - at.now_us == COOLING_US_MAX
    at.now_us -= 3_600 * SECOND
    assert at.cooling() is None


def test_models_by_the_thousand_do_not_grow_it_for_ever() -> None:
    at = At()
    for number in range(MODELS_MAX + 500):
        at.answered(429, wait_s=60, model=f"m-{number}")
    assert at.cooling("m-10499") is not None
    assert len(at.standings.take_changes()[1]) <= MODELS_MAX


def test_a_limit_that_names_no_model_cools_nothing() -> None:
    at = At()
    at.answered(429, wait_s=60, model=None)
    assert at.cooling() is at.cooling(None) is None


def test_it_can_be_turned_off() -> None:
    at = At(us_max=0)
    at.answered(429, wait_s=60)
    at.answered(401)
    at.standings.adopt(HERE, MODEL, Cooling("rate_limit", at.now_us, at.now_us + SECOND, stated=True))
    assert at.cooling() is None
    assert at.state == "refused"             # what is seen is still told


def test_what_one_process_was_told_another_takes_over() -> None:
    here, there = At(), At()
    here.answered(429, wait_s=20)
    _, changes = here.standings.take_changes()
    for (place, model), cooling in changes.items():
        there.standings.adopt(place, model, cooling)
    assert there.cooling() == here.cooling()
    assert here.standings.take_changes()[1] == {}


@given(st.lists(st.tuples(st.sampled_from([200, 400, 401, 429, 500, 503, 529]), st.one_of(st.none(), st.floats(0.001, 10**9)), st.integers(0, 90)),
                max_size=40))
def test_whatever_comes_a_cool_down_ends(story: list[tuple[int, float | None, int]]) -> None:
    at = At()
    for status, wait_s, passed_s in story:
        at.answered(status, wait_s=wait_s)
        at.now_us += passed_s * SECOND
        cooling = at.cooling()
        assert cooling is None or at.now_us < cooling.until_us <= at.now_us + COOLING_US_MAX
    at.now_us += COOLING_US_MAX
    assert at.cooling() is None
