"""What a call would cost: the rates that settle calls, the organisation's own over the list, and an end of the answer as asked."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.build.control import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


async def estimated(desk: Desk, organization: str = "default", status: int = 200, **asked: Any) -> dict[str, Any]:
    question = {"provider": "openai", "model": "gpt-4o-mini", "input_bytes": 10_000, **asked}
    async with desk.owner(organization) as client:
        reply = await client.get("/api/prompts/estimate", params=question)
    assert reply.status_code == status, reply.text
    found: dict[str, Any] = reply.json()
    return found


async def test_the_arithmetic_stands_beside_the_figure(desk: Desk) -> None:
    found = await estimated(desk, max_tokens=400)
    assert (found["known"], found["unpriced"], found["longest_output"]) == (True, [], False)
    assert (found["input_tokens"], found["output_tokens"]) == (1_700, 400)               # 170 tokens a thousand bytes
    assert found["cost_nanos"] == 1_700 * 150 + 400 * 600                                # $0.15 and $0.60 a million
    assert sum(Decimal(line["amount_usd"]) for line in found["lines"]) == Decimal(found["cost_usd"])
    assert {line["unit"]: line["quantity"] for line in found["lines"]} == {"input_text": 1_700, "output_text": 400}
    assert "gpt-4o-mini" in found["models"]


async def test_without_an_end_the_answer_is_as_long_as_the_model_can(desk: Desk) -> None:
    found = await estimated(desk)
    assert (found["longest_output"], found["output_tokens"]) == (True, found["output_max"])
    assert (await estimated(desk, max_tokens=9_000_000))["output_tokens"] == found["output_max"]


async def test_a_model_without_a_price_costs_no_zero(desk: Desk) -> None:
    found = await estimated(desk, model="mine-7b", max_tokens=10)
    assert (found["known"], found["unpriced"], found["cost_nanos"]) == (False, ["input_text", "output_text"], 0)
    assert (await estimated(desk, provider="nobody", max_tokens=10))["models"] == []


async def test_what_an_organization_agreed_on_is_its_own(desk: Desk) -> None:
    desk.other_organization()
    async with desk.owner("other") as client:
        agreed = await client.post("/api/prices/overrides", json={
            "provider": "openai", "model": "gpt-4o-mini", "kind": "price", "unit": "output_text", "value": "6"})
        assert agreed.status_code in (200, 201), agreed.text
    desk.parts.prices.poll()
    desk.clock.at_us += 1_000_000
    assert (await estimated(desk, "other", max_tokens=100))["cost_nanos"] == 1_700 * 150 + 100 * 6_000
    assert (await estimated(desk, max_tokens=100))["cost_nanos"] == 1_700 * 150 + 100 * 600


@pytest.mark.parametrize("asked", [{"provider": ""}, {"model": ""}, {"model": "x" * 257}, {"input_bytes": -1}, {"max_tokens": 0}])
async def test_bounds(desk: Desk, asked: dict[str, Any]) -> None:
    assert (await estimated(desk, status=400, **asked))["code"] == "invalid_request"
