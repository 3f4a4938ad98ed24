"""Roll-ups are the rows added up, and the rows are the ledger: whatever happens to calls, in whatever zone and
in however many transactions, all three come to the same to the nano, and a cell that somebody changes is found."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product
from operator import add, sub
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tallystick.core.attempt import Admission, Settlement
from tallystick.core.identity import Attribution
from tallystick.core.usage import usage_of
from tallystick.stores.sql import facts, rollup_reads
from tallystick.stores.sql.adjusting import Correction, adjust
from tallystick.stores.sql.booking import book_admission, book_attempt, book_later_settlement, book_refusal
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.engine import SYSTEM, ensure_organization
from tallystick.stores.sql.entries import exact_entries
from tallystick.stores.sql.facts import ATTEMPTS, REFUSALS, SANDBOX, Asked, Group, Sums
from tallystick.stores.sql.journal import Appending, Sequencer
from tallystick.stores.sql.rollup_days import rebuild
from tallystick.stores.sql.rollups import CUBE_KEY, DAY_KEY, DIMENSIONS, HOUR_KEY, LATENCIES, LATENCY_BOUNDS_US, MEASURES, packed, unpacked
from tallystick.stores.sql.sight import Sight
from tallystick.stores.sql.verify import verify
from tests.build.databases import both_engines, files_only, open_database
from tests.build.journal import KEY, admission, key_refusal, refusal, settlement

pytestmark = both_engines

HOUR_US = 3_600_000_000
CLOCKS_GO_BACK_US = 1_792_886_400_000_000    # 2026-10-25 00:00 UTC: at 01:00 summer time ends in Europe; New York follows a week later
ZONES = {"utc": "UTC", "berlin": "Europe/Berlin", "delhi": "Asia/Kolkata", "island": "Australia/Lord_Howe", "coast": "America/New_York"}
MODELS = {"gpt-4o": ("gpt-4o-2024-08-06", None), "mini": ("mini-2", "mini-1"), "claude": (None, "claude")}


class Books:
    """A ledger of five organisations in five zones, without spool and server."""

    def __init__(self, folder: Path) -> None:
        self.database = open_database(folder, 1)
        self.sequencer = Sequencer(self.database, KEY)
        self.now_us = CLOCKS_GO_BACK_US + 20 * 24 * HOUR_US
        with self.database.write() as db:
            self.organizations = {slug: ensure_organization(db, slug, slug, 1, zone) for slug, zone in ZONES.items()}

    def ann_joins_team_a(self) -> None:
        """In every organisation; with no entry about it, which is another test's affair."""
        with self.database.write() as db:
            db.execute("INSERT INTO account (id, email, name, password_hash, created_us) VALUES ('ann', 'ann@example.com', '', '', 1)")
            for number in self.organizations.values():
                db.execute("INSERT INTO membership (account, organization, role, joined_us) VALUES ('ann', ?, 'manager', 1)", (number,))
                db.execute("INSERT INTO membership_team (account, organization, team) VALUES ('ann', ?, 'a')", (number,))

    def tables(self) -> dict[str, list[tuple[int, ...]]]:
        with self.database.read() as db:
            return {table: sorted(db.execute(f"SELECT {', '.join((*key, *MEASURES))} FROM {table}").fetchall())
                    for table, key in (("rollup_hour", HOUR_KEY), ("rollup_cube", CUBE_KEY), ("rollup_day", DAY_KEY))}

    def findings(self) -> list[tuple[str, str]]:
        return [(found.check, found.message) for found in verify(self.database, KEY.public_key).findings]

    def ledger_nanos(self, db: Connection, organization: int) -> int:
        """What the entries themselves add up to."""
        entries = [json.loads(line) for line in exact_entries(db, organization)]
        return (sum(int(entry["cost_nanos"]) for entry in entries if entry["kind"] in ("ATTEMPT", "SETTLE"))
                + sum(int(entry["delta_nanos"]) for entry in entries if entry["kind"] == "ADJUST"))


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    made = Books(tmp_path)
    yield made
    made.database.close()


