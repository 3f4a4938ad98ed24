"""Retention in the console, over a gateway whose oldest month cannot be pruned: that is said on the screen and by an alert,
an owner holds everything and lets it go again by name, whoever may not sees why, and once the row is mended the month goes
and leads to the entry that seals it."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from tallystick.stores.sql.engine import open_database
from tests.browser.conftest import PHONE, Person
from tests.browser.test_settings_screens import confirmed, joined
from tests.build.gateway import PATIENCE_S, RunningGateway
from tests.gateway.test_retention import NOW, history

STOPPED = "Pruning of 2026-07 has stopped"


@pytest.fixture(scope="module")
def gateway(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """Calls since July, of which two months are to stay; a row of July is not what its entry says."""
    with RunningGateway(tmp_path_factory.mktemp("retention"), at=NOW, config="[retention]\nmonths = 2\n") as running:
        running.stop()
        history(running)
        change_july(running, "+")
        running.start()
        yield running


def change_july(gateway: RunningGateway, sign: str) -> None:
    database = open_database(gateway.data, 1)
    with database.write() as db:
        db.execute(f"UPDATE call_fact_202607 SET input_tokens = input_tokens {sign} 1 WHERE organization = 1")
    database.close()


def until(what: Callable[[], Any]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def alerts(gateway: RunningGateway) -> list[bool]:
    """Of the month that stopped: whether each alert is over."""
    return [one["resolved_at"] is not None for one in gateway.api("/api/alerts")["items"] if one["kind"] == "retention_stopped"]


def facts(person: Person) -> str:
    """What the page says of what is kept."""
    return " ".join(person.page.locator("dl.facts").first.inner_text().split())


def test_what_keeps_rows_is_seen_held_and_let_go(gateway: RunningGateway, owner: Person, visit: Callable[..., Person], tmp_path: Path) -> None:
    until(lambda: (gateway.api("/api/retention")["going"] or {}).get("stopped"))
    gateway.key(team="search")               # its clock stands still: whoever looks for alerts looks after a change
    until(lambda: alerts(gateway) == [False])
    page = owner.page
    owner.go("/settings/retention")
    owner.at("Retention")
    assert "2 whole months besides the running one" in facts(owner)
    assert "Stopped 2026-07" in facts(owner)
    page.get_by_role("heading", name="Every month has its rows").wait_for()
    page.get_by_role("link", name="the alert of it").click()
    owner.at("Alerts")
    page.get_by_role("link", name=STOPPED).wait_for()

    # Held with the keyboard alone; the address says that the dialog is open.
    owner.go("/settings/retention")
    owner.at("Retention")
    page.get_by_role("button", name="Hold everything…").press("Enter")
    page.wait_for_url("**/settings/retention?hold=true")
    page.get_by_label("Reason").fill("case 7")
    page.get_by_label("Reason").press("Enter")
    page.get_by_text("Nothing goes case 7").wait_for()
    assert gateway.api("/api/retention")["hold"]["reason"] == "case 7"
    assert "hold=" not in page.url
    gateway.key(team="search")
    until(lambda: alerts(gateway) == [True])

    joined(gateway, "uma@example.test", "auditor")
    uma = visit(gateway, viewport=PHONE)
    uma.go("/settings/retention")
    uma.sign_in("uma@example.test", "a password of theirs")
    uma.at("Retention")
    uma.page.get_by_text("Nothing goes case 7").wait_for()
    assert uma.page.get_by_role("button", name="hold").count() == 0

    change_july(gateway, "-")
    page.get_by_role("button", name="Release the hold…").click()
    confirmed(owner, "default", "Release hold")
    page.get_by_text("None of yours.").wait_for()
    assert gateway.api("/api/retention")["hold"] is None
    assert gateway.run("retention", "run").returncode == 0
    owner.go("/settings/retention")
    owner.at("Retention")
    rows = page.get_by_role("table", name="Months without rows").get_by_role("row")
    assert [row.inner_text().split()[0] for row in rows.all()[1:]] == ["2026-07"]
    with page.expect_download() as downloading:
        page.get_by_role("button", name="CSV").click()
    downloading.value.save_as(tmp_path / "months.csv")
    with (tmp_path / "months.csv").open(encoding="utf-8") as file:
        sealed = {row["month"]: row["sealed_entry"] for row in csv.DictReader(file)}
    assert sealed == {one["month"]: str(one["sealed_entry"]) for one in gateway.api("/api/retention")["pruned"]}
    page.get_by_role("table", name="Months without rows").get_by_role("link").first.click()
    page.get_by_role("heading", name="Entry", exact=False).first.wait_for()
    owner.go("/audit")
    owner.at("Audit")
    page.get_by_text("case 7").first.wait_for()
