"""Teams, projects, users, agents and dimensions through the browser, on a running gateway with real calls: a team is renamed and
keeps what it cost, a project goes to another team from now on, an agent is stopped, a dimension that calls lack is set on
their key; every amount is the ledger's, and who may only look is offered nothing else.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.browser.conftest import AXE, PHONE, Person
from tests.build import chat
from tests.build.gateway import PATIENCE_S, RunningGateway
from tests.mini_upstream import MiniUpstream

SCREENS = (("teams", "Teams"), ("teams/search", "search"), ("projects", "Projects"), ("projects/search/web", "web"), ("users", "Users"),
           ("users/ann", "ann"), ("agents", "Agents"), ("agents/crawler", "crawler"), ("dimensions", "Dimensions"),
           ("dimensions/agent", "Agent"), ("teams?new=true", "Teams"), ("teams/search?act=rename", "search"),
           ("projects/search/web?act=move", "web"), ("agents/crawler?act=stop", "crawler"))


class Books:
    """What calls came to, to the nano."""

    def __init__(self, gateway: RunningGateway, provider: MiniUpstream) -> None:
        self.gateway, self.provider, self.booked = gateway, provider, 0

    def call(self, key: str, number: int, **said: str) -> int:
        """A call, said to be somebody's; what it cost."""
        self.provider.expect("POST", chat.PATH, chat.answers(number)[0])
        answer = self.ask(key, **said)
        assert answer.status_code == 200, answer.text
        self.booked += 1
        self.gateway.calls(self.booked, kind="calls")
        return int(self.gateway.call(answer.headers["x-tallystick-request-id"])["cost_nanos"])

    def ask(self, key: str, **said: str) -> httpx.Response:
        headers = {**chat.headers(key), **{f"x-tallystick-{name.replace('_', '-')}": value for name, value in said.items()}}
        return httpx.post(self.gateway.url + chat.PATH, json=chat.asked(), headers=headers, timeout=PATIENCE_S)


@pytest.fixture(scope="module")
def books(gateway: RunningGateway, provider: MiniUpstream) -> Books:
    return Books(gateway, provider)


@pytest.fixture(scope="module")
def search(gateway: RunningGateway, books: Books) -> dict[str, Any]:
    """Team search with a project, a budget and three calls: of ann and of an agent in two runs."""
    key = gateway.key(team="search", project="web")
    gateway.json("budgets", "set", "--team", "search", "--limit", "100/month")
    costs = [books.call(key, 1_001, user="ann"), books.call(key, 1_002, agent="crawler", session="run-1"),
             books.call(key, 1_003, agent="crawler", session="run-2")]
    return {"key": key, "costs": costs}


def figure(person: Person, label: str) -> int:
    """One of the amounts at the head of a page, to the nano."""
    found = person.page.locator(".figures > div", has=person.page.get_by_text(label, exact=True)).locator("[data-nanos]")
    return int(found.get_attribute("data-nanos") or "")


def count(person: Person, label: str) -> str:
    return person.page.locator(".figures > div", has=person.page.get_by_text(label, exact=True)).locator(".value").inner_text()


def nanos_of(person: Person, table: str, name: str) -> int:
    """The cost in the row of that name."""
    row = person.page.get_by_role("table", name=table).locator("tbody tr").filter(has=person.page.get_by_text(name, exact=True))
    return int(row.locator("[data-nanos]").first.get_attribute("data-nanos") or "")


