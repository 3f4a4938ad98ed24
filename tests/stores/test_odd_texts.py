"""Texts that a database does not hold: U+0000 (PostgreSQL has none in a text) and halves of surrogate pairs. What a caller
claims may not have them; names in bodies and replies are written down without them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tallystick.core.attempt import Settlement
from tallystick.core.budget import Amount, Scope, Subject
from tallystick.core.call import Facts, name, written
from tallystick.core.draw import Draw
from tallystick.core.errors import Denied
from tallystick.core.identity import Claims, check_claims
from tallystick.core.settlement import Served, settle
from tallystick.core.usage import Part, Reading, usage_of
from tallystick.stores.sql import leases
from tallystick.stores.sql.budget_rows import books
from tallystick.stores.sql.budgets import Budgets, BudgetSpec
from tallystick.stores.sql.engine import DEFAULT
from tallystick.stores.sql.leases import Ask
from tallystick.stores.sql.verify import verify
from tests.build.databases import both_engines
from tests.build.journal import KEY, NOON_US, Journal, admission, open_journal, run
from tests.build.prices import Terms, book_of

pytestmark = both_engines

ODD = ("gpt\0-4o", "gpt\ud800-4o", "\0")


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return open_journal(tmp_path)


@pytest.mark.parametrize("odd", ODD)
def test_a_claim_with_such_a_character_is_refused(odd: str) -> None:
    claims = (Claims({"user": odd}), Claims(tags=(("feature", odd),)), Claims(tags=((odd, ""),)), Claims(dimensions={"region": odd}),
              Claims(route=odd))
    for claim in claims:
        denied = check_claims(claim)
        assert isinstance(denied, Denied)
        assert denied.code == "bad_attribution"


def odd_call(number: int, odd: str) -> tuple[Facts, Settlement]:
    """What the exchange makes of a request and a reply that are full of it."""
    facts = written(Facts(model=odd, end_user=odd, tier=odd, traits={"size": odd}))
    reading = Reading(usage=usage_of(input_text=10), model=odd, response_id=odd, ended=True, traits={"tier": odd},
                      parts=(Part("advisor", odd, usage_of(input_text=1)),))
    opened = admission(number, model=facts.model, facts=facts)
    return facts, settle(opened, Served(200, reading), book_of(openai={"gpt-4o": {"input_text": "1"}}), Terms(), NOON_US + 1)


@pytest.mark.parametrize("odd", ODD)
def test_a_call_whose_names_have_such_characters_is_booked(journal: Journal, odd: str) -> None:
    facts, ended = odd_call(1, odd)
    run(journal.spool.admit(admission(1, model=facts.model, facts=facts)))
    run(journal.spool.settle(ended))
    journal.ship()
    assert (journal.alarms, journal.shipper.quarantined) == ([], 0)
    assert verify(journal.database, KEY.public_key).findings == ()


@pytest.mark.parametrize("odd", ODD)
def test_one_such_model_does_not_spoil_the_round_of_all_who_ask_for_their_budgets(journal: Journal, odd: str) -> None:
    Budgets(journal.sequencer).set(DEFAULT, BudgetSpec(Scope("model", "*"), Amount(1_000, "calls"), limit=1_000), NOON_US, "cli")
    with journal.database.read() as db:
        book = books(db)["default"]
    nodes = [match.budget.node(match.subject, NOON_US) for model in (odd, "gpt-4o")
             for match in book.path(Subject(admission(1).attribution, "openai", name(model)), NOON_US)]
    assert len(nodes) == 2
    with journal.database.write() as db:
        leases.begin(db, "one", 0, NOON_US)
        granted = leases.grant(db, "one", [Ask((Draw(node, 1),)) for node in nodes], {}, NOON_US)
    assert granted.short == (None, None)
