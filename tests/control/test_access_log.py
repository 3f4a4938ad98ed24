"""What the ledger says of logins: each that succeeded, of failures so many, and nobody's address."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tallystick.stores.sql.access_log import FAILURES_A_MINUTE, close_failure_minutes
from tallystick.stores.sql.engine import DEFAULT, SYSTEM
from tallystick.stores.sql.entries import exact_entries
from tests.build.control import EMAIL, PASSWORD, Desk

MINUTE_US = 60_000_000


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


def entries(desk: Desk, organization: int) -> list[dict[str, Any]]:
    with desk.database.read() as db:
        found = [json.loads(entry) for entry in exact_entries(db, organization)]
    return [{name: value for name, value in fields.items() if name not in ("at", "kind", "org", "prev", "seq")}
            for fields in found if fields["kind"] == "ACCESS"]


async def test_who_came_in_is_chained_without_their_address(desk: Desk) -> None:
    async with desk.client() as client:
        await client.post("/api/auth/session", json={"email": EMAIL, "password": PASSWORD})
        await client.post("/api/auth/token", json={"email": EMAIL, "password": PASSWORD})
    session, token = entries(desk, DEFAULT)
    assert session.pop("opened").startswith("ses_")
    assert (session, token) == ({"event": "signed_in", "account": "acc_1"}, {"event": "signed_in", "account": "acc_1", "opened": "token"})
    with desk.database.read() as db:
        chained = b"".join(exact_entries(db, DEFAULT))
    assert EMAIL.encode() not in chained and b"127.0.0.1" not in chained
    assert desk.findings() == []


async def test_failures_are_chained_up_to_a_bound_and_then_counted(desk: Desk) -> None:
    for number in range(FAILURES_A_MINUTE + 3):
        async with desk.client(peer=f"10.0.0.{number}") as client:
            email = EMAIL if number == 0 else f"guess{number}@local"
            assert (await client.post("/api/auth/token", json={"email": email, "password": "wrong"})).status_code == 401
    assert entries(desk, SYSTEM) == [{"event": "failed", "what": "password", "account": "acc_1"},
                                     *[{"event": "failed", "what": "password"}] * (FAILURES_A_MINUTE - 1)]
    desk.clock.at_us += MINUTE_US
    for _ in range(2):                                                       # as the shipper does, now and then
        with desk.sequencer.append(desk.clock.at_us) as pen:
            close_failure_minutes(pen)
    assert entries(desk, SYSTEM)[FAILURES_A_MINUTE:] == [{"event": "failed", "count": 3}]
    with desk.database.read() as db:
        assert b"guess" not in b"".join(exact_entries(db, SYSTEM))
        assert "guess" not in str(db.execute("SELECT * FROM login_failure").fetchall())
    assert desk.findings() == []
