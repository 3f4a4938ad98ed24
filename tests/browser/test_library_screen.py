"""The library through the browser, on a running gateway: one person proposes a version, another approves it, it stands there with what
a thousand runs cost, and its withdrawal asks for its name.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

import httpx
import pytest

from tests.browser.conftest import AXE, PHONE, Person
from tests.build.gateway import PATIENCE_S, RunningGateway
from tests.browser.test_prompts_screen import call
from tests.mini_upstream import MiniUpstream

TEXT = "Summarise this ticket: {ticket}"


@pytest.fixture(scope="module")
def cost_nanos(gateway: RunningGateway, provider: MiniUpstream) -> int:
    """Two calls of a registered version; what they cost."""
    gateway.api("/api/prompts")
    for version in ("1", "2"):
        httpx.post(f"{gateway.url}/api/prompts/versions", json={"prompt_key": "support/summary", "version": version, "model": "gpt-4o-mini"},
                   headers={"authorization": f"Bearer {gateway._token}"}, timeout=PATIENCE_S).raise_for_status()
    key = gateway.key(team="search")
    return sum(call(gateway, provider, key, number, "support/summary", "2") for number in (1_000, 1_500))


def test_a_version_is_proposed_approved_and_withdrawn(
    gateway: RunningGateway, cost_nanos: int, owner: Person, visit: Callable[..., Person],
) -> None:
    made = gateway.json("members", "add", "ben@example.test", "--role", "member", "--team", "search")
    member = visit(gateway)
    member.go("/library?new=true")
    member.sign_in("ben@example.test", made["password"])
    member.at("Library")
    dialog = member.page.get_by_role("dialog")
    dialog.get_by_role("textbox", name="Prompt").or_(dialog.get_by_role("combobox", name="Prompt")).fill("support/summary")
    dialog.get_by_role("textbox", name="Version").or_(dialog.get_by_role("combobox", name="Version")).fill("2")
    dialog.get_by_label("Owner").fill("Ann")
    dialog.get_by_label("For").fill("Summaries of tickets")
    dialog.get_by_role("textbox", name="Text").fill(TEXT)
    dialog.get_by_role("button", name="Propose").click()
    dialog.wait_for(state="hidden")
    member.page.get_by_role("button", name="Take back").wait_for()
    assert member.page.get_by_role("button", name="Approve").count() == 0

    page = owner.page
    page.keyboard.press("g")
    page.keyboard.press("i")
    owner.at("Library")
    page.get_by_role("button", name="Approve").click()
    row = page.get_by_role("table", name="Library").locator("tbody tr")
    row.wait_for()
    assert owner.nanos("table") == [cost_nanos * 1_000 // 2]
    assert sha256(TEXT.encode()).hexdigest()[:10] in row.inner_text()
    (entry,) = list(gateway.api("/api/library")["items"])
    assert entry["proposed_by"] != entry["approved_by"]
    assert gateway.run("verify").returncode == 0
    owner.go("/o/default/prompts/support~2Fsummary")
    page.get_by_role("link", name="version 2").click()
    owner.at("Library")

    def act(what: str) -> None:
        page.get_by_role("button", name="Actions for support/summary 2").click()
        page.get_by_role("menuitem", name=what).click()

    act("Rate…")
    page.get_by_role("dialog").get_by_text("4 ★").click()
    assert owner.barriers() == []
    page.get_by_role("dialog").get_by_role("button", name="Rate", exact=True).click()
    row.get_by_text("4.0 ★").wait_for()
    act("Pin")
    page.get_by_role("heading", name="Pinned by you").wait_for()
    assert page.get_by_role("table", name="Pinned").locator("tbody tr").count() == 1
    assert owner.barriers() == []
    (mine,) = list(gateway.api("/api/library")["items"])
    assert (mine["pinned"], mine["stars"], mine["rating_tenths"]) == (True, 4, 40)
    act("Fork…")
    page.get_by_label("Key of the new prompt").fill("support/summary")
    page.get_by_text("is there already").wait_for()
    page.get_by_label("Key of the new prompt").fill("sales/summary")
    page.get_by_text("is there already").wait_for(state="hidden")
    page.get_by_role("dialog").get_by_role("button", name="Fork", exact=True).click()
    owner.at("sales/summary")
    (forked,) = [one for one in gateway.api("/api/prompts/one?prompt_key=sales/summary")["version_list"] if one["registered"]]
    assert (forked["model"], forked["note"]) == ("gpt-4o-mini", f"Forked from support/summary 2, text {sha256(TEXT.encode()).hexdigest()}")
    owner.go("/o/default/library")
    act("Unpin")
    page.get_by_role("heading", name="Pinned by you").wait_for(state="hidden")

    act("Withdraw…")
    page.get_by_label("to confirm").fill("support/summary")
    page.get_by_role("button", name="Withdraw version").click()
    page.get_by_role("heading", name="Nothing is approved yet").wait_for()


@pytest.mark.parametrize("how", [{"color_scheme": "light"}, {"color_scheme": "dark"}, {"viewport": PHONE, "has_touch": True, "is_mobile": True}])
@pytest.mark.skipif(not AXE.is_file(), reason="axe is not installed: make console")
def test_nothing_stands_in_anybodys_way(
    gateway: RunningGateway, cost_nanos: int, session: object, visit: Callable[..., Person], how: dict[str, object],
) -> None:
    httpx.post(f"{gateway.url}/api/library", json={"prompt_key": "support/summary", "version": "1", "owner": "Ann", "text": TEXT},
               headers={"authorization": f"Bearer {gateway._token}"}, timeout=PATIENCE_S)
    somebody = visit(gateway, storage_state=session, **how)
    for path in ("library", "library?new=true"):
        somebody.go(f"/o/default/{path}")
        somebody.at("Library")
        assert somebody.barriers() == []
        assert somebody.page.evaluate("() => document.documentElement.scrollWidth") <= somebody.page.evaluate("() => innerWidth")
