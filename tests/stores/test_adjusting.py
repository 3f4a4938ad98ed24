"""Corrections in the ledger: posted and never edited in, once however often they are asked for, counted wherever
money is added up, and found by `verify` when somebody tampers with them."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.core.attempt import Adjustment
from tallystick.core.errors import StoreFault
from tallystick.core.ledger import postings
from tallystick.core.pricebook import PriceBook
from tallystick.core.repricing import Repriced, reprice
from tallystick.core.settlement import Served, settle
from tallystick.core.usage import Reading, usage_of
from tallystick.stores.sql.adjusting import Correction, Posted, adjust, adjust_all
from tallystick.stores.sql.booking import book_admission, book_attempt, book_later_settlement
from tallystick.stores.sql.calls import Calls
from tallystick.stores.sql.directory import Refused
from tallystick.stores.sql.engine import DEFAULT, Database
from tallystick.stores.sql.entries import exact_entries
from tallystick.stores.sql.facts import Asked, total
from tallystick.stores.sql.journal import Sequencer
from tallystick.stores.sql.past_attempts import past_attempts
from tallystick.stores.sql.verify import verify
from tests.build.databases import both_engines, files_only, open_database
from tests.build.journal import KEY, NOON_US, admission, request_id, rewrite_chain, settlement
from tests.build.prices import Terms, book_of

pytestmark = both_engines

DAY_US = 86_400_000_000
MODELS = ("gpt-4o", "mini", "nobody-knows")
EVERYTHING = Asked()


class Books:
    """A ledger without spool and server; its clock is the day after the calls."""

    def __init__(self, folder: Path) -> None:
        self.database: Database = open_database(folder, 1)
        self.sequencer = Sequencer(self.database, KEY)
        self.calls = Calls(self.database)
        self.now_us = NOON_US + DAY_US

    def book(self, number: int, cost: PriceBook, reading: Reading | None, *, late: bool = False, status: int = 200, **asked: Any) -> None:
        """A call as a server books it: settled by this book, in one entry or in two."""
        asking = admission(number, model=reading.model if reading else "gpt-4o", **asked)
        ending = settle(asking, Served(status=status, reading=reading), cost, Terms(), asking.at_us + 9)
        with self.sequencer.append(self.now_us) as pen:
            if late:
                book_admission(pen, asking)
                book_later_settlement(pen, ending, lambda _: {})
            else:
                book_attempt(pen, asking, ending, lambda _: {})

    def reprice(self, by: PriceBook, batch: int = 3) -> Posted:
        """What `tallystick prices reprice --yes` does."""
        def corrections() -> Iterator[Correction]:
            for past in past_attempts(db, self.calls, DEFAULT, EVERYTHING, page=4):
                outcome = reprice(past, by, Terms())
                if isinstance(outcome, Repriced):
                    yield Correction(past.admission.request_id, past.admission.attempt, "reprice", outcome.cost_nanos, "cli", "",
                                     outcome.lines, by.version)

        with self.database.read() as db:
            return adjust_all(self.sequencer, DEFAULT, corrections(), lambda _: {}, lambda: self.now_us, batch)

    def correct(self, number: int, cost_nanos: int, evidence: str = "invoice 17", attempt: int = 1) -> Adjustment | None:
        with self.sequencer.append(self.now_us) as pen:
            return adjust(pen, DEFAULT, Correction(request_id(number), attempt, "evidence", cost_nanos, "acc_1", evidence), lambda _: {})

    def net(self) -> int:
        with self.database.read() as db:
            return total(db, DEFAULT, EVERYTHING).cost_nanos

    def entries(self) -> list[dict[str, Any]]:
        with self.database.read() as db:
            return [json.loads(line) for line in exact_entries(db, DEFAULT)]

    def findings(self) -> list[tuple[str, int | None]]:
        return [(found.check, found.seq) for found in verify(self.database, KEY.public_key).findings]


def priced(version: str, prices: Mapping[str, str]) -> PriceBook:
    """Prices a million tokens, by model; input costs it once, output thrice."""
    return book_of(version, openai={model: {"input_text": price, "output_text": str(3 * Decimal(price))} for model, price in prices.items()})


OLD, NEW = priced("old", {"gpt-4o": "2.5", "mini": "0.15"}), priced("new", {"gpt-4o": "2", "mini": "0.17"})


def reading(model: str = "gpt-4o", into: int = 1_000_000, out: int = 0) -> Reading:
    return Reading(usage=usage_of(input_text=into, output_text=out), model=model)


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    """Calls booked in one entry and in two, unpriced, at worst case, in the sandbox and still open."""
    made = Books(tmp_path)
    made.book(1, OLD, reading())
    made.book(2, OLD, reading(into=123_457), late=True)
    made.book(3, OLD, reading("nobody-knows"))
    made.book(4, OLD, None, status=504)
    made.book(5, OLD, reading("mini", out=7), sandbox=True)
    with made.sequencer.append(made.now_us) as pen:
        book_admission(pen, admission(6))
    yield made
    made.database.close()


calls = st.lists(st.tuples(st.sampled_from(MODELS), st.integers(0, 3_000_000), st.integers(0, 3_000_000), st.booleans()), min_size=1, max_size=12)
price_lists = st.lists(st.fixed_dictionaries({}, optional={
    model: st.decimals("0.001", "90", places=3).map(str) for model in MODELS}), min_size=1, max_size=3)


@files_only
@settings(max_examples=25, deadline=None)
@given(calls, price_lists, st.integers(0, 2**32))
def test_the_ledger_comes_to_what_every_call_costs_under_the_last_book(
    made: list[tuple[str, int, int, bool]], lists: list[dict[str, str]], seed: int,
) -> None:
    """Whatever the books and however often they change: sum of entries = sum of rows = sum of what calls cost;
    a second run posts nothing; a price never touches what evidence corrected."""
    chance = random.Random(seed)
    with TemporaryDirectory() as folder:
        books = Books(Path(folder))
        proper: dict[int, int] = {}
        for number, (model, into, out, late) in enumerate(made, start=1):
            books.book(number, OLD, reading(model, into, out), late=late)
            proper[number] = OLD.price("openai", model, usage_of(input_text=into, output_text=out), NOON_US, {}).nanos
        with_evidence: set[int] = set()
        for number, prices in enumerate(lists):
            by = priced(f"book {number}", prices)
            books.reprice(by, batch=chance.randrange(1, 5))
            assert books.reprice(by) == Posted(0, 0)
            for call, (model, into, out, _) in enumerate(made, start=1):
                charge = by.price("openai", model, usage_of(input_text=into, output_text=out), NOON_US, {})
                if not charge.unpriced and call not in with_evidence:
                    proper[call] = charge.nanos
            corrected = chance.randrange(1, len(made) + 1)
            with_evidence.add(corrected)
            proper[corrected] = chance.randrange(10**9)
            books.correct(corrected, proper[corrected])
        entries = books.entries()
        booked = sum(int(entry["cost_nanos"]) for entry in entries if entry["kind"] in ("ATTEMPT", "SETTLE"))
        assert booked + sum(int(entry["delta_nanos"]) for entry in entries if entry["kind"] == "ADJUST") == books.net() == sum(proper.values())
        assert all(sum(leg.amount_nanos for leg in postings(entry)) == 0 for entry in entries if entry["kind"] == "ADJUST")
        for call, cost_nanos in proper.items():
            record = books.calls.read_call(request_id(call), DEFAULT)
            assert record is not None
            assert record.attempts[0].cost_nanos == cost_nanos
        assert books.findings() == []
        books.database.close()


def test_what_was_booked_stays_and_the_correction_says_everything(books: Books) -> None:
    before = books.entries()
    assert books.reprice(NEW) == Posted(2, 2_000_000_000 - 2_500_000_000 + 246_914_000 - 308_642_500)
    assert books.entries()[:len(before)] == before
    posted = books.entries()[-1]
    assert posted["kind"] == "ADJUST"
    record = books.calls.read_call(request_id(2), DEFAULT)
    assert record is not None
    (attempt,) = record.attempts
    assert attempt.settlement is not None
    assert (attempt.settlement.cost_nanos, attempt.cost_nanos) == (308_642_500, 246_914_000)
    ((seq, made),) = attempt.adjustments
    assert (seq, posted["ref"]) == (posted["seq"], attempt.seq)
    assert (made.reason, made.actor, made.delta_nanos, made.price_version) == ("reprice", "cli", -61_728_500, "new")
    assert (made.call_day, made.posted_day) == ("2026-11-21", "2026-11-22")
    assert [(line.unit, line.quantity, line.rate) for line in made.lines] == [("input_text", 123_457, Decimal(2))]
    assert books.findings() == []


def test_a_worst_case_is_corrected_with_evidence_and_the_same_evidence_twice_is_one(books: Books) -> None:
    first = books.correct(4, 0)
    assert first is not None
    assert (first.delta_nanos, first.reason, first.text) == (-50_000_000, "evidence", "invoice 17")
    assert books.correct(4, 0) is None
    second = books.correct(4, 1_234, "support ticket 9")
    assert second is not None
    assert second.delta_nanos == 1_234
    confirmed = books.correct(4, 1_234, "invoice 18")
    assert confirmed is not None
    assert confirmed.delta_nanos == 0        # another proof of the same figure is worth an entry
    books.correct(1, 77)
    assert books.reprice(NEW).adjustments == 1                   # of call 2: call 1 has evidence now
    assert books.findings() == []


@pytest.mark.parametrize(("number", "code"), [(5, "not_adjustable"), (6, "not_settled"), (99, "not_found")])
def test_what_has_no_cost_cannot_be_corrected(books: Books, number: int, code: str) -> None:
    before = books.entries()
    with pytest.raises(Refused) as refused:
        books.correct(number, 5)
    assert refused.value.code == code
    assert books.entries() == before


@pytest.mark.parametrize(("cost_nanos", "text"), [(-1, "x"), (10**18 + 1, "x"), (5, ""), (5, " "), (5, "x" * 501), (5, "a\nb"), (5, "\x1b[2J")])
def test_amounts_and_texts_are_bounded(books: Books, cost_nanos: int, text: str) -> None:
    with pytest.raises(Refused) as refused:
        books.correct(1, cost_nanos, text)
    assert refused.value.code == "invalid_request"


def test_a_crash_in_the_middle_leaves_whole_corrections_and_the_next_run_posts_the_rest(books: Books) -> None:
    net = books.net()

    def breaks_off() -> Iterator[Correction]:
        yield Correction(request_id(1), 1, "evidence", 5, "cli", "first")
        yield Correction(request_id(2), 1, "evidence", 6, "cli", "second")
        raise StoreFault("the machine ends here")

    with pytest.raises(StoreFault):
        adjust_all(books.sequencer, DEFAULT, breaks_off(), lambda _: {}, lambda: books.now_us, 1)
    assert books.net() == net - 2_500_000_000 + 5 - 308_642_500 + 6
    assert books.findings() == []
    with pytest.raises(RuntimeError), books.sequencer.append(books.now_us) as pen:
        adjust(pen, DEFAULT, Correction(request_id(1), 1, "evidence", 9, "cli", "third"), lambda _: {})
        raise RuntimeError("killed before the commit")
    assert books.net() == net - 2_500_000_000 + 5 - 308_642_500 + 6
    assert books.findings() == []


def test_the_model_asked_for_or_served_narrows_what_is_read(books: Books) -> None:
    with books.database.read() as db:
        assert [past.admission.request_id for past in past_attempts(db, books.calls, DEFAULT, EVERYTHING, "nobody-knows")] == [request_id(3)]
        assert list(past_attempts(db, books.calls, DEFAULT, EVERYTHING, "never-heard-of")) == []
        assert len(list(past_attempts(db, books.calls, DEFAULT, EVERYTHING, page=1))) == 5           # not the sandbox's


@pytest.mark.parametrize(("before", "after", "check"), [
    (b'"delta_nanos":"-50000000"', b'"delta_nanos":"-40000000"', "adjustment"),
    (b'"cost_nanos":"0","delta_nanos"', b'"cost_nanos":"7","delta_nanos"', "adjustment"),
    (b'"reason":"evidence"', b'"reason":"goodwill"', "adjustment"),
    (b'"actor":"acc_1"', b'"actor":""', "adjustment"),
    (b'"call_day":"2026-11-21"', b'"call_day":"2026-12-21"', "adjustment"),
    (b'"posted_day":"2026-11-22"', b'"posted_day":"2026-11-01"', "adjustment"),
    (b'"kind":"ADJUST"', b'"attempt":2,"kind":"ADJUST"', "adjustment"),
])
def test_a_correction_that_was_written_wrong_is_named_though_its_hashes_are_right(
    books: Books, before: bytes, after: bytes, check: str,
) -> None:
    books.correct(4, 0)
    target = books.entries()[-1]["seq"]
    assert rewrite_chain(books.database, lambda seq, body: body.replace(before, after) if seq == target else body) == target
    assert (check, target) == books.findings()[0]


def test_a_correction_of_nothing_is_named(books: Books) -> None:
    books.correct(4, 0)
    last = books.entries()[-1]
    still_open = next(entry["seq"] for entry in books.entries() if entry["kind"] == "ADMIT" and entry["request"][-1] == "6")

    def aimed_at(ref: int) -> Callable[[int, bytes], bytes]:
        return lambda seq, body: _with_ref(body, ref) if seq == last["seq"] else body

    for ref in (0, last["seq"], 999, still_open):
        rewrite_chain(books.database, aimed_at(ref))
        assert ("adjustment", last["seq"]) == books.findings()[0], ref


def _with_ref(body: bytes, ref: int) -> bytes:
    fields = json.loads(body)
    return body.replace(b'"ref":%d' % fields["ref"], b'"ref":%d' % ref)


def test_a_re_pricing_whose_lines_do_not_come_to_its_cost_is_named(books: Books) -> None:
    books.reprice(NEW)
    target = books.entries()[-1]["seq"]
    rewrite_chain(books.database, lambda seq, body: body.replace(b'123457', b'123458') if seq == target else body)
    assert ("cost", target) in books.findings()


@pytest.mark.parametrize("statement", [
    "UPDATE call_fact_202611 SET cost_nanos = cost_nanos + 5, adjusted_nanos = adjusted_nanos + 5 WHERE adjusted_nanos < 0",
    "UPDATE call_fact_202611 SET cost_nanos = cost_nanos - adjusted_nanos, adjusted_nanos = 0",
    "UPDATE call_fact_202611 SET cost_nanos = cost_nanos + 5, adjusted_nanos = 5 WHERE adjusted_nanos = 0 AND method = 4",
    "DELETE FROM later_entry",
])
def test_sums_that_do_not_tie_are_found(books: Books, statement: str) -> None:
    books.correct(1, 17)
    with books.database.write() as db:
        assert db.execute(statement).rowcount > 0
    assert {check for check, _ in books.findings()} == {"columns"}


def test_a_correction_long_after_the_last_call_needs_no_signature_of_its_own(books: Books) -> None:
    """The command that posts it has no signing key; the server signs when it runs again."""
    unsigned = Sequencer(books.database)
    with unsigned.append(books.now_us + 30 * DAY_US) as pen:
        adjust(pen, DEFAULT, Correction(request_id(1), 1, "evidence", 9, "cli", "invoice"), lambda _: {})
    assert books.findings() == []


def test_a_correction_read_back_is_the_one_written(books: Books) -> None:
    made = books.correct(4, 12, "Rechnung №5 \"quoted\" \\ 漢")
    record = books.calls.read_call(request_id(4), DEFAULT)
    assert record is not None
    assert record.attempts[0].adjustments[0].adjustment == made
    assert settlement(1).context_tokens is None
