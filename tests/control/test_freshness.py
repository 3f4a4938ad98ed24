"""How fresh figures are: as the newest entry of one's own organisation, and what this gateway has not booked yet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tallystick.control.app import build
from tests.build.control import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


async def test_the_newest_entry_ages_and_what_waits_is_told(desk: Desk) -> None:
    desk.book(1)
    async with desk.owner() as owner:
        fresh = (await owner.get("/api/freshness")).json()
        desk.clock.at_us += 90_000_000
        later = (await owner.get("/api/freshness")).json()
    assert later["newest_at"] == fresh["newest_at"]
    assert later["age_s"] - fresh["age_s"] == 90
    assert (later["waiting_bytes"], later["behind_s"]) == (0, 0)
    desk.parts = replace(desk.parts, waiting=lambda: (4_096, 12_500_000))
    desk.app = build(desk.parts, "all")
    async with desk.owner() as owner:
        behind = (await owner.get("/api/freshness")).json()
    assert (behind["waiting_bytes"], behind["behind_s"]) == (4_096, 12)
