"""The first start of an installation, in a browser: the link that it printed, the first account, the first call."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
from playwright.sync_api import Browser

from tests.browser.conftest import Person
from tests.build.gateway import PATIENCE_S, RunningGateway

OWNER = ("first@example.test", "a password of my own")


def test_from_the_printed_link_to_a_first_call(chromium: Browser, tmp_path: Path, visit: Callable[..., Person]) -> None:
    with RunningGateway(tmp_path, env={"TALLYSTICK_ADMIN_EMAIL": "", "TALLYSTICK_ADMIN_PASSWORD": ""}) as gateway:
        assert gateway._process is not None
        assert gateway._process.stdout is not None
        link = gateway._process.stdout.readline().rpartition(" ")[2].strip()
        somebody = visit(gateway)
        page = somebody.page
        page.goto(link)
        page.get_by_label("E-mail").fill(OWNER[0])
        page.get_by_label("Password", exact=False).first.fill(OWNER[1])
        page.get_by_role("button", name="Make the account").click()
        page.get_by_role("heading", name="Sign in to Tallystick").wait_for()
        somebody.sign_in(*OWNER)
        somebody.at("Overview")
        page.get_by_role("heading", name="Nothing was called yet").wait_for()
        page.get_by_role("button", name="Create a key").click()
        page.get_by_label("Name").fill("my first")
        page.get_by_role("dialog").get_by_role("button", name="Create key").click()
        key = page.locator("[data-key]").inner_text()
        answer = httpx.post(
            f"{gateway.url}/v1/chat/completions", timeout=PATIENCE_S,
            headers={"Authorization": f"Bearer {key}", "X-Tallystick-Sandbox": "true"},
            json={"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]})
        assert answer.status_code == 200, answer.text
        page.get_by_role("button", name="I have stored it").click()
        somebody.go(f"/o/default/requests/{answer.headers['x-tallystick-request-id']}")
        somebody.at("Request")
        page.get_by_text("what it would have cost").wait_for()

        # The link is worth nothing from now on, and says so.
        page.goto(link)
        page.get_by_label("E-mail").fill("second@example.test")
        page.get_by_label("Password", exact=False).first.fill(OWNER[1])
        page.get_by_role("button", name="Make the account").click()
        page.get_by_role("alert").wait_for()