label = st.sampled_from((None, "a", "b"))
asked_of_a_call = st.fixed_dictionaries({
    "organization": st.sampled_from(tuple(ZONES)),
    "after_us": st.integers(-40, 8 * 24 * 12).map(lambda step: step * HOUR_US // 12 + 7),        # on every fifth minute of eight days
    "labels": st.fixed_dictionaries(dict.fromkeys(
        ("team", "project", "user", "agent", "cost_center", "environment", "prompt_key", "prompt_version", "session"), label)),
    "tags": st.sampled_from(((), (("feature", "answers"),))),
    "key": st.sampled_from(("k1", "k2")),
    "model": st.sampled_from(tuple(MODELS)), "served": st.integers(0, 1), "provider": st.sampled_from(("openai", "anthropic")),
    "attempt": st.sampled_from((1, 1, 1, 2)), "sandbox": st.sampled_from((False, False, False, True)),
    "cost_nanos": st.integers(0, 10**13), "tokens": st.integers(0, 10**6), "latency_us": st.integers(0, 400_000_000),
    "outcome": st.sampled_from(("completed", "failed", "cut", "client_gone", "unreached", "recovered")),
    "status": st.sampled_from((0, 200, 404, 429, 503)),
})
happening = st.one_of(
    st.tuples(st.sampled_from(("settled", "open", "late", "job")), asked_of_a_call),
    st.tuples(st.just("refused"), asked_of_a_call), st.tuples(st.just("keyless"), asked_of_a_call),
    st.tuples(st.just("adjusted"), st.tuples(st.integers(0, 40), st.integers(0, 10**12))),
)


def asking(number: int, said: Mapping[str, Any]) -> Admission:
    labels = {name: value for name, value in said["labels"].items() if value is not None}
    return admission(
        number, at_us=CLOCKS_GO_BACK_US + said["after_us"], attempt=said["attempt"], sandbox=said["sandbox"], model=said["model"],
        provider=said["provider"], attribution=Attribution(said["key"], said["organization"], labels, said["tags"], {"region": "eu"}))


def ending(asked: Admission, said: Mapping[str, Any]) -> Settlement:
    """Its end at a cost that the provider stated, which nothing else has to explain."""
    cost, sandbox = said["cost_nanos"], said["sandbox"]
    return replace(
        settlement(), request_id=asked.request_id, attempt=asked.attempt, at_us=asked.at_us + 5, outcome=said["outcome"],
        method="sandbox" if sandbox else "stated", cost_nanos=0 if sandbox else cost, stated_nanos=cost, would_be_nanos=cost if sandbox else None,
        computed_nanos=None, lines=(), traits={}, model=MODELS[said["model"]][said["served"]], latency_us=said["latency_us"],
        usage=usage_of(input_text=said["tokens"], cached_text=said["tokens"] // 3, output_text=7), status=said["status"],
        code="upstream_timeout" if said["outcome"] == "cut" else None)


def happen(books: Books, history: list[tuple[str, Any]], at_once: int) -> None:
    """Book a history, so many happenings in a transaction. Late settlements come in the transaction after the next."""
    waiting: list[Settlement] = []
    adjustable: list[tuple[int, str, int]] = []
    numbered = list(enumerate(history, start=1))
    for first in range(0, len(numbered), at_once):
        with books.sequencer.append(books.now_us) as pen:
            later = [*waiting]
            waiting.clear()
            for number, (what, said) in numbered[first:first + at_once]:
                waiting += _happens(pen, books, number, what, said, adjustable)
            for settled in later:
                book_later_settlement(pen, settled, lambda _: {})
    with books.sequencer.append(books.now_us) as pen:
        for settled in waiting:
            book_later_settlement(pen, settled, lambda _: {})


def _happens(pen: Appending, books: Books, number: int, what: str, said: Any, adjustable: list[tuple[int, str, int]]) -> list[Settlement]:
    if what == "adjusted":
        place, cost = said
        if place < len(adjustable):
            pen.flush()
            organization, request, attempt = adjustable[place]
            adjust(pen, organization, Correction(request, attempt, "evidence", cost, "cli", f"invoice {number}"), lambda _: {})
        return []
    asked = asking(number, said)
    if what == "keyless":
        book_refusal(pen, refusal(number, at_us=asked.at_us))
    elif what == "refused":
        book_refusal(pen, key_refusal(number, at_us=asked.at_us, organization=said["organization"], attribution=asked.attribution))
    elif what == "settled":
        book_attempt(pen, asked, ending(asked, said), lambda _: {})
        if not said["sandbox"]:
            adjustable.append((books.organizations[said["organization"]], asked.request_id, asked.attempt))
    elif what == "job":
        opened = replace(ending(asked, said), outcome="deferred", basis="deferred", cost_nanos=0, would_be_nanos=None, usage=None, lines=())
        book_attempt(pen, asked, opened, lambda _: {})
        return [ending(asked, said)]
    else:
        book_admission(pen, asked)
        return [ending(asked, said)] if what == "late" else []
    return []


def questions() -> Iterator[tuple[Asked, Group]]:
    """What the API may ask, and more."""
    day = CLOCKS_GO_BACK_US // facts.DAY_US
    days = [(None, None), (day, day), (day - 1, day + 3), (day + 1, None)]
    kinds = [(ATTEMPTS,), (REFUSALS,), (SANDBOX, ATTEMPTS, REFUSALS)]
    filters: list[dict[str, str]] = [
        {}, {"team": "a"}, {"team": ""}, {"key": "k1", "provider": "openai"}, {"served_model": "mini-2"}, {"requested_model": "mini"},
        {"user": "a"}, {"prompt_key": "a"}, {"prompt_key": "", "prompt_version": "b"}, {"session": "a"}, {"team": "b", "user": "b"},
        {"outcome": "failed"}, {"code": "upstream_timeout"}, {"provider": "nobody"}, {"method": "stated"}]
    for (first, last), kind, wanted, group in product(days, kinds, filters, get_args(Group)):
        yield Asked(first, last, kind, wanted), group
    for cut, group in product((7, HOUR_US, 5 * HOUR_US + 1), get_args(Group)):
        yield Asked(day - 1, day, before_us=CLOCKS_GO_BACK_US + cut), group
    for reach, wanted, group in product(("own_teams", "own"), filters[:8], get_args(Group)):
        yield Asked(filters=wanted, sight=Sight(reach, "ann")), group


@files_only
@settings(max_examples=12, deadline=None)
@given(history=st.lists(happening, min_size=1, max_size=40), at_once=st.integers(1, 12))
def test_roll_ups_are_the_rows_and_the_rows_are_the_ledger(history: list[tuple[str, Any]], at_once: int) -> None:
    all_three_agree(history, at_once)


@settings(max_examples=2, deadline=None, suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large))
@given(history=st.lists(happening, min_size=30, max_size=40))
def test_they_are_on_either_engine(history: list[tuple[str, Any]]) -> None:
    all_three_agree(history, at_once=7)


def all_three_agree(history: list[tuple[str, Any]], at_once: int) -> None:
    """A history that is booked: roll-ups answer every question as the rows do, and all comes to the entries' sum."""
    with TemporaryDirectory() as folder:
        books = Books(Path(folder))
        happen(books, history, at_once)
        assert books.findings() == []
        books.ann_joins_team_a()
        with books.database.read() as db:
            for organization in (SYSTEM, *books.organizations.values()):
                assert rollup_reads.total(db, organization, Asked()).cost_nanos == books.ledger_nanos(db, organization)
                for asked, group in questions():
                    assert rollup_reads.sums(db, organization, asked, group) == facts.sums(db, organization, asked, group), (asked, group)
        before = books.tables()
        rebuild(books.database)
        assert books.tables() == before
        books.database.close()


measures = st.lists(st.integers(-2**61, 2**61), min_size=len(MEASURES), max_size=len(MEASURES)).map(tuple)


@files_only
@given(measures, st.lists(st.integers(0, 2**61), min_size=len(MEASURES), max_size=len(MEASURES)).map(tuple))
def test_adding_packed_cells_adds_each_measure(one: tuple[int, ...], other: tuple[int, ...]) -> None:
    assert unpacked(packed(one)) == one
    assert unpacked(packed(one) + packed(other)) == tuple(map(add, one, other))
    assert unpacked(packed(one) - packed(other)) == tuple(map(sub, one, other))


def booked(books: Books, number: int = 1, **said: Any) -> Admission:
    usual = {"organization": "delhi", "after_us": 0, "labels": {"team": "a"}, "tags": (), "key": "k1", "model": "gpt-4o", "served": 0,
             "provider": "openai", "attempt": 1, "sandbox": False, "cost_nanos": 1_000_000_007, "tokens": 900, "latency_us": 300_000,
             "outcome": "completed", "status": 200, **said}
    asked = asking(number, usual)
    with books.sequencer.append(books.now_us) as pen:
        book_attempt(pen, asked, ending(asked, usual), lambda _: {})
    return asked


def cells(books: Books, table: str, *columns: str, where: str = "1 = 1") -> list[tuple[int, ...]]:
    with books.database.read() as db:
        return db.execute(f"SELECT {', '.join(columns)} FROM {table} WHERE {where} ORDER BY day").fetchall()


def test_an_hour_in_which_a_half_hour_zones_day_ends_stands_in_both_days(books: Books) -> None:
    midnight_us = int(18.5 * HOUR_US)        # in Delhi
    booked(books, 1, after_us=midnight_us - 1, cost_nanos=3)
    booked(books, 2, after_us=midnight_us, cost_nanos=5)
    day, hour = CLOCKS_GO_BACK_US // facts.DAY_US, CLOCKS_GO_BACK_US // HOUR_US + 18
    assert cells(books, "rollup_hour", "day", "hour", "cost_nanos") == [(day, hour, 3), (day + 1, hour, 5)]
    assert cells(books, "rollup_day", "day", "attempts", "cost_nanos", where="dimension = 0") == [(day, 1, 3), (day + 1, 1, 5)]


def test_many_calls_of_one_kind_are_one_cell(books: Books) -> None:
    for number in range(1, 20):
        booked(books, number, after_us=number)
    assert cells(books, "rollup_hour", "attempts", "requests", "cost_dollars", "cost_nanos") == [(19, 19, 19, 19 * 7)]
    assert len(cells(books, "rollup_day", "value")) == len(DIMENSIONS)


def test_latencies_fall_into_buckets_that_add_up(books: Books) -> None:
    for number, latency_us in enumerate((0, 1, 25_000, 25_001, 300_000, 204_800_000, 204_800_001, 10**12), start=1):
        booked(books, number, latency_us=latency_us)
    (buckets,) = cells(books, "rollup_hour", *LATENCIES)
    assert buckets == (2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2)      # the call that was not timed stands in none
    assert rollup_reads.quantile_us(buckets, 0.5) == 300_000
    assert rollup_reads.quantile_us(buckets, 0.1) == round(25_000 * 0.35)
    assert rollup_reads.quantile_us(buckets, 0.99) == LATENCY_BOUNDS_US[-1]
    assert rollup_reads.quantile_us((0,) * len(LATENCIES), 0.5) is None


def test_what_is_rolled_back_is_not_rolled_up(books: Books) -> None:
    booked(books, 1, cost_nanos=11)
    before = books.tables()
    asked = admission(2, attribution=Attribution("k1", "delhi", {}))
    with books.sequencer.append(books.now_us) as pen:
        pen.flush()
        mark = pen.mark()
        pen.db.execute("SAVEPOINT item")
        book_admission(pen, asked)
        book_later_settlement(pen, settlement(2), lambda _: {})
        pen.db.execute("ROLLBACK TO item")
        pen.rewind(mark)
        pen.db.execute("RELEASE item")
    assert books.tables() == before


@pytest.mark.parametrize("change", [
    "UPDATE rollup_hour SET cost_nanos = cost_nanos - 1", "UPDATE rollup_hour SET hour = hour + 1", "DELETE FROM rollup_hour",
    "UPDATE rollup_cube SET errors = errors + 1", "DELETE FROM rollup_cube",
    "UPDATE rollup_day SET requests = 7 WHERE dimension = 1", "DELETE FROM rollup_day WHERE dimension = 9",
    "UPDATE rollup_day SET day = day + 400", "UPDATE rollup_hour SET latency_4 = 0, latency_5 = 1"])
def test_a_cell_that_was_changed_is_found_and_mended(books: Books, change: str) -> None:
    booked(books)
    with books.database.write() as db:
        db.execute(change)
    assert {check for check, _ in books.findings()} == {"roll-ups"}
    rebuild(books.database)
    assert books.findings() == []


def test_cells_of_an_organization_that_is_not_there_are_found(books: Books) -> None:
    booked(books)
    with books.database.write() as db:
        db.execute("UPDATE rollup_day SET organization = 77 WHERE dimension = 2")
    assert ("chain", "there are entries of an organisation that has no chain, or no name") in books.findings()


def test_roll_ups_outlive_the_rows_they_were_made_of(books: Books) -> None:
    booked(books, cost_nanos=12)
    with books.database.write() as db:       # a month that was dropped whole
        db.execute("DELETE FROM call_fact_202610")
        db.execute("UPDATE journal_month SET pruned_us = 1")
        organization = books.organizations["delhi"]
        assert rollup_reads.sums(db, organization, Asked(), "team") == {"a": Sums(1, 12, 0, 1, 300_000)}
    rebuild(books.database)
    assert cells(books, "rollup_hour", "cost_nanos") == [(12,)]
