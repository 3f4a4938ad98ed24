"""What people do with the console, on a gateway with real traffic, through the browser: they sign in, see what was spent
to the nano, make a key and call with it, and end it again.
"""

from __future__ import annotations

import csv
import re
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from tests.browser.conftest import AXE, PHONE, Person
from tests.build import chat
from tests.build.gateway import ADMIN, PATIENCE_S, RunningGateway
from tests.mini_upstream import MiniUpstream

CALLS = 7
SCREENS = ("overview", "explore", "live", "requests", "keys", "alerts")


def called(gateway: RunningGateway, provider: MiniUpstream, key: str, number: int) -> str:
    """One priced call through the gateway. Returns its id."""
    provider.expect("POST", chat.PATH, chat.answers(number)[0])
    answer = httpx.post(gateway.url + chat.PATH, json=chat.asked(), headers=chat.headers(key), timeout=PATIENCE_S)
    assert answer.status_code == 200, answer.text
    return answer.headers["x-tallystick-request-id"]


@pytest.fixture(scope="module")
def traffic(gateway: RunningGateway, provider: MiniUpstream) -> list[str]:
    """Calls of two teams, of which no two cost the same, and a refusal."""
    keys = [gateway.key(team="search", project="ranking", user="ada"), gateway.key(team="support", project="chatbot", environment="prod")]
    made = [called(gateway, provider, keys[number % 2], 1_000 + number * 37) for number in range(CALLS)]
    gateway.calls(CALLS)
    return made


def test_a_wrong_password_is_said_and_a_right_one_leads_to_where_one_wanted(gateway: RunningGateway, visit: Callable[..., Person]) -> None:
    somebody = visit(gateway)
    somebody.go("/o/default/keys?ended=true")
    somebody.sign_in(password="not the password")
    somebody.page.get_by_role("alert").wait_for()
    somebody.sign_in()
    somebody.at("Keys")
    assert somebody.page.url.endswith("/o/default/keys?ended=true")


def test_the_figures_are_the_ledgers_to_the_nano(gateway: RunningGateway, traffic: list[str], owner: Person) -> None:
    booked = sum(call["cost_nanos"] for call in gateway.calls(CALLS))
    owner.page.reload()
    owner.at("Overview")
    assert owner.nanos(".figures > div:first-child") == [booked]
    teams = owner.page.locator("section", has=owner.page.get_by_role("heading", name="Teams"))
    assert sum(int(found.get_attribute("data-nanos") or "") for found in teams.locator("[data-nanos]").all()) == booked
    owner.page.get_by_role("link", name=str(CALLS), exact=True).click()
    owner.at("Requests")
    assert sum(owner.nanos("table.book tbody")) == booked


def test_a_requests_arithmetic_is_what_explain_prints(gateway: RunningGateway, traffic: list[str], owner: Person) -> None:
    call = gateway.call(traffic[0])
    owner.go(f"/o/default/requests/{traffic[0]}")
    owner.at("Request")
    owner.page.get_by_role("heading", name="How the cost comes about").wait_for()
    assert owner.nanos(".figures > div:first-child") == [call["cost_nanos"]]
    said = owner.page.locator("[data-sum]").get_attribute("data-sum") or ""
    assert Decimal(said) == Decimal(call["cost_usd"])
    table = owner.page.locator("table.book").first.inner_text()
    for line in call["lines"]:
        assert line["amount_usd"] in table
        assert f"${line['rate_usd']}" in table
    facts = owner.page.locator(".facts").all_inner_texts()
    assert any(call["attribution"]["team"] in text for text in facts)


