"""From a figure to its calls in one step, on a screen that holds it whole: the overview's figures, lists, alerts and budgets lead
on, a request leads to its run, nothing is cut off on a laptop or a phone, and an address that leads nowhere says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.browser.conftest import PHONE, Person
from tests.build import chat
from tests.build.gateway import PATIENCE_S, RunningGateway
from tests.mini_upstream import MiniUpstream

SMALL_LAPTOP = {"width": 1280, "height": 860}
LIMIT_USD = "0.01"


@pytest.fixture(scope="module")
def traffic(gateway: RunningGateway, provider: MiniUpstream) -> dict[str, Any]:
    """Two calls of a run and one beside it, with names as long as real ones, under a budget that they go past."""
    gateway.run("budgets", "set", "--team", "checkout-assistant", "--limit", f"{LIMIT_USD}/month", "--soft")
    run = {"X-Tallystick-Agent": "refund-reviewer", "X-Tallystick-Session": "run-7", "X-Tallystick-Tags": "release=9"}
    key = gateway.key(name="checkout-assistant production", team="checkout-assistant", project="payment-refunds", user="engineer-on-call-17")
    made = []
    for number, more in enumerate((run, run, {})):
        provider.expect("POST", chat.PATH, chat.answers(40_000 + number)[0])
        answer = httpx.post(gateway.url + chat.PATH, json=chat.asked(), headers={**chat.headers(key), **more}, timeout=PATIENCE_S)
        assert answer.status_code == 200, answer.text
        made.append(answer.headers["x-tallystick-request-id"])
    booked = [call["cost_nanos"] for call in gateway.calls(3)]
    return {"ids": made, "booked": booked, "key": key}


def test_every_figure_of_the_overview_leads_to_its_calls(gateway: RunningGateway, traffic: dict[str, Any], owner: Person) -> None:
    page = owner.page
    owner.go("/o/default/overview")
    owner.at("Overview")
    per_day = int(gateway.api("/api/metrics/overview")["month_to_date"]["burn_per_day_nanos"])
    assert f"${7 * per_day / 10**9:.6f} a week" in page.locator(".figures > div:nth-child(4)").inner_text()
    for place in (1, 2, 3, 4):
        page.locator(f".figures > div:nth-child({place}) .value a").click()
        owner.at("Requests")
        assert sorted(owner.nanos("table.book tbody")) == sorted(traffic["booked"])
        page.go_back()
        owner.at("Overview")
    page.locator(".figures > div:nth-child(5) .value a").click()
    owner.at("Requests")
    page.get_by_role("heading", name="No requests match").wait_for()


def test_lists_name_keys_lead_to_all_and_more_of_them_are_a_click_away(traffic: dict[str, Any], owner: Person) -> None:
    page = owner.page
    owner.go("/o/default/overview")
    owner.at("Overview")
    keys = page.get_by_role("table", name="Keys")
    keys.get_by_role("link", name="checkout-assistant production").wait_for()
    assert page.get_by_role("table", name="Tags").count() == 0
    page.get_by_role("button", name="More lists").click()
    tags = page.get_by_role("table", name="Tags")
    tags.get_by_role("link", name="release").click()
    owner.at("Requests")
    assert len(owner.nanos("table.book tbody")) == 2
    page.go_back()
    section = page.locator("section.section", has=page.get_by_role("table", name="Agents"))
    section.get_by_role("link", name="Explore").click()
    owner.at("Explore")
    assert "group=agent" in page.url
    page.get_by_role("button", name="refund-reviewer").first.wait_for()


def test_the_fullest_budget_leads_to_its_page(traffic: dict[str, Any], owner: Person) -> None:
    owner.go("/o/default/overview")
    owner.at("Overview")
    owner.page.get_by_role("link", name="team checkout-assistant").first.click()
    owner.page.wait_for_url("**/budgets/*")
    owner.page.get_by_role("heading", level=1).wait_for()


def test_a_run_leads_to_its_calls_and_a_call_to_its_run(traffic: dict[str, Any], owner: Person) -> None:
    page = owner.page
    owner.go("/o/default/agents/refund-reviewer")
    owner.at("refund-reviewer")
    page.get_by_role("link", name="run-7").click()
    owner.at("Requests")
    assert len(owner.nanos("table.book tbody")) == 2
    owner.go(f"/o/default/requests/{traffic['ids'][0]}")
    owner.at("Request")
    # A key is told by its name, and what the cost rests on in words.
    page.get_by_role("link", name="checkout-assistant production").wait_for()
    page.get_by_text("the price list; tokens as the provider counted them").wait_for()
    page.get_by_role("link", name="release = 9").click()
    owner.at("Requests")
    assert len(owner.nanos("table.book tbody")) == 2
    page.go_back()
    owner.at("Request")
    page.get_by_role("link", name="run-7").click()
    owner.at("Requests")
    assert len(owner.nanos("table.book tbody")) == 2


def test_a_small_laptop_holds_every_column_of_the_calls_and_a_phone_its_days(
    gateway: RunningGateway, traffic: dict[str, Any], session: Any, visit: Callable[..., Person],
) -> None:
    laptop = visit(gateway, storage_state=session, viewport=SMALL_LAPTOP)
    laptop.go("/o/default/requests")
    laptop.at("Requests")
    assert laptop.page.evaluate("() => { const at = document.querySelector('.table-scroll'); return at.scrollWidth - at.clientWidth }") <= 0

    phone = visit(gateway, storage_state=session, viewport=PHONE, has_touch=True, is_mobile=True)
    phone.go("/o/default/overview")
    phone.at("Overview")
    phone.page.get_by_role("button", name="More lists").wait_for()
    assert phone.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert phone.page.evaluate(
        "() => { const at = document.querySelector('[aria-label^=Range] .mantine-Button-label'); return at.scrollWidth - at.clientWidth }") <= 0
    assert phone.barriers() == []


@pytest.mark.parametrize("path", ["/nothing/here", "/o/default/nothing", "/projects/without-its-team", "/o"])
def test_an_address_that_leads_nowhere_says_so_and_leads_on(path: str, owner: Person) -> None:
    owner.go(path)
    owner.at("There is no such page")
    owner.page.get_by_role("link", name="To the overview").click()
    owner.at("Overview")
