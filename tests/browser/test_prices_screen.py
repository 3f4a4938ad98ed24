"""The price book through the browser, on a running gateway: a model is found and its arithmetic is what a call is booked at; a call
without a price is worked off by setting one; a proposal is seen with its effect, and approved by somebody else.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import httpx
import pytest

from tests.browser.conftest import PHONE, Person
from tests.build import chat
from tests.build.gateway import ADMIN, PATIENCE_S, RunningGateway
from tests.mini_upstream import Answer, MiniUpstream, json_reply

PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def traffic(gateway: RunningGateway, provider: MiniUpstream) -> str:
    """A priced call, and one to a model that no book knows. Returns the priced one's id."""
    key = gateway.key(team="search")
    made = [called(gateway, provider, key, model) for model in (chat.MODEL, "house-model-7")]
    gateway.calls(2)
    return made[0]


def called(gateway: RunningGateway, provider: MiniUpstream, key: str, model: str) -> str:
    reply, _ = chat.answers(1_234)
    provider.expect("POST", chat.PATH, reply if model == chat.MODEL else reply_of(model))
    answer = httpx.post(gateway.url + chat.PATH, json={**chat.asked(), "model": model}, headers=chat.headers(key), timeout=PATIENCE_S)
    assert answer.status_code == 200, answer.text
    return str(answer.headers["x-tallystick-request-id"])


def reply_of(model: str) -> Answer:
    return json_reply({**chat.completion(1_234), "model": model}, usage=chat.usage(1_234))


def test_a_models_arithmetic_is_what_its_calls_are_booked_at(gateway: RunningGateway, traffic: str, owner: Person) -> None:
    page = owner.page
    page.keyboard.press("g")
    page.keyboard.press("c")
    owner.at("Prices")
    page.keyboard.press("/")
    page.keyboard.type("openai gpt-4o-mini")
    page.wait_for_url(re.compile("q="))
    page.get_by_role("link", name="gpt-4o-mini", exact=True).click()
    owner.at("gpt-4o-mini")
    used = chat.usage(1_234)
    page.get_by_label("input text").fill(str(used["input"]))
    page.get_by_label("output text").fill(str(used["output"]))
    booked = gateway.call(traffic)["cost_nanos"]
    page.locator(f"[data-lines] [data-nanos='{booked}']").wait_for()
    assert owner.barriers() == []


def test_what_has_no_price_is_given_one(gateway: RunningGateway, traffic: str, owner: Person) -> None:
    page = owner.page
    owner.go("/prices")
    owner.at("Prices")
    row = page.get_by_role("table", name="Without a price").locator("tbody tr", has_text="house-model-7")
    row.get_by_role("button", name="Set a price").click()
    dialog = page.get_by_role("dialog")
    assert dialog.get_by_label("Model", exact=True).input_value() == "house-model-7"
    dialog.get_by_label("Dollars a million").fill("two")
    dialog.get_by_role("button", name="Set override").click()
    dialog.get_by_text("Say the price in dollars").wait_for()
    dialog.get_by_label("Dollars a million").fill("2")
    dialog.get_by_role("button", name="Set override").click()
    dialog.wait_for(state="hidden")
    page.get_by_role("table", name="Agreed over the list").locator("tbody tr", has_text="house-model-7").wait_for()
    (made,) = gateway.api("/api/prices/overrides")["items"]
    assert (made["model"], made["value"], made["unit"]) == ("house-model-7", "2", "input_text")
    assert owner.barriers() == []


def test_a_proposal_is_seen_with_its_effect_and_approved_by_somebody_else(
    gateway: RunningGateway, traffic: str, owner: Person, visit: Callable[..., Person],
) -> None:
    gateway.run("members", "add", "fin@house", "--role", "finance", "--password-stdin", said=PASSWORD + "\n")
    finance = visit(gateway)
    finance.go("/prices?new=true")
    finance.sign_in("fin@house", PASSWORD)
    finance.at("Prices")
    page = finance.page
    page.get_by_role("combobox", name="Provider").click()
    page.get_by_role("option", name="openai", exact=True).click()
    page.get_by_role("textbox", name="Percent").fill("-50")
    page.get_by_role("button", name="Show the effect").click()
    booked = gateway.call(traffic)["cost_nanos"]
    page.locator(f".effect [data-nanos='{booked}']").wait_for()
    page.get_by_role("dialog").get_by_role("button", name="Set override").click()
    page.locator(".offers").get_by_text("somebody else approves it").wait_for()

    owner.go("/prices")
    owner.at("Prices")
    waiting = owner.page.locator(".offers li", has_text="-50 % on tokens")
    waiting.locator(f".effect [data-nanos='{booked}']").wait_for()
    assert "fin@house" in waiting.inner_text()
    waiting.get_by_role("button", name="Approve").click()
    owner.page.get_by_role("table", name="Agreed over the list").locator("tbody tr", has_text="-50 %").wait_for()
    assert gateway.api("/api/proposals?state=open")["items"] == []


def test_prices_on_a_phone(gateway: RunningGateway, traffic: str, visit: Callable[..., Person]) -> None:
    person = visit(gateway, viewport=PHONE, color_scheme="dark")
    person.go("/prices")
    person.sign_in(*ADMIN)
    person.at("Prices")
    assert person.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    assert person.barriers() == []