def test_budgets_that_near_their_end_and_what_alerts_say_stand_on_the_overview(
    gateway: RunningGateway, provider: MiniUpstream, traffic: list[str], owner: Person,
) -> None:
    """A budget of a few cents that its first call nearly fills; what the page says of it is what the API says."""
    gateway.json("budgets", "set", "--team", "tight", "--limit", "0.0003", "--window", "month", "--soft")
    called(gateway, provider, gateway.key(team="tight"), 1_999)
    gateway.calls(CALLS + 1)
    (standing,) = gateway.api("/api/budgets")["items"]
    owner.page.reload()
    owner.at("Overview")
    section = owner.page.locator("section", has=owner.page.get_by_role("heading", name="Budgets"))
    section.wait_for()
    shown = [int(found.get_attribute("data-nanos") or "") for found in section.locator("[data-nanos]").all()]
    assert shown == [standing["nodes"][0]["spent_nanos"], standing["limit_nanos"]]
    assert f"{standing['nodes'][0]['used_percent']:g} %" in section.inner_text()
    deadline = time.monotonic() + PATIENCE_S
    while not gateway.api("/api/alerts?open=true")["items"]:
        assert time.monotonic() < deadline, "no alert was raised"
        time.sleep(0.05)
    owner.page.reload()
    owner.at("Overview")
    alerts = owner.page.get_by_role("list", name="Open alerts").get_by_role("listitem")
    alerts.first.wait_for()
    assert alerts.count() == 1, "of one budget only its newest word"


def test_filters_days_and_choices_stand_in_the_address(gateway: RunningGateway, traffic: list[str], owner: Person) -> None:
    page = owner.page
    owner.go("/requests")
    owner.at("Requests")
    page.get_by_role("button", name="Filter").click()
    page.get_by_role("combobox", name="Names").fill("search")
    page.get_by_role("option", name="search").click()
    page.get_by_role("button", name="Add filter").click()
    page.get_by_role("button", name="Remove the filter Team").wait_for()
    page.get_by_role("button", name=re.compile("Range:")).click()
    page.get_by_role("button", name="Today").click()
    page.wait_for_url(re.compile("range=today"))
    assert "team=search" in page.url
    page.reload()
    owner.at("Requests")
    page.locator("table.book tbody tr").nth(3).wait_for()
    assert page.locator("table.book tbody tr").count() == 4
    page.go_back()
    page.wait_for_url(re.compile("^(?!.*range=today)"))
    assert "team=search" in page.url
    page.get_by_role("button", name="Remove the filter Team").click()
    page.locator("table.book tbody tr").nth(CALLS - 1).wait_for()


def test_a_table_is_sorted_by_its_headings_and_the_address_says_so(gateway: RunningGateway, traffic: list[str], owner: Person) -> None:
    owner.go("/requests?kind=calls")
    owner.at("Requests")
    for sort, down in (("-cost_nanos", True), ("cost_nanos", False)):
        owner.page.get_by_role("button", name="Cost").click()
        owner.page.wait_for_url(re.compile(f"sort={sort}"))
        owner.page.reload()
        owner.at("Requests")
        owner.page.locator(f"th[aria-sort={'descending' if down else 'ascending'}]", has_text="Cost").wait_for()
        shown = owner.nanos("table.book tbody")
        assert len(set(shown)) >= CALLS
        assert shown == sorted(shown, reverse=down)


def test_a_tables_file_has_its_rows_and_exact_amounts(gateway: RunningGateway, traffic: list[str], owner: Person, tmp_path: Path) -> None:
    owner.go("/requests")
    owner.at("Requests")
    owner.page.locator("table.book tbody tr").first.wait_for()
    with owner.page.expect_download() as coming:
        owner.page.get_by_role("link", name="CSV").click()
    coming.value.save_as(tmp_path / "calls.csv")
    rows = list(csv.DictReader((tmp_path / "calls.csv").read_text(encoding="utf-8").splitlines()))
    assert {row["id"]: int(row["cost_nanos"]) for row in rows} == {call["id"]: call["cost_nanos"] for call in gateway.calls(CALLS)}


