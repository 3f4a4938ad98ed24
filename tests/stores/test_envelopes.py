"""Allocations balance: whatever is granted, topped up, moved and ended, every transfer's legs sum to zero, nobody gives what
they do not have, and what lies in an envelope is never more than it."""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tallystick.core.budget import Amount, Scope
from tallystick.core.currencies import Limit
from tallystick.stores.sql.directory import Refused
from tallystick.stores.sql.engine import DEFAULT, open_database
from tallystick.stores.sql.envelope_rows import EnvelopeRow, allocated, envelope_rows
from tallystick.stores.sql.envelopes import Envelopes, EnvelopeSpec
from tallystick.stores.sql.journal import Sequencer
from tallystick.stores.sql.verify import verify

DAY_US = 86_400_000_000
NOW_US = 20_000 * DAY_US
SCOPES = (Scope("org"), Scope("team", "a"), Scope("team", "b"), Scope("project", "a/x"), Scope("project", "a/y"))
STEPS = st.lists(st.one_of(
    st.tuples(st.just("grant"), st.integers(0, len(SCOPES) - 1), st.integers(1, 1_000)),
    st.tuples(st.just("top up"), st.integers(1, 6), st.integers(1, 300)),
    st.tuples(st.just("move"), st.integers(1, 6), st.integers(1, 6), st.integers(-5, 500)),
    st.tuples(st.just("end"), st.integers(1, 6))), max_size=25)


def of(amount: int) -> Limit:
    return Limit(Amount(amount, "money"), None, amount)


def do(envelopes: Envelopes, step: tuple[object, ...], now_us: int) -> bool:
    """Whether the step was possible."""
    try:
        match step:
            case ("grant", int(scope), int(amount)):
                envelopes.grant(DEFAULT, EnvelopeSpec(SCOPES[scope], of(amount), str(amount), now_us + 30 * DAY_US, "work"), now_us, "f")
            case ("top up", int(number), int(amount)):
                envelopes.top_up(DEFAULT, number, of(amount), None, "more", now_us, "f")
            case ("move", int(source), int(target), int(amount)):
                envelopes.move(DEFAULT, source, target, of(amount), "need", now_us, "f")
            case ("end", int(number)):
                envelopes.end(DEFAULT, number, now_us, "f")
    except Refused:
        return False
    return True


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_whatever_is_done_allocations_balance_and_nobody_gives_what_they_have_not(tmp_path_factory: object, steps: list[tuple[object, ...]]) -> None:
    database = open_database(Path(tmp_path_factory.mktemp("one")), NOW_US)        # type: ignore[attr-defined]
    envelopes = Envelopes(Sequencer(database))
    for start in (("grant", 0, 1_000), ("grant", 1, 600), ("grant", 3, 200), ("grant", 4, 100)):
        assert do(envelopes, start, NOW_US)
    for number, step in enumerate(steps):
        before = granted(database_rows(database))
        possible = do(envelopes, step, NOW_US + number)
        rows = database_rows(database)
        after = granted(rows)
        if not possible:
            assert after == before, "what is refused changes nothing"
        elif step[0] == "move":
            legs = {row: after[row] - before[row] for row in after if after[row] != before[row]}
            lies_in = {row.id: row.parent for row in rows}
            source, target, amount = step[1], step[2], step[3]
            expected = {source: -amount, target: amount}                          # type: ignore[operator]
            assert legs == {row: delta for row, delta in expected.items() if row not in (lies_in[source], lies_in[target])}  # type: ignore[index]
    with database.read() as db:
        assert db.execute("SELECT transfer FROM envelope_leg GROUP BY transfer HAVING sum(delta) <> 0 OR count(*) <> 2").fetchall() == []
        assert all(0 <= allocated(db, row, NOW_US + len(steps)) <= row.granted for row in envelope_rows(db, DEFAULT))
    assert [finding.message for finding in verify(database, None).findings if finding.check != "checkpoint"] == []
    database.close()


def database_rows(database: object) -> list[EnvelopeRow]:
    with database.read() as db:                                                   # type: ignore[attr-defined]
        return envelope_rows(db, DEFAULT)


def granted(rows: list[EnvelopeRow]) -> dict[int, int]:
    return {row.id: row.granted for row in rows}
