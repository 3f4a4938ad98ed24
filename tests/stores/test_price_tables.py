"""Overrides and releases in their tables: what may be set and ended, what running servers see of it, and that no
row can be edited, added or taken away unseen."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tallystick.core.identity import Attribution
from tallystick.core.price_layers import file_text
from tallystick.core.price_rows import PricedModel, PriceRow, ProviderPrices
from tallystick.core.usage import usage_of
from tallystick.stores.secrets import LedgerKey
from tallystick.stores.sql import overrides as store
from tallystick.stores.sql.directory import Refused
from tallystick.stores.sql.engine import DEFAULT, Database
from tallystick.stores.sql.journal import Sequencer
from tallystick.stores.sql.live_prices import LivePrices, settings_overrides
from tallystick.stores.sql.overrides import Overrides, list_overrides
from tallystick.stores.sql.releases import APPLIED, Releases, list_releases
from tallystick.stores.sql.verify import verify
from tests.build.databases import both_engines, open_database
from tests.build.journal import NOON_US

pytestmark = both_engines

DISCOUNT = {"kind": "percent", "provider": "openai", "unit": "tokens", "value": "-50"}
PRICE = {"kind": "price", "provider": "openai", "model": "gpt-4o-mini", "unit": "input_text", "value": "0.1"}
MINUTE_US = 60_000_000


class Desk:
    def __init__(self, folder: Path) -> None:
        self.database: Database = open_database(folder, 1)
        self.key = LedgerKey(b"k" * 32)
        sequencer = Sequencer(self.database, self.key)
        self.prices = LivePrices(self.database, {"openai": "openai", "mine": "openai"}, settings_overrides({"openai": {"chat": "gpt-4o-mini"}}))
        draws = count(1)

        def entropy(size: int) -> bytes:
            return next(draws).to_bytes(size, "big")

        self.overrides = Overrides(sequencer, self.prices, entropy)
        self.releases = Releases(sequencer, entropy)

    def set(self, terms: dict[str, Any], now_us: int = NOON_US, **said: Any) -> str:
        return self.overrides.set(DEFAULT, terms, now_us, "ann", **said).override.id

    def cost(self, model: str = "gpt-4o-mini", at_us: int = NOON_US, provider: str = "openai") -> Decimal:
        self.prices.poll()
        book = self.prices.of(provider, Attribution("k1", "default", {}), "caller")
        return book.price("openai", model, usage_of(input_text=1_000_000), at_us, {}).exact

    def findings(self) -> list[str]:
        return [finding.check for finding in verify(self.database, self.key.public_key).findings]

    def run(self, statement: str) -> None:
        with self.database.write() as db:
            db.execute(statement)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.database.close()


def release(price: str, checked_on: str = "2099-01-01") -> str:
    return file_text(ProviderPrices("openai", checked_on, rows={"gpt-4o-mini": (
        PriceRow("openai", "gpt-4o-mini", "input_text", Decimal(price), valid_from="2026-01-01"),)}))


def test_an_override_is_seen_by_the_next_poll_and_ends_when_told(desk: Desk) -> None:
    assert desk.cost() == Decimal("0.15")
    override = desk.set(DISCOUNT)
    assert (desk.cost(), desk.cost("chat"), desk.cost(at_us=NOON_US - MINUTE_US)) == (Decimal("0.075"), Decimal("0.075"), Decimal("0.15"))
    ended = desk.overrides.end(DEFAULT, override, NOON_US + MINUTE_US, "bob")
    assert ended is not None
    assert (ended.override.valid_to, ended.ended_by) == ("2026-11-21T12:01:00Z", "bob")
    assert (desk.cost(), desk.cost(at_us=NOON_US + MINUTE_US)) == (Decimal("0.075"), Decimal("0.15"))
    with pytest.raises(Refused, match="ended already"):
        desk.overrides.end(DEFAULT, override, NOON_US, "bob")
    assert desk.overrides.end(DEFAULT, "ovr_none", NOON_US, "bob") is None
    assert [stored.proposed_by for stored in list_overrides(desk.database, DEFAULT)] == ["ann"]
    assert desk.findings() == []


def test_ended_at_its_start_it_never_was(desk: Desk) -> None:
    override = desk.set(DISCOUNT)
    desk.overrides.end(DEFAULT, override, NOON_US + MINUTE_US, "ann", "2026-11-21T12:00:00Z")
    assert desk.cost() == Decimal("0.15")
    with pytest.raises(Refused, match="ends before"):
        desk.overrides.end(DEFAULT, desk.set(DISCOUNT), NOON_US, "ann", "2026-01-01")


def test_names_are_the_lists_own_and_unknown_ones_are_refused(desk: Desk) -> None:
    stored = desk.overrides.set(DEFAULT, {**PRICE, "model": "GPT-4o-mini-2024-07-18"}, NOON_US, "ann").override
    assert stored.model == "gpt-4o-mini"
    assert desk.cost() == Decimal("0.1")
    assert desk.overrides.set(DEFAULT, {**PRICE, "provider": "mine", "value": "0.2"}, NOON_US, "ann").override.model == "gpt-4o-mini"
    assert (desk.cost(), desk.cost(provider="mine")) == (Decimal("0.1"), Decimal("0.2"))       # of the host as called
    for terms, why in (({**PRICE, "model": "gpt-nothing"}, "unlisted"), ({**PRICE, "provider": "nobody"}, "no provider"),
                       ({"kind": "model", "provider": "openai", "model": "x", "means": "gpt-nothing"}, "no gpt-nothing"),
                       ({**PRICE, "value": "lots"}, "decimal")):
        with pytest.raises(Refused, match=why):
            desk.set(terms)
    assert desk.overrides.set(DEFAULT, {**PRICE, "model": "Own-1"}, NOON_US, "ann", unlisted=True).override.model == "Own-1"
    assert desk.cost("own-1") == Decimal("0.1")


def test_there_is_an_end_to_how_many(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "OVERRIDES_MAX", 1)
    desk.set(DISCOUNT)
    with pytest.raises(Refused, match="at most 1"):
        desk.set(DISCOUNT)


def test_applied_rows_hold_and_what_is_pending_gives_way_to_the_next_reading(desk: Desk) -> None:
    for price in ("0.4", "0.3"):
        desk.releases.keep([("openai", release(price))], "feed", "d" * 64, "2099-01-01", NOON_US, "ann")
    assert desk.cost() == Decimal("0.15")
    assert [one.prices.rows["gpt-4o-mini"][0].price for one in desk.releases.apply(None, NOON_US, "ann")] == [Decimal("0.3")]
    assert desk.cost() == Decimal("0.3")
    desk.set(DISCOUNT)
    assert desk.cost() == Decimal("0.15")                # the percentage is on the list as it is now
    assert len(list_releases(desk.database, APPLIED)) == 1
    assert desk.findings() == []
    with pytest.raises(Refused, match="Nothing is pending"):
        desk.releases.apply(["openai"], NOON_US, "ann")


def test_a_release_that_cannot_be_read_hides_nothing(desk: Desk) -> None:
    desk.releases.keep([("openai", release("0.3"))], "feed", "d" * 64, "2099-01-01", NOON_US, "ann")
    desk.releases.apply(None, NOON_US, "ann")
    desk.run("UPDATE price_release SET lines = 'nonsense'")
    desk.run("UPDATE change_counter SET value = value + 1")
    assert desk.cost() == Decimal("0.15")
    assert desk.findings() == ["prices"]


@pytest.mark.parametrize("edit", [
    "UPDATE price_override SET terms = replace(terms, '-50', '-51')",
    "UPDATE price_override SET valid_to = '2027-01-01'",
    "UPDATE price_override SET approved_by = 'eve'",
    "UPDATE price_override SET ended_us = 5",
    "UPDATE price_override SET id = 'ovr_other'",
    "DELETE FROM price_override",
    "INSERT INTO price_override SELECT organization, 'ovr_x', terms, set_us, proposed_by, approved_by, NULL, NULL, NULL FROM price_override",
    "UPDATE price_release SET lines = replace(lines, '0.3', '0.2')",
    "UPDATE price_release SET checked_on = '2000-01-01'",
    "UPDATE price_release SET state = 'rejected'",
    "DELETE FROM price_release",
    "INSERT INTO price_release SELECT 'rel_x', provider, source, digest, checked_on, lines, state, read_us, read_by, decided_us, decided_by"
    " FROM price_release",
])
def test_no_row_is_edited_unseen(desk: Desk, edit: str) -> None:
    desk.set(DISCOUNT)
    desk.releases.keep([("openai", release("0.3"))], "feed", "d" * 64, "2099-01-01", NOON_US, "ann")
    desk.releases.apply(None, NOON_US, "ann")
    assert desk.findings() == []
    desk.run(edit)
    assert set(desk.findings()) == {"prices"}


def test_models_of_a_release_are_known_by_their_own_names(desk: Desk) -> None:
    lines = file_text(ProviderPrices("newhost", "2026-11-21", models={"m": PricedModel("m", ("m",))}, rows={
        "m": (PriceRow("newhost", "m", "input_text", Decimal(3)),)}))
    desk.releases.keep([("newhost", lines)], "feed", "d" * 64, "2026-11-21", NOON_US, "ann")
    assert not desk.prices.knows("newhost")
    desk.releases.apply(None, NOON_US, "ann")
    desk.prices.poll()
    assert (desk.prices.knows("newhost"), desk.prices.canonical("newhost", "m", NOON_US)) == (True, "m")
