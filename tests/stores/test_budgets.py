"""Budgets are made, changed and removed with their CAP entries, and begin with what the ledger has booked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tallystick.core.budget import Scope, parse_limit
from tallystick.core.currencies import read_limit
from tallystick.core.draw import NodeKey
from tallystick.core.identity import Attribution
from tallystick.core.windows import bounds, parse_window
from tallystick.stores.sql.budget_rows import books, budget_rows
from tallystick.stores.sql.budgets import Budgets, BudgetSpec, spec_of
from tallystick.stores.sql.directory import Refused
from tallystick.stores.sql.engine import DEFAULT
from tallystick.stores.sql.entries import exact_entries
from tallystick.stores.sql.spending import spent
from tallystick.stores.sql.verify import verify
from tests.build.databases import both_engines
from tests.build.journal import KEY, NOON_US, Journal, admission, open_journal, run, settlement
from zoneinfo import ZoneInfo

pytestmark = both_engines

MONTH = bounds(parse_window("month"), ZoneInfo("UTC"), NOON_US)
COST = settlement().cost_nanos
TOKENS = 1_501


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """Ten calls of ann for search/web, five of bob for ops, one in the sandbox."""
    journal = open_journal(tmp_path)
    bob = Attribution("k2", "default", {"team": "ops", "user": "bob"}, (("feature", "chat"), ("beta", "")), {"region": "us"})
    for number in range(1, 16):
        run(journal.spool.admit(admission(number) if number <= 10 else admission(number, attribution=bob)))
        run(journal.spool.settle(settlement(number)))
    run(journal.spool.admit(admission(16, sandbox=True)))
    run(journal.spool.settle(settlement(16, method="sandbox", cost_nanos=0, would_be_nanos=COST)))
    journal.ship()
    return journal


def spec(kind: Any, value: str = "", limit: str = "500", **more: Any) -> BudgetSpec:
    amount, window = parse_limit(limit)
    return BudgetSpec(Scope(kind, value), amount, str(window or "month"), limit=amount.value, **more)


def nodes(journal: Journal) -> dict[NodeKey, int]:
    with journal.database.read() as db:
        return {NodeKey(*row[:3]): row[3] for row in db.execute("SELECT budget, subject, start_us, settled FROM budget_node")}


def caps(journal: Journal) -> list[dict[str, Any]]:
    with journal.database.read() as db:
        return [fields for entry in exact_entries(db, DEFAULT) if (fields := json.loads(entry))["kind"] == "CAP"]


@pytest.mark.parametrize(("scope", "expected"), [
    (Scope("org"), {"": 15}),
    (Scope("team", "search"), {"": 10}),
    (Scope("team", "*"), {"search": 10, "ops": 5}),
    (Scope("project", "search/web"), {"": 10}),
    (Scope("project", "ops/web"), {}),
    (Scope("key", "k2"), {"": 5}),
    (Scope("user", "*"), {"ann@example.com": 10, "bob": 5}),
    (Scope("user", "carol"), {}),
    (Scope("tag", "beta"), {"": 5}),
    (Scope("tag", "feature=*"), {"feature=answers": 10, "feature=chat": 5}),
    (Scope("dimension", "region=us"), {"": 5}),
    (Scope("provider", "openai"), {"": 15}),
    (Scope("model", "gpt-4o"), {"": 15}),
])
def test_what_was_spent_on_a_scope(journal: Journal, scope: Scope, expected: dict[str, int]) -> None:
    with journal.database.read() as db:
        for unit, each in (("calls", 1), ("money", COST), ("tokens", TOKENS)):
            found = spent(db, DEFAULT, scope, unit, *MONTH)  # type: ignore[arg-type]  # the three units
            assert found == {subject: calls * each for subject, calls in expected.items()}


def test_only_the_window_counts(journal: Journal) -> None:
    with journal.database.read() as db:
        assert spent(db, DEFAULT, Scope("org"), "calls", NOON_US + 3, NOON_US + 8) == {"": 5}


def test_a_budget_made_in_mid_window_begins_with_what_is_booked_by_subject(journal: Journal) -> None:
    budgets = Budgets(journal.sequencer)
    org = budgets.set(DEFAULT, spec("org"), NOON_US, "cli")
    users = budgets.set(DEFAULT, spec("user", "*", "20/day"), NOON_US, "cli")
    day = bounds(parse_window("day"), ZoneInfo("UTC"), NOON_US)[0]
    assert nodes(journal) == {NodeKey(org.id, "", MONTH[0]): 15 * COST, NodeKey(users.id, "ann@example.com", day): 10 * COST,
                              NodeKey(users.id, "bob", day): 5 * COST}


def test_setting_it_again_changes_the_limit_and_keeps_what_was_counted(journal: Journal) -> None:
    budgets, before = Budgets(journal.sequencer), journal.database.change_count()
    made = budgets.set(DEFAULT, spec("team", "search", note="first"), NOON_US, "cli")
    changed = budgets.set(DEFAULT, spec("team", "search", "$700/month", mode="soft"), NOON_US + 1, "cli")
    same = budgets.set(DEFAULT, spec("team", "search", "$700/month", mode="soft"), NOON_US + 2, "cli")
    assert (made.id, made.version, made.mode) == (changed.id, 1, "hard")
    assert (changed.version, changed.amount, changed.mode, changed.note) == (2, 700_000_000_000, "soft", "first")
    assert same == changed
    assert nodes(journal) == {NodeKey(made.id, "", MONTH[0]): 10 * COST}
    assert [(cap["event"], cap["limit"]) for cap in caps(journal)] == [("made", "500000000000"), ("changed", "700000000000")]
    assert journal.database.change_count() == before + 2


def test_several_windows_on_one_scope_are_several_budgets(journal: Journal) -> None:
    budgets = Budgets(journal.sequencer)
    ids = {budgets.set(DEFAULT, spec("org", limit=limit), NOON_US, "cli").id for limit in ("500/month", "50/day", "1m tokens/day", "9/hour")}
    assert len(ids) == 4
    with journal.database.read() as db:
        assert {budget.id for budget in books(db)["default"].budgets} == ids


def test_a_raise_is_in_the_book_until_it_ends_and_says_why(journal: Journal) -> None:
    budgets = Budgets(journal.sequencer)
    made = budgets.set(DEFAULT, spec("org", limit="100"), NOON_US, "cli")
    budgets.raise_for(DEFAULT, made.id, 50_000_000_000, NOON_US + 10, "launch week", NOON_US, "cli")
    with journal.database.read() as db:
        budget = books(db)["default"].budgets[0]
    assert (budget.cap(NOON_US), budget.cap(NOON_US + 10)) == (150_000_000_000, 100_000_000_000)
    assert caps(journal)[-1]["reason"] == "launch week"


def test_another_zone_begins_at_the_next_boundary(journal: Journal) -> None:
    budgets = Budgets(journal.sequencer)
    old = budgets.set(DEFAULT, spec("org"), NOON_US, "cli")
    new = budgets.set(DEFAULT, spec("org", zone="Asia/Tokyo"), NOON_US, "cli")
    assert new.starts_us == MONTH[1]
    with journal.database.read() as db:
        rows = {row.id: row for row in budget_rows(db, DEFAULT)}
    assert rows[old.id].ends_us == new.starts_us


def test_a_removed_budget_binds_nobody_and_its_entry_stays(journal: Journal) -> None:
    budgets = Budgets(journal.sequencer)
    made = budgets.set(DEFAULT, spec("org"), NOON_US, "cli")
    budgets.remove(DEFAULT, made.id, NOON_US, "cli")
    with journal.database.read() as db:
        assert books(db) == {}
    assert [cap["event"] for cap in caps(journal)] == ["made", "removed"]
    with pytest.raises(Refused):
        budgets.remove(DEFAULT, made.id, NOON_US, "cli")


def test_the_ledger_with_budgets_verifies(journal: Journal) -> None:
    budgets = Budgets(journal.sequencer)
    for kind, value in (("org", ""), ("user", "ann@example.com"), ("tag", "beta"), ("dimension", "region=*"), ("project", "search/web")):
        budgets.set(DEFAULT, spec(kind, value, owner="Finance", ends_us=NOON_US * 2), NOON_US, "cli")
    assert verify(journal.database, KEY.public_key).findings == ()
    assert b"ann@example.com" not in b"".join(str(cap).encode() for cap in caps(journal)), "persons stand by number"


@pytest.mark.parametrize("statement", [
    "UPDATE budget SET amount = amount * 2 WHERE id = 1", "UPDATE budget SET mode = 'observe' WHERE id = 2",
    "UPDATE budget SET removed_us = 7 WHERE id = 1", "DELETE FROM budget_raise", "DELETE FROM budget WHERE id = 2",
    "UPDATE budget_raise SET until_us = until_us + 1", "UPDATE budget SET value = 'bob' WHERE id = 2",
    "UPDATE budget_node SET settled = settled - 1 WHERE budget = 1", "DELETE FROM budget_node WHERE budget = 2 AND subject = ''",
    "UPDATE budget_node SET leased = 5 WHERE budget = 1", "UPDATE budget SET ends_us = 9 WHERE id = 1",
    "INSERT INTO budget (id, organization, kind, span, zone, unit, amount, mode, starts_us, version, created_us, created_by)"
    " VALUES (9, 1, 'org', 'day', 'UTC', 'money', 1, 'hard', 0, 1, 0, 'x')",
])
def test_a_table_that_somebody_edited_is_found(journal: Journal, statement: str) -> None:
    budgets = Budgets(journal.sequencer)
    budgets.set(DEFAULT, spec("org"), NOON_US, "cli")
    budgets.set(DEFAULT, spec("user", "ann@example.com"), NOON_US, "cli")
    budgets.raise_for(DEFAULT, 1, 50, NOON_US + 10, "launch week", NOON_US, "cli")
    assert verify(journal.database, KEY.public_key).findings == ()
    with journal.database.write() as db:
        db.execute(statement)
    assert {finding.check for finding in verify(journal.database, KEY.public_key).findings} == {"budgets"}


@pytest.mark.parametrize("wrong", [
    {"kind": "org", "value": "x"}, {"kind": "team", "value": ""}, {"kind": "project", "value": "web"}, {"kind": "planet", "value": "x"},
    {"kind": "dimension", "value": "region"}, {"kind": "team", "value": "a\nb"}, {"kind": "org", "zone": "Mars/Olympus"},
    {"kind": "org", "mode": "strict"}, {"kind": "org", "on_exceed": "explode"}, {"kind": "org", "note": "x" * 257},
    {"kind": "org", "zone": "../../etc/passwd"},
])
def test_what_cannot_stand_is_refused(journal: Journal, wrong: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        Budgets(journal.sequencer).set(DEFAULT, spec(**wrong), NOON_US, "cli")
    assert caps(journal) == []


def test_another_rate_converts_limits_anew_and_says_so(journal: Journal) -> None:
    budgets = Budgets(journal.sequencer)
    limit = read_limit("500 EUR/month", {"EUR": "1.08"})
    euros = budgets.set(DEFAULT, BudgetSpec(Scope("team", "search"), limit.amount, limit=limit.value, rate=limit.rate), NOON_US, "cli")
    budgets.set(DEFAULT, spec("org"), NOON_US, "cli")
    assert budgets.convert_anew({"EUR": "1.080"}, NOON_US, "configuration") == []
    assert budgets.convert_anew({}, NOON_US, "configuration") == [], "a currency without a rate keeps its last one"
    [(before, after)] = budgets.convert_anew({"EUR": "1.20"}, NOON_US, "configuration")
    assert (before, after.amount, after.version) == (euros, 600_000_000_000, 2)
    last = caps(journal)[-1]
    assert (last["event"], last["actor"], last["limit"], last["rate"], last["currency_nanos"]) == (
        "changed", "configuration", "600000000000", "1.20", "500000000000")
    assert nodes(journal)[NodeKey(euros.id, "", MONTH[0])] == 10 * COST
    assert verify(journal.database, KEY.public_key).findings == ()


def test_a_budget_that_has_ended_is_not_taken_up_again(journal: Journal) -> None:
    budgets, later_us = Budgets(journal.sequencer), NOON_US + 20
    ended = budgets.set(DEFAULT, spec("org", ends_us=NOON_US + 10), NOON_US, "cli")
    run(journal.spool.admit(admission(30)))
    run(journal.spool.settle(settlement(30)))
    journal.ship()
    anew = budgets.set(DEFAULT, spec("org"), later_us, "cli")
    assert (anew.id != ended.id, nodes(journal)[NodeKey(anew.id, "", MONTH[0])]) == (True, 16 * COST)
    with pytest.raises(Refused):
        budgets.change(DEFAULT, ended.id, spec_of, later_us, "cli")
    assert verify(journal.database, KEY.public_key).findings == ()
