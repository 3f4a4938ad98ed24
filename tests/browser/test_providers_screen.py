"""Providers through the browser, on a running gateway: what went to each to the nano, and a credential's life: stored, used by a
call that brings none, replaced and removed, its value never shown.
"""

from __future__ import annotations

import httpx
import pytest

from tests.browser.conftest import Person
from tests.build import chat
from tests.build.gateway import PATIENCE_S, RunningGateway
from tests.mini_upstream import MiniUpstream, json_reply

SECRET = "sk-stored-7f3a9"
LISTED = json_reply({"data": []})
REFUSED = json_reply({"error": {"message": f"Incorrect API key provided: {SECRET[:6]}***{SECRET[-4:]}."}}, status=401)


@pytest.fixture(scope="module")
def key(gateway: RunningGateway) -> str:
    return gateway.key(team="search")


def called(gateway: RunningGateway, provider: MiniUpstream, headers: dict[str, str], number: int) -> str:
    provider.expect("POST", chat.PATH, chat.answers(number)[0])
    answer = httpx.post(gateway.url + chat.PATH, json=chat.asked(), headers=headers, timeout=PATIENCE_S)
    assert answer.status_code == 200, answer.text
    return str(answer.headers["x-tallystick-request-id"])


def act(person: Person, credential: str, what: str) -> None:
    person.page.get_by_role("button", name=f"Actions for {credential}").click()
    person.page.get_by_role("menuitem", name=what).click()


def test_a_providers_figures_and_the_life_of_its_credential(
    gateway: RunningGateway, provider: MiniUpstream, owner: Person, key: str,
) -> None:
    first = called(gateway, provider, chat.headers(key), 1_234)
    gateway.calls(1)
    page = owner.page
    page.keyboard.press("g")
    page.keyboard.press("m")
    owner.at("Providers")
    row = page.locator("tbody tr", has_text="OpenAI").first
    assert row.locator("[data-nanos]").get_attribute("data-nanos") == str(gateway.call(first)["cost_nanos"])
    assert owner.barriers() == []
    row.get_by_role("link", name="OpenAI", exact=True).click()
    owner.at("OpenAI")
    assert provider.url in page.locator(".page-head").inner_text()
    assert page.get_by_role("table", name="Known routes").locator("tbody tr", has_text="/v1/chat/completions").count() >= 1

    page.get_by_role("button", name="Store credential").click()
    page.get_by_label("Value").fill(SECRET)
    for answer in (LISTED, REFUSED):                                              # with the key, and without
        provider.expect("GET", "/v1/models", answer)
    page.get_by_role("dialog").get_by_role("button", name="Store credential").click()
    page.get_by_label("Result").get_by_text("It works").wait_for()
    assert owner.barriers() == []
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="hidden")
    held = page.get_by_role("table", name="Stored credentials").locator("tbody tr")
    held.get_by_text("not used yet").wait_for()
    assert SECRET not in page.content()
    assert owner.barriers() == []

    second = called(gateway, provider, {"X-Tallystick-Key": key}, 1_300)          # brings none of its own
    gateway.calls(2)
    assert gateway.call(second)["attempts"][0]["credential"] == "default"
    page.reload()
    owner.at("OpenAI")
    spent_nanos = sum(gateway.call(one)["cost_nanos"] for one in (first, second))
    assert owner.nanos(".figures") == [spent_nanos]
    for part in (page.locator(".figures"), page.get_by_role("table", name="By model"), page.get_by_role("table", name="By operation")):
        part.locator(f'a [data-nanos="{spent_nanos}"]').first.click()
        owner.at("Requests")
        page.locator(f'tfoot [data-nanos="{spent_nanos}"]').wait_for()
        page.go_back()
        owner.at("OpenAI")
    page.locator(".figures").get_by_role("link", name="0.0 %").click()
    owner.at("Requests")
    page.get_by_role("heading", name="No requests match").wait_for()
    page.go_back()
    owner.at("OpenAI")

    provider.expect("GET", "/v1/models", REFUSED)
    page.get_by_role("button", name="Test default").focus()
    page.keyboard.press("Enter")
    result = page.get_by_label("Result")
    result.get_by_text("OpenAI refuses this key (401).").wait_for()
    assert "Incorrect API key provided: ***" in result.inner_text()
    assert "store it again" in result.inner_text()
    assert SECRET[-4:] not in page.content()
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="hidden")

    act(owner, "default", "Replace…")
    page.get_by_label("Value").fill(SECRET + "-next")
    for answer in (LISTED, LISTED):                                               # to everybody
        provider.expect("GET", "/v1/models", answer)
    page.get_by_role("dialog").get_by_role("button", name="Replace").click()
    result.get_by_text("nothing is known of this one").wait_for()
    page.keyboard.press("Escape")
    held.get_by_text("version 2").wait_for()
    act(owner, "default", "Remove…")
    page.get_by_label("to confirm").fill("default")
    page.get_by_role("button", name="Remove credential").click()
    page.get_by_text("callers bring their own").wait_for()
    assert gateway.api("/api/credentials")["items"] == []
