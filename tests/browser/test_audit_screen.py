"""The ledger through the browser, on a running gateway: what was changed is told, an entry leads to its bytes and its proof, an
outsider finds the proof sound, and Verify says what the command would; one changed row is found and named.
"""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.browser.conftest import PHONE, ROOT, Person
from tests.build import chat
from tests.build.gateway import PATIENCE_S, RunningGateway
from tests.mini_upstream import MiniUpstream

CALLS = 3


@pytest.fixture(scope="module")
def traffic(gateway: RunningGateway, provider: MiniUpstream) -> list[str]:
    """A few calls of a team, and a budget that was set and changed."""
    key = gateway.key(team="search", user="ada")
    made = []
    for number in range(CALLS):
        provider.expect("POST", chat.PATH, chat.answers(1_100 + number * 41)[0])
        answer = httpx.post(gateway.url + chat.PATH, json=chat.asked(), headers=chat.headers(key), timeout=PATIENCE_S)
        assert answer.status_code == 200, answer.text
        made.append(answer.headers["x-tallystick-request-id"])
    gateway.calls(CALLS)
    gateway.json("budgets", "set", "--team", "search", "--limit", "5/month")
    gateway.json("budgets", "set", "--team", "search", "--limit", "7/month")
    gateway.json("budgets", "set", "--org", "--limit", "90/month")
    return made


def verified(person: Person, verb: str) -> None:
    person.page.get_by_role("button", name=verb, exact=True).click()
    person.page.get_by_role("button", name="Verify again").wait_for()


def test_what_was_changed_is_told_with_before_and_after(traffic: list[str], owner: Person) -> None:
    page = owner.page
    page.keyboard.press("g")
    page.keyboard.press("d")
    owner.at("Audit")
    row = page.locator("tbody tr", has_text="Budget on team search was changed: $7.00 a month")
    assert row.locator("del").first.inner_text() == "$5.00"
    assert row.locator("ins").first.inner_text() == "$7.00"
    assert "the host’s command line" in row.inner_text()
    assert owner.barriers() == []
    page.locator("tbody tr", has_text="Budget on the organisation was made: $90.00 a month").wait_for()
    row.get_by_role("link").first.click()
    budget = page.locator("dt:text-is('budget') + dd").get_by_role("link")
    assert re.fullmatch(r"/o/default/budgets/\d+", budget.get_attribute("href") or "")
    owner.go("/audit")
    page.set_viewport_size(PHONE)
    owner.at("Audit")
    row = page.locator("tbody tr", has_text="Budget on team search was changed: $7.00 a month")
    box = row.get_by_text("Budget on team search was changed").bounding_box()
    assert box and box["x"] + 100 < PHONE["width"], "a phone shows what was done without being pushed sideways"
    row.get_by_text("by the host’s command line").wait_for()


def test_a_request_leads_to_its_entry_and_the_entry_to_a_proof_that_holds(
    gateway: RunningGateway, traffic: list[str], owner: Person, tmp_path: Path,
) -> None:
    page = owner.page
    owner.go(f"/o/default/requests/{traffic[0]}")
    owner.at("Request")
    page.get_by_role("heading", name="In the ledger").wait_for()
    page.get_by_text("bytes and hash agree").first.wait_for()
    page.locator(".offers").get_by_role("link", name=re.compile("^Entry ")).first.click()
    page.get_by_text("derived from the entry").wait_for()
    legs = [int(found.get_attribute("data-nanos") or "") for found in page.locator("table.book tbody [data-nanos]").all()]
    assert len(legs) >= 3
    assert sum(legs) == 0
    assert gateway.call(traffic[0])["cost_nanos"] in legs
    assert owner.barriers() == []
    [said] = page.locator("dl.facts", has=page.get_by_text("latency", exact=True)).all()
    assert said.get_by_role("link", name="search", exact=True).get_attribute("href") == "/o/default/teams/search"
    assert re.search(r"[\d,.]+ ms\n", said.inner_text())
    page.get_by_role("link", name="Download the proof").wait_for(timeout=90_000)              # signed within a minute
    with page.expect_download() as coming:
        page.get_by_role("link", name="Download the proof").click()
    coming.value.save_as(tmp_path / "proof.json")
    found = subprocess.run([sys.executable, "-I", str(ROOT / "scripts" / "verify_export.py"), str(tmp_path / "proof.json")],
                           capture_output=True, text=True, timeout=60, check=False)
    assert found.returncode == 0, found.stdout + found.stderr


def test_entries_are_found_by_what_they_are_about(traffic: list[str], owner: Person) -> None:
    page = owner.page
    owner.go("/audit?view=entries")
    owner.at("Audit")
    page.keyboard.press("/")
    page.keyboard.type("search")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("about=search"))
    owner.at("Audit")
    page.locator("tbody tr", has_text="was named: search").first.wait_for()
    assert page.locator("tbody tr", has_text="booked").count() == CALLS
    page.get_by_role("combobox", name="Kind").click()
    page.get_by_role("option", name="Calls", exact=True).click()
    page.wait_for_url(re.compile("kind=ATTEMPT"))
    owner.at("Audit")
    assert page.locator("tbody tr").count() == CALLS


def test_verify_says_what_the_command_says(gateway: RunningGateway, traffic: list[str], owner: Person) -> None:
    page = owner.page
    owner.go("/audit")
    owner.at("Audit")
    verified(owner, "Verify")
    page.get_by_text("Verified", exact=True).wait_for()
    assert gateway.json("verify", "--org", "default")["ok"] is True

    with sqlite3.connect(gateway.data / "tallystick.db", timeout=30) as db:
        (month,) = db.execute("SELECT month FROM journal_month ORDER BY month DESC LIMIT 1").fetchone()
        (seq,) = db.execute(f"SELECT max(seq) FROM call_fact_{month} WHERE cost_nanos > 0").fetchone()
        db.execute(f"UPDATE call_fact_{month} SET cost_nanos = cost_nanos + 1 WHERE seq = ?", (seq,))
    try:
        verified(owner, "Verify again")
        page.get_by_text("Not as it was written").wait_for()
        page.locator(".findings").get_by_role("link", name=f"entry {seq}").first.wait_for()
        assert owner.barriers() == []
    finally:
        with sqlite3.connect(gateway.data / "tallystick.db", timeout=30) as db:
            db.execute(f"UPDATE call_fact_{month} SET cost_nanos = cost_nanos - 1 WHERE seq = ?", (seq,))
