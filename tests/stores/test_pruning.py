"""Months whose rows are dropped: what they came to stands as it stood, in every answer that sums can give; the ledger
verifies and says *pruned*; what was exported before still goes with it; and whoever changes what stays is found. A process
that is killed between two steps leaves nothing that the next one does not finish."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import pytest

from scripts import verify_export
from tallystick.core import merkle
from tallystick.core.budget import Amount, Scope
from tallystick.core.errors import Defect
from tallystick.core.identity import Attribution
from tallystick.core.ledger import open_checkpoint
from tallystick.core.usage import usage_of
from tallystick.exports import ledger_jsonl
from tallystick.stores.sql import exported, facts, ledger_reading, moving, proofs, pruning, rollup_reads, tail
from tallystick.stores.sql.adjusting import Correction, adjust
from tallystick.stores.sql.alerts_ledger import look
from tallystick.stores.sql.alerts_raised import list_alerts
from tallystick.stores.sql.alerts_sweep import sweep
from tallystick.stores.sql.booking import book_admission, book_attempt, book_later_settlement, book_refusal
from tallystick.stores.sql.breakdown import Question, broken_down
from tallystick.stores.sql.breakdown_names import NAMES
from tallystick.stores.sql.budgets import Budgets, BudgetSpec
from tallystick.stores.sql.directory import Refused
from tallystick.stores.sql.engine import MonthClosed, ensure_organization
from tallystick.stores.sql.facts import ATTEMPTS, DAY_US, REFUSALS, SANDBOX, Asked
from tallystick.stores.sql.journal import Sequencer
from tallystick.stores.sql.pruned import RowsPruned, pruned_months, rows_from
from tallystick.stores.sql.rollup_days import rebuild
from tallystick.stores.sql.sight import EVERYTHING
from tallystick.stores.sql.verify import Verification, verify
from tests.build.databases import both_engines, files_only, open_database
from tests.build.journal import KEY, admission, key_refusal, settlement

pytestmark = both_engines

NOW_US: Final = 1_795_262_400_000_000        # 2026-11-21 12:00 UTC
KEPT: Final = 2                              # September and October stay beside November
GONE: Final = (202606, 202607, 202608)
ZONES: Final = {"default": "UTC", "berlin": "Europe/Berlin", "coast": "America/New_York"}
ORGANIZATIONS: Final = {"default": 1, "berlin": 2, "coast": 3}


def day(text: str) -> int:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).toordinal() - datetime(1970, 1, 1, tzinfo=UTC).toordinal()


FIRST: Final = day("2026-06-01")
LAST: Final = day("2026-11-30")


def uuid7(at_us: int, number: int) -> str:
    """A request id as the gateway makes them: it begins with the moment, in milliseconds."""
    return f"req_{at_us // 1000:012x}7{number:03x}8{number:015x}"


class Books:
    """Half a year of calls in three organisations, and whoever prunes them."""

    def __init__(self, folder: Path, seed: int, calls: int = 70) -> None:
        self.folder = folder
        self.database = open_database(folder, FIRST * DAY_US)
        self.sequencer = Sequencer(self.database, KEY)
        self.dice = random.Random(seed)
        with self.database.write() as db:
            for slug, zone in ZONES.items():
                assert ensure_organization(db, slug, slug, FIRST * DAY_US, zone) == ORGANIZATIONS[slug]
        self.budget("month", Scope("team", "*"), FIRST * DAY_US)
        self.budget("total", Scope("org", ""), FIRST * DAY_US)
        self.budget("day", Scope("user", "ann"), FIRST * DAY_US, "tokens")
        self.calls: list[tuple[str, str, int]] = []
        for first in range(0, calls, 10):
            self._book(range(first, min(calls, first + 10)))

    def budget(self, window: str, scope: Scope, now_us: int, unit: Any = "money") -> None:
        Budgets(self.sequencer).set(1, BudgetSpec(scope, Amount(10**13, unit), window, "UTC", "soft", limit=10**13), now_us, "cli")

    def _book(self, numbers: range) -> None:
        later = []
        with self.sequencer.append(NOW_US, sign_all=True) as pen:
            for number in numbers:
                asked = self._asked(number)
                ended = self._ended(asked)
                what = self.dice.choice(("settled",) * 6 + ("late", "job", "refused"))
                if what == "refused":
                    book_refusal(pen, replace(key_refusal(number), request_id=asked.request_id, at_us=asked.at_us,
                                              organization=asked.attribution.organization, attribution=asked.attribution))
                    continue
                if what == "late":
                    book_admission(pen, asked)
                    later.append(ended)
                elif what == "job":
                    book_attempt(pen, asked, replace(ended, outcome="deferred", cost_nanos=0, computed_nanos=None, stated_nanos=None), lambda _: {})
                    later.append(ended)
                else:
                    book_attempt(pen, asked, ended, lambda _: {})
                if not asked.sandbox:
                    self.calls.append((asked.request_id, asked.attribution.organization, asked.at_us))
        with self.sequencer.append(NOW_US, sign_all=True) as pen:
            for ended in later:
                book_later_settlement(pen, ended, lambda _: {})
        with self.sequencer.append(NOW_US) as pen:
            for request, slug, _ in self.dice.sample(self.calls, min(2, len(self.calls))):
                adjust(pen, ORGANIZATIONS[slug], Correction(request, 1, "evidence", self.dice.randrange(10**10), "cli", f"invoice {request}"),
                       lambda _: {})

    def _asked(self, number: int) -> Any:
        dice = self.dice
        at_us = dice.randrange(FIRST * DAY_US, NOW_US - DAY_US)
        labels = {name: dice.choice(("ann", "bob", "c")) for name in ("team", "project", "user", "agent", "prompt_key", "session")
                  if dice.random() < 0.8}
        return admission(
            number, request_id=uuid7(at_us, number), at_us=at_us, sandbox=dice.random() < 0.1, model=dice.choice(("gpt-4o", "mini")),
            billable=dice.random() < 0.9,
            attribution=Attribution(dice.choice(("k1", "k2")), dice.choice(tuple(ZONES)), labels, (("feature", dice.choice("xyz")),), {"region": "eu"}))

    def _ended(self, asked: Any) -> Any:
        cost = self.dice.randrange(10**10)
        return replace(
            settlement(), request_id=asked.request_id, at_us=asked.at_us + 900_000, method="sandbox" if asked.sandbox else "stated",
            cost_nanos=0 if asked.sandbox else cost, stated_nanos=cost, would_be_nanos=cost if asked.sandbox else None, computed_nanos=None,
            lines=(), traits={}, usage=usage_of(input_text=self.dice.randrange(9_000), output_text=7), latency_us=self.dice.randrange(10**8))

    def prune(self, now_us: int = NOW_US, *, to_the_end: bool = True) -> None:
        """Until there is nothing more to do; `to_the_end`: what waits for readers too."""
        for turn in range(len(GONE) + 1 if to_the_end else 1):
            while pruning.step(self.sequencer, KEPT, now_us + turn * pruning.DROP_AFTER_US):
                pass

    def verified(self) -> Verification:
        return verify(self.database, KEY.public_key)

    def findings(self) -> list[tuple[str, str]]:
        return [(found.check, found.message) for found in self.verified().findings]

    def tables(self) -> set[str]:
        with self.database.read() as db:
            for catalogue in ("SELECT name FROM sqlite_master", "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"):
                if ("sqlite" in catalogue) == (type(self.database).__name__ == "SqliteDatabase"):
                    return {name for (name,) in db.execute(catalogue).fetchall()}
        raise AssertionError

    def export(self, slug: str) -> bytes:
        with self.database.read() as db:
            return b"".join(ledger_jsonl.render(*exported.chain(db, ORGANIZATIONS[slug], slug, KEY.public_key)))

    def change(self, statement: str, *values: object) -> None:
        with self.database.write() as db:
            assert db.execute(statement, values).rowcount > 0


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    made = Books(tmp_path, seed=1, calls=150)
    yield made
    made.database.close()


def answers(books: Books) -> dict[str, Any]:
    """Every answer that roll-ups give, of every organisation: each grouping, by day and over all."""
    said: dict[str, Any] = {}
    with books.database.read() as db:
        for slug, organization in ORGANIZATIONS.items():
            for kind in (ATTEMPTS, REFUSALS, SANDBOX):
                for group in ("", "team", "project", "user", "prompt_key", "served_model", "key", "agent", "provider"):
                    asked = Asked(FIRST, LAST, (kind,))
                    said[f"{slug} {kind} {group}"] = rollup_reads.sums(db, organization, asked, group)
                for step in ("", "day", "hour"):
                    for groups in [(), *((name,) for name in NAMES if name not in ("session", "method", "basis", "requested_model"))]:
                        if step == "hour" and groups and groups[0] not in ("team", "project", "key", "provider", "model"):
                            continue
                        try:
                            said[f"{slug} {kind} {step} {groups}"] = broken_down(db, organization, Question(FIRST, LAST, groups, step, kind=kind))
                        except RowsPruned:
                            said[f"{slug} {kind} {step} {groups}"] = "pruned"
    return said


@pytest.mark.parametrize("seed", range(3))
def test_what_months_came_to_stands_as_it_stood(tmp_path: Path, seed: int) -> None:
    books = Books(tmp_path, seed)
    before, exports = answers(books), {slug: books.export(slug) for slug in ZONES}
    assert "pruned" not in before.values()
    assert books.findings() == []
    books.prune()
    after = answers(books)
    assert {key: said for key, said in after.items() if said != "pruned"} == {key: before[key] for key, said in after.items() if said != "pruned"}
    assert all(key.split(" ", 3)[3] not in ("()", "('team',)", "('user',)", "('model',)") for key, said in after.items() if said == "pruned")
    found = books.verified()
    assert (found.exit_code, found.findings, found.pruned_months) == (0, (), GONE)
    assert 0 < found.pruned < found.entries
    assert not books.tables() & {f"{name}_{month}" for name in ("entry", "call_fact") for month in GONE}
    for slug, old in exports.items():
        was, now = verify_export.check(BytesIO(old)), verify_export.check(BytesIO(books.export(slug)))
        assert (was.size <= now.size, was.pruned) == (True, 0)
        assert now.pruned > 0
        note = [line for line in old.decode().splitlines() if '"note"' in line][-1]
        verify_export.check(BytesIO(books.export(slug)), kept=json.loads(note)["note"])
        assert now.cost_nanos + now.sealed_nanos == was.cost_nanos
    books.database.close()


def test_nothing_goes_that_something_still_needs(books: Books) -> None:
    """An open call, a running window that began within the month, a legal hold: each keeps the month, and those behind it."""
    with books.database.read() as db:
        assert [(one.month, one.why) for one in pruning.due(db, KEPT, NOW_US)] == [(month, ()) for month in GONE]
        assert pruning.due(db, KEPT + 6, NOW_US) == []
        assert [one.month for one in pruning.due(db, 0, NOW_US)] == list(GONE), "the running month and two before it stay whatever is asked for"
    with books.sequencer.append(NOW_US) as pen:
        book_admission(pen, admission(900, request_id=uuid7(FIRST * DAY_US, 900), at_us=FIRST * DAY_US + 5))
    books.budget("year@6-15", Scope("team", "ann"), NOW_US)
    pruning.hold(books.sequencer, 1, "case 7", NOW_US, "cli")
    with books.database.read() as db:
        first = pruning.due(db, KEPT, NOW_US)[0]
    assert first.why == ("default is under a legal hold: case 7", "1 of its calls are not settled yet",
                         "budget 4 counts in a window (year@6-15) that began within it")
    assert books.findings() == []
    books.prune()
    assert books.verified().pruned == 0
    assert pruning.release(books.sequencer, 1, NOW_US, "cli")
    assert not pruning.release(books.sequencer, 1, NOW_US, "cli")
    books.prune()
    assert (books.verified().pruned, books.findings()) == (0, [])


def test_a_hold_gives_back_what_was_on_its_way(books: Books) -> None:
    """Closed but not sealed yet: after the hold calls of the month can be corrected again, and the month goes later."""
    request, slug, at_us = min((call for call in books.calls if call[1] == "default"), key=lambda call: call[2])
    while (at := under_way(books)) is None or at.stage < pruning.SEALING or at.organization < 2:
        assert pruning.step(books.sequencer, KEPT, NOW_US)
    assert at_us < (FIRST + 30) * DAY_US
    with pytest.raises(Refused, match="2026-06 is being pruned"):
        correct(books, request, slug)
    assert books.findings() == []
    pruning.hold(books.sequencer, 3, "case 7", NOW_US, "cli")
    assert (under_way(books), books.findings()) == (None, [])
    correct(books, request, slug)
    pruning.release(books.sequencer, 3, NOW_US, "cli")
    books.prune()
    assert (books.verified().pruned_months, books.findings()) == (GONE, [])


def under_way(books: Books) -> pruning.Under | None:
    with books.database.read() as db:
        return pruning.under_way(db)


def correct(books: Books, request: str, slug: str) -> None:
    with books.sequencer.append(NOW_US) as pen:
        adjust(pen, ORGANIZATIONS[slug], Correction(request, 1, "evidence", 77, "cli", "invoice 99"), lambda _: {})


def test_what_needs_rows_says_that_they_are_gone(books: Books) -> None:
    request, slug, at_us = min(books.calls, key=lambda call: call[2])
    books.prune()
    with books.database.read() as db:
        organization = ORGANIZATIONS[slug]
        assert str(rows_from(db, organization)) == "2026-09-01"
        assert [one.month for one in pruned_months(db, organization)] == list(GONE)
        with pytest.raises(RowsPruned, match="before 2026-09-01 were dropped"):
            facts.sums(db, organization, Asked(FIRST, LAST, filters={"session": "ann"}))
        with pytest.raises(RowsPruned):
            broken_down(db, organization, Question(FIRST, LAST, ("user", "team")))
        assert broken_down(db, organization, Question(day("2026-09-01"), LAST, ("user", "team")))
        with pytest.raises(RowsPruned):
            list(exported.calls(db, organization, slug, Asked(FIRST)))
        rows = list(exported.calls(db, organization, slug, Asked()))
        assert rows and min(row.at_us for row in rows) >= at_us
        listed = list(facts.listed(db, organization, Asked(FIRST, LAST), newest_first=False, behind=None, limit=1_000))
        assert {facts.month_of(row["day"]) for row in listed} == {202609, 202610, 202611}
    with pytest.raises(Refused, match="2026-06 were pruned"):
        correct(books, request, slug)
    with pytest.raises(MonthClosed), books.sequencer.append(NOW_US) as pen:
        book_attempt(pen, admission(901, at_us=at_us), replace(settlement(901), at_us=at_us + 1), lambda _: {})
    assert books.findings() == []


def test_budgets_go_on_over_months_that_are_gone(books: Books) -> None:
    """One that counted before, and new ones whose windows have the pruned months in them as a whole, are what the ledger says;
    a window that has a part of one is refused, for nobody knows what it cost so far."""
    with books.database.read() as db:
        before = db.execute("SELECT sum(settled) FROM budget_node WHERE budget = 2").fetchone()[0]
    books.prune()
    books.budget("total", Scope("team", "*"), NOW_US)
    books.budget("year", Scope("org", ""), NOW_US)
    with books.database.read() as db:
        found = dict(db.execute("SELECT budget, sum(settled) FROM budget_node GROUP BY budget").fetchall())
    assert (found[2], found[5]) == (before, before)
    assert found[4] <= before
    with pytest.raises(Refused, match="What this window has cost so far is not known"):
        books.budget("year@7-16", Scope("org", ""), NOW_US)
    assert books.findings() == []
    books.change("UPDATE budget_node SET settled = settled + 1 WHERE budget = 5")
    assert books.verified().findings[0].check == "budgets"


TAMPERED: Final = {
    "a leaf hash": ("UPDATE leaf_run SET leaves = ? WHERE organization = 1 AND month = 202607 AND first_seq ="
                    " (SELECT min(first_seq) FROM leaf_run WHERE organization = 1 AND month = 202607)", "2026-07"),
    "a sum by day": ("UPDATE rollup_day SET cost_nanos = cost_nanos + 1 WHERE organization = 1 AND dimension = 1 AND day ="
                     " (SELECT min(day) FROM rollup_day WHERE organization = 1 AND dimension = 1)", "2026-06 by team"),
    "a sum by hour": ("UPDATE rollup_hour SET requests = requests + 1 WHERE organization = 1 AND day ="
                      " (SELECT min(day) FROM rollup_hour WHERE organization = 1)", "2026-06"),
    "what counts on budgets": ("UPDATE month_spend SET nanos = nanos + 1 WHERE organization = 1 AND month = 202608", "2026-08"),
    "where it is sealed": ("UPDATE month_seal SET first_us = first_us - 1 WHERE organization = 1 AND month = 202608", "2026-08"),
    "the hold": ("INSERT INTO legal_hold (organization, reason, made_us, made_by) VALUES (1, 'x', 1, 'cli')", "legal hold"),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_whoever_changes_what_stays_is_found(books: Books, what: str) -> None:
    books.prune()
    statement, named = TAMPERED[what]
    if "?" in statement:
        with books.database.read() as db:
            (leaves,) = db.execute("SELECT leaves FROM leaf_run WHERE organization = 1 AND month = 202607 ORDER BY first_seq").fetchone()
        books.change(statement, bytes([leaves[0] ^ 1]) + bytes(leaves[1:]))
    else:
        books.change(statement)
    found = books.verified()
    assert found.exit_code == 1
    assert any(named in one.message and one.check == "retention" for one in found.findings)


def test_a_month_that_no_entry_seals_is_missing(books: Books) -> None:
    """Whoever takes a month away and says that it was pruned has no entry for it; and without its hashes it is missing."""
    books.prune()
    with books.database.read() as db:
        (seq,) = db.execute("SELECT min(first_seq) FROM leaf_run WHERE organization = 1 AND month = 202607").fetchone()
    books.change("DELETE FROM leaf_run WHERE organization = 1 AND month = 202607")
    assert ("sequence", f"entry {seq} is missing") in books.findings()


def test_a_row_that_was_changed_is_not_sealed(books: Books) -> None:
    """Else nobody could tell afterwards. Nothing is frozen meanwhile, and once it is mended the month goes."""
    falsify(books)
    books.prune()
    at = under_way(books)
    assert at is not None and (at.month, at.fault.partition(" entry")[0]) == (202607, "the row of")
    assert books.verified().pruned_months == (202606,)
    books.prune(NOW_US + 1)
    assert books.verified().pruned_months == (202606,)
    mend(books)
    books.prune(NOW_US + pruning.TRY_AGAIN_US)
    assert (books.verified().pruned_months, books.findings()) == (GONE, [])


def falsify(books: Books) -> None:
    """Change July's rows, and the sums with them: whoever does that does not forget those."""
    books.change("UPDATE call_fact_202607 SET input_tokens = input_tokens + 1 WHERE organization = 1 AND kind = 1")
    with books.database.write() as db:
        for table in ("rollup_hour", "rollup_day"):
            db.execute(f"DELETE FROM {table} WHERE organization = 1")
    rebuild(books.database)


