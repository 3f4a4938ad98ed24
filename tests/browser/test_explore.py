"""The cost explorer, through the browser, on a gateway that two teams called with two models: what it shows by either is the
ledger's to the nano, under a filter too, on the screen and in its file; and whatever was asked stands in the address.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import pytest

from tests.browser.conftest import AXE, PHONE, Person
from tests.build import chat
from tests.build.gateway import PATIENCE_S, RunningGateway
from tests.mini_upstream import MiniUpstream, json_reply

CALLS = 8
TEAMS, MODELS = ("search", "support"), ("gpt-4o-mini", "gpt-4o")


@pytest.fixture(scope="module")
def traffic(gateway: RunningGateway, provider: MiniUpstream) -> list[dict[str, Any]]:
    """Calls of both teams to both models, of which no two cost the same; as the ledger has them."""
    keys = [gateway.key(team=team, name=f"{team} job") for team in TEAMS]
    for number in range(CALLS):
        model = MODELS[number // 2 % 2]
        said = 700 + number * 41
        provider.expect("POST", chat.PATH, json_reply(chat.completion(said) | {"model": model}, usage=chat.usage(said)))
        answer = httpx.post(gateway.url + chat.PATH, json=chat.asked(model=model), headers=chat.headers(keys[number % 2]), timeout=PATIENCE_S)
        assert answer.status_code == 200, answer.text
    return gateway.calls(CALLS)


def booked(calls: list[dict[str, Any]], *names: str) -> Counter[tuple[str, ...]]:
    """The ledger's nanos by these fields of a call."""
    found: Counter[tuple[str, ...]] = Counter()
    for call in calls:
        found[tuple(call[name] for name in names)] += call["cost_nanos"]
    return found


def explored(person: Person, path: str = "/explore") -> None:
    person.go(path)
    person.at("Explore")
    person.page.locator(".figures").wait_for()


def rows(person: Person) -> dict[tuple[str, ...], int]:
    """The names and the exact cost of each line of the table."""
    return {tuple(line.locator(".pick").all_inner_texts()): int(line.locator("[data-nanos]").first.get_attribute("data-nanos") or "")
            for line in person.page.locator("table.book:has(tfoot) tbody tr").all()}


def choose(person: Person, label: str, option: str) -> None:
    person.page.get_by_role("combobox", name=label, exact=True).click()
    person.page.get_by_role("option", name=option, exact=True).click()


def test_by_team_and_model_it_is_the_ledgers_to_the_nano(traffic: list[dict[str, Any]], owner: Person) -> None:
    page, whole = owner.page, sum(call["cost_nanos"] for call in traffic)
    explored(owner)
    assert rows(owner) == booked(traffic, "team")
    choose(owner, "And by", "Model")
    page.wait_for_url(re.compile("and=model"))
    page.get_by_role("heading", name="Cost by team and model").wait_for()
    assert rows(owner) == booked(traffic, "team", "served_model")
    assert owner.nanos(".figures > div:first-child") == [whole] == owner.nanos("table.book tfoot")

    page.locator("table.book:has(tfoot)").get_by_role("button", name="search", exact=True).first.click()
    page.get_by_role("button", name="Remove the filter Team is search").wait_for()
    owner.at("Explore")
    ours = [call for call in traffic if call["team"] == "search"]
    assert rows(owner) == booked(ours, "team", "served_model")
    assert owner.nanos("table.book tfoot") == [sum(call["cost_nanos"] for call in ours)]
    page.go_back()
    page.get_by_role("button", name="Remove the filter Team is search").wait_for(state="detached")
    page.locator("table.book:has(tfoot) tbody tr").nth(3).wait_for()
    assert rows(owner) == booked(traffic, "team", "served_model"), "Back is the question before"