def test_a_team_is_found_renamed_and_keeps_what_it_cost(
    gateway: RunningGateway, books: Books, owner: Person, tmp_path: Path,
) -> None:
    page = owner.page
    page.keyboard.press("g")
    page.keyboard.press("t")
    owner.at("Teams")
    page.get_by_role("button", name="New team").click()
    page.get_by_label("Name").fill("hr")
    page.keyboard.press("Enter")
    page.get_by_role("dialog").wait_for(state="hidden")
    key = gateway.key(team="hr")
    first = books.call(key, 1_234)
    page.reload()
    owner.at("Teams")
    assert nanos_of(owner, "Teams", "hr") == first

    page.get_by_role("link", name="hr", exact=True).click()
    owner.at("hr")
    page.get_by_role("button", name="Actions for hr").click()
    page.get_by_role("menuitem", name="Rename…").click()
    page.get_by_label("New name").fill("default")
    page.get_by_role("button", name="Rename team").click()
    assert "There is a team of that name." in page.get_by_role("alert").inner_text()
    page.get_by_label("New name").fill("people")
    page.get_by_role("button", name="Rename team").click()
    owner.at("people")
    page.get_by_text("It was called hr before.").wait_for()
    assert figure(owner, "Last 30 days") == first

    second = books.call(gateway.key(), 1_235, team="hr")     # a program that still says the old name
    owner.go("/o/default/teams/hr")
    owner.at("people")
    assert figure(owner, "Last 30 days") == first + second
    assert page.get_by_role("table", name="Keys").locator("tbody tr").count() == 2
    page.get_by_role("link", name="All teams").click()
    owner.at("Teams")
    page.get_by_role("table", name="Teams").locator(f'a [data-nanos="{first + second}"]').click()
    owner.at("Requests")
    assert "team=people" in page.url
    assert page.locator("tbody tr").count() == 2
    assert not gateway.json("verify")["findings"]

    owner.go("/o/default/teams?q=peop")
    owner.at("Teams")
    assert page.get_by_role("table", name="Teams").locator("tbody tr").count() == 1
    with page.expect_download() as coming:
        page.get_by_role("button", name="CSV").click()
    coming.value.save_as(tmp_path / "teams.csv")
    (written,) = csv.DictReader((tmp_path / "teams.csv").read_text(encoding="utf-8").splitlines())
    assert (written["team"], int(written["cost"]), written["calls"]) == ("people", first + second, "2")


def test_a_project_moves_from_now_on(gateway: RunningGateway, books: Books, owner: Person) -> None:
    page = owner.page
    key = gateway.key(team="north", project="bot")
    before = books.call(key, 1_300)
    gateway.key(team="south")
    owner.go("/o/default/projects")
    owner.at("Projects")
    page.get_by_role("button", name="Actions for bot").click()
    page.get_by_role("menuitem", name="Move to another team…").click()
    page.get_by_role("combobox", name="To").click()
    page.get_by_role("option", name="south").click()
    page.get_by_role("button", name="Move project").click()
    page.get_by_text("bot is south’s from now on, and so are its keys.").wait_for()
    after = books.call(key, 1_301)
    owner.go("/o/default/projects/south/bot")
    owner.at("bot")
    assert figure(owner, "Last 30 days") == after
    owner.go("/o/default/projects/north/bot")
    owner.at("bot")
    assert figure(owner, "Last 30 days") == before
    page.get_by_text("its calls are now").wait_for()
    owner.go("/o/default/teams/north")
    owner.at("north")
    assert figure(owner, "Last 30 days") == before


def test_an_agent_has_runs_and_can_be_stopped(books: Books, search: dict[str, Any], owner: Person) -> None:
    page = owner.page
    owner.go("/o/default/agents")
    owner.at("Agents")
    page.get_by_role("link", name="crawler").click()
    owner.at("crawler")
    _, one, two = search["costs"]
    assert figure(owner, "Last 30 days") == one + two
    assert nanos_of(owner, "Runs", "run-2") == two
    assert page.get_by_text("2 runs,").count() == 1
    leads_to_its_calls(owner, "run-2", two)
    owner.go("/o/default/agents/crawler")
    owner.at("crawler")
    page.get_by_role("button", name="Actions for crawler").click()
    page.get_by_role("menuitem", name="Stop agent…").click()
    stop = page.get_by_role("button", name="Stop agent")
    assert stop.is_disabled()
    page.get_by_label("to confirm").fill("crawler")
    stop.click()
    page.get_by_text("crawler is stopped.").wait_for()
    refused = books.ask(search["key"], agent="crawler")
    assert refused.status_code == 403 and "stopped" in refused.text.lower(), refused.text
    page.get_by_role("button", name="Let it run again").click()
    page.get_by_text("crawler is stopped.").wait_for(state="hidden")
    books.call(search["key"], 1_400, agent="crawler", session="run-3")


