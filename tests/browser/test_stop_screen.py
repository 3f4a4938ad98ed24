"""The kill switch through the browser, on a phone: a team is stopped, its calls are refused in their own dialect, everybody sees
it in the head of every screen, and it is let through again; all of it stands in the ledger.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx
import pytest

from tests.browser.conftest import AXE, PHONE, Person
from tests.build import chat
from tests.build.gateway import PATIENCE_S, RunningGateway
from tests.mini_upstream import MiniUpstream


def asked(gateway: RunningGateway, key: str) -> httpx.Response:
    return httpx.post(gateway.url + chat.PATH, json=chat.asked(), headers=chat.headers(key), timeout=PATIENCE_S)


def test_a_team_is_stopped_and_let_through_on_a_phone(
    gateway: RunningGateway, provider: MiniUpstream, session: object, visit: Callable[..., Person],
) -> None:
    key, others = gateway.key(team="search"), gateway.key(team="sales")
    provider.expect("POST", chat.PATH, chat.answers(1_001)[0])
    assert asked(gateway, key).status_code == 200
    gateway.calls(1)
    somebody = visit(gateway, viewport=PHONE, has_touch=True, is_mobile=True, storage_state=session)
    page = somebody.page
    somebody.go("/o/default/live")
    somebody.at("Live")
    page.get_by_role("button", name="Stop calls…").click()
    somebody.at("Stop calls")
    page.get_by_text("Nobody is stopped.").wait_for()
    page.get_by_role("combobox", name="Which").fill("search")
    page.get_by_label("Reason").fill("leaked key")
    page.get_by_role("combobox", name="How long").click()
    page.get_by_role("option", name="For an hour").click()
    page.get_by_role("button", name="Stop calls…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("In the last day that were 1 call").wait_for()
    stop = dialog.get_by_role("button", name="Stop calls")
    assert stop.is_disabled(), "its name is typed first"
    page.get_by_label("to confirm").fill("search")
    stop.click()
    dialog.wait_for(state="hidden")

    refused = asked(gateway, key)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "killed")
    assert "leaked key" in refused.json()["error"]["message"]
    provider.expect("POST", chat.PATH, chat.answers(1_002)[0])
    assert asked(gateway, others).status_code == 200, "nobody else is"
    (stands,) = gateway.api("/api/policies?kind=kill")["items"]
    assert (stands["on"], stands["ends_at"] is not None) == ("team:search", True)
    page.get_by_role("link", name="Stopped: team search").wait_for()
    assert page.evaluate("() => document.documentElement.scrollWidth") <= PHONE["width"]

    page.get_by_role("button", name="Let calls through").click()
    page.get_by_role("dialog").get_by_role("button", name="Let calls through").click()
    page.get_by_text("Nobody is stopped.").wait_for()
    provider.expect("POST", chat.PATH, chat.answers(1_003)[0])
    assert asked(gateway, key).status_code == 200
    page.get_by_role("link", name="Stopped: team search").wait_for(state="hidden")
    done = gateway.run("export", "ledger-jsonl")
    told = [entry for line in done.stdout.splitlines() if (entry := json.loads(line)).get("kind") == "POLICY"]
    assert [entry["event"] for entry in told] == ["made", "removed"], done.stderr


def test_the_palette_leads_there(owner: Person) -> None:
    page = owner.page
    page.keyboard.press("Control+k")
    page.wait_for_function("() => document.activeElement?.placeholder?.startsWith('Go to, or type')")
    page.keyboard.type("stop calls")
    page.get_by_text("Stop calls", exact=True).last.wait_for()
    page.get_by_text("Stop calls", exact=True).last.click()
    owner.at("Stop calls")


def test_who_may_only_look_sees_who_is_stopped(gateway: RunningGateway, visit: Callable[..., Person]) -> None:
    gateway.json("policies", "kill", "--on", "team:batch", "--reason", "it loops")
    member = gateway.json("members", "add", "auditor@example.test", "--role", "auditor")
    somebody = visit(gateway)
    somebody.go("/o/default/keys")
    somebody.sign_in("auditor@example.test", member["password"])
    somebody.at("Keys")
    somebody.page.get_by_role("link", name="Stopped: team batch").click()
    somebody.at("Stop calls")
    somebody.page.get_by_text("it loops").wait_for()
    assert somebody.page.get_by_role("button", name="Let calls through").count() == 0
    assert somebody.page.get_by_role("button", name="Stop calls…").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.skipif(not AXE.is_file(), reason="axe is not installed: make console")
def test_nothing_stands_in_anybodys_way(gateway: RunningGateway, session: object, visit: Callable[..., Person], scheme: str) -> None:
    somebody = visit(gateway, color_scheme=scheme, storage_state=session)
    somebody.go("/o/default/stop?on=org")
    somebody.at("Stop calls")
    assert somebody.barriers() == []