def mend(books: Books) -> None:
    books.change("UPDATE call_fact_202607 SET input_tokens = input_tokens - 1 WHERE organization = 1 AND kind = 1")
    rebuild(books.database)


def told(books: Books, at_us: int) -> list[tuple[str, bool]]:
    """What alerts say of months after a look, and whether it is over."""
    sweep(books.database, at_us, {})
    with books.database.read() as db:
        rows = [row for row in list_alerts(db, 1) if row.kind == "retention_stopped"]
    return [(row.title, row.resolved_us is not None) for row in rows[::-1]]


def test_a_month_that_cannot_be_pruned_is_told_once_until_it_goes_on(books: Books) -> None:
    """Also while it is tried again each day, and no step of that is taken for its end."""
    stopped = "Pruning of 2026-07 has stopped"
    falsify(books)
    books.prune()
    assert told(books, NOW_US) == [(stopped, False)]
    assert told(books, NOW_US + 1) == [(stopped, False)]
    next_day_us = NOW_US + pruning.TRY_AGAIN_US
    while pruning.step(books.sequencer, KEPT, next_day_us):
        assert told(books, next_day_us) == [(stopped, False)]
    mend(books)
    mended_us = next_day_us + pruning.TRY_AGAIN_US
    while (at := under_way(books)) is None or at.fault or at.stage <= pruning.COPYING:
        assert told(books, mended_us) == [(stopped, False)]
        assert pruning.step(books.sequencer, KEPT, mended_us)
    assert told(books, mended_us) == [(stopped, True)]
    books.prune(mended_us)
    assert told(books, mended_us) == [(stopped, True)]


