"""What each key cost, how full its cap is, and its own page: a cap is set where a key is made, and every figure is the ledger's."""

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
CAP_USD = 5


@pytest.fixture(scope="module")
def traffic(gateway: RunningGateway, provider: MiniUpstream) -> dict[str, int]:
    """Two keys, the dearer one with two calls, and what each was booked, by the key's id."""
    for name, calls in (("support chatbot", 2), ("search ranking", 1)):
        key = gateway.key(name=name, team=name.split()[0], project=name.split()[1], user=f"{name.split()[0]}-app")
        for number in range(calls):
            provider.expect("POST", chat.PATH, chat.answers(30_000 + number * 211)[0])
            answer = httpx.post(gateway.url + chat.PATH, json=chat.asked(), headers=chat.headers(key), timeout=PATIENCE_S)
            assert answer.status_code == 200, answer.text
    booked: dict[str, int] = {}
    for call in gateway.calls(3):
        booked[call["key_id"]] = booked.get(call["key_id"], 0) + call["cost_nanos"]
    return booked


def test_keys_tell_what_they_cost_the_dearest_first(
    gateway: RunningGateway, traffic: dict[str, int], session: Any, visit: Callable[..., Person],
) -> None:
    laptop = visit(gateway, storage_state=session, viewport=SMALL_LAPTOP)
    laptop.go("/keys")
    laptop.at("Keys")
    assert laptop.nanos("table.book tbody") == sorted(traffic.values(), reverse=True)
    assert laptop.nanos("table.book tfoot") == [sum(traffic.values())]
    assert laptop.page.locator("table.book tbody tr").first.inner_text().strip().startswith("support chatbot")
    assert laptop.page.evaluate("() => { const at = document.querySelector('.table-scroll'); return at.scrollWidth - at.clientWidth }") <= 0

    # The days chosen hold for it as for every other screen.
    laptop.go("/keys?from=2020-01-01&to=2020-01-31")
    laptop.at("Keys")
    assert set(laptop.nanos("table.book tbody")) == {0}


def test_a_key_is_made_with_a_cap_that_stands_in_the_list_and_on_its_page(
    gateway: RunningGateway, traffic: dict[str, int], owner: Person,
) -> None:
    page = owner.page
    owner.go("/o/default/keys?new=true")
    owner.at("Keys")
    page.get_by_label("Name").fill("nightly batch")
    page.get_by_label("Hard cap a month").fill(str(CAP_USD))
    page.get_by_role("dialog").get_by_role("button", name="Create key").click()
    page.get_by_role("button", name="I have stored it").click()
    (budget,) = [one for one in gateway.api("/api/budgets")["items"] if one["scope"] == "key"]
    assert (budget["mode"], budget["window"], int(budget["limit_nanos"])) == ("hard", "month", CAP_USD * 1_000_000_000)
    row = page.locator("table.book tbody tr", has_text="nightly batch")
    row.get_by_role("link", name="0 %").wait_for()
    row.get_by_role("link", name="nightly batch").click()
    owner.at("nightly batch")
    limits = page.get_by_role("table", name="Limits")
    limits.get_by_text("Hard: calls that do not fit are refused").wait_for()
    assert int(limits.locator("[data-nanos]").get_attribute("data-nanos") or "") == CAP_USD * 1_000_000_000
    page.get_by_text("never", exact=True).wait_for()


def test_a_cap_that_cannot_be_read_is_said_beside_the_key(gateway: RunningGateway, owner: Person) -> None:
    page = owner.page
    owner.go("/o/default/keys?new=true")
    owner.at("Keys")
    page.get_by_label("Name").fill("capped by nothing")
    page.get_by_label("Hard cap a month").fill("plenty")
    page.get_by_role("dialog").get_by_role("button", name="Create key").click()
    page.get_by_text("The key is made, but its cap is not").wait_for()
    page.get_by_role("button", name="I have stored it").click()
    assert [key["name"] for key in gateway.api("/api/keys")["items"] if key["name"] == "capped by nothing"]


def test_a_keys_page_is_opened_by_keyboard_adds_up_and_ends_the_key(
    gateway: RunningGateway, traffic: dict[str, int], session: Any, visit: Callable[..., Person],
) -> None:
    somebody = visit(gateway, storage_state=session)
    page = somebody.page
    somebody.go("/o/default/keys?q=ranking")
    somebody.at("Keys")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    somebody.at("search ranking")
    page.get_by_role("heading", name="Spend by model").wait_for()
    id_ = page.url.partition("?")[0].rpartition("/")[2]
    assert somebody.nanos(".figures > div:first-child") == [traffic[id_]]
    page.get_by_role("table", name="Dearest users").get_by_role("link", name="search-app").wait_for()
    assert somebody.barriers() == []
    phone = visit(gateway, storage_state=session, viewport=PHONE, has_touch=True, is_mobile=True, color_scheme="dark")
    phone.go(f"/keys/{id_}")
    phone.at("search ranking")
    phone.page.get_by_role("heading", name="Spend by model").wait_for()
    assert phone.barriers() == []
    assert phone.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]

    page.locator(".figures > div:first-child .value a").click()
    somebody.at("Requests")
    assert somebody.nanos("table.book tbody") == [traffic[id_]]
    page.go_back()
    somebody.at("search ranking")
    page.get_by_role("button", name="Actions for search ranking").click()
    page.get_by_role("menuitem", name="Revoke").click()
    page.get_by_role("dialog").get_by_role("textbox").fill("search ranking")
    page.get_by_role("button", name="Revoke key").click()
    page.get_by_text("Revoked", exact=True).wait_for()
    assert gateway.api(f"/api/keys/{id_}")["status"] == "revoked"
