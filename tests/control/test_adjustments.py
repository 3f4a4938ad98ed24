"""Corrections over the API: the call costs something else from then on, everywhere, and what was booked stays."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tallystick.stores.sql.booking import book_attempt
from tests.build.control import Desk, describe

CORRECTION = {"cost_usd": "0.0005", "evidence": "invoice 2026-11, line 4"}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


def lost(desk: Desk) -> str:
    """A call that was booked at its worst case, 9,000,000 nanos."""
    return desk.book(9_000_000, settled={"method": "estimated", "basis": "worst_case", "lines": (), "usage": None}, labels={"team": "search"})


async def test_a_worst_case_is_corrected_and_every_sum_follows(desk: Desk) -> None:
    request_id = lost(desk)
    async with desk.owner() as owner:
        reply = await owner.post(f"/api/requests/{request_id}/adjustments", json=CORRECTION)
        assert reply.status_code == 201
        call = reply.json()
        assert (call["cost_nanos"], call["cost_usd"], call["booked_cost_nanos"]) == (500_000, "0.000500000", 9_000_000)
        assert (call["method"], call["basis"]) == ("estimated", "worst_case")
        (made,) = call["adjustments"]
        assert {name: made[name] for name in ("reason", "text", "actor", "delta_nanos", "cost_nanos", "call_day", "posted_day")} == {
            "reason": "evidence", "text": CORRECTION["evidence"], "actor": "acc_1", "delta_nanos": -8_500_000, "cost_nanos": 500_000,
            "call_day": "2026-11-20", "posted_day": "2026-11-20"}
        assert call == (await owner.get(f"/api/requests/{request_id}")).json()
        (listed,) = (await owner.get("/api/requests")).json()["items"]
        assert (listed["cost_nanos"], listed["booked_cost_nanos"]) == (500_000, 9_000_000)
        overview = (await owner.get("/api/metrics/overview")).json()
        assert overview["today"]["cost_nanos"] == overview["month_to_date"]["cost_nanos"] == 500_000
        teams = json.loads((await owner.get("/api/aggregations/by-team")).text, parse_float=Decimal)["teams"]
        assert [(team["team_name"], team["total_cost"]) for team in teams] == [("search", Decimal("0.0005"))]
        again = await owner.post(f"/api/requests/{request_id}/adjustments", json=CORRECTION)
        assert (again.status_code, again.json()) == (200, call)


async def test_a_call_that_was_never_corrected_says_so_in_few_words(desk: Desk) -> None:
    request_id = desk.book()
    async with desk.owner() as owner:
        call = (await owner.get(f"/api/requests/{request_id}")).json()
        (listed,) = (await owner.get("/api/requests")).json()["items"]
    assert call["adjustments"] == []
    assert not {"booked_cost_nanos", "booked_cost_usd"} & (call.keys() | listed.keys() | call["attempts"][0].keys())


async def test_of_several_attempts_one_is_named(desk: Desk) -> None:
    first = desk.admission()
    second = replace(first, attempt=2)
    with desk.sequencer.append(desk.clock.at_us) as pen:
        for one, cost_nanos in ((first, 100), (second, 200)):
            book_attempt(pen, one, desk.settlement(one, cost_nanos), describe)
    path = f"/api/requests/{first.request_id}/adjustments"
    async with desk.owner() as owner:
        assert problem(await owner.post(path, json=CORRECTION), 400) == "attempt_required"
        assert problem(await owner.post(path, json={**CORRECTION, "attempt": 3}), 404) == "not_found"
        reply = await owner.post(path, json={"cost_nanos": 150, "evidence": "usage report", "attempt": 2})
        assert reply.json()["cost_nanos"] == 250
        assert [one["cost_nanos"] for one in reply.json()["attempts"]] == [100, 150]
        assert reply.json()["attempts"][1]["booked_cost_nanos"] == 200


@pytest.mark.parametrize("body", [
    {}, {"cost_usd": "1"}, {"evidence": "x"}, {**CORRECTION, "cost_nanos": 5}, {"cost_usd": "-1", "evidence": "x"},
    {"cost_usd": "1e3", "evidence": "x"}, {"cost_usd": "0.0000000001", "evidence": "x"}, {"cost_usd": 0.1, "evidence": "x"},
    {"cost_nanos": 1.5, "evidence": "x"}, {"cost_nanos": 10**18 + 1, "evidence": "x"}, {**CORRECTION, "evidence": ""},
    {**CORRECTION, "evidence": " "}, {**CORRECTION, "evidence": "a\nb"}, {**CORRECTION, "evidence": "x" * 501}, {**CORRECTION, "actor": "eve"},
    {**CORRECTION, "attempt": 0}, {**CORRECTION, "attempt": True},
])
async def test_what_makes_no_sense_is_refused_and_nothing_is_posted(desk: Desk, body: dict[str, Any]) -> None:
    request_id = lost(desk)
    async with desk.owner() as owner:
        assert problem(await owner.post(f"/api/requests/{request_id}/adjustments", json=body), 400) == "invalid_request"
        assert (await owner.get(f"/api/requests/{request_id}")).json()["adjustments"] == []


async def test_what_has_no_cost_to_correct_is_refused(desk: Desk) -> None:
    waiting, sandbox, refused = desk.admit().request_id, desk.book(0, sandbox=True), desk.refuse(team="team0")
    async with desk.owner() as owner:
        for request_id, status, code in ((waiting, 409, "not_settled"), (sandbox, 409, "not_adjustable"), (refused, 409, "not_adjustable"),
                                         ("req_" + "f" * 32, 404, "not_found")):
            assert problem(await owner.post(f"/api/requests/{request_id}/adjustments", json=CORRECTION), status) == code


async def test_only_an_owner_corrects_and_only_their_own_calls(desk: Desk) -> None:
    request_id = lost(desk)
    desk.other_organization()
    _, key = desk.key()
    path = f"/api/requests/{request_id}/adjustments"
    async with desk.client() as nobody, desk.client(key) as machine, desk.owner("other") as stranger:
        assert (await nobody.post(path, json=CORRECTION)).status_code == 401
        assert (await machine.post(path, json=CORRECTION)).status_code == 403
        assert problem(await stranger.post(path, json=CORRECTION), 404) == "not_found"


def problem(reply: Any, status: int) -> str:
    """The code of a refusal."""
    assert (reply.status_code, reply.headers["content-type"]) == (status, "application/problem+json"), reply.text
    code: str = reply.json()["code"]
    return code