def test_the_life_of_a_key(gateway: RunningGateway, provider: MiniUpstream, traffic: list[str], owner: Person) -> None:
    """Made, shown once, called with, turned, revoked by its name: what the gateway says is what the page said."""
    page = owner.page
    owner.go("/keys")
    owner.at("Keys")
    page.get_by_role("button", name="Create key").click()
    page.get_by_label("Name").fill("night job")
    page.get_by_role("combobox", name="Team").fill("support")
    page.get_by_role("dialog").get_by_role("button", name="Create key").click()
    first = page.locator("[data-key]").inner_text()
    page.get_by_role("button", name="Copy key").click()
    assert page.evaluate("() => navigator.clipboard.readText()") == first
    assert first in page.locator(".snippet").inner_text()
    page.get_by_role("button", name="I have stored it").click()
    assert first not in page.content(), "a key is shown once"
    call = gateway.call(called(gateway, provider, first, 4_242))
    assert call["attribution"]["team"] == "support"

    page.get_by_role("button", name="Actions for night job").click()
    page.get_by_role("menuitem", name="Rotate…").click()
    page.get_by_role("combobox", name="How long the old key still works").click()
    page.get_by_role("option", name="Not at all: it ends now").click()
    page.get_by_role("button", name="Rotate key").click()
    page.locator("[data-key]").wait_for()
    second = page.locator("[data-key]").inner_text()
    page.get_by_role("button", name="I have stored it").click()
    assert second != first
    assert status_of(gateway, first) == 401
    called(gateway, provider, second, 4_243)

    page.get_by_role("button", name="Actions for night job").click()
    page.get_by_role("menuitem", name="Revoke…").click()
    confirm = page.get_by_role("button", name="Revoke key")
    assert confirm.is_disabled()
    page.get_by_label("to confirm").fill("night job")
    confirm.click()
    page.get_by_role("dialog").wait_for(state="hidden")
    assert status_of(gateway, second) == 401
    assert page.get_by_role("button", name="Actions for night job").count() == 0
    page.get_by_role("switch", name="Ended keys (2)").click()
    assert page.locator("tr.ended").count() == 2


def status_of(gateway: RunningGateway, key: str) -> int:
    return httpx.post(gateway.url + chat.PATH, json=chat.asked(), headers=chat.headers(key), timeout=PATIENCE_S).status_code


def test_new_calls_come_by_themselves(gateway: RunningGateway, provider: MiniUpstream, traffic: list[str], owner: Person) -> None:
    """And while the view stands still they wait, counted; going on shows them."""
    key = gateway.key(team="late")
    owner.go("/admin/llm-proxy")
    owner.at("Live")
    assert owner.page.url.endswith("/o/default/live")
    rows = owner.page.locator("table.book tbody tr")
    rows.first.wait_for()
    before = rows.count()
    first = called(gateway, provider, key, 5_000)
    owner.page.locator(f'a[href$="{first}"]').wait_for()
    assert rows.count() == before + 1
    assert first in (rows.first.locator("a").get_attribute("href") or "")
    owner.page.get_by_role("button", name="Pause").click()
    second = called(gateway, provider, key, 5_001)
    owner.page.get_by_text("1 waiting").wait_for()
    assert owner.page.locator(f'a[href$="{second}"]').count() == 0
    owner.page.get_by_role("button", name="Go on").click()
    owner.page.locator(f'a[href$="{second}"]').wait_for()


def test_nobody_needs_a_mouse(gateway: RunningGateway, traffic: list[str], visit: Callable[..., Person]) -> None:
    somebody = visit(gateway)
    keyboard = somebody.page.keyboard
    somebody.go("/")
    somebody.page.get_by_label("E-mail").wait_for()
    keyboard.type(ADMIN[0])
    keyboard.press("Tab")
    keyboard.type(ADMIN[1])
    keyboard.press("Enter")
    somebody.at("Overview")
    keyboard.press("g")
    keyboard.press("k")
    somebody.at("Keys")
    keyboard.press("/")
    keyboard.type("nothing like it")
    somebody.page.get_by_role("heading", name="No keys match").wait_for()
    keyboard.press("Control+k")
    somebody.page.wait_for_function("() => document.activeElement?.placeholder?.startsWith('Go to, or type')")
    keyboard.type(traffic[0])
    somebody.page.get_by_text(f"Open request {traffic[0]}").wait_for()
    keyboard.press("ArrowDown")
    keyboard.press("Enter")
    somebody.at("Request")
    keyboard.press("?")
    somebody.page.get_by_role("dialog", name="Keys").wait_for()
    keyboard.press("Escape")
    somebody.page.get_by_role("dialog", name="Keys").wait_for(state="hidden")
    keyboard.press("g")
    keyboard.press("r")
    somebody.at("Requests")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.skipif(not AXE.is_file(), reason="axe is not installed: make console")
