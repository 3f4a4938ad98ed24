"""Counters of budgets are a function of the ledger: whatever order calls, jobs, corrections and new budgets come in,
at rest every node says what the ledger's own rows add up to, and holders have what is still held."""

from __future__ import annotations

import io
import random
from dataclasses import replace
from pathlib import Path

import pytest

from scripts import verify_export
from tallystick.core.attempt import Admission, Settlement
from tallystick.core.budget import Amount, Scope, parse_limit
from tallystick.core.call import Facts
from tallystick.core.draw import Draw, NodeKey
from tallystick.core.identity import Attribution
from tallystick.core.windows import parse_window
from tallystick.exports import ledger_jsonl
from tallystick.stores.spool import worst_case
from tallystick.stores.sql import exported, leases
from tallystick.stores.sql.adjusting import Correction, adjust_all
from tallystick.stores.sql.budget_rows import budget_rows
from tallystick.stores.sql.budgets import Budgets, BudgetSpec
from tallystick.stores.sql.engine import DEFAULT
from tallystick.stores.sql.spending import spent
from tallystick.stores.sql.verify import verify
from tests.build.databases import both_engines
from tests.build.journal import KEY, NOON_US, Journal, admission, open_journal, request_id, run, settlement

pytestmark = both_engines

HOUR_US = 3_600_000_000
WHO = (
    Attribution("k1", "default", {"team": "search", "project": "web", "user": "ann"}, (("feature", "answers"),), {"region": "eu"}),
    Attribution("k2", "default", {"team": "ops", "user": "bob"}, (("feature", "chat"), ("beta", "")), {"region": "us"}),
    Attribution("k3", "default", {"project": "web"}),
)
BUDGETS = (("org", "", "500/month"), ("org", "", "1m tokens/day"), ("team", "*", "50/day"), ("project", "default/web", "9"),
           ("user", "*", "100 calls/hour"), ("tag", "feature=*", "70/week"), ("dimension", "region=eu", "1/total"), ("model", "gpt-4o", "5/year"),
           ("provider", "openai", "8/quarter"), ("key", "k2", "3/6h"))


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return open_journal(tmp_path)


def settled(journal: Journal) -> dict[NodeKey, int]:
    with journal.database.read() as db:
        return {NodeKey(*row[:3]): row[3] for row in db.execute("SELECT budget, subject, start_us, settled FROM budget_node") if row[3]}


def by_the_ledger(journal: Journal, since_us: int, until_us: int) -> dict[NodeKey, int]:
    """Every node there should be, from the calls' rows alone."""
    found: dict[NodeKey, int] = {}
    with journal.database.read() as db:
        for row in budget_rows(db, DEFAULT):
            budget, at_us = row.budget(), since_us
            while at_us < until_us:
                start_us, end_us = budget.span(at_us)
                for subject, amount in spent(db, DEFAULT, row.scope, row.unit, start_us, end_us).items():
                    if amount:
                        found[NodeKey(row.id, subject, start_us)] = amount
                at_us = end_us
    return found


def make(journal: Journal, kind: str, value: str, limit: str) -> None:
    amount, window = parse_limit(limit)
    Budgets(journal.sequencer).set(DEFAULT, BudgetSpec(
        Scope(kind, value), amount, str(window or parse_window("month")), limit=amount.value), journal.clock.now_us(), "cli")  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(12))