def test_filters_are_added_by_form_by_click_and_by_alt_click(traffic: list[dict[str, Any]], owner: Person) -> None:
    page = owner.page
    explored(owner, "/explore?group=model")
    page.keyboard.press("/")
    page.get_by_role("combobox", name="Names").fill("supp")
    page.get_by_role("option", name="support").click()
    page.get_by_role("button", name="Add filter").click()
    page.get_by_role("button", name="Remove the filter Team is support").wait_for()
    owner.at("Explore")
    ours = [call for call in traffic if call["team"] == "support"]
    assert rows(owner) == booked(ours, "served_model")
    page.locator(".legend").get_by_role("button", name="gpt-4o", exact=True).click(modifiers=["Alt"])
    page.get_by_role("button", name="Remove the filter Model is not gpt-4o").wait_for()
    owner.at("Explore")
    left = [call for call in ours if call["served_model"] != "gpt-4o"]
    assert rows(owner) == booked(left, "served_model")
    assert '"is_not"' in unquote(page.url)
    page.locator("table.book tbody a").click()
    owner.at("Requests")
    page.get_by_role("button", name="Remove the filter Team").wait_for()
    page.get_by_role("button", name="Remove the filter Model is not gpt-4o").wait_for()
    assert sum(owner.nanos("table.book tbody")) == sum(call["cost_nanos"] for call in left)
    page.go_back()
    owner.at("Explore")
    owner.go("/explore?" + 'filters=[{"dimension":"team","test":"is","values":["search"]},{"dimension":"team","test":"is_not","values":["search"]}]')
    owner.at("Explore")
    page.get_by_role("heading", name="No calls match").wait_for()
    page.get_by_role("button", name="Clear the filters").click()
    page.locator(".figures").wait_for()
    assert sum(rows(owner).values()) == sum(call["cost_nanos"] for call in traffic)


def test_its_file_has_every_group_exactly(traffic: list[dict[str, Any]], owner: Person, tmp_path: Path) -> None:
    explored(owner, "/explore?group=model&and=team&grain=week")
    for item in ("Every group", "Every group and week"):
        owner.page.get_by_role("button", name="CSV").click()
        with owner.page.expect_download() as coming:
            owner.page.get_by_role("menuitem", name=item, exact=True).click()
        coming.value.save_as(tmp_path / "rows.csv")
        found: Counter[tuple[str, ...]] = Counter()
        for row in csv.DictReader((tmp_path / "rows.csv").read_text(encoding="utf-8").splitlines()):
            assert ("from" in row) == ("week" in item)
            found[row["model"], row["team"]] += int(row["cost_nanos"])
        assert found == booked(traffic, "served_model", "team")


def test_other_figures_keys_by_name_and_the_days_before(traffic: list[dict[str, Any]], owner: Person) -> None:
    page = owner.page
    explored(owner, "/explore?group=key")
    page.locator("table.book").get_by_role("button", name="search job").wait_for()
    choose(owner, "Figure", "Latency, mean")
    page.get_by_role("heading", name="Latency, mean by key").wait_for()
    page.keyboard.press("c")
    page.wait_for_url(re.compile("compare=previous"))
    page.get_by_role("columnheader", name="Change").wait_for()
    page.keyboard.press("t")
    page.wait_for_url(re.compile("table=true"))
    page.get_by_role("region", name="Latency, mean over time").wait_for()
    page.reload()
    owner.at("Explore")
    page.get_by_role("region", name="Latency, mean over time").wait_for()
    assert page.get_by_role("combobox", name="Compared with").input_value() == "The days before"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.skipif(not AXE.is_file(), reason="axe is not installed: make console")
def test_it_stands_in_nobodys_way(
    gateway: RunningGateway, traffic: list[dict[str, Any]], visit: Callable[..., Person], session: Any, scheme: str,
) -> None:
    somebody = visit(gateway, storage_state=session, color_scheme=scheme)
    explored(somebody, "/explore?group=model&and=team&compare=previous")
    somebody.page.locator(".chart svg").first.wait_for()
    assert somebody.barriers() == []
    explored(somebody, '/explore?group=model&table=true&filters=[{"dimension":"team","test":"is","values":["search"]}]')
    somebody.page.get_by_role("button", name="Filter", exact=True).click()
    somebody.page.get_by_role("button", name="Add filter").wait_for()
    assert somebody.barriers() == []


def test_a_phone_shows_it_without_scrolling_sideways(
    gateway: RunningGateway, traffic: list[dict[str, Any]], visit: Callable[..., Person], session: Any,
) -> None:
    somebody = visit(gateway, storage_state=session, viewport=PHONE, has_touch=True, is_mobile=True)
    for view in ("", "&table=true"):
        explored(somebody, f"/explore?group=model&and=team&compare=previous{view}")
        somebody.page.locator("table.book:has(tfoot)").wait_for()
        assert somebody.page.evaluate("() => document.documentElement.scrollWidth") <= PHONE["width"]
        assert rows(somebody) == booked(traffic, "served_model", "team")