def leads_to_its_calls(owner: Person, run: str, nanos: int) -> None:
    """From a run to its calls, which come to what the run came to; and from one of them back to all of the run."""
    page = owner.page
    page.get_by_role("table", name="Runs").get_by_role("link", name=run, exact=True).click()
    owner.at("Requests")
    assert f"session={run}" in page.url
    rows = page.locator("table.book tbody tr")
    rows.first.wait_for()
    assert sum(owner.nanos("table.book tbody")) == nanos
    rows.first.get_by_role("link").first.click()
    page.get_by_role("heading", name="On whose account").wait_for()
    page.get_by_role("link", name=run, exact=True).click()
    owner.at("Requests")


def test_a_user_has_runs_that_lead_to_their_calls(books: Books, owner: Person) -> None:
    key = books.gateway.key(team="research")
    costs = [books.call(key, 1_600, user="bea", session="chat-1"), books.call(key, 1_601, user="bea", session="chat-1"),
             books.call(key, 1_602, user="bea", session="chat-2"), books.call(key, 1_603, user="bea")]
    books.call(key, 1_604, user="cyd", session="chat-1")
    page = owner.page
    owner.go("/o/default/users/bea")
    owner.at("bea")
    assert nanos_of(owner, "Runs", "chat-1") == costs[0] + costs[1]
    runs = page.locator("section", has=page.get_by_role("heading", name="Runs"))
    assert runs.get_by_role("link", name="3 calls").count() == 1
    runs.get_by_role("link", name="1 more").click()
    owner.at("Requests")
    page.locator("table.book tbody tr").first.wait_for()
    assert sum(owner.nanos("table.book tbody")) == costs[3]
    owner.go("/o/default/users/bea")
    owner.at("bea")
    leads_to_its_calls(owner, "chat-1", costs[0] + costs[1])
    owner.go("/o/default/users/bea")
    owner.at("bea")
    runs.get_by_role("link", name="All runs").click()
    owner.at("Explore")
    assert nanos_of(owner, "Cost by Session", "chat-2") == costs[2]


def test_a_user_leads_to_calls_and_limits(gateway: RunningGateway, search: dict[str, Any], owner: Person) -> None:
    gateway.json("budgets", "set", "--user", "*", "--limit", "10/month", "--observe")
    owner.go("/o/default/teams/search")
    owner.at("search")
    assert nanos_of(owner, "Dearest users", "ann") == search["costs"][0]
    owner.page.get_by_role("link", name="ann", exact=True).click()
    owner.at("ann")
    assert figure(owner, "Last 30 days") == search["costs"][0]
    owner.page.get_by_role("table", name="Limits").get_by_role("link", name="Each user").click()
    owner.at("Budget")


