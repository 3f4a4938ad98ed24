"""The price book over the API: rates as calls pay them, overrides beside the list, arithmetic that is the settlement's own, what has
no price, and what a change would do to the bill before anybody agrees to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tallystick.control import price_effects
from tallystick.core.attempt import Line
from tallystick.providers import PROVIDERS
from tests.build.control import Desk

MODEL = {"provider": "openai", "model": "gpt-4o-mini"}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    object.__setattr__(desk.parts, "providers", {one.id: replace(one, base_url=one.base_url or "https://example.com") for one in PROVIDERS})
    yield desk
    desk.close()


async def read(desk: Desk, path: str, **params: Any) -> Any:
    async with desk.owner() as owner:
        reply = await owner.get(path, params=params)
    assert reply.status_code == 200, reply.text
    return reply.json()


async def test_every_model_is_found_once_and_by_any_part_of_its_name(desk: Desk) -> None:
    found, cursor = [], None
    while True:
        page = await read(desk, "/api/prices", limit=200, **({"cursor": cursor} if cursor else {}))
        found += [(one["provider"], one["model"]) for one in page["items"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert len(found) == len(set(found)) == page["found"] > 500
    assert found == sorted(found)
    some = await read(desk, "/api/prices", q="OpenAI 4o-MINI")
    assert 0 < some["found"] < 40
    assert ("openai", "gpt-4o-mini") in [(one["provider"], one["model"]) for one in some["items"]]


async def test_a_models_rates_are_those_that_calls_pay(desk: Desk) -> None:
    one = await read(desk, "/api/prices/model", **MODEL)
    text = next(row for row in one["rows"] if row["unit"] == "input_text" and row["holds"] and not row["when"])
    assert text["source"]["name"]
    (listed,) = [found for found in (await read(desk, "/api/prices", q="openai gpt-4o-mini"))["items"] if found["model"] == "gpt-4o-mini"]
    assert Decimal(listed["input_usd"]) == Decimal(text["price"]) * 1_000_000 / text["per"]
    assert not listed["agreed"]
    sums = await read(desk, "/api/prices/calculation", **MODEL, use=["input_text:1000", "output_text:500"])
    assert sum(Decimal(line["amount_usd"]) for line in sums["lines"]) == Decimal(sums["amount_usd"])
    assert sums["cost_nanos"] == Decimal(sums["amount_usd"]) * 10**9
    assert [line["quantity"] for line in sums["lines"]] == [1_000, 500]
    assert Decimal(sums["lines"][0]["rate_usd"]) == Decimal(text["price"])


async def test_an_override_shows_where_it_prices(desk: Desk) -> None:
    async with desk.owner() as owner:
        made = await owner.post("/api/prices/overrides", json={"kind": "percent", "provider": "openai", "unit": "tokens", "value": "-50"})
        assert made.status_code == 201, made.text
    (listed,) = [one for one in (await read(desk, "/api/prices", q="openai gpt-4o-mini"))["items"] if one["model"] == "gpt-4o-mini"]
    assert listed["agreed"]
    sums = await read(desk, "/api/prices/calculation", **MODEL, use="input_text:1000000")
    assert sums["list_cost_nanos"] == 2 * sums["cost_nanos"]
    assert sums["lines"][0]["override"] == made.json()["id"]
    assert [one["id"] for one in (await read(desk, "/api/prices/model", **MODEL))["overrides"]] == [made.json()["id"]]


async def test_a_model_of_ones_own_is_shown_once_it_is_priced(desk: Desk) -> None:
    asked = {"provider": "openai", "model": "house-model"}
    async with desk.owner() as owner:
        assert (await owner.get("/api/prices/model", params=asked)).status_code == 404
        made = await owner.post("/api/prices/overrides", json={**asked, "kind": "price", "unit": "input_text", "value": "2", "unlisted": True})
        assert made.status_code == 201, made.text
        one = (await owner.get("/api/prices/model", params=asked)).json()
    assert [over["unit"] for over in one["overrides"]] == ["input_text"]
    assert all(row["when"] for row in one["rows"]), "only what any model pays, such as searches"
    sums = await read(desk, "/api/prices/calculation", **asked, use=["input_text:1000000", "output_text:1"])
    assert (sums["cost_nanos"], sums["unpriced"]) == (2_000_000_000, ["output_text"])


async def test_what_has_no_price_is_a_list_to_work_off(desk: Desk) -> None:
    line = Line("input_text", 1_000, None)
    free = {"method": "unpriced", "lines": (line,), "model": "house-model"}
    for number in range(3):
        desk.book(0, desk.clock.at_us - number * 86_400_000_000, settled=free, model="house-model")
    desk.book(1_500_000)
    (one,) = (await read(desk, "/api/prices/unpriced"))["items"]
    assert (one["provider"], one["model"], one["calls"], one["input_tokens"]) == ("openai", "house-model", 3, 3_000)
    assert (one["first_at"][:10], one["last_at"][:10], one["priced_now"]) == ("2026-11-18", "2026-11-20", False)
    async with desk.owner() as owner:
        for unit in ("input_text", "output_text"):
            await owner.post("/api/prices/overrides", json={
                "provider": "openai", "model": "house-model", "kind": "price", "unit": unit, "value": "2", "unlisted": True,
                "valid_from": "2026-01-01"})
    assert (await read(desk, "/api/prices/unpriced"))["items"][0]["priced_now"]


async def test_of_many_calls_the_latest_days_are_told_and_that_they_are_not_all(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(price_effects, "CALLS_MAX", 3)
    for number in range(5):
        desk.book(150_000, desk.clock.at_us - number * 86_400_000_000, model="gpt-4o-mini", settled={"model": "gpt-4o-mini"})
    terms = {"kind": "percent", "provider": "openai", "unit": "all", "value": "-50"}
    async with desk.owner() as owner:
        told = (await owner.post("/api/prices/effects", json={"terms": terms})).json()
    assert (told["calls"], told["whole"], told["calls_max"]) == (3, False, 3)
    assert (told["start"], told["end"]) == ("2026-11-18", "2026-11-20")


async def test_what_a_change_would_do_to_the_bill(desk: Desk) -> None:
    for number in range(4):
        desk.book(150_000, desk.clock.at_us - number * 86_400_000_000, model="gpt-4o-mini", settled={"model": "gpt-4o-mini"})
    desk.book(9, provider="anthropic", model="claude-sonnet-4-5", settled={"model": "claude-sonnet-4-5"})
    terms = {"kind": "percent", "provider": "openai", "unit": "all", "value": "-50"}
    async with desk.person(desk.member("finance")) as finance:
        told = (await finance.post("/api/prices/effects", json={"terms": terms})).json()
        assert (told["calls"], told["whole"]) == (4, True)
        assert told["old_nanos"] == 2 * told["new_nanos"] > 0
        assert told["delta_nanos"] == sum(one["delta_nanos"] for one in told["models"])
        assert (await finance.get("/api/prices/overrides")).json()["items"] == [], "nothing is set by asking"
        made = await finance.post("/api/prices/overrides", json={**terms, "valid_from": "2026-01-01"})
        proposed = made.json()["id"]
    async with desk.owner() as owner:
        (shown,) = (await owner.get("/api/proposals", params={"state": "open"})).json()["items"]
        assert (shown["id"], shown["sentence"]) == (proposed, "Set a price override: -50 % on all, all models of openai")
        approved = await owner.post(f"/api/proposals/{proposed}/approve")
        assert approved.status_code == 200, approved.text
        (override,) = (await owner.get("/api/prices/overrides")).json()["items"]
        ending = (await owner.post("/api/prices/effects", json={"ends": override["id"]})).json()
        assert (ending["old_nanos"], ending["new_nanos"]) == (told["new_nanos"], told["old_nanos"])
        for wrong in ({}, {"terms": terms, "ends": "x"}, {"terms": {**terms, "unit": "no"}}):
            assert (await owner.post("/api/prices/effects", json=wrong)).status_code == 400
        assert (await owner.post("/api/prices/effects", json={"ends": "ovr_none"})).status_code == 404
