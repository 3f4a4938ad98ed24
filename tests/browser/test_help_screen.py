"""Help in the browser, on a running gateway: the lines that it shows for a client are run as they stand and arrive; a pasted
error, a key and an address are told apart; the key stays out of every address.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.browser.conftest import AXE, PHONE, Person
from tests.build.gateway import PATIENCE_S, RunningGateway

PARTS = ("", "?part=connect", "?part=connect&client=claude-code", "?part=headers", "?part=practices", "?part=trouble", "?part=check")


def said(person: Person, heading: str) -> str:
    """The lines under a heading."""
    section = person.page.locator("section.section", has=person.page.get_by_role("heading", name=heading, exact=True))
    return str(section.locator(".snippet").inner_text())


def test_a_clients_lines_run_as_they_are_shown(gateway: RunningGateway, owner: Person, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed here")
    page, key = owner.page, gateway.key()
    page.keyboard.press("g")
    page.keyboard.press("h")
    owner.at("Help")
    page.get_by_role("tab", name="Connect").click()
    page.get_by_role("combobox", name="Client").click()
    page.get_by_role("option", name="curl").click()
    page.get_by_label("Key", exact=True).fill(key)
    page.get_by_label("Team").fill("it's growth")
    page.get_by_label("Tags").fill("nightly,tier=gold")
    page.get_by_label("Sandbox: simulated replies").check()
    page.get_by_role("tab", name="Anthropic", exact=True).click()
    lines = said(owner, "In the code")
    assert key in lines
    assert key not in page.url
    assert "client=curl" in page.url

    done = subprocess.run(["sh", "-eu", "-c", lines], capture_output=True, text=True, timeout=PATIENCE_S, check=False,
                          env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    assert '"type":"message"' in done.stdout.replace(" ", "")
    (call,) = gateway.calls(1, kind="sandbox")
    assert (call["team"], sorted(call["tags"])) == ("it's growth", ["nightly", "tier=gold"])

    page.reload()
    owner.at("Help")
    assert "YOUR_KEY" in said(owner, "In the code"), "the key stayed in the page"
    assert "it'\\''s growth" in said(owner, "In the code")
    assert "tallystick connect curl" in said(owner, "In a terminal")


def test_good_practice_and_how_the_gateway_stands(owner: Person) -> None:
    owner.go("/o/default/help")
    owner.at("Help")
    owner.page.get_by_role("tab", name="Good practice").click()
    owner.page.get_by_role("heading", name="The gateway itself").wait_for()
    owner.page.get_by_role("tab", name="Check", exact=True).click()
    owner.page.get_by_text("It takes calls, and books them.").wait_for()


def test_what_no_client_can_send_is_said(owner: Person) -> None:
    owner.go("/o/default/help?part=connect&client=openai-js&team=B%C3%BCro")
    owner.at("Help")
    assert "printable ASCII" in owner.page.get_by_role("alert").inner_text()


def test_how_far_a_text_was_tried_stands_beside_it(owner: Person) -> None:
    for client, says in (("go", "Run by our tests"), ("codex", "File read by our tests"), ("cursor", "Documented, not run")):
        owner.go(f"/o/default/help?part=connect&client={client}")
        owner.page.get_by_text(says, exact=True).wait_for()


def test_a_pasted_error_is_answered_and_leads_to_its_call(gateway: RunningGateway, owner: Person) -> None:
    refused = httpx.post(f"{gateway.url}/v1/chat/completions", headers={"Authorization": "Bearer tsk_wrong"}, json={}, timeout=PATIENCE_S)
    owner.go("/o/default/help?part=check")
    owner.at("Help")
    page = owner.page
    page.get_by_label("What your program was told").fill(f"openai.AuthenticationError: {refused.text}")
    page.get_by_text("never issued here").wait_for()
    assert page.get_by_role("link", name=refused.headers["x-tallystick-request-id"]).count() == 1
    page.get_by_label("What your program was told").fill("it broke")
    page.get_by_text("no code of the gateway's in it").wait_for()


def test_a_key_is_told_apart_and_tried(gateway: RunningGateway, owner: Person) -> None:
    made = gateway.json("keys", "create", "--team", "search", "--name", "search, prod")
    owner.go("/o/default/help?part=check")
    owner.at("Help")
    page = owner.page
    page.get_by_label("Key", exact=True).fill(made["key"])
    page.get_by_label("Key", exact=True).press("Enter")
    page.get_by_text("This key works.").wait_for()
    assert page.get_by_role("link", name="search, prod").count() == 1
    page.get_by_role("button", name="Make a sandbox call with it").click()
    page.get_by_text("It went through").wait_for()
    assert made["key"] not in page.url

    assert gateway.run("keys", "revoke", made["id"]).returncode == 0
    page.get_by_role("button", name="Check key").click()
    page.get_by_text("This key was revoked").wait_for()
    page.get_by_label("Key", exact=True).fill("sk-ant-something")
    page.get_by_role("button", name="Check key").click()
    page.get_by_text("By its form it is of Anthropic").wait_for()
    page.get_by_role("main").get_by_role("link", name="Providers").wait_for()
    assert made["key"] not in gateway.log.read_text()


def test_an_address_is_judged(gateway: RunningGateway, owner: Person) -> None:
    owner.go("/o/default/help?part=check&client=anthropic-python")
    owner.at("Help")
    page = owner.page
    page.get_by_label("Base URL that it was given").fill(f"{gateway.url}/v1")
    page.get_by_text("adds /v1 itself").wait_for()
    page.get_by_label("Base URL that it was given").fill(gateway.url)
    page.get_by_text("This is what Anthropic, Python wants").wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.skipif(not AXE.is_file(), reason="axe is not installed: make console")
def test_nothing_stands_in_anybodys_way(gateway: RunningGateway, session: object, visit: Callable[..., Person], scheme: str) -> None:
    somebody = visit(gateway, color_scheme=scheme, storage_state=session)
    found = {}
    for part in PARTS:
        somebody.go(f"/o/default/help{part}")
        somebody.at("Help")
        found[part] = somebody.barriers()
    assert {part: barriers for part, barriers in found.items() if barriers} == {}


def test_a_phone_shows_it_without_scrolling_sideways(gateway: RunningGateway, session: object, visit: Callable[..., Person]) -> None:
    somebody = visit(gateway, viewport=PHONE, has_touch=True, is_mobile=True, storage_state=session)
    for part in PARTS:
        somebody.go(f"/o/default/help{part}")
        somebody.at("Help")
        assert somebody.page.evaluate("() => document.documentElement.scrollWidth") <= PHONE["width"], part
