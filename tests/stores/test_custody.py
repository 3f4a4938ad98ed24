"""Whose a provider's objects are, and which job a later bill belongs to: in memory at once, in the
database for good."""

from __future__ import annotations

from pathlib import Path

import pytest

from tallystick.core.custody import Kept
from tallystick.stores.sql.custody import REMEMBERED_MAX, SqlCustody
from tests.build.databases import both_engines
from tests.build.journal import Journal, admission, open_journal, run, settlement

pytestmark = both_engines

PEPPER = bytes(range(32))
TWO_DAYS_US = 49 * 3_600_000_000


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return open_journal(tmp_path)


def opened_job(journal: Journal, custody: SqlCustody) -> bytes:
    """A job that the first call opened, remembered as the gateway does."""
    mark = custody.mark("default", "openai", "sk-own", "resp_1")
    run(journal.spool.admit(admission(1)))
    run(journal.spool.settle(settlement(1, outcome="deferred", basis="deferred", cost_nanos=0, usage=None, lines=(),
                                        computed_nanos=None, object_mark=mark)))
    custody.keep(mark, Kept("project:search/web", admission(1).request_id, admission(1)))
    return mark


async def test_a_job_is_known_at_once_and_after_a_restart(journal: Journal) -> None:
    custody = SqlCustody(journal.database, PEPPER)
    mark = opened_job(journal, custody)
    assert await custody.find(mark) == Kept("project:search/web", admission(1).request_id, admission(1))
    journal.ship()
    later = SqlCustody(journal.restart().database, PEPPER)
    assert await later.find(mark) == Kept("project:search/web", admission(1).request_id, admission(1))


async def test_a_job_settled_at_its_ages_limit_waits_no_more(journal: Journal) -> None:
    custody = SqlCustody(journal.database, PEPPER)
    mark = opened_job(journal, custody)
    journal.ship()
    journal.clock.us += TWO_DAYS_US
    journal.ship()
    kept = await custody.find(mark)
    assert kept is not None
    assert kept.admission is None, "its worst case is booked; a later answer may not book it again"


async def test_marks_differ_by_everything_they_are_made_of(journal: Journal) -> None:
    custody = SqlCustody(journal.database, PEPPER)
    parts = ("default", "openai", "sk-own", "resp_1")
    marks = {custody.mark(*parts)} | {custody.mark(*parts[:place], "other", *parts[place + 1:]) for place in range(4)}  # type: ignore[arg-type]
    assert len(marks) == 5
    assert await custody.find(custody.mark("default", "openai", "sk-own", "resp_9")) is None


async def test_memory_is_bounded(journal: Journal) -> None:
    custody = SqlCustody(journal.database, PEPPER)
    for number in range(REMEMBERED_MAX + 1):
        custody.keep(number.to_bytes(16, "big"), Kept("key:k", "req"))
    assert await custody.find((0).to_bytes(16, "big")) is None, "the oldest gave way"
    assert await custody.find((1).to_bytes(16, "big")) is not None
