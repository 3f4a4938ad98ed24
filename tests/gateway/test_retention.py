"""Months that go while the gateway serves: it prunes by itself, survives being killed at it, and every way to ask for what is
gone says so."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import httpx

from tallystick.core.identity import Attribution
from tallystick.stores.sql.booking import book_attempt
from tallystick.stores.sql.engine import open_database
from tallystick.stores.sql.journal import Sequencer
from tests.build.gateway import PATIENCE_S, RunningGateway
from tests.build.journal import admission, settlement

NOW: Final = "2026-11-21T12:00:00+00:00"
LATER: Final = "2026-11-21T13:00:00+00:00"
JULY_US: Final = 1_783_000_000_000_000       # 2026-07-02
DAY_US: Final = 86_400_000_000
SPAN: Final = "start=2026-07-01&end=2026-11-21"


def history(gateway: RunningGateway) -> str:
    """Two calls a day from July to November; the id of the first."""
    database, first = open_database(gateway.data, 1), ""
    with Sequencer(database).append(JULY_US) as pen:
        for number in range(280):
            at_us = JULY_US + number * DAY_US // 2
            request = f"req_{at_us // 1000:012x}7{number:03x}8{number:015x}"
            first = first or request
            who = Attribution("k1", "default", {"team": ("search", "hr")[number % 2], "user": f"user-{number % 3}", "session": "s"}, (), {})
            asked = admission(number, request_id=request, at_us=at_us, attribution=who)
            book_attempt(pen, asked, replace(settlement(number), request_id=request, at_us=at_us + 5), lambda _: {})
    database.close()
    return first


def asked_for(gateway: RunningGateway, path: str) -> tuple[int, dict[str, Any]]:
    gateway.api("/api/organization")                     # signs in
    reply = httpx.get(f"{gateway.url}{path}", headers={"authorization": f"Bearer {gateway._token}"}, timeout=PATIENCE_S)
    return reply.status_code, reply.json()


def test_months_go_while_it_serves(tmp_path: Path) -> None:
    with RunningGateway(tmp_path, at=NOW, config="[retention]\nmonths = 2\n") as gateway:
        gateway.stop()
        first = history(gateway)
        gateway.run("retention", "hold", "--reason", "case 7")
        shown = gateway.json("retention", "show")
        assert [one["state"] for one in shown["standing"]] == ["stands", "stands", "stands", "kept", "kept"]
        gateway.start()
        before = gateway.api(f"/api/explore?{SPAN}&group=team&grain=day")
        assert gateway.api("/api/retention")["hold"]["reason"] == "case 7"
        assert asked_for(gateway, f"/api/requests/{first}")[0] == 200
        gateway.stop()
        assert gateway.json("retention", "release") == {"held": False}
        for _ in range(2):                               # and is killed at it, whatever it is doing then
            gateway.start()
            gateway.kill()
        gateway.start()
        deadline = time.monotonic() + 3 * PATIENCE_S
        while len((standing := gateway.api("/api/retention"))["pruned"]) < 1:
            assert time.monotonic() < deadline, "July was not pruned"
            time.sleep(0.1)
        assert (standing["pruned"][0]["month"], standing["rows_from"], standing["months"]) == ("2026-07", "2026-08-01", 2)

        after = gateway.api(f"/api/explore?{SPAN}&group=team&grain=day")
        assert after == {**before, "rows_from": "2026-08-01"}
        status, gone = asked_for(gateway, f"/api/requests/{first}")
        assert (status, gone["code"], gone["month"], gone["rows_from"]) == (410, "pruned", "2026-07", "2026-08-01")
        assert asked_for(gateway, f"/api/explore?{SPAN}&group=session")[1]["code"] == "pruned"
        assert asked_for(gateway, f"/api/exports/calls.csv?{SPAN}")[0] == 410
        listed = gateway.api(f"/api/requests?{SPAN}&sort=oldest&limit=1")
        assert (listed["rows_from"], listed["items"][0]["at"][:10]) == ("2026-08-01", "2026-08-01")
        told = gateway.run("explain", first)
        assert (told.returncode, "2026-07 on" in told.stderr) == (2, True), told.stderr
        checked = gateway.run("verify")
        assert (checked.returncode, "are pruned (2026-07" in checked.stdout) == (0, True), checked.stdout
        assert [one["state"] for one in gateway.json("retention", "show")["standing"]][-1] == "pruned"
    # an hour later the tables are dropped, and August goes as well
    with RunningGateway(tmp_path, at=LATER, config="[retention]\nmonths = 2\n") as gateway:
        done = gateway.json("retention", "run")
        assert done["fault"] is None
        checked = gateway.run("verify")
        assert (checked.returncode, "(2026-07, 2026-08)" in checked.stdout) == (0, True), checked.stdout
        assert gateway.api(f"/api/explore?{SPAN}&group=team&grain=day")["series"] == before["series"]
        assert gateway.run("retention", "run", "--dry-run").returncode == 0
