"""From the printed link to a first call of one's own code: the first start of an installation in a browser, by keyboard; a
provider's key that is stored and tried; and an onboarding that is left and gone on with.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
from playwright.sync_api import Browser, Page

from tests.browser.conftest import Person
from tests.build import chat
from tests.build.gateway import PATIENCE_S, RunningGateway
from tests.mini_upstream import MiniUpstream, json_reply

OWNER = ("first@example.test", "a password of my own")


def called(gateway: RunningGateway, key: str) -> httpx.Response:
    """By somebody's own code, in the sandbox."""
    answer = httpx.post(
        f"{gateway.url}/v1/chat/completions", timeout=PATIENCE_S,
        headers={"Authorization": f"Bearer {key}", "X-Tallystick-Sandbox": "true"},
        json={"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]})
    assert answer.status_code == 200, answer.text
    return answer


def typed(page: Page, text: str) -> None:
    page.keyboard.type(text)
    page.keyboard.press("Tab")


def focused(page: Page) -> str:
    """What has the focus, by its words."""
    said: str = page.evaluate("() => document.activeElement.innerText || document.activeElement.name || document.activeElement.tagName")
    return said


def tab_to(page: Page, words: str) -> None:
    """Go there as somebody without a mouse does."""
    for _ in range(60):
        if focused(page).strip() == words:
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"nothing called {words!r} can be reached by Tab")


def test_from_the_printed_link_to_a_first_call_by_keyboard(chromium: Browser, tmp_path: Path, visit: Callable[..., Person]) -> None:
    with RunningGateway(tmp_path, env={"TALLYSTICK_ADMIN_EMAIL": "", "TALLYSTICK_ADMIN_PASSWORD": ""}) as gateway:
        assert gateway._process is not None
        assert gateway._process.stdout is not None
        link = gateway._process.stdout.readline().rpartition(" ")[2].strip()
        somebody = visit(gateway)
        page = somebody.page
        page.goto(link)
        page.get_by_role("heading", name="Make the first account").wait_for()
        typed(page, OWNER[0])
        page.keyboard.type(OWNER[1])
        page.keyboard.press("Enter")

        somebody.at("Welcome")
        tab_to(page, "Get started")
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Create your key").wait_for()
        assert focused(page) == "name"
        page.keyboard.type("my first")
        tab_to(page, "cap")
        page.keyboard.type("20")
        page.keyboard.press("Enter")
        key = page.locator("[data-key]").inner_text()
        tab_to(page, "I have stored it")
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Connect a provider").wait_for()
        assert page.get_by_role("radio", name="Sandbox only").is_checked()
        tab_to(page, "Go on")
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Send a first prompt").wait_for()
        tab_to(page, "Send it")
        page.keyboard.press("Enter")

        page.locator(".answer").wait_for()
        page.locator("[data-sum]").wait_for()
        headers = {"Authorization": f"Bearer {token_of(gateway)}"}
        (call,) = httpx.get(f"{gateway.url}/api/requests", headers=headers).json()["items"]
        (budget,) = httpx.get(f"{gateway.url}/api/budgets", headers=headers).json()["items"]
        assert (call["sandbox"], call["agent"], call["cost_nanos"]) == (True, "console", 0)
        assert (budget["scope"], budget["mode"], budget["limit_nanos"]) == ("key", "hard", 20_000_000_000)
        assert somebody.nanos(".figures") == [call["would_be_cost_nanos"]]
        assert call["id"] in page.inner_text("main")
        page.get_by_text("Entry ").wait_for()
        assert key in page.locator(".snippet").inner_text()

        # One's own code, somewhere else: the light turns on.
        light = page.locator("output.live-state")
        assert light.inner_text() == "Waiting for a call from your code"
        answer = called(gateway, key)
        page.get_by_text("First call received").wait_for()
        assert light.get_attribute("data-first") == answer.headers["x-tallystick-request-id"]
        page.reload()
        page.get_by_text("First call received").wait_for()
        page.get_by_text("What was answered is not kept").wait_for()
        tab_to(page, "To the overview")
        page.keyboard.press("Enter")
        somebody.at("Overview")

        # The link is worth nothing from now on, and says so.
        page.goto(link)
        page.get_by_label("E-mail").fill("second@example.test")
        page.get_by_label("Password", exact=False).first.fill(OWNER[1])
        page.get_by_role("button", name="Make the account").click()
        page.get_by_role("alert").wait_for()


def token_of(gateway: RunningGateway) -> str:
    answer = httpx.post(f"{gateway.url}/api/auth/token", data={"username": OWNER[0], "password": OWNER[1]}, timeout=PATIENCE_S)
    return str(answer.raise_for_status().json()["access_token"])


def test_a_stored_key_is_tried_and_the_first_prompt_is_real(gateway: RunningGateway, provider: MiniUpstream, owner: Person) -> None:
    page = owner.page
    page.get_by_role("button", name="Make a first call").click()
    owner.at("Welcome")
    page.get_by_role("button", name="Get started").click()
    page.get_by_label("Name").fill("real")
    page.get_by_role("button", name="Create key").click()
    page.get_by_role("button", name="I have stored it").click()

    page.get_by_role("radio", name="Store it sealed").check()
    page.get_by_label("Its key").fill("sk-wrong")
    refused = json_reply({"error": {"message": "Incorrect API key provided."}}, status=401)
    provider.expect("GET", "/v1/models", refused)
    page.get_by_role("button", name="Store and test").click()
    page.get_by_label("Result").get_by_text("Incorrect API key provided.").wait_for()
    page.get_by_label("Its key").fill("sk-right")
    for answer in (json_reply({"data": []}), refused):
        provider.expect("GET", "/v1/models", answer)
    page.get_by_role("button", name="Store and test").click()
    page.get_by_text("It works", exact=True).wait_for()
    assert [call.method for call in provider.calls[-3:]] == ["GET"] * 3              # and nothing that costs
    # Where the list is open to everybody one small call tells.
    for _ in range(2):
        provider.expect("GET", "/v1/models", json_reply({"data": []}))
    provider.expect("POST", chat.PATH, chat.answers(7)[0])
    page.get_by_role("button", name="Test", exact=True).click()
    page.get_by_text("Active", exact=True).wait_for()
    sent = {name.decode().lower(): value for name, value in provider.calls[-1].headers}
    assert sent["authorization"] == b"Bearer sk-right"
    assert not {"cookie", "origin", "referer", "x-tallystick-agent"} & set(sent)
    assert gateway.api("/api/credentials")["items"][0]["name"] == "default"

    page.get_by_role("button", name="Go on", exact=True).click()
    provider.expect("POST", chat.PATH, chat.answers(1_234)[0])
    page.get_by_role("button", name="Send it").click()
    page.locator("[data-sum]").wait_for()
    assert owner.nanos(".figures") == [chat.cost_nanos(1_234)]
    assert page.url.count("sk-") == page.url.count("tsk_") == 0


def test_who_comes_back_goes_on_with_the_key_there_is(gateway: RunningGateway, owner: Person) -> None:
    page = owner.page
    owner.go("/welcome?step=key")
    owner.at("Welcome")
    page.get_by_label("Name").fill("left alone")
    page.get_by_role("button", name="Create key").click()
    key = page.locator("[data-key]").inner_text()
    page.reload()
    page.get_by_role("heading", name="left alone is made").wait_for()
    assert key not in page.content()
    on = page.get_by_role("button", name="Go on with this key")
    assert on.is_disabled()
    page.get_by_label("The key").fill("tsk_" + "x" * 40)
    page.get_by_text("This is another one").wait_for()
    page.get_by_label("The key").fill(key)
    on.click()
    page.get_by_role("button", name="Go on", exact=True).click()
    page.get_by_role("button", name="Send it").click()
    page.locator(".answer").wait_for()
    page.get_by_role("link", name="Your key").click()
    page.get_by_text("This page still has its text").wait_for()
    page.get_by_role("button", name="Skip this").click()
    owner.at("Overview")
