"""The Budget Negotiator through the browser, on a running gateway: a manager asks with the figures behind it, Finance signs less
than that, calls draw on it until it refuses them, a top-up lets them through, and its end asks for its name.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from tests.browser.conftest import AXE, PHONE, Person
from tests.build import chat
from tests.build.gateway import PATIENCE_S, RunningGateway
from tests.mini_upstream import MiniUpstream

SOON = (datetime.now(UTC) + timedelta(days=30)).strftime("%Y-%m-%d")


def asked(gateway: RunningGateway, key: str) -> httpx.Response:
    return httpx.post(gateway.url + chat.PATH, json=chat.asked(), headers=chat.headers(key), timeout=PATIENCE_S)


def called(gateway: RunningGateway, provider: MiniUpstream, key: str, number: int) -> None:
    provider.expect("POST", chat.PATH, chat.answers(number)[0])
    answer = asked(gateway, key)
    assert answer.status_code == 200, answer.text


def figure(person: Person, label: str) -> int:
    found = person.page.locator(".figures > div", has=person.page.get_by_text(label, exact=True)).locator("[data-nanos]")
    return int(found.get_attribute("data-nanos") or "")


def signed_in(gateway: RunningGateway, visit: Callable[..., Person], role: str, *words: str) -> Person:
    member = gateway.json("members", "add", f"{role}@example.test", "--role", role, *words)
    somebody = visit(gateway)
    somebody.go("/o/default/envelopes")
    somebody.sign_in(f"{role}@example.test", member["password"])
    somebody.at("Envelopes")
    return somebody


def test_the_life_of_an_envelope(gateway: RunningGateway, provider: MiniUpstream, owner: Person, visit: Callable[..., Person]) -> None:
    key = gateway.key(team="search")
    called(gateway, provider, key, 1_201)
    (past,) = gateway.calls(1)
    manager = signed_in(gateway, visit, "manager", "--team", "search")
    page = manager.page
    page.get_by_role("heading", name="No envelopes yet").wait_for()
    assert "tallystick envelopes request" in page.locator(".snippet").inner_text()
    page.get_by_role("button", name="Ask for the first one").click()
    page.locator("[data-evidence]").wait_for()
    assert manager.nanos("[data-evidence]")[0] == past["cost_nanos"], "the evidence is the ledger's"
    page.get_by_label("Amount").fill("20")
    page.get_by_label("Until the end of").fill(SOON)
    page.get_by_label("What for").fill("the launch")
    page.get_by_label("Why so much").fill("grew by half each month")
    assert page.get_by_label("Sign it at once").count() == 0
    page.get_by_role("button", name="Ask for it").click()
    manager.at("Envelope")
    assert page.get_by_role("button", name="Sign…").count() == 0
    number = page.url.rsplit("/", 1)[1]

    page = owner.page
    page.keyboard.press("g")
    page.keyboard.press("v")
    owner.at("Envelopes")
    page.get_by_text("Asked for 1").click()
    page.wait_for_url("**/envelopes?*state=requested*")
    page.get_by_role("link", name="the launch").click()
    owner.at("Envelope")
    page.locator("[data-evidence]").wait_for()
    page.get_by_role("button", name="Sign…").click()
    page.get_by_label("Amount").fill("0.0001")
    page.get_by_label("Comment").fill("less, for now")
    page.get_by_role("button", name="Sign", exact=True).click()
    page.get_by_role("dialog").wait_for(state="hidden")
    page.locator("[data-hash]").wait_for()
    stands = gateway.api(f"/api/envelopes/{number}")
    assert page.locator("[data-hash]").inner_text() == stands["signature"]["hash"]
    page.get_by_role("link", name=f"number {stands['signature']['entry']}").click()
    page.get_by_role("heading", name=re.compile("^Entry "), level=1).wait_for()
    page.go_back()
    owner.at("Envelope")
    assert (figure(owner, "Granted"), figure(owner, "Spent")) == (100_000, 0)
    assert (asked(gateway, key).status_code, gateway.calls(1, kind="refused")[0]["code"]) == (402, "budget_exceeded")

    page.get_by_role("button", name="Top up…").click()
    page.get_by_label("By").fill("3")
    page.get_by_label("Reason").fill("a second region")
    page.get_by_role("button", name="Top up", exact=True).click()
    page.get_by_role("dialog").wait_for(state="hidden")
    called(gateway, provider, key, 1_202)
    spent = gateway.calls(2)[0]["cost_nanos"]
    page.reload()
    owner.at("Envelope")
    assert (figure(owner, "Granted"), figure(owner, "Spent")) == (3_000_100_000, spent)
    assert figure(owner, "Spent") + figure(owner, "Held") + figure(owner, "Left") == figure(owner, "Granted")

    page.get_by_role("button", name="More for this envelope").click()
    page.get_by_role("menuitem", name="End now…").click()
    page.get_by_label("to confirm").fill("search")
    page.get_by_role("button", name="End envelope").click()
    page.locator(".page-head .tag", has_text="Ended").wait_for()
    assert gateway.api(f"/api/envelopes/{number}")["state"] == "ended"


@pytest.fixture(scope="module")
def granted(gateway: RunningGateway) -> str:
    """An envelope in the organisation's, and one that is asked for. Returns the id of the first."""
    given = gateway.json("envelopes", "request", "org", "--sign", "--amount", "50", "--until", SOON, "--purpose", "the year")
    gateway.json("envelopes", "request", "team:sales", "--amount", "7", "--until", SOON, "--purpose", "a fair")
    return str(given["id"])


