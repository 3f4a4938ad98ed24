"""What the calls of one process showed of a credential reaches the others, and whoever lists them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tallystick.core.credential_health import Failure, Health, Place, Standings
from tallystick.core.errors import StoreFault
from tallystick.stores.sql.credential_health import FIGURES_EVERY_US, KEPT_US, UNUSED, HealthSharing, Standing, standings_of
from tallystick.stores.sql.engine import DEFAULT
from tests.build.databases import both_engines
from tests.build.journal import Journal, open_journal

pytestmark = both_engines
HERE = Place("default", "openai", "batch")
MODEL = "gpt-4o"
SECOND = 1_000_000


class Process:
    """One of several processes on one database."""

    def __init__(self, journal: Journal, name: str) -> None:
        self.clock = journal.clock
        self.standings = Standings(journal.clock.now_us)
        self.sharing = HealthSharing(journal.database, self.standings, journal.clock, name)
        self.sharing.step()

    def meets(self, status: int, failure: Failure | None = None, wait_s: int | None = None, model: str | None = MODEL) -> None:
        self.standings.observe(HERE, model, status, failure, None if wait_s is None else wait_s * SECOND, self.clock.now_us())


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return open_journal(tmp_path)


def shown(journal: Journal) -> Standing:
    return standings_of(journal.database, DEFAULT, journal.clock.now_us()).get(("openai", "batch"), UNUSED)


def test_a_limit_that_one_meets_all_know(journal: Journal) -> None:
    one, two = Process(journal, "one"), Process(journal, "two")
    one.meets(429, "rate_limit", 20)
    assert two.standings.cooling(HERE, MODEL) is None
    one.sharing.step()
    two.sharing.step()
    assert two.standings.cooling(HERE, MODEL) == one.standings.cooling(HERE, MODEL) is not None
    assert two.standings.cooling(HERE, "other") is None
    assert Process(journal, "late").standings.cooling(HERE, MODEL) is not None
    journal.clock.us += 20 * SECOND
    assert two.standings.cooling(HERE, MODEL) is None


def test_the_later_end_stands_whoever_writes_last(journal: Journal) -> None:
    one, two = Process(journal, "one"), Process(journal, "two")
    one.meets(429, "rate_limit", 60)
    two.meets(429, "rate_limit", 5)
    one.sharing.step()
    two.sharing.step()
    cooling = two.standings.cooling(HERE, MODEL)
    assert cooling is not None
    assert cooling.until_us == journal.clock.now_us() + 60 * SECOND == shown(journal).cooling[MODEL].until_us


def test_a_change_of_state_is_shown_at_once_and_counts_now_and_then(journal: Journal) -> None:
    one = Process(journal, "one")
    one.meets(200)
    one.sharing.step()
    assert shown(journal) == UNUSED          # healthy as before: only a count
    one.meets(401, "refused")
    one.sharing.step()
    standing = shown(journal)
    assert (standing.state, standing.successes, standing.failures, standing.failure_status) == ("refused", 1, 1, 401)
    one.meets(200)
    one.sharing.step()
    assert shown(journal).state == "healthy"
    one.meets(200)
    journal.clock.us += FIGURES_EVERY_US
    one.sharing.step()
    assert (shown(journal).successes, shown(journal).failures) == (3, 1)


def test_processes_add_up_and_the_newest_word_is_the_state(journal: Journal) -> None:
    one, two = Process(journal, "one"), Process(journal, "two")
    one.meets(401, "refused")
    journal.clock.us += SECOND
    two.meets(200)
    journal.clock.us += FIGURES_EVERY_US
    for process in (one, two):
        process.sharing.step()
    standing = shown(journal)
    assert (standing.state, standing.successes, standing.failures) == ("healthy", 1, 1)
    assert (standing.success_us or 0) - (standing.failure_us or 0) == SECOND


def test_a_process_counts_on_after_a_start(journal: Journal) -> None:
    one = Process(journal, "one")
    one.meets(401, "refused")
    one.sharing.step()
    again = Process(journal, "one")
    assert again.standings.health(HERE) == Health(0, 1, 1, None, journal.clock.now_us(), 401, "refused")
    again.meets(401, "refused")
    journal.clock.us += FIGURES_EVERY_US
    again.sharing.step()
    assert shown(journal).failures == 2


def test_what_is_long_over_is_dropped(journal: Journal) -> None:
    gone, stays = Process(journal, "gone"), Process(journal, "stays")
    gone.meets(429, "rate_limit", 20)
    gone.meets(401, "refused")
    gone.sharing.step()
    journal.clock.us += KEPT_US + SECOND
    stays.meets(200)
    stays.sharing.step()
    with journal.database.read() as db:
        assert [row[0] for row in db.execute("SELECT instance FROM credential_health")] == ["stays"]
        assert db.execute("SELECT count(*) FROM credential_cooling").fetchone()[0] == 0


def test_what_could_not_be_written_is_written_later(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = Process(journal, "one"), Process(journal, "two")
    one.meets(429, "rate_limit", 20)

    def away() -> None:
        raise StoreFault("the database is away")

    with monkeypatch.context() as patched:
        patched.setattr(type(journal.database), "write", lambda _: away())
        with pytest.raises(StoreFault):
            one.sharing.step()
    one.sharing.step()
    two.sharing.step()
    assert two.standings.cooling(HERE, MODEL) is not None


def test_each_organisation_has_its_own(journal: Journal) -> None:
    one = Process(journal, "one")
    one.standings.observe(Place("other", "openai", "batch"), MODEL, 429, "rate_limit", 20 * SECOND, journal.clock.now_us())
    one.sharing.step()
    assert shown(journal) == UNUSED
    assert one.standings.cooling(HERE, MODEL) is None
