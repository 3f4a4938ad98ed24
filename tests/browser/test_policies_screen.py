"""Policies through the browser, on a running gateway: one is chosen, tried on the calls there were, set, refuses the next call,
is changed and removed; somebody passes by; and a written request is judged without being sent.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.browser.conftest import AXE, PHONE, Person
from tests.build import chat
from tests.build.gateway import PATIENCE_S, RunningGateway
from tests.mini_upstream import MiniUpstream

MODEL = str(chat.asked()["model"])


def asked(gateway: RunningGateway, key: str) -> httpx.Response:
    return httpx.post(gateway.url + chat.PATH, json=chat.asked(), headers=chat.headers(key), timeout=PATIENCE_S)


def called(gateway: RunningGateway, provider: MiniUpstream, key: str, number: int) -> httpx.Response:
    provider.expect("POST", chat.PATH, chat.answers(number)[0])
    answer = asked(gateway, key)
    assert answer.status_code == 200, answer.text
    return answer


def act(person: Person, what: str) -> None:
    person.page.get_by_role("button", name="Actions for").click()
    person.page.get_by_role("menuitem", name=what).click()


def test_the_life_of_a_policy(gateway: RunningGateway, provider: MiniUpstream, owner: Person) -> None:
    page, key = owner.page, gateway.key(team="search")
    past = called(gateway, provider, key, 1_111).headers["x-tallystick-request-id"]
    (call,) = gateway.calls(1)
    page.keyboard.press("g")
    page.keyboard.press("y")
    owner.at("Policies")
    page.get_by_role("heading", name="No policies yet").wait_for()
    assert "tallystick policies set" in page.locator(".snippet").inner_text()

    page.get_by_role("button", name="Set the first policy").click()
    owner.at("Set a policy")
    page.get_by_role("link", name="Models and providers").click()
    page.get_by_role("combobox", name="On", exact=True).click()
    page.get_by_role("option", name="A team").click()
    page.get_by_role("combobox", name="Which").fill("search")
    page.get_by_role("combobox", name="Only these providers").click()
    page.get_by_role("option", name="openai", exact=True).wait_for()
    page.get_by_role("combobox", name="Never these models").click()
    page.get_by_role("option", name=MODEL, exact=True).click()
    page.get_by_role("button", name="Try it on the last 7 days").click()
    tried = page.locator("[data-dry-run]")
    tried.wait_for()
    assert "refused 1 call" in tried.locator(".verdict").inner_text()
    assert owner.nanos("[data-dry-run] .book") == [call["cost_nanos"]] * 2, "by whom, and call by call"
    assert tried.get_by_role("link").first.get_attribute("href") == f"/o/default/requests/{past}"
    assert gateway.api("/api/policies")["items"] == [], "trying sets nothing"

    page.get_by_role("button", name="Set policy").click()
    owner.at("Policy")
    refused = asked(gateway, key)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "policy_denied")
    gateway.calls(1, kind="refused")
    page.reload()
    owner.at("Policy")
    last = page.get_by_role("table", name="Refused last").locator("tbody tr")
    last.wait_for()
    assert last.get_by_role("link").get_attribute("href") == f"/o/default/requests/{refused.headers['x-tallystick-request-id']}"
    last.get_by_role("link").click()
    owner.at("Request")
    page.get_by_role("link", name=re.compile(r"^policy \d+$")).click()
    owner.at("Policy")

    page.get_by_role("button", name="Change…").click()
    owner.at("Change a policy")
    page.get_by_label("Note").fill("October review")
    page.get_by_role("combobox", name="Mode", exact=True).click()
    page.get_by_role("option", name="Observe").click()
    page.get_by_role("button", name="Save changes without trying").click()
    owner.at("Policy")
    assert page.get_by_role("table", name="Versions").locator("tbody tr").count() == 2
    watched = called(gateway, provider, key, 1_112).headers["x-tallystick-request-id"]
    gateway.calls(2)
    owner.go(f"/o/default/requests/{watched}")
    owner.at("Request")
    page.get_by_text("would have acted, and only observes").wait_for()
    page.get_by_role("link", name=re.compile(r"^policy \d+$")).click()
    owner.at("Policy")

    act(owner, "Remove…")
    page.get_by_label("to confirm").fill("Models and providers")
    page.get_by_role("button", name="Remove policy").click()
    owner.at("Policies")
    page.get_by_role("heading", name="No policies yet").wait_for()
    assert gateway.api("/api/policies")["items"] == []


@pytest.fixture(scope="module")
def standing(gateway: RunningGateway) -> str:
    """Policies of two kinds on a team of its own. Returns the id of the one that denies."""
    gateway.json("policies", "set", "request_size", "--on", "team:batch", "-p", "output_tokens_max=5", "-p", "clamp=true")
    return str(gateway.json("policies", "set", "model_access", "--on", "team:batch", "-p", f'deny_models=["{MODEL}"]', "--name", "Small ones")["id"])


def test_the_list_says_the_order_and_its_file_is_whole(gateway: RunningGateway, standing: str, owner: Person, tmp_path: Path) -> None:
    before = len(gateway.calls(kind="refused"))
    asked(gateway, gateway.key(team="batch"))
    gateway.calls(before + 1, kind="refused")
    owner.go("/policies")
    owner.at("Policies")
    rows = owner.page.get_by_role("table", name="Policies").locator("tbody tr")
    assert [row.locator("td").nth(1).inner_text() for row in rows.all()] == ["Small ones", "Size of a request"], "in the order they are asked"
    with owner.page.expect_download() as coming:
        owner.page.get_by_role("button", name="CSV").click()
    coming.value.save_as(tmp_path / "policies.csv")
    written = list(csv.DictReader((tmp_path / "policies.csv").read_text(encoding="utf-8").splitlines()))
    assert [(one["kind"], one["refused_7_days"]) for one in written] == [("model_access", "1"), ("request_size", "0")]
    owner.page.get_by_label("Filter policies").fill("shorten")
    owner.page.wait_for_url("**/policies?*q=shorten*")
    assert rows.count() == 1


def test_somebody_passes_by_for_a_while(gateway: RunningGateway, provider: MiniUpstream, standing: str, owner: Person) -> None:
    key = gateway.key(team="batch")
    owner.go(f"/o/default/policies/{standing}?act=bypass")
    owner.at("Policy")
    owner.page.get_by_label("Reason").fill("incident 4711")
    owner.page.get_by_role("button", name="Break the glass").click()
    table = owner.page.get_by_role("table", name="Bypasses")
    table.get_by_text("incident 4711").wait_for()
    called(gateway, provider, key, 1_113)
    owner.page.get_by_role("button", name="End the bypass of team batch").click()
    table.wait_for(state="hidden")
    assert asked(gateway, key).status_code == 403


def test_a_written_request_is_judged_and_not_sent(gateway: RunningGateway, standing: str, owner: Person) -> None:
    gateway.json("keys", "create", "--name", "the batch", "--team", "batch")
    before = len(gateway.calls(kind="all"))
    owner.go("/o/default/policies/bench")
    owner.at("Test bench")
    page = owner.page
    page.get_by_role("combobox", name="Sent with the key").fill("the batch")
    page.get_by_role("option", name="the batch").click()
    page.get_by_label("Request").fill(
        f"curl {gateway.url}{chat.PATH} -H 'Authorization: Bearer tsk_secret' -d '{{\"model\": \"{MODEL}\", \"max_tokens\": 90, \"messages\": []}}'")
    page.get_by_role("button", name="Try it").click()
    page.locator("[data-verdict=refused]").wait_for()
    alone = page.get_by_role("table", name="Each policy").locator("tbody tr")
    assert ["Refused" in alone.nth(0).inner_text(), "output limit 5" in alone.nth(1).inner_text()] == [True, True]
    assert "tsk_secret" not in page.evaluate("() => performance.getEntriesByType('resource').map((one) => one.name).join()")
    page.get_by_label("Request").fill("POST nowhere")
    page.get_by_role("button", name="Try it").click()
    page.get_by_role("alert").wait_for()
    assert len(gateway.calls(kind="all")) == before


def test_who_may_only_look_is_offered_nothing_else(gateway: RunningGateway, standing: str, visit: Callable[..., Person]) -> None:
    member = gateway.json("members", "add", "auditor@example.test", "--role", "auditor")
    somebody = visit(gateway)
    somebody.go(f"/o/default/policies/{standing}?act=remove")
    somebody.sign_in("auditor@example.test", member["password"])
    somebody.at("Policy")
    somebody.page.get_by_role("link", name="All policies").click()
    somebody.at("Policies")
    assert somebody.page.get_by_role("button", name="Set policy").count() == somebody.page.get_by_role("dialog").count() == 0
    somebody.go("/o/default/policies/set?kind=hours")
    somebody.page.get_by_role("heading", name="Policies are not yours to set").wait_for()


PLACES = (("policies", "Policies"), ("policies?bypass=true", "Policies"), ("policies/set", "Set a policy"), ("policies/bench", "Test bench"),
          ("policies/set?kind=request_size", "Set a policy"), ("policies/set?kind=model_access", "Set a policy"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.skipif(not AXE.is_file(), reason="axe is not installed: make console")
def test_nothing_stands_in_anybodys_way(gateway: RunningGateway, standing: str, session: object, visit: Callable[..., Person], scheme: str) -> None:
    somebody = visit(gateway, color_scheme=scheme, storage_state=session)
    found = {}
    for path, title in (*PLACES, (f"policies/{standing}", "Policy")):
        somebody.go(f"/o/default/{path}")
        somebody.at(title)
        found[path] = somebody.barriers()
    assert {path: barriers for path, barriers in found.items() if barriers} == {}


def test_a_phone_shows_it_without_scrolling_sideways(gateway: RunningGateway, standing: str, session: object, visit: Callable[..., Person]) -> None:
    somebody = visit(gateway, viewport=PHONE, has_touch=True, is_mobile=True, storage_state=session)
    for path, title in (*PLACES, (f"policies/{standing}", "Policy")):
        somebody.go(f"/o/default/{path}")
        somebody.at(title)
        assert somebody.page.evaluate("() => document.documentElement.scrollWidth") <= PHONE["width"], path
