"""What an attempt costs, one row for each rule. The book knows one
priced model, at a dollar a million tokens in and ten out: 1,000 in and 100 out are $0.002."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

import pytest

from tallystick.core.attempt import Settlement
from tallystick.core.draw import Draw, NodeKey
from tallystick.core.settlement import EDGE_STATUSES, Served, drifts, settle
from tallystick.core.usage import Reading, StatedCost, usage_of
from tests.build.journal import NOON_US, admission
from tests.build.prices import book_of

HOLD = 50_000_000
COST = 2_000_000
USAGE = usage_of(input_text=1_000, output_text=100)
BOOK = book_of(openai={"gpt-4o": {"input_text": "1", "output_text": "10"}, "gift": {"input_text": "0", "output_text": "0"}})


@dataclass(frozen=True)
class Provider:
    states_cost: bool = False
    free_models: bool = False
    price_book: str | None = None


STATING = Provider(states_cost=True)


def reading(**changes: object) -> Reading:
    return replace(Reading(usage=USAGE, model="gpt-4o", ended=True), **changes)


def end(served: Served, provider: Provider = Provider(), **asked: object) -> Settlement:
    return settle(admission(**{"hold_nanos": HOLD, **asked}), served, BOOK, provider, NOON_US + 1)


SAID_NOTHING = reading(usage=None, output_bytes=400)
JOB = reading(usage=None, deferred=True)

RULES = {
    # What was used is stated: its price.
    "usage stated": (Served(200, reading()), "completed", "priced", "usage", COST),
    "usage in an error": (Served(400, reading(), own_error=True), "failed", "priced", "usage", COST),
    "an error inside a 200 stream, with usage": (Served(200, reading(failed=True)), "failed", "priced", "usage", COST),
    "the client left, the reply was drained": (Served(200, reading(), client_gone=True), "client_gone", "priced", "usage", COST),
    "cut after its final usage": (Served(200, reading(), fault="reset"), "cut", "priced", "usage", COST),
    "usage of a model nobody knows": (Served(200, reading(model="novel")), "completed", "priced", "usage", COST),
    # Zero needs proof.
    "the provider's own 4xx": (Served(400, own_error=True), "failed", "priced", "zero_proven", 0),
    "a 429 of any shape": (Served(429), "failed", "priced", "zero_proven", 0),
    "the provider's own 500": (Served(500, own_error=True), "failed", "priced", "zero_proven", 0),
    "the provider's own 503": (Served(503, own_error=True), "failed", "priced", "zero_proven", 0),
    "never connected": (Served(fault="connect", written=False), "unreached", "priced", "zero_proven", 0),
    "sent elsewhere by a 307": (Served(307), "completed", "priced", "zero_proven", 0),
    "not changed since, 304": (Served(304), "completed", "priced", "zero_proven", 0),
    "a redirect that was cut": (Served(302, fault="reset"), "cut", "priced", "zero_proven", 0),
    "a poll: billed on the call that made the job": (Served(200, reading(), billed_elsewhere=True), "completed", "priced", "zero_proven", 0),
    # Bytes went out, and nothing proves that they were not billed: the hold.
    "a reset before any reply": (Served(fault="reset"), "cut", "estimated", "worst_case", HOLD),
    "a time-out before any reply": (Served(fault="timeout"), "cut", "estimated", "worst_case", HOLD),
    "a 500 in nobody's shape": (Served(500), "failed", "estimated", "worst_case", HOLD),
    "an error that was cut": (Served(400, fault="reset", own_error=True), "cut", "estimated", "worst_case", HOLD),
    # Output without usage: estimated from what was seen.
    "a 2xx without usage": (Served(200, SAID_NOTHING), "completed", "estimated", "counted", None),
    "output begun and then cut": (Served(200, SAID_NOTHING, fault="reset"), "cut", "estimated", "counted", None),
    "cut while its usage was still counting": (Served(200, reading(running=True, output_bytes=400), fault="reset"), "cut", "estimated", "counted", None),
    "an error inside a 200 stream, without usage": (Served(200, replace(SAID_NOTHING, failed=True)), "failed", "estimated", "counted", None),
    # A 2xx that only opens a job.
    "a job was opened": (Served(200, JOB), "deferred", "priced", "deferred", 0),
    "a poll of a job that still runs": (Served(200, JOB, billed_elsewhere=True), "completed", "priced", "zero_proven", 0),
    "a reply billed by what it does not show": (Served(200, reading(usage=None, opaque=True)), "completed", "unpriced", "usage", 0),
}


@pytest.mark.parametrize("rule", RULES)
def test_what_an_attempt_costs(rule: str) -> None:
    served, outcome, method, basis, cost = RULES[rule]
    ended = end(served)
    assert (ended.outcome, ended.method, ended.basis) == (outcome, method, basis)
    if cost is None:
        assert 0 < ended.cost_nanos < HOLD
    else:
        assert ended.cost_nanos == cost


@pytest.mark.parametrize("status", sorted(EDGE_STATUSES))
def test_a_status_of_an_edge_before_the_provider_proves_nothing(status: int) -> None:
    ended = end(Served(status))
    assert (ended.basis, ended.cost_nanos) == ("worst_case", HOLD)


def test_a_job_or_a_worst_case_without_a_price_is_unpriced_and_never_called_estimated() -> None:
    unheld = {"hold_nanos": 0, "hold_priced": False}
    assert end(Served(200, JOB), **unheld).method == "unpriced"
    assert end(Served(fault="reset"), **unheld).method == "unpriced"


def test_a_route_that_bills_nothing_costs_nothing_whatever_happens() -> None:
    for served in (Served(200), Served(200, JOB), Served(500), Served(fault="timeout")):
        ended = end(served, billable=False)
        assert (ended.basis, ended.cost_nanos) == ("zero_proven", 0)


def test_a_billed_route_without_a_meter_is_unpriced_and_says_so() -> None:
    ended = end(Served(200), dialect=None)
    assert (ended.method, ended.notes) == ("unpriced", ("no meter for this route yet",))


@pytest.mark.parametrize(("served", "asked"), [
    (Served(200, SAID_NOTHING), {}),
    (Served(200, reading(usage=None, opaque=True)), {}),
    (Served(200), {"dialect": None}),
])
def test_under_a_hard_cap_what_says_nothing_of_its_cost_is_booked_at_its_hold(served: Served, asked: dict[str, object]) -> None:
    ended = end(served, holds=(Draw(NodeKey(1, "", 0), 5),), **asked)
    assert (ended.method, ended.basis, ended.cost_nanos) == ("estimated", "worst_case", HOLD)


def test_a_model_that_nobody_knows_is_priced_as_the_requested_one_and_says_so() -> None:
    ended = end(Served(200, reading(model="novel")))
    assert (ended.method, ended.cost_nanos, ended.model) == ("priced", COST, "novel")
    assert ended.notes == ("the served model is unknown to the price book: priced as the requested one",)


@pytest.mark.parametrize("served", ["gpt-4o", None])
def test_a_known_model_or_none_needs_no_note(served: str | None) -> None:
    assert end(Served(200, reading(model=served))).notes == ()


def test_where_neither_model_is_known_there_is_no_price() -> None:
    ended = end(Served(200, reading(model="novel")), model="other")
    assert (ended.method, ended.cost_nanos, ended.computed_nanos, ended.notes) == ("unpriced", 0, None, ())


# --- what the provider says it charged ----------------------------------------------------------------

def test_a_stated_cost_is_booked_and_the_computed_one_is_kept() -> None:
    ended = end(Served(200, reading(stated=StatedCost(Decimal("0.002001")))), STATING)
    assert (ended.method, ended.cost_nanos, ended.stated_nanos, ended.computed_nanos, ended.drift) == ("stated", 2_001_000, 2_001_000, COST, False)


def test_a_stated_cost_far_from_the_book_is_drift() -> None:
    assert end(Served(200, reading(stated=StatedCost(Decimal("0.0025")))), STATING).drift


def test_only_a_provider_whose_file_declares_it_is_believed() -> None:
    ended = end(Served(200, reading(stated=StatedCost(Decimal("0.5")))))
    assert (ended.method, ended.cost_nanos, ended.stated_nanos) == ("priced", COST, None)


@pytest.mark.parametrize(("model", "of"), [("gpt-4o", "a priced model"), ("novel", "a model without a price")])
def test_a_silent_zero_is_unpriced_and_an_alert(model: str, of: str) -> None:
    ended = end(Served(200, reading(model=model, stated=StatedCost(Decimal(0)))), STATING, model=model)
    assert (ended.method, ended.cost_nanos, ended.drift) == ("unpriced", 0, True)
    assert ended.notes == (f"the provider stated a cost of zero for usage of {of}",)


def test_a_zero_is_believed_for_a_free_model_and_for_the_caller_s_own_key_there() -> None:
    free = end(Served(200, reading(model="gift", stated=StatedCost(Decimal(0)))), STATING, model="gift")
    assert (free.method, free.cost_nanos, free.drift) == ("stated", 0, False)
    byok = end(Served(200, reading(stated=StatedCost(Decimal(0), byok=True, upstream_usd=Decimal("0.002")))), STATING)
    assert (byok.method, byok.cost_nanos, byok.upstream_nanos, byok.drift) == ("stated", 0, COST, False)


def test_a_host_that_bills_nothing_prices_everything_at_nothing() -> None:
    ended = end(Served(200, reading(model="llama")), Provider(free_models=True), model="llama")
    assert (ended.method, ended.cost_nanos) == ("priced", 0)


def test_a_sandbox_call_costs_nothing_and_says_what_it_would_have() -> None:
    ended = end(Served(200, reading()), sandbox=True)
    assert (ended.method, ended.cost_nanos, ended.would_be_nanos) == ("sandbox", 0, COST)


@pytest.mark.parametrize(("stated", "computed", "is_drift"), [
    (100_000, 0, False), (100_001, 0, True),                              # at most $0.0001 never counts
    (1_000_000_000, 995_000_000, False), (1_000_000_000, 994_999_999, True),   # nor does half a percent
])
def test_drift_is_more_than_a_hundredth_of_a_cent_and_more_than_half_a_percent(stated: int, computed: int, is_drift: bool) -> None:
    assert drifts(stated, computed) is is_drift
