"""Budgets' thresholds, from the transaction that counts to the receiver: told once for each crossing, window and cap,
whatever restarts and whoever is away meanwhile."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from tallystick.channels.webhook import signature
from tallystick.core.draw import Draw, NodeKey
from tallystick.stores.sql import leases
from tallystick.stores.sql.alerts_deliveries import claim
from tallystick.stores.sql.booking import book_attempt
from tallystick.stores.sql.budgets import Budgets, spec_of
from tallystick.stores.sql.engine import DEFAULT
from tallystick.stores.sql.journal import Sequencer
from tests.alerts.scene import DAY_US, MINUTE_US, SECOND_US, SECRET, Scene, open_scene
from tests.build.databases import both_engines
from tests.build.journal import NOON_US, admission, settlement

pytestmark = both_engines
DOLLAR = 1_000_000_000


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    found = open_scene(tmp_path)
    found.channel(kinds=("budget_threshold",))
    return found


def test_200_settlements_cross_four_thresholds_while_the_webhook_is_away(scene: Scene) -> None:
    scene.budget("$10/month")
    scene.service.away = True
    for _ in range(20):                      # shipped in whatever batches the calls end in
        scene.spend(DOLLAR * 6 // 10, calls=10)
        scene.send()
        scene.pass_time(30 * SECOND_US)
    assert scene.percents() == [50, 80, 90, 100]
    assert (scene.service.asked, scene.service.tried > 4) == ([], True)
    scene.service.away = False
    for _ in range(60):
        scene.pass_time(MINUTE_US)
        scene.send()
    told = scene.service.said()
    assert sorted(one["data"]["facts"]["threshold_percent"] for one in told) == [50, 80, 90, 100]
    assert len(set(scene.service.ids())) == 4


def test_four_instances_that_count_200_settlements_at_once_tell_each_share_once(scene: Scene) -> None:
    scene.budget("$10/month")

    def instance(first: int) -> None:
        pen_of = Sequencer(scene.journal.database)       # with memories of its own
        for number in range(first, first + 50):
            with pen_of.append(scene.journal.clock.us) as pen:
                book_attempt(pen, admission(number, at_us=scene.journal.clock.us), settlement(
                    number, at_us=scene.journal.clock.us, cost_nanos=DOLLAR * 6 // 100), lambda _: {})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(instance, (1_001, 2_001, 3_001, 4_001)))
    scene.send()
    assert scene.percents() == [50, 80, 90, 100]
    assert sorted(one["data"]["facts"]["threshold_percent"] for one in scene.service.said()) == [50, 80, 90, 100]


def test_a_crossing_survives_restarts_between_counting_sending_and_writing_down(scene: Scene) -> None:
    scene.budget("$10/month")
    scene.spend(6 * DOLLAR)
    scene.restart()
    scene.spend(DOLLAR)
    scene.send()
    scene.restart()
    scene.send()
    assert [one["data"]["facts"]["threshold_percent"] for one in scene.service.said()] == [50]


def test_a_process_that_dies_while_sending_sends_again_under_the_same_id(scene: Scene) -> None:
    scene.budget("$10/month")
    scene.spend(6 * DOLLAR)
    with scene.journal.database.write() as db:
        assert len(claim(db, scene.journal.clock.us)) == 1       # …and nothing is heard of this one again
    scene.restart()
    scene.send()
    assert scene.service.asked == []
    scene.pass_time(3 * MINUTE_US)
    scene.send()
    assert len(scene.service.ids()) == 1


def test_what_the_webhook_gets_is_signed_and_says_figures(scene: Scene) -> None:
    scene.budget("$10/month")
    scene.spend(82 * DOLLAR // 10)
    scene.send()
    [first, second] = scene.service.said()
    assert [first["data"]["title"], second["data"]["title"]] == [
        "Budget of team search: 50% used", "Budget of team search: 80% used"]
    assert second["type"] == "alert.raised"
    assert second["data"]["text"] == (
        "$8.20 of $10.00 is spent in this window; it starts anew on Tue 01 Dec 2026, 00:00 (UTC).")
    assert second["data"]["link"] == "https://tally.example/api/budgets/1"
    request = scene.service.asked[1]
    headers = dict(request.headers)          # type: ignore[union-attr]
    assert headers["webhook-signature"] == signature(
        SECRET, headers["webhook-id"], int(headers["webhook-timestamp"]), request.body)  # type: ignore[union-attr]


def test_a_raised_cap_resolves_and_a_lowered_one_alerts_anew(scene: Scene) -> None:
    row = scene.budget("$10/month")
    scene.spend(6 * DOLLAR)
    scene.send()
    budgets = Budgets(scene.journal.sequencer)
    budgets.change(DEFAULT, row.id, lambda it: replace(spec_of(it), limit=20 * DOLLAR), scene.journal.clock.us, "cli")
    scene.send()
    budgets.change(DEFAULT, row.id, lambda it: replace(spec_of(it), owner="ann"), scene.journal.clock.us, "cli")
    scene.send()
    budgets.change(DEFAULT, row.id, lambda it: replace(spec_of(it), limit=7 * DOLLAR), scene.journal.clock.us, "cli")
    scene.send()
    assert [(one["type"], one["data"]["facts"]["threshold_percent"]) for one in scene.service.said()] == [
        ("alert.raised", 50), ("alert.resolved", 50), ("alert.raised", 50), ("alert.raised", 80)]
    assert scene.service.said()[1]["data"]["resolution"] == "The cap has changed: $6.00 of $20.00 is spent."


def test_a_cap_raised_a_little_eases_and_does_not_repeat_what_is_still_so(scene: Scene) -> None:
    row = scene.budget("$10/month")
    scene.spend(9 * DOLLAR)
    scene.send()
    scene.service.asked.clear()
    budgets = Budgets(scene.journal.sequencer)
    budgets.raise_for(DEFAULT, row.id, 2 * DOLLAR, scene.journal.clock.us + DAY_US, "a launch", scene.journal.clock.us, "cli")
    scene.send()
    [eased] = scene.service.said()
    assert (eased["type"], eased["data"]["open"]) == ("alert.eased", ["50%/1"])
    scene.pass_time(2 * DAY_US)              # the raise has ended: what it eased is so again
    scene.send()
    assert [one["data"]["facts"]["threshold_percent"] for one in scene.service.said()[1:]] == [80, 90]


def test_the_window_s_end_resolves_and_the_next_window_alerts_anew(scene: Scene) -> None:
    scene.budget("$10/day")
    scene.spend(6 * DOLLAR)
    scene.send()
    scene.pass_time(DAY_US)
    scene.send()
    scene.spend(6 * DOLLAR)
    scene.send()
    assert [one["type"] for one in scene.service.said()] == ["alert.raised", "alert.resolved", "alert.raised"]
    assert scene.service.said()[1]["data"]["resolution"] == "The window has ended."


def test_the_first_refusal_for_good_says_exhausted_once(scene: Scene) -> None:
    row = scene.budget("$10/month")
    scene.spend(4 * DOLLAR)
    node = NodeKey(row.id, "", row.budget().span(NOON_US)[0])
    for _ in range(3):
        with scene.journal.database.write() as db:
            granted = leases.grant(db, "here", [leases.Ask((Draw(node, 7 * DOLLAR),))], {}, scene.journal.clock.us)
            assert granted.short[0] is not None
    scene.spend(6 * DOLLAR)
    assert scene.percents() == [100, 50, 80, 90]
    refused = scene.alerts()[0]
    assert (refused.severity, refused.text) == (
        "critical", "A call was refused: it needs up to $7.00, and $4.00 of $10.00 is spent; it starts anew on Tue 01 Dec 2026, 00:00 (UTC).")


def test_what_a_refusal_said_stands_until_the_cap_itself_moves(scene: Scene) -> None:
    row = scene.budget("$10/month")
    node = NodeKey(row.id, "", row.budget().span(NOON_US)[0])
    with scene.journal.database.write() as db:
        leases.grant(db, "here", [leases.Ask((Draw(node, 11 * DOLLAR),))], {}, scene.journal.clock.us)
    budgets = Budgets(scene.journal.sequencer)
    budgets.change(DEFAULT, row.id, lambda it: replace(spec_of(it), owner="ann"), scene.journal.clock.us, "cli")
    scene.send()
    assert [one.resolved_us for one in scene.alerts()] == [None]
    budgets.change(DEFAULT, row.id, lambda it: replace(spec_of(it), limit=20 * DOLLAR), scene.journal.clock.us, "cli")
    scene.send()
    assert [one["type"] for one in scene.service.said()] == ["alert.raised", "alert.resolved"]


def test_a_call_that_only_must_wait_exhausts_nothing(scene: Scene) -> None:
    row = scene.budget("$10/month")
    node = NodeKey(row.id, "", row.budget().span(NOON_US)[0])
    with scene.journal.database.write() as db:
        leases.open_node(db, node)
        leases.lease(db, "elsewhere", [Draw(node, 9 * DOLLAR)])
        short = leases.grant(db, "here", [leases.Ask((Draw(node, 7 * DOLLAR),))], {}, scene.journal.clock.us).short[0]
    assert short is not None
    assert scene.alerts() == []


def test_every_subject_of_a_template_has_crossings_of_its_own(scene: Scene) -> None:
    scene.budget("$10/month", "user", "*")
    scene.spend(5 * DOLLAR)
    assert [row.title for row in scene.alerts()] == ["Budget of user ann@example.com: 50% used"]


def test_a_budget_that_only_observes_is_silent_until_somebody_gives_it_thresholds(scene: Scene) -> None:
    row = scene.budget("$10/month", mode="observe")
    scene.spend(9 * DOLLAR)
    assert scene.alerts() == []
    with scene.journal.database.write() as db:
        db.execute("INSERT INTO alert_threshold (budget, percents, set_us, set_by) VALUES (?, '75,100', 1, 'cli')", (row.id,))
        db.execute("UPDATE change_counter SET value = value + 1")
    scene.send()
    assert scene.percents() == [75]


def test_a_budget_made_in_mid_window_tells_what_it_begins_with(scene: Scene) -> None:
    scene.spend(9 * DOLLAR)
    scene.budget("$10/month")
    scene.send()
    assert scene.percents() == [50, 80, 90]