def test_at_rest_every_counter_is_what_the_ledger_adds_up_to(journal: Journal, seed: int) -> None:
    dice = random.Random(seed)
    waiting, jobs, posted = list(BUDGETS), list[Admission](), list[int]()
    for number in range(1, 60):
        journal.clock.us += dice.randint(0, HOUR_US // 4)
        opened = admission(number, at_us=journal.clock.us, attribution=dice.choice(WHO), sandbox=dice.random() < 0.1,
                           billable=dice.random() < 0.9, hold_tokens=dice.choice((4_300, 19_684)))
        run(journal.spool.admit(opened))
        if dice.random() < 0.1:
            journal.ship()
            journal.clock.us += 61_000_000               # the admission is chained alone first
            journal.ship()
        closed = settlement(number, at_us=journal.clock.us, cost_nanos=0 if opened.sandbox or not opened.billable else settlement().cost_nanos,
                            upstream_nanos=dice.choice((None, 700)) if opened.billable and not opened.sandbox else None)
        if dice.random() < 0.2:
            closed = worst_case(opened, journal.clock.us)
        elif dice.random() < 0.2 and opened.billable and not opened.sandbox:
            closed = replace(closed, outcome="deferred", basis="deferred", cost_nanos=0, usage=None, lines=(), upstream_nanos=None)
            jobs.append(opened)
        elif opened.billable and not opened.sandbox:
            posted.append(number)
        run(journal.spool.settle(closed))
        if jobs and dice.random() < 0.5:
            job = jobs.pop(dice.randrange(len(jobs)))
            run(journal.spool.settle(settlement(int(job.request_id[4:], 16), at_us=journal.clock.us)))
        if waiting and dice.random() < 0.3:              # a budget begins with what is booked; what is not yet, comes by itself
            make(journal, *waiting.pop())
        if dice.random() < 0.4:
            journal.ship()
        if posted and dice.random() < 0.2:
            journal.ship()
            number = dice.choice(posted)
            fix = Correction(request_id(number), 1, "evidence", dice.randint(0, 9_000_000), "cli", "invoice 7")
            adjust_all(journal.sequencer, DEFAULT, [fix], lambda _: {}, journal.clock.now_us)
    journal.ship()
    assert settled(journal) == {node: amount for node, amount in by_the_ledger(journal, NOON_US, journal.clock.us + HOUR_US).items()
                                if _counted_since(journal, node)}


def test_without_stated_usage_a_budget_in_tokens_counts_the_bound_wherever_it_is_read(journal: Journal) -> None:
    """By the counters as they go, by the rows that a later budget begins with, by `verify`, and by an outsider from the export."""
    make(journal, "org", "", "1m tokens/day")
    untold = admission(1, facts=Facts(model="gpt-4o"), hold_tokens=19_684)
    run(journal.spool.admit(untold))
    run(journal.spool.settle(worst_case(untold, journal.clock.us)))
    run(journal.spool.admit(admission(2)))
    run(journal.spool.settle(settlement(2)))
    slow = admission(3, hold_tokens=7_000)
    run(journal.spool.admit(slow))
    journal.ship()
    journal.clock.us += 61_000_000                       # chained alone, then ended in an entry of its own
    journal.ship()
    run(journal.spool.settle(worst_case(slow, journal.clock.us)))
    journal.ship()
    make(journal, "team", "search", "1m tokens/day")
    counted = 19_684 + 1_501 + 7_000
    assert sorted(settled(journal).values()) == [counted, counted]
    assert verify(journal.database, KEY.public_key).findings == ()
    assert outsider(journal).tokens == counted


def outsider(journal: Journal) -> verify_export.Ledger:
    """The organisation's chain as somebody reads it who has nothing of ours but the export."""
    with journal.database.read() as db:
        lines = ledger_jsonl.render(*exported.chain(db, DEFAULT, "default", KEY.public_key))
        return verify_export.check(io.BytesIO(b"".join(lines)))


def _counted_since(journal: Journal, node: NodeKey) -> bool:
    """A budget counts from the window in which it was made."""
    with journal.database.read() as db:
        row = next(row for row in budget_rows(db, DEFAULT) if row.id == node.budget)
    return row.starts_us <= node.start_us


def test_a_job_keeps_its_hold_for_whoever_settles_it(journal: Journal) -> None:
    make(journal, "org", "", "500/month")
    node = NodeKey(1, "", parse_and_start(journal))
    hold = (Draw(node, 1_000_000),)
    with journal.database.write() as db:
        leases.begin(db, journal.spool.instance, 0, NOON_US)
        leases.open_node(db, node)
        leases.lease(db, journal.spool.instance, hold)
    run(journal.spool.admit(admission(1, holds=hold)))
    run(journal.spool.settle(settlement(1, outcome="deferred", basis="deferred", cost_nanos=0, usage=None, lines=(), draws=hold)))
    journal.ship()
    assert leased(journal) == {"deferred": 1_000_000}
    assert settled(journal) == {}
    run(journal.spool.settle(settlement(1)))
    journal.ship()
    assert leased(journal) == {}
    assert settled(journal) == {node: settlement().cost_nanos}


def job(number: int = 1, draws: tuple[Draw, ...] = ()) -> Settlement:
    """A reply that only opened a job."""
    return settlement(number, outcome="deferred", basis="deferred", cost_nanos=0, usage=None, lines=(), computed_nanos=None, draws=draws)


@pytest.mark.parametrize("alone_first", [False, True])
def test_a_budget_that_is_made_while_a_jobs_record_waits_to_be_shipped_holds_the_job(journal: Journal, alone_first: bool) -> None:
    run(journal.spool.admit(admission(1)))
    if alone_first:
        journal.ship()
        journal.clock.us += 61_000_000
        journal.ship()
    run(journal.spool.settle(job()))
    make(journal, "org", "", "500/month")
    make(journal, "team", "search", "1m tokens/day")
    assert leased(journal) == {}
    journal.ship()
    assert leased(journal) == {"deferred": 50_000_000 + 4_300}
    run(journal.spool.settle(settlement(1)))
    journal.ship()
    assert leased(journal) == {}
    assert sorted(settled(journal).values()) == [1_501, settlement().cost_nanos]
    assert not journal.alarms


def test_what_a_job_holds_already_is_not_held_again(journal: Journal) -> None:
    make(journal, "org", "", "500/month")
    hold = (Draw(NodeKey(1, "", parse_and_start(journal)), 50_000_000),)
    with journal.database.write() as db:
        leases.begin(db, journal.spool.instance, 0, NOON_US)
        leases.open_node(db, hold[0].node)
        leases.lease(db, journal.spool.instance, hold)
    run(journal.spool.admit(admission(1, holds=hold)))
    run(journal.spool.settle(job(draws=hold)))
    journal.ship()
    assert leased(journal) == {"deferred": 50_000_000}


def test_what_a_caller_merely_claims_holds_nothing_on_a_budget_that_only_watches_it(journal: Journal) -> None:
    make(journal, "user", "ann@example.com", "1/month")
    journal.clock.us += 10
    run(journal.spool.admit(admission(1, at_us=journal.clock.us)))     # its user is claimed
    run(journal.spool.settle(job()))
    journal.ship()
    assert leased(journal) == {}


def test_a_budget_that_turns_hard_holds_the_jobs_that_run_and_once(journal: Journal) -> None:
    spec = BudgetSpec(Scope("org"), Amount(10**12, "money"), mode="soft", limit=10**12)
    Budgets(journal.sequencer).set(DEFAULT, spec, journal.clock.now_us(), "cli")
    run(journal.spool.admit(admission(1)))
    run(journal.spool.settle(job()))
    journal.ship()
    assert leased(journal) == {}
    for mode in ("hard", "soft", "hard"):
        Budgets(journal.sequencer).set(DEFAULT, replace(spec, mode=mode), journal.clock.now_us(), "cli")  # type: ignore[arg-type]
        assert leased(journal) == {"deferred": 50_000_000}


def test_what_an_attempt_drew_leaves_its_holders_lease_and_no_more(journal: Journal) -> None:
    make(journal, "org", "", "500/month")
    node = NodeKey(1, "", parse_and_start(journal))
    with journal.database.write() as db:
        leases.begin(db, journal.spool.instance, 0, NOON_US)
        leases.open_node(db, node)
        leases.lease(db, journal.spool.instance, [Draw(node, 9_000_000)])
    cost = settlement().cost_nanos
    run(journal.spool.admit(admission(1, holds=(Draw(node, 8_000_000),))))
    run(journal.spool.settle(settlement(1, draws=(Draw(node, cost),))))
    journal.ship()
    assert leased(journal) == {journal.spool.instance: 9_000_000 - cost}
    assert settled(journal) == {node: cost}


def parse_and_start(journal: Journal) -> int:
    with journal.database.read() as db:
        return budget_rows(db, DEFAULT)[0].budget().span(NOON_US)[0]


def leased(journal: Journal) -> dict[str, int]:
    with journal.database.read() as db:
        found: dict[str, int] = dict(db.execute("SELECT holder, sum(amount) FROM budget_lease GROUP BY holder"))
        total = db.execute("SELECT coalesce(sum(leased), 0) FROM budget_node").fetchone()[0]
    assert total == sum(found.values())
    return found