def test_money_moves_and_plans_are_held_against_it(gateway: RunningGateway, granted: str, owner: Person) -> None:
    inner = gateway.json("envelopes", "request", "team:shop", "--sign", "--amount", "5", "--until", SOON, "--purpose", "the shop")
    page = owner.page
    owner.go(f"/o/default/envelopes/{granted}?act=move")
    owner.at("Envelope")
    page.get_by_role("combobox", name="To").click()
    page.get_by_role("option", name="team shop: the shop").click()
    page.get_by_label("Amount").fill("2")
    page.get_by_label("Reason").fill("it sells")
    page.get_by_role("button", name="Move", exact=True).click()
    page.get_by_role("dialog").wait_for(state="hidden")
    assert gateway.api(f"/api/envelopes/{inner['id']}")["amount_nanos"] == 7_000_000_000
    owner.go("/o/default/envelopes?fits=true&on=team:shop")
    owner.at("Envelopes")
    for delta, fits in (("1", "true"), ("900", "false")):
        page.get_by_label("So much more a month").fill(delta)
        page.get_by_role("button", name="Look").click()
        page.locator(f"[data-fits={fits}]").wait_for()
    owner.go(f"/o/default/envelopes/{inner['id']}?act=fallback")
    owner.at("Envelope")
    page.get_by_label("Instead of").fill("gpt-4o* = gpt-4o-mini")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("from 80 % on").wait_for()
    page.get_by_role("button", name="Require one").click()
    page.get_by_text("calls are refused: one is required").wait_for()
    assert gateway.api("/api/envelopes/headroom?scope=team&value=shop&monthly_delta_usd=0")["envelope_required"] is True
    page.get_by_role("button", name="Require none").click()
    page.get_by_text("calls go on under the other budgets").wait_for()


def test_one_is_declined_and_the_file_is_exact(gateway: RunningGateway, granted: str, owner: Person, tmp_path: Path) -> None:
    owner.go("/o/default/envelopes")
    owner.at("Envelopes")
    page = owner.page
    page.get_by_role("link", name="a fair").click()
    owner.at("Envelope")
    page.get_by_role("button", name="Decline…").click()
    page.get_by_label("Why not").fill("not this year")
    page.get_by_role("button", name="Decline", exact=True).click()
    page.get_by_text("not this year").wait_for()
    page.get_by_role("link", name="All envelopes").click()
    owner.at("Envelopes")
    with page.expect_download() as coming:
        page.get_by_role("button", name="CSV").click()
    coming.value.save_as(tmp_path / "envelopes.csv")
    written = {row["purpose"]: row for row in csv.DictReader((tmp_path / "envelopes.csv").read_text(encoding="utf-8").splitlines())}
    assert (written["a fair"]["state"], written["a fair"]["comment"]) == ("declined", "not this year")
    assert written["the year"]["amount_nanos"] == "50000000000"


PLACES = (("envelopes", "Envelopes"), ("envelopes?ask=true", "Envelopes"), ("envelopes?fits=true", "Envelopes"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.skipif(not AXE.is_file(), reason="axe is not installed: make console")
def test_nothing_stands_in_anybodys_way(gateway: RunningGateway, granted: str, session: object, visit: Callable[..., Person], scheme: str) -> None:
    somebody = visit(gateway, color_scheme=scheme, storage_state=session)
    found = {}
    for path, title in (*PLACES, (f"envelopes/{granted}", "Envelope"), (f"envelopes/{granted}?act=top-up", "Envelope")):
        somebody.go(f"/o/default/{path}")
        somebody.at(title)
        if "=" in path:
            somebody.page.get_by_role("dialog").wait_for()
        found[path] = somebody.barriers()
    assert {path: barriers for path, barriers in found.items() if barriers} == {}


def test_a_phone_shows_it_without_scrolling_sideways(gateway: RunningGateway, granted: str, session: object, visit: Callable[..., Person]) -> None:
    somebody = visit(gateway, viewport=PHONE, has_touch=True, is_mobile=True, storage_state=session)
    for path, title in (*PLACES, (f"envelopes/{granted}", "Envelope")):
        somebody.go(f"/o/default/{path}")
        somebody.at(title)
        assert somebody.page.evaluate("() => document.documentElement.scrollWidth") <= PHONE["width"], path
