"""Alerts and the channels that tell them, through the browser: a webhook is added and tried, a budget that is crossed stands
in the inbox and reached the hook, somebody sees to it, and it is muted; what the page said is what the API and the hook say.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.browser.conftest import AXE, PHONE, Person
from tests.build.gateway import ADMIN, RunningGateway
from tests.gateway.test_alerts import NETWORKS, Hook
from tests.gateway.test_budgets import CHAT, COST_NANOS, ask, chat
from tests.mini_upstream import MiniUpstream, json_reply

TITLE = "Budget of team web: exhausted"


@pytest.fixture(scope="module")
def hook() -> Iterator[Hook]:
    with Hook() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """One that may speak to the hook."""
    with MiniUpstream(strict=False) as provider:
        provider.expect("POST", CHAT, json_reply(chat()), times=10)
        with RunningGateway(tmp_path_factory.mktemp("console"), upstream=provider.url, config=NETWORKS) as running:
            yield running


def test_a_channel_is_added_and_tried_and_a_crossed_budget_is_told_seen_to_and_muted(
    gateway: RunningGateway, hook: Hook, owner: Person, tmp_path: Path,
) -> None:
    page = owner.page
    page.keyboard.press("g")
    page.keyboard.press("a")
    owner.at("Alerts")
    page.get_by_text("tallystick channels add ops slack").wait_for()
    page.get_by_role("link", name="add a channel").click()
    owner.at("Channels")
    page.get_by_label("Name").fill("ops")
    page.get_by_role("combobox", name="Kind").click()
    page.get_by_role("option", name="Webhook").click()
    page.get_by_label("Address").fill(hook.url)
    page.get_by_role("dialog").get_by_role("button", name="Add channel").click()
    assert page.locator("[data-secret]").inner_text().startswith("whsec_")
    page.get_by_role("button", name="I have stored it").click()
    page.get_by_text("none yet").wait_for()
    assert hook.url not in page.content(), "of an address only the origin is shown"
    [channel] = gateway.api("/api/channels")["items"]
    assert (channel["name"], channel["kind"], channel["severity"]) == ("ops", "webhook", "info")

    page.get_by_role("button", name="Actions for ops").click()
    page.get_by_role("menuitem", name="Send a test…").click()
    page.get_by_role("button", name="Send a test").click()
    result = page.get_by_label("Result")
    result.get_by_text("sent", exact=True).wait_for()
    assert "204" in result.inner_text()
    assert hook.wait(1)[0]["type"] == "alert.test"
    page.get_by_role("dialog").get_by_role("button", name="Close").last.click()
    page.locator("table.book .tag", has_text="sent").wait_for()

    gateway.json("budgets", "set", "--team", "web", "--limit", f"{COST_NANOS / 1e9:.9f}", "--window", "month", "--soft")
    assert ask(gateway, gateway.key(team="web")).status_code == 200
    told = [one["data"]["title"] for one in hook.wait(5)[1:]]
    owner.go("/alerts")
    owner.at("Alerts")
    page.get_by_role("link", name=TITLE).wait_for()
    rows = page.locator("table.book tbody tr")
    assert sorted(rows.get_by_role("link").all_inner_texts()) == sorted(told)
    with page.expect_download() as coming:
        page.get_by_role("button", name="CSV").click()
    coming.value.save_as(tmp_path / "alerts.csv")
    filed = list(csv.DictReader((tmp_path / "alerts.csv").read_text(encoding="utf-8").splitlines()))
    assert sorted(row["title"] for row in filed) == sorted(told)
    page.keyboard.press("/")
    page.keyboard.type("exhausted")
    page.wait_for_url("**/alerts?q=exhausted")
    assert rows.count() == 1

    page.get_by_role("link", name=TITLE).click()
    owner.at("Alert")
    number = int(page.url.rpartition("/")[2])
    one = gateway.api(f"/api/alerts/{number}")
    assert one["text"] in page.locator("main").inner_text()
    assert owner.nanos(".facts") == [one["facts"]["limit"], one["facts"]["spent"]]
    assert page.locator("dt:text-is('Threshold') + dd").inner_text() == f"{one['facts']['threshold_percent']} %"
    page.get_by_role("link", name="The budget as it stands now").click()
    owner.at("Budget")
    assert page.url.endswith(f"/budgets/{one['facts']['budget_id']}")
    page.go_back()
    owner.at("Alert")
    page.locator("table.book", has_text="attempt 1").wait_for()
    before = len(hook.got)
    page.get_by_role("button", name="Send again").click()
    assert hook.wait(before + 1)[-1]["data"]["id"] == number
    page.get_by_role("button", name="Acknowledge…").click()
    page.get_by_label("Note").fill("asked the team")
    page.get_by_role("button", name="Acknowledge", exact=True).click()
    page.get_by_text("“asked the team”").wait_for()
    page.locator("dd", has_text=f"by {ADMIN[0]}").wait_for()
    assert gateway.api(f"/api/alerts/{number}")["note"] == "asked the team"
    page.get_by_role("button", name="Mute…").click()
    page.get_by_label("Reason").fill("load test")
    page.get_by_role("dialog").get_by_role("button", name="Mute", exact=True).click()
    page.get_by_role("dialog").wait_for(state="hidden")
    [mute] = gateway.api("/api/alerts/mutes")["items"]
    assert (mute["thread"], mute["reason"]) == (one["thread"], "load test")

    owner.go("/alerts")
    owner.at("Alerts")
    page.get_by_role("heading", name="Nothing needs anybody").wait_for()
    page.get_by_text("Acknowledged", exact=True).click()
    page.wait_for_url("**/alerts?show=acknowledged")
    page.get_by_role("link", name=TITLE).wait_for()
    page.get_by_role("button", name="End the mute of").click()
    page.get_by_role("heading", name="Muted").wait_for(state="hidden")
    assert gateway.api("/api/alerts/mutes")["items"] == []


@pytest.mark.parametrize(("scheme", "viewport"), [("light", None), ("dark", None), ("dark", PHONE)])
@pytest.mark.skipif(not AXE.is_file(), reason="axe is not installed: make console")
def test_nothing_stands_in_anybodys_way_and_a_phone_shows_it(
    gateway: RunningGateway, session: Any, visit: Callable[..., Person], scheme: str, viewport: dict[str, int] | None,
) -> None:
    somebody = visit(gateway, storage_state=session, color_scheme=scheme, **({"viewport": viewport} if viewport else {}))
    [newest, *_] = gateway.api("/api/alerts")["items"]
    found = {}
    for screen, title in (("alerts?show=acknowledged", "Alerts"), (f"alerts/{newest['id']}", "Alert"), ("alerts/channels", "Channels"),
                          ("alerts/channels?new=true", "Channels")):
        somebody.go(f"/o/default/{screen}")
        somebody.at(title)
        found[screen] = somebody.barriers()
        if viewport:
            assert somebody.page.evaluate("() => document.documentElement.scrollWidth") <= viewport["width"], screen
    assert {screen: barriers for screen, barriers in found.items() if barriers} == {}


def test_a_channel_goes_by_its_name_and_only_where_the_role_may(gateway: RunningGateway, owner: Person, visit: Callable[..., Person]) -> None:
    member = gateway.json("members", "add", "audit@example.test", "--role", "auditor")
    auditor = visit(gateway)
    auditor.go("/o/default/alerts/channels?new=true")
    auditor.sign_in("audit@example.test", member["password"])
    auditor.at("Channels")
    assert auditor.page.get_by_role("button", name="Actions for ops").count() == 0
    assert auditor.page.get_by_role("dialog").count() == 0
    owner.go("/o/default/alerts/channels")
    owner.at("Channels")
    owner.page.get_by_role("button", name="Actions for ops").click()
    owner.page.get_by_role("menuitem", name="Remove…").click()
    owner.page.get_by_label("to confirm").fill("ops")
    owner.page.get_by_role("button", name="Remove channel").click()
    owner.page.get_by_role("heading", name="Nobody is told yet").wait_for()
    assert gateway.api("/api/channels")["items"] == []
