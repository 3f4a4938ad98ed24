"""The alerts that no spending causes: forecasts, keys and envelopes that end, kill switches, prices that are missing, have
moved or wait for approval."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.core.alerts.alert import figure
from tallystick.core.alerts.budget_threshold import BadThresholds, crossed, reached, read_percents
from tallystick.core.alerts.key_expiry import step
from tallystick.core.alerts.node import Node
from tallystick.core.alerts.run_rate import forecast, passes_at_us
from tallystick.core.attempt import Refusal
from tallystick.core.budget import Budget, Scope
from tallystick.core.currencies import read_limit
from tallystick.core.draw import NodeKey
from tallystick.core.identity import Attribution
from tallystick.core.windows import parse_window
from tallystick.stores.sql.directory import KeySpec
from tallystick.stores.sql.engine import DEFAULT
from tallystick.stores.sql.envelopes import Envelopes, EnvelopeSpec
from tallystick.stores.sql.policies import Policies, PolicySpec
from tallystick.stores.sql.releases import Releases
from tests.alerts.scene import DAY_US, HOUR_US, MINUTE_US, Scene, open_scene
from tests.build.databases import both_engines
from tests.build.journal import NOON_US, admission, directory, run, settlement

pytestmark = both_engines
DOLLAR = 1_000_000_000
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    found = open_scene(tmp_path)
    found.channel()
    return found


def titles(scene: Scene) -> list[str]:
    return [row.title for row in scene.alerts()]


def node(settled: int, at_us: int = NOON_US, limit: int = 100 * DOLLAR, window: str = "month") -> Node:
    budget = Budget(1, Scope("team", "search"), parse_window(window), BERLIN, limit)
    start_us, end_us = budget.span(at_us)
    return Node(budget, NodeKey(1, "", start_us), end_us, settled, at_us)


@given(st.integers(0, 10**15), st.integers(0, 10**15), st.integers(0, 10**15))
def test_what_is_crossed_in_steps_is_what_is_crossed_at_once(first: int, second: int, limit: int) -> None:
    percents = (50, 80, 90, 100)
    low, high = sorted((first, second))
    in_steps = crossed(0, node(low, limit=limit), percents) + crossed(low, node(high, limit=limit), percents)
    assert in_steps == crossed(0, node(high, limit=limit), percents)
    assert set(in_steps) == {percent for percent in percents if reached(high, limit, percent)}


@pytest.mark.parametrize(("text", "percents"), [("50,80,100", (50, 80, 100)), ("100, 50%,50", (50, 100)), ("none", ()), ("1000", (1000,))])
def test_thresholds_are_read_as_people_write_them(text: str, percents: tuple[int, ...]) -> None:
    assert read_percents(text) == percents


@pytest.mark.parametrize("text", ["", "0", "1001", "half", "50,,80", "-5", ",".join(map(str, range(1, 30)))])
def test_what_are_no_thresholds_says_so(text: str) -> None:
    with pytest.raises(BadThresholds):
        read_percents(text)


@pytest.mark.parametrize(("amount", "text"), [(0, "$0.00"), (412_500_000_000, "$412.50"), (1_234_567_890_000_000, "$1,234,567.89"),
                                              (-5_000_000_000, "-$5.00"), (1_500, "$0.0000015"), (999_999_999, "$1.00")])
def test_money_reads_as_money(amount: int, text: str) -> None:
    assert figure("money", amount) == text


def test_a_forecast_is_the_spending_so_far_drawn_on_to_the_end() -> None:
    half = node(60 * DOLLAR, node(0).key.start_us + 15 * DAY_US)         # $60 of $100 in half of November
    at_us = passes_at_us(half)
    assert at_us is not None
    assert half.day_text(at_us) == "Thu 26 Nov 2026"
    assert forecast(half) == 120 * DOLLAR


@given(st.integers(1, 10**12), st.integers(1, 29 * 24))
def test_a_forecast_passes_the_cap_exactly_when_it_comes_to_more(settled: int, hours: int) -> None:
    found = node(settled, node(0).key.start_us + hours * HOUR_US)
    at_us = passes_at_us(found)
    if hours >= 72 and settled < found.cap:
        assert (at_us is not None) == (settled * (found.end_us - found.key.start_us) > found.cap * (found.now_us - found.key.start_us))
    else:
        assert at_us is None


@pytest.mark.parametrize(("window", "elapsed_us"), [("month", 2 * DAY_US), ("day", 59 * MINUTE_US), ("hour", 50 * MINUTE_US), ("total", DAY_US)])
def test_a_forecast_says_nothing_before_there_is_a_history(window: str, elapsed_us: int) -> None:
    start_us = node(0, window=window).key.start_us if window != "total" else NOON_US
    assert passes_at_us(node(60 * DOLLAR, start_us + elapsed_us, window=window)) is None


def test_a_cap_that_will_be_passed_is_told_once_the_forecast_has_stood(scene: Scene) -> None:
    scene.budget("$10/month")
    scene.spend(4 * DOLLAR)                      # 21 November, noon: two thirds of the month
    scene.send()
    scene.spend(4 * DOLLAR)
    scene.pass_time(2 * MINUTE_US)
    scene.send()
    assert [row.kind for row in scene.alerts()] == ["budget_threshold", "budget_threshold"]
    for _ in range(3):
        scene.pass_time(6 * MINUTE_US)
        scene.send()
    [row] = [row for row in scene.alerts() if row.kind == "run_rate"]
    assert row.title == "Budget of team search: will pass its cap on Thu 26 Nov 2026"
    assert row.text == ("$8.00 of $10.00 is spent. At $0.39 a day it passes its cap on Thu 26 Nov 2026, and comes to $11.70 by the end of"
                        " the window (Mon 30 Nov 2026).")


@pytest.mark.parametrize(("lives_days", "left_us", "days"), [
    (90, 15 * DAY_US, None), (90, 14 * DAY_US, 14), (90, 8 * DAY_US, 14), (90, 7 * DAY_US, 7), (90, DAY_US, 1), (90, 1, 1), (90, 0, None),
    (10, 8 * DAY_US, None), (10, 7 * DAY_US, 7), (1, HOUR_US, None)])
def test_a_key_comes_to_its_steps(lives_days: int, left_us: int, days: int | None) -> None:
    assert step(0, lives_days * DAY_US, lives_days * DAY_US - left_us) == days


def test_a_key_that_expires_is_told_three_times_and_its_end_resolves(scene: Scene) -> None:
    keys, now_us = directory(scene.journal.sequencer), scene.journal.clock.us
    row, _ = keys.create_key(DEFAULT, KeySpec(labels={"team": "search"}, name="ci", expires_us=now_us + 20 * DAY_US), now_us)
    for _ in range(21):
        scene.send()
        scene.pass_time(DAY_US)
    assert titles(scene) == [f"Key {row.id} (ci) expires within {days}" for days in ("14 days", "7 days", "1 day")]
    assert [one["type"] for one in scene.service.said()] == ["alert.raised"] * 3 + ["alert.resolved"]
    assert scene.service.said()[-1]["data"]["resolution"] == "The key has expired."


def test_a_key_that_is_revoked_resolves(scene: Scene) -> None:
    keys, now_us = directory(scene.journal.sequencer), scene.journal.clock.us
    row, _ = keys.create_key(DEFAULT, KeySpec(expires_us=now_us + 20 * DAY_US), now_us)
    scene.pass_time(7 * DAY_US)
    scene.send()
    keys.revoke_key(DEFAULT, row.id, scene.journal.clock.us, "ann")
    scene.pass_time(2 * MINUTE_US)
    scene.send()
    assert scene.service.said()[-1]["data"]["resolution"] == "The key is revoked."


def test_a_kill_switch_is_told_when_it_is_pulled_and_when_it_is_released(scene: Scene) -> None:
    policies = Policies(scene.journal.sequencer)
    row = policies.set(DEFAULT, PolicySpec("kill", Scope("team", "search"), {"reason": "runaway agent"}), scene.journal.clock.us, "cli")
    scene.send()
    policies.remove(DEFAULT, row.id, scene.journal.clock.us, "ann")
    scene.send()
    assert [(one["type"], one["data"]["title"]) for one in scene.service.said()] == [
        ("alert.raised", "Kill switch: calls of team search are refused"), ("alert.resolved", "Kill switch: calls of team search are refused")]
    assert scene.service.said()[0]["data"]["text"].startswith("Pulled by the command line. Reason: runaway agent. Every call of team search")


def test_a_model_without_a_price_is_told_once_a_day(scene: Scene) -> None:
    for number in range(1, 6):
        run(scene.journal.spool.admit(admission(number, at_us=scene.journal.clock.us)))
        run(scene.journal.spool.settle(settlement(
            number, at_us=scene.journal.clock.us, method="unpriced", basis="usage", cost_nanos=0, lines=(), computed_nanos=None)))
        scene.journal.ship()
        scene.send()
        scene.pass_time(2 * MINUTE_US)
    assert titles(scene) == ["No price for gpt-4o at openai"]


def test_a_provider_whose_prices_have_moved_is_told_once_a_day(scene: Scene) -> None:
    run(scene.journal.spool.admit(admission(1, at_us=scene.journal.clock.us)))
    run(scene.journal.spool.settle(settlement(1, at_us=scene.journal.clock.us, method="stated", drift=True)))
    scene.journal.ship()
    scene.send()
    scene.pass_time(2 * MINUTE_US)
    scene.send()
    assert titles(scene) == ["Prices of gpt-4o at openai have moved"]


def test_policies_that_refuse_calls_are_told_of_once_a_day_for_each_team(scene: Scene) -> None:
    for number, (team, code) in enumerate((("web", "policy_denied"), ("web", "policy_denied"), ("web", "killed"), ("", "rate_limited")), 1):
        who = Attribution("k1", "default", {"team": team} if team else {})
        run(scene.journal.spool.refuse(Refusal(f"req_{number:032x}", scene.journal.clock.us, "default", code, 403, who, "openai", "chat")))
        scene.journal.ship()
        scene.send()
        scene.pass_time(2 * MINUTE_US)
    scene.send()
    assert titles(scene) == ["Policies refuse calls of team web", "Policies refuse calls without a team"]


def test_prices_that_wait_for_approval_are_told_until_somebody_decides(scene: Scene) -> None:
    releases = Releases(scene.journal.sequencer, bytes)
    releases.keep([("openai", ""), ("groq", "")], "feed", "0" * 64, "2026-11-21", scene.journal.clock.us, "cli")
    scene.send()
    scene.pass_time(2 * MINUTE_US)
    scene.send()
    with scene.journal.database.write() as db:
        db.execute("UPDATE price_release SET state = 'rejected'")
    scene.pass_time(2 * MINUTE_US)
    scene.send()
    assert [(one["type"], one["data"]["title"]) for one in scene.service.said()] == [
        ("alert.raised", "New prices wait for approval: groq, openai"), ("alert.resolved", "New prices wait for approval: groq, openai")]


def test_an_envelope_that_ends_is_told_three_times_with_what_is_left(scene: Scene) -> None:
    now_us = scene.journal.clock.us
    spec = EnvelopeSpec(Scope("team", "search"), read_limit("$100", {}), "$100", now_us + 20 * DAY_US, "a pilot", owner="ann")
    Envelopes(scene.journal.sequencer).grant(DEFAULT, spec, now_us, "finance")
    scene.spend(30 * DOLLAR)
    for day in range(21):
        if day % 2:
            scene.restart()
        scene.send()
        scene.pass_time(DAY_US)
    told = [row for row in scene.alerts() if row.kind == "envelope_expiry"]
    raised = [said for said in scene.service.said() if (said["type"], said["data"]["kind"]) == ("alert.raised", "envelope_expiry")]
    assert len(raised) == 3, "each step is sent once, whoever sends"
    assert [row.title for row in told] == [f"Envelope of team search ends within {days}" for days in ("14 days", "7 days", "1 day")]
    assert told[0].text == "Envelope 1 of team search (owner ann) ends on Fri 11 Dec 2026, 12:00 UTC. $70.00 of it is not spent."
    assert all(row.resolved_us for row in told)


def test_an_envelope_that_another_follows_is_not_told_to_end(scene: Scene) -> None:
    now_us = scene.journal.clock.us
    envelopes, limit = Envelopes(scene.journal.sequencer), read_limit("$100", {})
    for start_us, end_us in ((None, now_us + 20 * DAY_US), (now_us + 20 * DAY_US, now_us + 60 * DAY_US)):
        envelopes.grant(DEFAULT, EnvelopeSpec(Scope("team", "search"), limit, "$100", end_us, "a pilot", start_us), now_us, "finance")
    for _ in range(21):
        scene.send()
        scene.pass_time(DAY_US)
    assert titles(scene) == []