def test_whoever_holds_everything_hears_no_more_of_a_month_that_had_stopped(books: Books) -> None:
    """Held, it is not tried; released, it is tried at once, and told again if it stops."""
    falsify(books)
    books.prune()
    assert [over for _, over in told(books, NOW_US)] == [False]
    pruning.hold(books.sequencer, 1, "case 7", NOW_US, "cli")
    assert [over for _, over in told(books, NOW_US)] == [True]
    pruning.release(books.sequencer, 1, NOW_US, "cli")
    books.prune(NOW_US + 1)
    assert [over for _, over in told(books, NOW_US + 1)] == [True, False]


class Killed(BaseException):
    pass


def test_killed_between_any_two_steps_it_is_finished_by_the_next(tmp_path: Path) -> None:
    """After each step the process is gone, and another one takes up what it finds; so is one that dies in the middle of a step,
    whose transaction never was."""
    books = Books(tmp_path, seed=9, calls=60)
    before, dice = answers(books), random.Random(3)
    for turn in range(len(GONE) + 1):
        more = True
        while more:
            now_us = NOW_US + turn * pruning.DROP_AFTER_US
            if dice.random() < 0.3:
                with suppress(Killed, Defect), books.sequencer.together(now_us) as within:
                    pruning.step(within, KEPT, now_us)
                    raise Killed
            books.sequencer = Sequencer(books.database, KEY)
            more = pruning.step(books.sequencer, KEPT, now_us)
            if dice.random() < 0.1:
                assert books.findings() == []
    found, after = books.verified(), answers(books)
    assert (found.exit_code, found.pruned_months) == (0, GONE)
    assert {key: said for key, said in after.items() if said != "pruned"} == {key: before[key] for key, said in after.items() if said != "pruned"}


