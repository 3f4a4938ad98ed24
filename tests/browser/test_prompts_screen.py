"""Prompts through the browser, on a running gateway: one that calls name is there by itself, one is registered with versions, the
active one is booked, and the versions' comparison is what the aggregation API says, to the nano.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.browser.conftest import AXE, PHONE, Person
from tests.build import chat
from tests.build.gateway import PATIENCE_S, RunningGateway
from tests.mini_upstream import MiniUpstream

ODD = "a/b c?d=1%2F#größe 🎈"                 # a key is any text, and so is the last part of an address


def call(gateway: RunningGateway, provider: MiniUpstream, key: str, number: int, prompt: str, version: str | None = None) -> int:
    """A call that names a prompt; what it cost in nanos."""
    provider.expect("POST", chat.PATH, chat.answers(number)[0])
    named = {"x-tallystick-prompt-key": prompt.encode(), **({"x-tallystick-prompt-version": version} if version else {})}
    before = len(gateway.calls())
    reply = httpx.post(gateway.url + chat.PATH, json=chat.asked(), headers=chat.headers(key) | named, timeout=PATIENCE_S)
    assert reply.status_code == 200, reply.text
    gateway.calls(before + 1)
    return int(gateway.call(reply.headers["x-tallystick-request-id"])["cost_nanos"])


@pytest.fixture(scope="module")
def named(gateway: RunningGateway, provider: MiniUpstream) -> dict[str | None, list[int]]:
    """Calls of one prompt in three versions: what each cost, by version. And one of another prompt with a key of every kind of sign."""
    key = gateway.key(team="search")
    costs: dict[str | None, list[int]] = {}
    for number, version in ((1_000, "1"), (1_100, "1"), (2_000, "2"), (300, None)):
        costs.setdefault(version, []).append(call(gateway, provider, key, number, "support/summary", version))
    call(gateway, provider, key, 55, ODD)
    return costs


def rows_of(person: Person, caption: str) -> list[list[str]]:
    rows = person.page.get_by_role("table", name=caption).locator("tbody tr")
    rows.first.wait_for()
    return [[cell.inner_text() for cell in row.locator("td").all()] for row in rows.all()]


def test_what_calls_name_is_there_and_its_comparison_ties_out(
    gateway: RunningGateway, named: dict[str | None, list[int]], owner: Person, tmp_path: Path,
) -> None:
    page = owner.page
    page.keyboard.press("g")
    page.keyboard.press("p")
    owner.at("Prompts")
    assert [row[0] for row in rows_of(owner, "Prompts")] == ["support/summary", ODD]
    page.get_by_role("row").filter(has_text="support/summary").locator("a:has([data-nanos])").click()
    owner.at("Requests")
    page.locator(f'tfoot [data-nanos="{sum(map(sum, named.values()))}"]').wait_for()
    page.go_back()
    owner.at("Prompts")
    page.get_by_role("link", name="support/summary").click()
    owner.at("support/summary")
    assert owner.nanos(".figures")[0] == sum(map(sum, named.values()))
    page.get_by_role("table", name="Versions compared").get_by_role("link", name="0 (0.0 %)").first.click()
    owner.at("Requests")
    page.get_by_role("button", name=re.compile("Outcome is failed")).wait_for()
    page.get_by_role("heading", name="No requests match").wait_for()
    page.go_back()
    owner.at("support/summary")
    with page.expect_download() as coming:
        page.get_by_role("button", name="CSV").click()
    coming.value.save_as(tmp_path / "versions.csv")
    written = {row["version"]: row for row in csv.DictReader((tmp_path / "versions.csv").read_text(encoding="utf-8").splitlines())}
    said = gateway.api("/api/aggregations/version-comparison?prompt_key=support%2Fsummary")["versions"]
    assert {"" if one["version_number"] is None else str(one["version_number"]): (round(one["total_cost"] * 1e9), one["request_count"],
                                                                                    round(one["avg_cost_per_request"] * 1e9)) for one in said} == {
        version: (int(row["cost_nanos"]), int(row["calls"]), int(row["cost_per_call_nanos"])) for version, row in written.items()}
    assert {version or "": sum(costs) for version, costs in named.items()} == {
        version: int(row["cost_nanos"]) for version, row in written.items()}
    # The bars stand in the order of what they cost, with the same figures.
    bars = [int(found.get_attribute("data-nanos") or "") for found in page.locator("figure", has_text="Cost").locator("[data-nanos]").all()]
    assert bars == sorted((sum(costs) for costs in named.values()), reverse=True)


def test_a_key_of_any_signs_has_an_address_of_its_own(gateway: RunningGateway, named: dict[str | None, list[int]], owner: Person) -> None:
    page = owner.page
    owner.go("/prompts")
    owner.at("Prompts")
    page.get_by_role("link", name=ODD).click()
    owner.at(ODD)
    page.reload()
    owner.at(ODD)
    assert owner.nanos(".figures")[0] == chat.cost_nanos(55)
    for key in ("..", "builder", "100%", "~x"):
        page.goto(f"{gateway.url}/o/default/prompts?new=true")
        page.get_by_label("Key").fill(key)
        page.get_by_role("dialog").get_by_role("button", name="Register prompt").click()
        owner.at(key)
        page.reload()
        owner.at(key)


def test_a_prompt_is_registered_and_its_active_version_is_booked(
    gateway: RunningGateway, provider: MiniUpstream, owner: Person,
) -> None:
    page = owner.page
    owner.go("/prompts?new=true")
    page.get_by_label("Key").fill("mail/reply")
    page.get_by_label("Owner").fill("ann")
    page.get_by_label("Tags").first.fill("mail")
    page.keyboard.press("Enter")
    page.get_by_role("dialog").get_by_role("button", name="Register prompt").click()
    owner.at("mail/reply")
    for model, note in (("gpt-4o", "first"), ("gpt-4o-mini", "shorter")):
        page.get_by_role("button", name="Add version").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Model").fill(model)
        dialog.get_by_label("Temperature").fill("0.7")
        dialog.get_by_label("Most output tokens").fill("400")
        dialog.get_by_label("Note").fill(note)
        dialog.get_by_role("button", name="Add version").click()
        dialog.wait_for(state="hidden")
    owner.page.get_by_role("cell", name="shorter").wait_for()
    owner.page.get_by_role("row").filter(has_text="shorter").filter(has_text="2").get_by_text("2", exact=True).first.wait_for()
    registered = rows_of(owner, "What each version stands for")
    assert [row[:5] for row in registered] == [["2", "gpt-4o-mini", "0.7", "400", "shorter"], ["1active", "gpt-4o", "0.7", "400", "first"]]

    page.get_by_role("button", name="Make version 2 active").click()
    page.get_by_text("booked on 2, and say that it was assumed").wait_for()
    key = gateway.key(team="search")
    cost = assumed(gateway, provider, key)
    page.reload()
    owner.at("mail/reply")
    assert cost in owner.nanos("table")

    page.get_by_role("button", name="Actions for mail/reply").click()
    page.get_by_role("menuitem", name="Forget…").click()
    page.get_by_label("to confirm").fill("mail/reply")
    page.get_by_role("button", name="Forget prompt").click()
    owner.at("Prompts")
    page.get_by_label("Filter prompts").fill("MAIL")
    page.wait_for_url("**q=MAIL*")
    page.wait_for_function("() => document.querySelectorAll('table.book tbody tr').length === 1")
    assert rows_of(owner, "Prompts")[0][-1] == "calls"


def assumed(gateway: RunningGateway, provider: MiniUpstream, key: str) -> int:
    """Call until the active version is in force, which takes a moment; what was booked on it."""
    for number in range(50):
        call(gateway, provider, key, 70 + number, "mail/reply")
        told: dict[str, Any] = gateway.api("/api/prompts/one?prompt_key=mail%2Freply")
        booked = [one["cost_nanos"] for one in told["version_list"] if one["version"] == "2" and one["requests"]]
        if booked:
            return int(booked[0])
    raise AssertionError("the active version is not in force")


def test_the_overview_compares_a_prompts_versions_over_itself(named: dict[str | None, list[int]], owner: Person) -> None:
    page = owner.page
    page.get_by_role("link", name="support/summary").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("table", name="Versions compared").wait_for()
    assert sum(owner.nanos("[role=dialog] table td:nth-child(3)")) == sum(map(sum, named.values()))
    page.reload()
    dialog.get_by_role("link", name="Open this prompt").click()
    owner.at("support/summary")
    page.go_back()
    dialog.wait_for()
    page.keyboard.press("Escape")
    dialog.wait_for(state="hidden")


def test_who_may_only_look_is_offered_nothing_else(
    gateway: RunningGateway, named: dict[str | None, list[int]], visit: Callable[..., Person],
) -> None:
    member = gateway.json("members", "add", "auditor@example.test", "--role", "auditor")
    somebody = visit(gateway)
    somebody.go("/o/default/prompts/support~2Fsummary?act=version")
    somebody.sign_in("auditor@example.test", member["password"])
    somebody.at("support/summary")
    somebody.page.get_by_role("link", name="All prompts").wait_for()
    assert somebody.page.get_by_role("button", name="Add version").count() == 0
    assert somebody.page.get_by_role("dialog").count() == 0


PAGES = (("prompts", "Prompts"), ("prompts?new=true", "Prompts"), ("prompts/support~2Fsummary", "support/summary"),
         ("prompts/support~2Fsummary?act=version", "support/summary"), ("overview?prompt=support%2Fsummary", "Overview"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.skipif(not AXE.is_file(), reason="axe is not installed: make console")
def test_nothing_stands_in_anybodys_way(
    gateway: RunningGateway, named: dict[str | None, list[int]], session: object, visit: Callable[..., Person], scheme: str,
) -> None:
    somebody = visit(gateway, color_scheme=scheme, storage_state=session)
    found = {}
    for path, title in PAGES:
        somebody.go(f"/o/default/{path}")
        somebody.at(title)
        if "=" in path:
            somebody.page.get_by_role("dialog").wait_for()
        found[path] = somebody.barriers()
    assert {path: barriers for path, barriers in found.items() if barriers} == {}


def test_a_phone_shows_it_without_scrolling_sideways(
    gateway: RunningGateway, named: dict[str | None, list[int]], session: object, visit: Callable[..., Person],
) -> None:
    somebody = visit(gateway, viewport=PHONE, has_touch=True, is_mobile=True, storage_state=session)
    for path, title in PAGES:
        somebody.go(f"/o/default/{path}")
        somebody.at(title)
        wide = somebody.page.evaluate(
            "() => Math.max(document.documentElement.scrollWidth, ...[...document.querySelectorAll('.table-scroll')].map((one) => one.scrollWidth))")
        assert wide <= PHONE["width"], path
