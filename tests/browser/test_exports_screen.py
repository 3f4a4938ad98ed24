"""The books as files, through the browser on a running gateway: rows and control total are shown, a file has exactly them,
and the ledger's file is found sound by the outsider's script.
"""

from __future__ import annotations

import csv
import io
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.browser.conftest import ROOT, Person
from tests.build import chat
from tests.build.gateway import PATIENCE_S, RunningGateway
from tests.mini_upstream import MiniUpstream

CALLS = 5


@pytest.fixture(scope="module")
def traffic(gateway: RunningGateway, provider: MiniUpstream) -> list[str]:
    """Calls of two teams; the name of one is a formula to a spreadsheet."""
    keys = [gateway.key(team="search"), gateway.key(team="support", user="=1+1")]
    made = []
    for number in range(CALLS):
        provider.expect("POST", chat.PATH, chat.answers(1_100 + number * 41)[0])
        answer = httpx.post(gateway.url + chat.PATH, json=chat.asked(), headers=chat.headers(keys[number % 2]), timeout=PATIENCE_S)
        assert answer.status_code == 200, answer.text
        made.append(answer.headers["x-tallystick-request-id"])
    gateway.calls(CALLS)
    return made


def taken(person: Person, name: str) -> bytes:
    with person.page.expect_download() as coming:
        person.page.get_by_role("link", name=name).click()
    return Path(coming.value.path()).read_bytes()


def test_a_file_has_the_rows_and_the_sum_that_the_screen_says(gateway: RunningGateway, traffic: list[str], owner: Person) -> None:
    page = owner.page
    page.keyboard.press("g")
    page.keyboard.press("x")
    owner.at("Exports")
    (total,) = owner.nanos(".figures")
    booked = {call["id"]: call["cost_nanos"] for call in gateway.calls(CALLS)}
    rows = list(csv.DictReader(io.StringIO(taken(owner, "Download Calls, CSV").decode(), newline="")))
    assert {row["id"]: int(row["cost_nanos"]) for row in rows} == booked
    assert total == sum(booked.values())
    assert "'=1+1" in {row["user"] for row in rows}

    owner.go("/exports?team=search&kind=calls")
    owner.at("Exports")
    (total,) = owner.nanos(".figures")
    rows = list(csv.DictReader(io.StringIO(taken(owner, "Download Calls, CSV").decode(), newline="")))
    assert page.locator(".figures > div", has_text="Rows").locator(".value").inner_text() == str(len(rows))
    assert (total, {row["team"] for row in rows}) == (sum(int(row["cost_nanos"]) for row in rows), {"search"})
    assert len(taken(owner, "Download Calls, JSON lines").splitlines()) == len(rows)

    page.get_by_role("link", name="the same in Explore").click()
    owner.at("Explore")
    page.locator("[data-nanos]").first.wait_for()
    assert total in owner.nanos("main")


def test_an_outsider_finds_the_ledgers_file_sound(gateway: RunningGateway, traffic: list[str], owner: Person, tmp_path: Path) -> None:
    owner.go("/exports")
    owner.at("Exports")
    file = tmp_path / "ledger.jsonl"
    file.write_bytes(taken(owner, "Download the ledger"))
    found = subprocess.run([sys.executable, "-I", str(ROOT / "scripts" / "verify_export.py"), str(file)],
                           capture_output=True, text=True, timeout=60, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
    booked = sum(call["cost_nanos"] for call in gateway.calls(CALLS))
    assert re.search(rf"booked {booked} nanos", found.stdout)


def test_the_screen_has_no_barriers(traffic: list[str], owner: Person) -> None:
    owner.go("/exports?team=search")
    owner.at("Exports")
    assert owner.barriers() == []