def test_what_lacks_a_dimension_is_mended_on_its_key(gateway: RunningGateway, books: Books, owner: Person) -> None:
    page = owner.page
    key = gateway.key(team="search", project="ads")
    cost = books.call(key, 1_500)
    owner.go("/o/default/dimensions?new=true")
    owner.at("Dimensions")
    page.get_by_role("combobox", name="Dimension").fill("site")
    page.get_by_label("What it is for").fill("Which of our sites it is for")
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    page.get_by_role("dialog").wait_for(state="hidden")
    page.get_by_role("link", name="site", exact=True).click()
    owner.at("site")
    page.get_by_text("Which of our sites it is for").wait_for()
    assert count(owner, "Of the cost") == "0.0 %"
    total = figure(owner, "Unattributed")
    assert total >= cost
    rows = page.get_by_role("table", name="Whose calls lack it").locator("tbody tr")
    (mine,) = [one for one in gateway.api("/api/spenders/one?kind=project&name=ads&team=search")["keys_listed"] if one["bound"]]
    for part, nanos in ((page.locator(".figures"), total), (rows.filter(has_text=mine["id"]), cost)):
        part.locator("a:has([data-nanos])").click()
        owner.at("Requests")
        page.locator(f'tfoot [data-nanos="{nanos}"]').wait_for()
        page.go_back()
        owner.at("site")
    rows.filter(has_text=mine["id"]).get_by_role("button", name="Set on").click()
    page.get_by_role("textbox", name="site").fill("eu")
    page.get_by_role("button", name="Set on key", exact=True).click()
    rows.filter(has_text="fixed on the key now").wait_for()
    after = books.call(key, 1_501)
    page.reload()
    owner.at("site")
    assert nanos_of(owner, "Values", "eu") == after
    page.get_by_role("table", name="Values").locator(f'a [data-nanos="{after}"]').click()
    owner.at("Requests")
    assert owner.nanos("tbody") == [after]
    page.go_back()
    owner.at("site")
    assert figure(owner, "Unattributed") == total


def test_who_may_only_look_is_offered_nothing_else(gateway: RunningGateway, search: dict[str, Any], visit: Callable[..., Person]) -> None:
    member = gateway.json("members", "add", "auditor@example.test", "--role", "auditor")
    somebody = visit(gateway)
    somebody.go("/o/default/teams/search?act=rename")
    somebody.sign_in("auditor@example.test", member["password"])
    somebody.at("search")
    assert figure(somebody, "Last 30 days") >= sum(search["costs"])
    assert somebody.page.get_by_role("button", name="Actions for").count() == 0
    assert somebody.page.get_by_role("dialog").count() == 0


def test_a_member_sees_what_is_theirs(gateway: RunningGateway, search: dict[str, Any], visit: Callable[..., Person]) -> None:
    assert search["costs"]
    member = gateway.json("members", "add", "ben@example.test", "--role", "member", "--team", "search")
    somebody = visit(gateway)
    somebody.go("/o/default/users")
    somebody.sign_in("ben@example.test", member["password"])
    somebody.at("Users")
    somebody.page.get_by_role("heading", name="No users yet").wait_for()
    assert somebody.page.get_by_role("link", name="Dimensions").count() == 0
    somebody.go("/o/default/users/ann")
    somebody.at("ann")
    somebody.page.get_by_role("heading", name="There is no such thing here").wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.skipif(not AXE.is_file(), reason="axe is not installed: make console")
def test_nothing_stands_in_anybodys_way(
    gateway: RunningGateway, search: dict[str, Any], session: object, visit: Callable[..., Person], scheme: str,
) -> None:
    assert search["costs"]
    somebody = visit(gateway, color_scheme=scheme, storage_state=session)
    found = {}
    for path, title in SCREENS:
        somebody.go(f"/o/default/{path}")
        somebody.at(title)
        if "?" in path:
            somebody.page.get_by_role("dialog").wait_for()
        found[path] = somebody.barriers()
    assert {path: barriers for path, barriers in found.items() if barriers} == {}


def test_a_phone_shows_it_without_scrolling_sideways(
    gateway: RunningGateway, search: dict[str, Any], session: object, visit: Callable[..., Person],
) -> None:
    assert search["costs"]
    somebody = visit(gateway, viewport=PHONE, has_touch=True, is_mobile=True, storage_state=session)
    for path, title in SCREENS:
        somebody.go(f"/o/default/{path}")
        somebody.at(title)
        wide = somebody.page.evaluate(
            "() => Math.max(document.documentElement.scrollWidth, ...[...document.querySelectorAll('.table-scroll')].map((one) => one.scrollWidth))")
        assert wide <= PHONE["width"], path