def test_nothing_stands_in_anybodys_way(gateway: RunningGateway, traffic: list[str], visit: Callable[..., Person], scheme: str) -> None:
    somebody = visit(gateway, color_scheme=scheme)
    somebody.go("/")
    somebody.page.get_by_label("E-mail").wait_for()
    found = {"login": somebody.barriers()}
    somebody.sign_in()
    somebody.at("Overview")
    for screen in (*SCREENS, f"requests/{traffic[0]}", "keys?new=true"):
        somebody.go(f"/o/default/{screen}")
        somebody.at(screen.partition("/")[0].partition("?")[0].capitalize().removesuffix("s" if "/" in screen else " "))
        found[screen] = somebody.barriers()
    assert {screen: barriers for screen, barriers in found.items() if barriers} == {}


def test_a_phone_shows_it_without_scrolling_sideways(gateway: RunningGateway, traffic: list[str], visit: Callable[..., Person]) -> None:
    somebody = visit(gateway, viewport=PHONE, has_touch=True, is_mobile=True)
    somebody.go("/")
    somebody.sign_in()
    somebody.at("Overview")
    for name in ("Live", "Requests", "Keys", "Overview"):
        somebody.page.get_by_role("button", name="Menu").click()
        somebody.page.get_by_role("dialog").get_by_role("link", name=name).click()
        somebody.at(name)
        assert somebody.page.evaluate("() => document.documentElement.scrollWidth") <= PHONE["width"], name


def test_a_role_sees_what_is_open_to_it(gateway: RunningGateway, traffic: list[str], visit: Callable[..., Person]) -> None:
    made = {role: gateway.json("members", "add", f"{role}@example.test", "--role", role) for role in ("finance", "auditor")}
    for role, member in made.items():
        somebody = visit(gateway)
        somebody.go("/")
        somebody.sign_in(f"{role}@example.test", member["password"])
        somebody.at("Overview")
        assert somebody.page.get_by_role("link", name="Keys").count() == (role == "auditor")
        somebody.go("/keys")
        somebody.at("Keys")
        assert somebody.page.get_by_role("button", name="Create key").count() == 0
        assert somebody.page.get_by_role("heading", name="This is not open to your role").count() == (role == "finance")


def test_after_signing_out_the_pages_are_shut(gateway: RunningGateway, visit: Callable[..., Person]) -> None:
    somebody = visit(gateway)
    somebody.go("/")
    somebody.sign_in()
    somebody.at("Overview")
    somebody.page.get_by_role("button", name=re.compile("Account")).click()
    somebody.page.get_by_role("menuitem", name="Sign out").click()
    somebody.page.get_by_label("E-mail").wait_for()
    somebody.go("/o/default/keys")
    somebody.page.get_by_label("E-mail").wait_for()
    assert "/login" in somebody.page.url


def test_a_session_that_ended_elsewhere_is_asked_for_again_and_gone_on_with(gateway: RunningGateway, visit: Callable[..., Person]) -> None:
    somebody = visit(gateway)
    somebody.go("/keys")
    somebody.sign_in()
    somebody.at("Keys")
    somebody.page.context.clear_cookies()
    somebody.page.keyboard.press("g")
    somebody.page.keyboard.press("r")
    somebody.page.get_by_label("E-mail").wait_for()
    somebody.sign_in()
    somebody.at("Requests")