def test_the_walk_beside_the_calls_goes_over_pruned_months(books: Books) -> None:
    books.prune()
    for minute in range(6):
        look(books.database, KEY.public_key, NOW_US + minute * 60_000_000)
    with books.database.read() as db:
        assert db.execute("SELECT count(*) FROM alert").fetchone()[0] == 0
        assert db.execute("SELECT min(looked_us) FROM alert_ledger").fetchone()[0] > 0


def test_who_follows_from_the_beginning_is_told_what_is_gone(books: Books) -> None:
    """Every entry of calls is shown or counted, once."""
    def followed() -> tuple[int, list[int]]:
        after, gone, shown = -1, 0, []
        with books.database.read() as db:
            last = tail.newest(db, 1)
            while after < last:
                found, now = tail.learned(db, 1, after, EVERYTHING, 7)
                gone += tail.pruned_between(db, 1, after, now)
                shown += [int(entry.row["at_us"]) for entry in found]
                after = now
        return gone, shown

    gone, before = followed()
    assert gone == 0
    entries = sum(one[0] == 1 for one in of_months(books))
    books.prune()
    gone, after = followed()
    assert gone == entries > 0
    assert after == [at_us for at_us in before if at_us // DAY_US >= day("2026-09-01")]


def of_months(books: Books) -> list[tuple[int, int]]:
    """The entries of the months that go: whose they are, and their numbers."""
    with books.database.read() as db:
        return [(int(organization), int(seq)) for month in GONE
                for organization, seq in db.execute(f"SELECT organization, seq FROM entry_{month}").fetchall()]


def test_a_rebuild_of_roll_ups_leaves_pruned_months_alone(books: Books) -> None:
    before = answers(books)
    books.prune()
    assert rebuild(books.database) > 0
    after = answers(books)
    assert {key: said for key, said in after.items() if said != "pruned"} == {key: before[key] for key, said in after.items() if said != "pruned"}
    assert books.findings() == []


def test_proofs_of_what_stands_go_over_pruned_months(books: Books) -> None:
    """The path from an entry to a signed root passes by hashes of entries that are gone."""
    books.prune()
    with books.sequencer.append(NOW_US + DAY_US, sign_all=True) as pen:
        pen.chain(1).append({"kind": "KEY", "at": NOW_US, "event": "revoked", "actor": "cli", "key": 1})
    with books.database.read() as db:
        size, leaf = ledger_reading.length_of(db, 1)
        note = ledger_reading.signed_over(db, 1, size - 1)
        assert note is not None and note[0] == size
        path = proofs.inclusion(db, 1, size - 1, size, proofs.Blocks())
        root = open_checkpoint(note[2], KEY.public_key, lambda *_: True).root
        assert merkle.is_included(leaf, size - 1, size, path, root)
        (gone,) = db.execute("SELECT min(first_seq) FROM leaf_run WHERE organization = 1").fetchone()
        entry = ledger_reading.entry_at(db, 1, int(gone))
        assert entry is not None and entry.packed is None            # its hash stands, its bytes are gone
        assert ledger_reading.leaf_before(db, 1, int(gone) + 1) is not None


@files_only
def test_it_moves_with_its_pruned_months(books: Books, tmp_path: Path) -> None:
    """Also while tables wait to be dropped, which do not go along."""
    books.prune(to_the_end=False)
    with books.database.read() as db:
        tables = moving._tables(db)
    assert "entry_202606" in books.tables() and "entry_202606" not in tables and "leaf_run" in tables
