"""Calls as they end: in the ledger's order, once each, from where one was cut off, and only one's own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tallystick.control import live
from tallystick.stores.sql import tail
from tallystick.stores.sql.sight import EVERYTHING, Sight
from tests.build.control import Desk

TEAM = '[{"dimension": "team", "test": "is", "values": ["search"]}]'


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


def following(desk: Desk, after: int | None = None, sight: Sight = EVERYTHING) -> live._Following:
    return live._Following(desk.database, 1, sight, after)


def told(found: tuple[int, list[tuple[int, dict[str, Any]]]]) -> list[str]:
    return [item["id"] for _, item in found[1]]


def test_each_call_once_and_when_its_cost_is_known(desk: Desk) -> None:
    desk.book(1)
    stream = following(desk)
    assert told(stream.more()) == []
    long = desk.admit()
    first, refused = desk.book(2), desk.refuse()
    assert told(stream.more()) == [first, refused]
    desk.settle(long, 3)
    assert told(stream.more()) == [long.request_id]
    assert told(stream.more()) == []


def test_who_was_cut_off_goes_on_behind_the_last_one_seen(desk: Desk) -> None:
    ids = [desk.book(number) for number in range(1, 5)]
    _, calls = following(desk, 0).more()
    assert [item["id"] for _, item in calls] == ids
    assert told(following(desk, calls[1][0]).more()) == ids[2:]
    assert told(following(desk, 10**15).more()) == []                    # a number of no entry yet is the newest


def test_who_is_far_behind_is_moved_on_and_told_so(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [desk.refuse() for _ in range(8)]
    monkeypatch.setattr(live, "BEHIND_MAX", 3)
    skipped, calls = following(desk, 0).more()
    assert [item["id"] for _, item in calls] == ids[-3:]
    with desk.database.read() as db:
        assert skipped == tail.newest(db, 1) - 3


def test_from_the_first_entry_on_no_month_is_left_out(desk: Desk) -> None:
    """Also what an old month learns late: a record that a spool had kept has a new number."""
    now_us, ids = desk.clock.at_us, []
    for number, days in enumerate((150, 100, 70, 40, 0), 1):
        desk.clock.at_us = now_us - days * 86_400_000_000
        ids.append(desk.book(number))
    stream = following(desk, 0)
    assert told(stream.more()) == ids
    desk.clock.at_us = now_us - 120 * 86_400_000_000
    late = desk.book(6)
    assert told(stream.more()) == [late]
    assert told(stream.more()) == []


def test_only_what_is_ones_own(desk: Desk) -> None:
    manager = desk.member("manager", "search")
    mine, _ = desk.book(1, labels={"team": "search"}), desk.book(2, labels={"team": "ads"})
    assert told(following(desk, 0, Sight("own_teams", manager)).more()) == [mine]


async def read(events: AsyncIterator[bytes], until: Callable[[bytes], bool]) -> bytes:
    text = b""
    async with asyncio.timeout(20):
        async for piece in events:
            text += piece
            if until(text):
                break
    return text


async def test_the_stream_on_the_wire(desk: Desk) -> None:
    desk.book(1, labels={"team": "ads"})
    shown = desk.book(2, labels={"team": "search"})
    async with desk.owner() as client:
        reply = await client.get("/api/live", params={"after": 0, "filters": TEAM})
        again = await client.get("/api/live", headers={"last-event-id": "0"})
        wrong = [await client.get("/api/live", params={"filters": bad}) for bad in ("x", TEAM.replace("team", "weather"))]
    assert (reply.status_code, reply.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    retry, *events = reply.text.strip().split("\n\n")
    fields = dict(line.split(": ", 1) for line in events[0].splitlines())
    assert (retry, len(events), fields["event"], json.loads(fields["data"])["id"]) == ("retry: 1000", 1, "call", shown)
    assert again.text.count("event: call") == 2
    assert [one.status_code for one in wrong] == [400, 400]
    assert desk.app.state.streams.open == 0


async def test_a_stream_ends_when_the_server_stops_and_there_are_only_so_many(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    streams = live.Streams()
    ended = await read(live._events(following(desk), (), streams, lambda: True), lambda _: False)
    assert (ended, streams.open) == (b"retry: 1000\n\n", 0)
    monkeypatch.setattr(live, "STREAMS_MAX", 0)
    async with desk.owner() as client:
        reply = await client.get("/api/live")
    assert (reply.status_code, reply.json()["code"], reply.headers["retry-after"]) == (503, "too_many_streams", "30")


async def test_a_quiet_stream_is_kept_open(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "STEP_S", 0.01)
    monkeypatch.setattr(live, "QUIET_STEPS", 2)
    assert b": quiet" in await read(live._events(following(desk), (), live.Streams(), lambda: False), lambda text: b": quiet" in text)
