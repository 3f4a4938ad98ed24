"""The policies in force follow the tables, whole or not at all, and know how much of a rate is this instance's."""

from __future__ import annotations

from pathlib import Path

import pytest

from tallystick.core.draw import NodeKey
from tallystick.core.errors import StoreFault
from tallystick.core.policies.counters import Part
from tallystick.core.policies.parameters import parse_scope
from tallystick.core.policies.sharing import Place
from tallystick.stores.sql.engine import DEFAULT
from tallystick.stores.sql.live_policies import SEEN_WITHIN_US, LivePolicies
from tallystick.stores.sql.policies import Policies, PolicySpec
from tests.build.journal import NOON_US, Journal, open_journal

WHOLE = Place(1, 0)
RATE = PolicySpec("rates", parse_scope("org"), {"requests": 9})
CHEAPER = PolicySpec("downgrade", parse_scope("org"), {"at_percent": 50, "models": {"a": "b"}})


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return open_journal(tmp_path)


def kinds(live: LivePolicies) -> list[str]:
    book = live.get("default")
    return [policy.kind for policy in book.policies] if book is not None else []


def alive(journal: Journal, *names: str) -> None:
    with journal.database.write() as db:
        db.execute("DELETE FROM instance")
        for name in names:
            db.execute("INSERT INTO instance (id, epoch, started_us, seen_us, acknowledged) VALUES (?, 1, ?, ?, 0)", (name, NOON_US, NOON_US))


def test_they_follow_every_change_and_say_so(journal: Journal) -> None:
    live, policies, changes = LivePolicies(journal.database, journal.clock), Policies(journal.sequencer), list[None]()
    live.changed = lambda: changes.append(None)
    assert (kinds(live), live.get("somebody")) == ([], None)
    row = policies.set(DEFAULT, RATE, NOON_US, "cli")
    assert kinds(live) == [], "until somebody looks"
    live.poll()
    assert kinds(live) == ["rates"]
    live.poll()
    policies.remove(DEFAULT, row.id, NOON_US, "cli")
    live.poll()
    assert (kinds(live), len(changes)) == ([], 2)


def test_a_policy_that_cannot_be_read_leaves_in_force_what_is(journal: Journal) -> None:
    live, policies = LivePolicies(journal.database, journal.clock), Policies(journal.sequencer)
    policies.set(DEFAULT, RATE, NOON_US, "cli")
    live.poll()
    with journal.database.write() as db:
        db.execute("UPDATE policy_version SET kind = 'of_a_newer_release'")
        db.execute("UPDATE change_counter SET value = value + 1")
    for _ in range(2):
        with pytest.raises(StoreFault):
            live.poll()
    assert kinds(live) == ["rates"]
    with pytest.raises(StoreFault):
        LivePolicies(journal.database, journal.clock)


def test_a_rate_is_shared_with_who_lives_and_who_comes_later_waits(journal: Journal) -> None:
    policies = Policies(journal.sequencer)
    alive(journal, "b")
    first = LivePolicies(journal.database, journal.clock, "b")
    policies.set(DEFAULT, RATE, NOON_US, "cli")
    first.poll()
    assert first.part == Part(1, 0, 0), "alone: all of it, at once"
    second = LivePolicies(journal.database, journal.clock, "a")
    alive(journal, "a", "b")
    for live in (first, second):
        live.poll()
    assert (first.part, second.part) == (Part(2, 1, 0, (WHOLE, Place(2, 1))), Part(2, 0, NOON_US + SEEN_WITHIN_US, ()))
    assert [live.part.share(9, NOON_US + 60_000_000, 2) for live in (first, second)] == [4, 5]
    assert second.part.share(9, NOON_US, 2) == 0
    first.within = lambda _: False
    for live in (first, second, first, second):
        live.poll()
    assert (first.part.at_once, second.part.at_once) == ((WHOLE, Place(2, 1)), ()), "calls of the first have not ended"
    first.within = lambda place: place == Place(2, 1)
    for live in (first, second, first):
        live.poll()
    assert (first.part.at_once, second.part.at_once) == ((Place(2, 1),), (Place(2, 0),))


def test_what_is_spent_is_known_where_a_policy_asks_for_it(journal: Journal) -> None:
    node, small = NodeKey(1, "", NOON_US), NodeKey(2, "", NOON_US)
    with journal.database.write() as db:
        for number, settled in ((1, 600), (2, 400)):
            db.execute("INSERT INTO budget (id, organization, kind, span, zone, unit, amount, mode, starts_us, version, created_us, created_by)"
                       " VALUES (?, 1, 'org', 'day', 'UTC', 'money', 1000, 'hard', 0, 1, 0, 'x')", (number,))
            db.execute("INSERT INTO budget_node (budget, subject, start_us, end_us, settled, leased) VALUES (?, '', ?, ?, ?, 0)",
                       (number, NOON_US, NOON_US * 2, settled))
    live = LivePolicies(journal.database, journal.clock)
    assert live.spent(node) == 0
    Policies(journal.sequencer).set(DEFAULT, CHEAPER, NOON_US, "cli")
    live.poll()
    assert (live.spent(node), live.spent(small)) == (600, 0)
