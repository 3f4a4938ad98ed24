"""A budget's life through the browser, on a running gateway: it is set, a call is counted in it to the nano, a cap that is too
small refuses the next call, a raise lets one through, and its removal asks for its name.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from tests.browser.conftest import AXE, PHONE, Person
from tests.build import chat
from tests.build.gateway import PATIENCE_S, RunningGateway
from tests.mini_upstream import MiniUpstream


@pytest.fixture(scope="module")
def watched(gateway: RunningGateway) -> str:
    """A budget for each user, that only counts: there is something to show. Returns its id."""
    return str(gateway.json("budgets", "set", "--user", "*", "--limit", "10k calls/day", "--observe", "--owner", "ann", "--note", "trial")["id"])


def called(gateway: RunningGateway, provider: MiniUpstream, key: str, number: int) -> httpx.Response:
    """A call that is let through."""
    provider.expect("POST", chat.PATH, chat.answers(number)[0])
    answer = asked(gateway, key)
    assert answer.status_code == 200, answer.text
    return answer


def asked(gateway: RunningGateway, key: str) -> httpx.Response:
    return httpx.post(gateway.url + chat.PATH, json=chat.asked(), headers=chat.headers(key), timeout=PATIENCE_S)


def figure(person: Person, label: str) -> int:
    """One of the amounts at the head of a budget, to the nano."""
    found = person.page.locator(".figures > div", has=person.page.get_by_text(label, exact=True)).locator("[data-nanos]")
    return int(found.get_attribute("data-nanos") or "")


def act(person: Person, budget: str, what: str) -> None:
    person.page.get_by_role("button", name=f"Actions for {budget}").click()
    person.page.get_by_role("menuitem", name=what).click()


def test_the_life_of_a_budget(gateway: RunningGateway, provider: MiniUpstream, owner: Person) -> None:
    page = owner.page
    page.keyboard.press("g")
    page.keyboard.press("b")
    owner.at("Budgets")
    page.get_by_role("heading", name="No budgets yet").wait_for()
    assert "tallystick budgets set" in page.locator(".snippet").inner_text()

    page.get_by_role("button", name="Set the first budget").click()
    which = page.get_by_role("combobox", name="Which")
    page.wait_for_function("() => document.activeElement?.getAttribute('role') === 'combobox'")
    assert which.evaluate("field => field === document.activeElement"), "it begins with what it asks first"
    page.keyboard.type("search")
    page.locator("[data-evidence]").get_by_text("Last 30 days").wait_for()
    page.get_by_label("Limit").fill("5")
    page.locator("[data-would-refuse]").get_by_text("No call of the last 7 days would have counted in it.").wait_for()
    page.get_by_label("Owner").fill("ann")
    page.get_by_role("dialog").get_by_role("button", name="Set budget").click()
    owner.at("Budget")
    assert figure(owner, "Limit") == 5_000_000_000
    assert figure(owner, "Spent") == 0

    key = gateway.key(team="search")
    called(gateway, provider, key, 1_234)
    (call,) = gateway.calls(1)
    page.reload()
    owner.at("Budget")
    assert figure(owner, "Spent") == call["cost_nanos"] == chat.cost_nanos(1_234)
    assert figure(owner, "Spent") + figure(owner, "Held") + figure(owner, "Free") == figure(owner, "Limit")
    page.get_by_role("link", name="by these calls").click()
    owner.at("Requests")
    page.locator(f'tfoot [data-nanos="{call["cost_nanos"]}"]').wait_for()
    page.go_back()
    owner.at("Budget")

    act(owner, "team search", "Change…")
    page.get_by_label("Limit").fill("0.0001")
    page.get_by_role("button", name="Save changes").click()
    page.get_by_role("dialog").wait_for(state="hidden")
    refused = asked(gateway, key)
    assert refused.status_code == 402, refused.text
    gateway.calls(1, kind="refused")
    page.reload()
    owner.at("Budget")
    assert figure(owner, "Limit") == 100_000
    last = page.get_by_role("table", name="Refused last").locator("tbody tr")
    last.wait_for()
    assert str(100_000) in [found.get_attribute("data-nanos") for found in last.locator("[data-nanos]").all()]
    assert last.get_by_role("link").get_attribute("href") == f"/o/default/requests/{refused.headers['x-tallystick-request-id']}"
    last.get_by_role("link").click()
    owner.at("Request")
    page.get_by_role("link", name=re.compile(r"^budget \d+$")).click()
    owner.at("Budget")

    page.get_by_role("button", name="Raise limit").click()
    page.get_by_label("By").fill("1")
    page.get_by_label("Reason").fill("the launch")
    page.get_by_role("dialog").get_by_role("button", name="Raise limit").click()
    page.get_by_role("dialog").wait_for(state="hidden")
    page.locator(".facts dd", has_text="+").wait_for()
    assert figure(owner, "Limit") == 1_000_100_000
    called(gateway, provider, key, 1_235)

    act(owner, "team search", "Change…")
    assert page.get_by_label("Limit").input_value() == "0.0001", "a change starts from what was set, not from what it is raised to"
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("dialog").wait_for(state="hidden")

    act(owner, "team search", "Remove…")
    remove = page.get_by_role("button", name="Remove budget")
    assert remove.is_disabled()
    page.get_by_label("to confirm").fill("team search")
    remove.click()
    owner.at("Budgets")
    page.get_by_role("heading", name="No budgets yet").wait_for()
    assert gateway.api("/api/budgets")["items"] == []


def test_the_list_is_narrowed_down_and_its_file_is_exact(
    gateway: RunningGateway, provider: MiniUpstream, watched: str, owner: Person, tmp_path: Path,
) -> None:
    gateway.json("budgets", "set", "--team", "support", "--limit", "0.3/month", "--name", "The winter")
    before = len(gateway.calls())
    answer = called(gateway, provider, gateway.key(team="support", user="ada"), 1_777)
    gateway.calls(before + 1)
    spent_nanos = gateway.call(answer.headers["x-tallystick-request-id"])["cost_nanos"]
    owner.go("/budgets?sort=scope")
    owner.at("Budgets")
    rows = owner.page.get_by_role("table", name="Budgets").locator("tbody tr")
    assert rows.count() == 2
    assert rows.filter(has_text="each user").count() == 1
    pace = rows.filter(has_text="The winter").locator("[data-pace]")
    if datetime.now(UTC).day > 2:                    # a window that began a moment ago has none
        assert float(pace.get_attribute("data-pace") or "") >= 0
    rows.filter(has_text="The winter").locator(f'a [data-nanos="{spent_nanos}"]').click()
    owner.at("Requests")
    owner.page.locator(f'tfoot [data-nanos="{spent_nanos}"]').wait_for()
    owner.page.go_back()
    owner.at("Budgets")
    with owner.page.expect_download() as coming:
        owner.page.get_by_role("button", name="CSV").click()
    coming.value.save_as(tmp_path / "budgets.csv")
    written = {row["scope"]: row for row in csv.DictReader((tmp_path / "budgets.csv").read_text(encoding="utf-8").splitlines())}
    assert int(written["team"]["spent"]) == spent_nanos
    assert {name: written["user"][name] for name in ("unit", "subject", "spent", "limit")} == {
        "unit": "calls", "subject": "ada", "spent": "1", "limit": "10000"}
    owner.page.get_by_label("Filter budgets").fill("winter")
    owner.page.wait_for_url("**/budgets?*q=winter*")
    assert rows.count() == 1
    rows.get_by_role("link", name="The winter").click()
    owner.at("Budget")
    assert figure(owner, "Spent") == spent_nanos


def test_its_course_its_history_and_when_it_tells(gateway: RunningGateway, provider: MiniUpstream, owner: Person) -> None:
    budget = gateway.json("budgets", "set", "--team", "course", "--limit", "0.5/month")["id"]
    before = len(gateway.calls())
    answer = called(gateway, provider, gateway.key(team="course"), 1_888)
    gateway.calls(before + 1)
    spent_nanos = gateway.call(answer.headers["x-tallystick-request-id"])["cost_nanos"]
    owner.go(f"/o/default/budgets/{budget}")
    owner.at("Budget")
    page = owner.page
    page.locator(f'[data-left="{500_000_000 - spent_nanos}"]').last.wait_for(state="attached")
    assert page.locator("[data-left]").first.get_attribute("data-left") == "500000000", "it begins with the whole limit"
    act(owner, "team course", "Alerts at…")
    page.get_by_label("At these shares of its cap").fill("60, 95 %")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("dialog").wait_for(state="hidden")
    page.locator(".facts dd", has_text="at 60, 95 %").wait_for()
    act(owner, "team course", "Change…")
    page.get_by_label("Limit").fill("0.7")
    page.get_by_role("button", name="Save changes").click()
    page.get_by_role("dialog").wait_for(state="hidden")
    steps = page.get_by_role("table", name="History").locator("tbody tr")
    steps.nth(2).wait_for()
    assert [row.locator("td").nth(1).inner_text() for row in steps.all()] == ["Changed", "Alerts set", "Made"]
    assert owner.nanos("table:has(caption:text-is('History'))") == [700_000_000, 500_000_000]
    gateway.run("budgets", "remove", str(budget))


def test_a_tree_shows_what_lies_in_what(gateway: RunningGateway, watched: str, owner: Person) -> None:
    made = [gateway.json("budgets", "set", *on, "--limit", "1/month")["id"] for on in (("--org",), ("--project", "forest/tree"))]
    owner.go("/o/default/budgets")
    owner.at("Budgets")
    owner.page.get_by_text("Tree", exact=True).click()
    owner.page.wait_for_url("**/budgets?*tree=true*")
    names = [row.locator("td").first.inner_text() for row in owner.page.get_by_role("table", name="Budgets").locator("tbody tr").all()]
    assert names[0] == "The whole organisation"
    assert names[names.index("forest") + 1] == "tree", "a team without a budget of its own stands above its project's"
    assert names[-1] == "Each user"
    for budget in made:
        gateway.run("budgets", "remove", str(budget))


def test_who_may_only_look_is_offered_nothing_else(gateway: RunningGateway, watched: str, visit: Callable[..., Person]) -> None:
    member = gateway.json("members", "add", "auditor@example.test", "--role", "auditor")
    somebody = visit(gateway)
    somebody.go(f"/o/default/budgets/{watched}?act=raise")
    somebody.sign_in("auditor@example.test", member["password"])
    somebody.at("Budget")
    somebody.page.get_by_role("link", name="All budgets").wait_for()
    assert somebody.page.get_by_role("button", name="Raise limit").count() == 0
    assert somebody.page.get_by_role("dialog").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.skipif(not AXE.is_file(), reason="axe is not installed: make console")
def test_nothing_stands_in_anybodys_way(gateway: RunningGateway, watched: str, session: object, visit: Callable[..., Person], scheme: str) -> None:
    somebody = visit(gateway, color_scheme=scheme, storage_state=session)
    found = {}
    for path, title in (("budgets", "Budgets"), ("budgets?new=true", "Budgets"), (f"budgets/{watched}", "Budget"),
                        (f"budgets/{watched}?act=raise", "Budget"), (f"budgets/{watched}?act=change", "Budget"),
                        (f"budgets/{watched}?act=alerts", "Budget"), ("budgets?tree=true", "Budgets")):
        somebody.go(f"/o/default/{path}")
        somebody.at(title)
        if "tree" not in path and "=" in path:
            somebody.page.get_by_role("dialog").wait_for()
        found[path] = somebody.barriers()
    assert {path: barriers for path, barriers in found.items() if barriers} == {}


def test_a_phone_shows_it_without_scrolling_sideways(gateway: RunningGateway, watched: str, session: object, visit: Callable[..., Person]) -> None:
    somebody = visit(gateway, viewport=PHONE, has_touch=True, is_mobile=True, storage_state=session)
    for path, title in (("budgets", "Budgets"), (f"budgets/{watched}", "Budget"), (f"budgets/{watched}?act=change", "Budget")):
        somebody.go(f"/o/default/{path}")
        somebody.at(title)
        wide = somebody.page.evaluate(
            "() => Math.max(document.documentElement.scrollWidth, ...[...document.querySelectorAll('.table-scroll')].map((one) => one.scrollWidth))")
        assert wide <= PHONE["width"], path


def test_what_it_would_have_refused_is_said_while_it_is_written(gateway: RunningGateway, provider: MiniUpstream, owner: Person) -> None:
    before = len(gateway.calls(0))
    called(gateway, provider, gateway.key(team="written"), 77)
    call = gateway.calls(before + 1)[0]
    page = owner.page
    owner.go("/o/default/budgets?new=true")
    page.get_by_role("combobox", name="Which").fill("written")
    page.get_by_label("Limit").fill("0.000000001")
    said = page.locator("[data-would-refuse]")
    said.get_by_text("would have refused").wait_for()
    assert "1 call of 1" in said.inner_text()
    assert said.locator(f"[data-nanos='{call['cost_nanos']}']").count() == 1
    page.get_by_label("Limit").fill("5")
    said.get_by_text("it would have held all 1 call").wait_for()
    assert owner.barriers() == []
