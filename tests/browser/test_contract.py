"""What every screen of the console keeps to, whoever built it: one test for each line of the contract in docs/console.md, on a
gateway that two teams called with two models. Amounts are held against the ledger's, to the nano.
"""

from __future__ import annotations

import csv
import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import httpx
import pytest

from tests.browser.conftest import AXE, PHONE, Person
from tests.build import chat
from tests.build.gateway import ADMIN, PATIENCE_S, RunningGateway
from tests.mini_upstream import MiniUpstream, json_reply

CALLS = 8
TEAMS, MODELS = ("search", "support"), ("gpt-4o-mini", "gpt-4o")
MAIN = ("overview", "explore", "live", "requests", "budgets", "alerts", "keys")


def called(gateway: RunningGateway, provider: MiniUpstream, key: str, model: str, said: int) -> None:
    provider.expect("POST", chat.PATH, json_reply(chat.completion(said) | {"model": model}, usage=chat.usage(said)))
    answer = httpx.post(gateway.url + chat.PATH, json=chat.asked(model=model), headers=chat.headers(key), timeout=PATIENCE_S)
    assert answer.status_code == 200, answer.text


@pytest.fixture(scope="module")
def keys(gateway: RunningGateway) -> list[str]:
    return [gateway.key(team=team, name=f"{team} job") for team in TEAMS]


@pytest.fixture(scope="module")
def traffic(gateway: RunningGateway, provider: MiniUpstream, keys: list[str]) -> list[dict[str, Any]]:
    """Calls of both teams to both models, of which no two cost the same; as the ledger has them."""
    for number in range(CALLS):
        called(gateway, provider, keys[number % 2], MODELS[number // 2 % 2], 700 + number * 41)
    return gateway.calls(CALLS)


def at(person: Person, path: str, title: str) -> None:
    person.go(path)
    person.at(title)
    person.page.locator("table.book tbody tr").first.wait_for()


def filters(*asked: tuple[str, str, list[str | None]]) -> str:
    return quote(json.dumps([{"dimension": dimension, "test": test, "values": values} for dimension, test, values in asked]))


def cost(calls: list[dict[str, Any]], **named: str) -> int:
    return sum(call["cost_nanos"] for call in calls if all(call[name] == value for name, value in named.items()))


def test_the_address_is_the_state(traffic: list[dict[str, Any]], owner: Person) -> None:
    """Range, filter, order, columns and their widths: a reload shows the same, Back what was before, and defaults are left out."""
    page = owner.page
    at(owner, "/requests", "Requests")
    assert "?" not in page.url
    page.get_by_role("button", name="Columns").click()
    page.get_by_role("checkbox", name="Team").uncheck()
    page.get_by_role("checkbox", name="Id", exact=True).check()
    page.keyboard.press("Escape")
    page.wait_for_url(re.compile("columns="))
    page.locator("th").filter(has_text="Model").get_by_role("button").focus()
    page.keyboard.press("Alt+ArrowRight")
    page.wait_for_url(re.compile("model"))
    page.locator("table.book").get_by_role("button", name="gpt-4o", exact=True).first.click()
    page.get_by_role("button", name="Remove the filter Model is gpt-4o").wait_for()
    address = page.url
    page.reload()
    owner.at("Requests")
    page.locator("table.book tbody tr").first.wait_for()
    heads = page.locator("table.book thead th").all_inner_texts()
    assert "Team" not in heads
    assert "Id" in heads
    assert page.url == address
    assert page.locator("table.book tbody tr").count() == CALLS // 2
    page.go_back()
    page.get_by_role("button", name="Remove the filter Model is gpt-4o").wait_for(state="detached")
    page.locator("table.book tbody tr").nth(CALLS - 1).wait_for()


@pytest.mark.parametrize("screen", ["explore", "requests", "live"])
def test_filters_are_the_same_everywhere(traffic: list[dict[str, Any]], owner: Person, screen: str) -> None:
    """Typed at `/`, with several values, negated, containing, empty; each a chip that can be taken away."""
    page = owner.page
    at(owner, f"/{screen}?" + "filters=" + filters(("team", "is", ["search", "support"]), ("user", "is", [None])), screen.capitalize())
    for chip in ("Team is search, support", "User is empty"):
        page.get_by_role("button", name=f"Remove the filter {chip}").wait_for()
    page.keyboard.press("/")
    page.get_by_role("combobox", name="Names").fill("supp")
    option = page.get_by_role("option", name="support")
    option.wait_for()
    assert re.search(rf"support\s*{CALLS // 2}", option.inner_text()), "with how many calls carry it"
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.locator("table.book").get_by_role("button", name="support", exact=True).first.click(modifiers=["Alt"])
    page.get_by_role("button", name="Remove the filter Team is not support").wait_for()
    page.locator("table.book").get_by_role("button", name="support", exact=True).first.wait_for(state="detached")
    assert '"is_not"' in unquote(page.url)
    page.get_by_role("button", name="Remove the filter Team is not support").click()
    page.locator("table.book").get_by_role("button", name="support", exact=True).first.wait_for()


def test_a_view_is_saved_opened_changed_renamed_and_deleted(traffic: list[dict[str, Any]], owner: Person, visit: Callable[..., Person],
                                                            gateway: RunningGateway) -> None:
    page = owner.page
    at(owner, "/requests?team=search&sort=-cost_nanos", "Requests")
    page.get_by_role("button", name="Views").click()
    page.get_by_role("menuitem", name="Save this as a view…").click()
    page.get_by_label("Name").fill("Dear searches")
    page.get_by_label(re.compile("Opens first")).check()
    page.get_by_role("button", name="Save view").click()
    page.get_by_role("button", name="Dear searches", exact=True).wait_for()
    page.get_by_role("button", name="Remove the filter Team is search").click()
    page.get_by_role("button", name="Dear searches (changed)").click()
    page.get_by_role("menuitem", name="Update “Dear searches”").click()
    page.get_by_role("button", name="Dear searches", exact=True).wait_for()
    again = visit(gateway, storage_state=page.context.storage_state())
    again.go("/requests")
    again.page.wait_for_url(re.compile("saved="))
    assert "sort=-cost_nanos" in again.page.url
    assert "team" not in again.page.url
    page.get_by_role("button", name="Dear searches", exact=True).click()
    page.get_by_role("menuitem", name="Rename, share, delete…").click()
    page.get_by_label("Name").fill("Dear calls")
    page.get_by_role("button", name="Save view").click()
    page.get_by_role("button", name="Dear calls", exact=True).click()
    page.get_by_role("menuitem", name="Rename, share, delete…").click()
    page.get_by_role("button", name="Delete view").click()
    page.get_by_role("button", name="Views").wait_for()
    assert gateway.api("/api/views")["items"] == []


def test_two_group_bys_add_up_to_the_whole(traffic: list[dict[str, Any]], owner: Person) -> None:
    at(owner, "/explore?group=team&and=model", "Explore")
    assert sorted(owner.nanos("table.book tbody")) == sorted(cost(traffic, team=team, served_model=model) for team in TEAMS for model in MODELS)
    assert owner.nanos("table.book tfoot") == [cost(traffic)]


def test_a_comparison_says_by_how_much_in_money_and_percent(traffic: list[dict[str, Any]], owner: Person) -> None:
    """With the days before nothing was; with these days themselves, chosen by hand, nothing changed."""
    page, today = owner.page, datetime.now(UTC).date()
    at(owner, "/explore?range=7d&compare=previous", "Explore")
    change = page.locator("table.book:has(tfoot) tbody tr").first.locator("td").filter(has_text="+$")
    change.first.wait_for()
    page.locator(".legend .ghost").wait_for()
    at(owner, f"/explore?range=7d&compare=custom&against={today - timedelta(days=6)}", "Explore")
    page.get_by_text(re.compile("no change against")).wait_for()
    assert "0.0 %" in page.locator("table.book tfoot").inner_text()


def test_one_range_holds_for_all_of_a_page_and_goes_along(traffic: list[dict[str, Any]], owner: Person) -> None:
    page = owner.page
    at(owner, "/overview", "Overview")
    page.get_by_role("button", name=re.compile("Range:")).click()
    for preset in ("Today", "Last 24 hours", "Last 7 days", "Last 30 days", "This month", "Billing period", "Last month", "This quarter", "This year"):
        page.get_by_role("dialog").get_by_role("button", name=preset, exact=True).wait_for()
    page.get_by_role("dialog").get_by_role("button", name="Last month").click()
    page.wait_for_url(re.compile("range=last_month"))
    owner.at("Overview")
    assert owner.nanos(".figures > div:first-child") == [0]
    owner.go("/explore?range=billing")
    owner.at("Explore")
    page.locator(".chart svg").first.wait_for()
    first = datetime.now(UTC).date().replace(day=1)
    if (first + timedelta(days=32)).replace(day=1) - timedelta(days=1) > datetime.now(UTC).date():
        page.get_by_text("to come").wait_for()
    assert owner.nanos(".figures > div:first-child") == [cost(traffic)]


def test_the_last_24_hours_are_told_by_the_hour_and_lead_to_their_rows(traffic: list[dict[str, Any]], owner: Person) -> None:
    page = owner.page
    at(owner, "/overview", "Overview")
    page.get_by_role("button", name=re.compile("Range:")).click()
    page.get_by_role("dialog").get_by_role("button", name="Last 24 hours").click()
    page.wait_for_url(re.compile("range=24h"))
    page.get_by_role("button", name=re.compile(r"Range: 24 h, since \d\d:00")).wait_for()
    page.get_by_text("nothing in the 24 hours before").wait_for()
    assert owner.nanos(".figures > div:first-child") == [cost(traffic)]
    page.locator(".figures").get_by_role("link", name=str(CALLS), exact=True).click()
    owner.at("Requests")
    assert "range=24h" in page.url
    page.locator("table.book tfoot").wait_for()
    assert owner.nanos("table.book tfoot") == [cost(traffic)]
    at(owner, "/explore?range=24h&compare=previous", "Explore")
    page.get_by_text(re.compile(r"against \d+ \w+ \d\d:00 – \d+ \w+ \d\d:00")).wait_for()
    assert page.get_by_label("Each").first.input_value() == "Hour"
    assert owner.nanos(".figures > div:first-child") == [cost(traffic)]
    owner.go("/teams?range=24h")                     # counts days: says so
    page.get_by_role("button", name="Range: Since yesterday").wait_for()
    calls = page.locator("table.book tbody a:has([data-nanos])").first
    assert re.search("from=.*to=", calls.get_attribute("href") or ""), "and leads to the calls of those"


def test_a_chart_is_dragged_into_saved_and_read_as_a_table(traffic: list[dict[str, Any]], owner: Person, tmp_path: Path) -> None:
    page = owner.page
    at(owner, "/explore?range=7d", "Explore")
    for drawn in ("Area", "Lines", "Bars"):
        page.get_by_text(drawn, exact=True).click()
        page.locator(".chart svg.recharts-surface").first.wait_for()
    for item, begins in (("Drawing (SVG)", b"<svg"), ("Picture (PNG)", b"\x89PNG"), ("Its figures (CSV)", b"time,")):
        page.get_by_role("button", name="The chart as a file").click()
        with page.expect_download() as coming:
            page.get_by_role("menuitem", name=item).click()
        coming.value.save_as(tmp_path / "chart")
        assert (tmp_path / "chart").read_bytes().startswith(begins)
    figures = list(csv.DictReader((tmp_path / "chart").read_text(encoding="utf-8").splitlines()))
    assert sum(int(row[team] or 0) for row in figures for team in TEAMS) == cost(traffic)
    box = page.locator(".chart").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + 60, steps=8)
    page.mouse.move(box["x"] + box["width"] * 0.85, box["y"] + 60, steps=8)
    page.mouse.up()
    page.wait_for_url(re.compile("from=.*to="))
    page.keyboard.press("t")
    page.locator("section.course-table table").wait_for()


def test_a_table_has_totals_chosen_rows_and_a_file_of_exactly_what_it_shows(
    gateway: RunningGateway, traffic: list[dict[str, Any]], owner: Person, tmp_path: Path,
) -> None:
    page = owner.page
    at(owner, "/requests?team=search&kind=calls", "Requests")
    page.locator("table.book tfoot [data-nanos]").wait_for()
    assert owner.nanos("table.book tfoot") == [sum(owner.nanos("table.book tbody"))] == [cost(traffic, team="search")]
    with page.expect_download() as coming:
        page.get_by_role("link", name="CSV of all rows").click()
    coming.value.save_as(tmp_path / "calls.csv")
    rows = list(csv.DictReader((tmp_path / "calls.csv").read_text(encoding="utf-8").splitlines()))
    assert sum(int(row["cost_nanos"]) for row in rows) == cost(traffic, team="search")
    first, third = (page.get_by_role("checkbox", name=re.compile("Choose 20")).nth(place) for place in (0, 2))
    first.check()
    third.click(modifiers=["Shift"])
    chosen = page.get_by_role("region", name="Chosen rows")
    chosen.get_by_text("3 chosen").wait_for()
    with page.expect_download() as coming:
        chosen.get_by_role("button", name="CSV").click()
    coming.value.save_as(tmp_path / "chosen.csv")
    assert len((tmp_path / "chosen.csv").read_text(encoding="utf-8").splitlines()) == 1 + 3


def test_money_is_exact_wherever_it_stands(traffic: list[dict[str, Any]], owner: Person) -> None:
    """Two decimals from a dollar on, up to six below; what is behind each figure is the ledger's nano."""
    at(owner, "/requests?kind=calls", "Requests")
    assert sorted(owner.nanos("table.book tbody")) == sorted(call["cost_nanos"] for call in traffic)
    cells = owner.page.locator("table.book tbody [data-nanos]")
    for cell in cells.all():
        assert re.fullmatch(r"\$0\.\d{2,6}\s*", cell.inner_text().replace("\n", ""))
    cells.first.hover()
    nanos = int(cells.first.get_attribute("data-nanos") or "")
    owner.page.get_by_role("tooltip").get_by_text("0." + f"{nanos:09d}".rstrip("0")).wait_for()


def test_rows_are_walked_chosen_and_opened_by_keyboard(traffic: list[dict[str, Any]], owner: Person) -> None:
    page = owner.page
    owner.go("/overview")
    owner.at("Overview")
    page.keyboard.press("g")
    page.keyboard.press("r")
    owner.at("Requests")
    page.locator("table.book tbody tr").nth(CALLS - 1).wait_for()
    for key in ("j", "j", "k", "x", "j", "j", "Shift+X"):
        page.keyboard.press(key)
    page.get_by_text("3 chosen").wait_for()
    opened = page.locator("tr[data-row]:focus").get_attribute("data-row")
    page.keyboard.press("Enter")
    owner.at("Request")
    assert page.url.endswith(f"/requests/{opened}")
    page.keyboard.press("?")
    page.get_by_role("dialog", name="Keys").get_by_text("Open the row").wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.skipif(not AXE.is_file(), reason="axe is not installed: make console")
def test_light_dark_and_phone(gateway: RunningGateway, traffic: list[dict[str, Any]], session: Any, visit: Callable[..., Person], scheme: str) -> None:
    person = visit(gateway, storage_state=session, color_scheme=scheme, viewport=PHONE, has_touch=True, is_mobile=True)
    found: dict[str, list[str]] = {}
    for screen in MAIN:
        person.go(f"/{screen}")
        person.at(screen.capitalize())
        assert person.page.evaluate("() => document.documentElement.scrollWidth") <= PHONE["width"], screen
        found[screen] = person.barriers()
    assert {screen: barriers for screen, barriers in found.items() if barriers} == {}


def test_rows_are_as_close_and_times_by_the_clock_that_somebody_likes(traffic: list[dict[str, Any]], owner: Person) -> None:
    page = owner.page
    at(owner, "/requests", "Requests")
    tall = page.locator("table.book tbody tr").first.bounding_box()
    page.get_by_role("button", name=re.compile("Account")).click()
    page.get_by_role("menuitem", name="Compact").click()
    page.reload()
    owner.at("Requests")
    page.locator("table.book tbody tr").first.wait_for()
    low = page.locator("table.book tbody tr").first.bounding_box()
    assert tall is not None
    assert low is not None
    assert low["height"] < tall["height"]


def test_every_state_says_what_to_do(gateway: RunningGateway, traffic: list[dict[str, Any]], owner: Person) -> None:
    """None like that, failed with the request's id and a way to try again, stale while the gateway is away."""
    page = owner.page
    owner.go("/requests?team=nobody")
    owner.at("Requests")
    page.get_by_role("heading", name="No requests match").wait_for()
    page.get_by_role("button", name="Clear the filters").click()
    page.locator("table.book tbody tr").first.wait_for()
    page.locator("output.lag").get_by_text(re.compile("As of")).wait_for()
    body = json.dumps({"status": 409, "code": "too_much", "detail": "Ask for less at once."})
    page.route("**/api/explore?*", lambda route: route.fulfill(
        status=409, body=body, headers={"content-type": "application/problem+json", "x-tallystick-request-id": "req_1"}))
    owner.go("/explore")
    alert = page.get_by_role("alert")
    alert.get_by_text("Ask for less at once.").wait_for()
    alert.get_by_text("request req_1").wait_for()
    page.unroute("**/api/explore?*")
    alert.get_by_role("button", name="Try again").click()
    page.locator(".figures").wait_for()
    page.route("**/readyz", lambda route: route.fulfill(json={"status": "degraded", "reasons": {"ledger": "cannot be written"}}))
    page.reload()
    page.get_by_role("status", name=re.compile("ledger: cannot be written")).wait_for()
    page.unroute("**/readyz")
    page.reload()
    page.get_by_role("status", name=re.compile(r"newest entry is from .* ago\. Nothing waits to be booked")).wait_for()
    books = {"at": "2026-11-21T12:01:30Z", "newest_at": "2026-11-21T12:00:00Z", "age_s": 90, "waiting_bytes": 49_152, "behind_s": 90}
    page.route("**/api/freshness", lambda route: route.fulfill(json=books))
    page.reload()
    page.get_by_role("status", name=re.compile("48 KiB of calls wait to be booked, the oldest for 1 min")).wait_for()
    page.locator("output.lag").get_by_text("1 min behind").wait_for()


def test_a_form_says_what_the_api_says_of_it(gateway: RunningGateway, traffic: list[dict[str, Any]], owner: Person) -> None:
    page = owner.page
    page.route("**/api/views", lambda route: route.fulfill(
        status=409, json={"code": "already_there", "detail": "You have a view of that name."}) if route.request.method == "POST" else route.continue_())
    at(owner, "/keys", "Keys")
    page.get_by_role("button", name="Views").click()
    page.get_by_role("menuitem", name="Save this as a view…").click()
    page.get_by_label("Name").fill("Mine")
    page.get_by_role("button", name="Save view").click()
    said = page.get_by_role("dialog").get_by_role("alert")
    said.get_by_text("You have a view of that name.").wait_for()
    said.get_by_role("heading", name="This was not accepted").wait_for()


def test_the_live_tail_shows_a_call_when_it_ends_and_waits_while_paused(
    gateway: RunningGateway, provider: MiniUpstream, keys: list[str], traffic: list[dict[str, Any]], owner: Person,
) -> None:
    page = owner.page
    at(owner, "/live?team=search", "Live")
    page.locator("table.book tbody tr").nth(CALLS // 2 - 1).wait_for()
    page.get_by_role("button", name="Pause").click()
    for number, key in enumerate(keys):
        called(gateway, provider, key, MODELS[0], 3_001 + number)
    page.get_by_text("1 waiting").wait_for()
    assert page.locator("table.book tbody tr").count() == CALLS // 2
    page.get_by_role("button", name="Go on").click()
    page.locator("table.book tbody tr").nth(CALLS // 2).wait_for()
    assert page.locator("table.book").get_by_text("support", exact=True).count() == 0


def test_danger_asks_for_a_word_and_does_it_to_all_that_were_chosen(gateway: RunningGateway, traffic: list[dict[str, Any]], owner: Person) -> None:
    for number in (1, 2):
        gateway.key(team="search", name=f"spare {number}")
    page = owner.page
    at(owner, "/keys?q=spare", "Keys")
    page.get_by_role("checkbox", name="Choose all rows").check()
    page.get_by_role("region", name="Chosen rows").get_by_role("button", name="Revoke 2…").click()
    revoke = page.get_by_role("dialog").get_by_role("button", name="Revoke 2 keys")
    assert revoke.is_disabled()
    page.get_by_role("textbox", name="Type revoke 2 to confirm").fill("revoke 2")
    revoke.click()
    page.get_by_text("2 keys are revoked").wait_for()
    deadline = time.monotonic() + PATIENCE_S
    while {key["status"] for key in gateway.api("/api/keys")["items"] if key["name"].startswith("spare")} != {"revoked"}:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_every_number_leads_to_its_rows(gateway: RunningGateway, traffic: list[dict[str, Any]], owner: Person) -> None:
    """Under several values and a negation too: the rows behind a sum come to the sum, and a row to its ledger entry."""
    page = owner.page
    asked = filters(("team", "is", [*TEAMS, "nobody"]), ("model", "is_not", [MODELS[1]]), ("user", "is", [None]))
    at(owner, f"/explore?group=team&filters={asked}", "Explore")
    for team in TEAMS:
        line = page.locator("table.book tbody tr").filter(has=page.get_by_role("button", name=team, exact=True))
        (amount,) = (int(found.get_attribute("data-nanos") or "") for found in line.locator("[data-nanos]").all())
        line.locator("a").click()
        owner.at("Requests")
        page.locator("table.book tbody tr").first.wait_for()
        assert sum(owner.nanos("table.book tbody")) == amount
        page.go_back()
        owner.at("Explore")
        page.locator("table.book tbody tr").first.wait_for()
    page.locator(".figures a").first.click()
    owner.at("Requests")
    page.locator("table.book tbody tr a").first.click()
    owner.at("Request")
    page.locator("a[href*='/audit/']").first.click()
    page.get_by_role("heading", name=re.compile("^Entry "), level=1).wait_for()


def test_a_view_is_a_link_and_an_api_call(gateway: RunningGateway, traffic: list[dict[str, Any]], owner: Person) -> None:
    """What is copied for a program is answered with what the page shows."""
    page = owner.page
    at(owner, "/requests?kind=calls&filters=" + filters(("team", "is_not", ["support"])), "Requests")
    page.get_by_role("button", name="Share").click()
    page.get_by_role("menuitem", name="Copy link").click()
    assert page.evaluate("() => navigator.clipboard.readText()") == page.url
    page.get_by_role("button", name="Share").click()
    page.get_by_role("menuitem", name="As API call…").click()
    said = page.get_by_role("dialog").locator("pre").inner_text()
    asked = dict(part.split("=", 1) for part in re.findall(r"--data-urlencode '([^']*)'", said))
    login = httpx.post(f"{gateway.url}/api/auth/token", data={"username": ADMIN[0], "password": ADMIN[1]}).json()
    answer = httpx.get(f"{gateway.url}/api/requests", params=asked, headers={"authorization": f"Bearer {login['access_token']}"}).json()
    assert sum(call["cost_nanos"] for call in answer["items"]) == sum(owner.nanos("table.book tbody"))
