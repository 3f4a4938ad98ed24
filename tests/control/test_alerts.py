"""Alerts and channels in the API: what is set, shown, tried and sent again, and what never comes out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from tallystick.core.alerts.alert import Alert
from tallystick.stores.sql.alerts_deliveries import deliveries_of
from tallystick.stores.sql.alerts_raised import raise_alert
from tallystick.stores.sql.engine import DEFAULT
from tests.build.control import Desk

HOOK = {"kind": "webhook", "values": {"url": "https://hooks.example/private-path"}}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


@pytest.fixture
async def owner(desk: Desk) -> AsyncIterator[httpx.AsyncClient]:
    async with desk.owner() as client:
        yield client


def note(desk: Desk, thread: str, organization: int = DEFAULT) -> int:
    with desk.database.write() as db:
        number = raise_alert(db, organization, Alert("note", thread, "1", "info", f"Note {thread}", "Something."), desk.clock.at_us)
    assert number is not None
    return number


async def test_a_channel_shows_its_origin_and_its_drawn_secret_once(owner: httpx.AsyncClient) -> None:
    made = (await owner.put("/api/channels/ops", json={**HOOK, "severity": "warning", "quiet_hours": "22:00-07:00", "zone": "Europe/Berlin"})).json()
    assert made["secret"].startswith("whsec_")
    [listed] = (await owner.get("/api/channels")).json()["items"]
    assert listed == {name: value for name, value in made.items() if name != "secret"} | {"last_delivery": None}
    assert (listed["origin"], listed["quiet_hours"], listed["breaks_through"]) == ("https://hooks.example", "22:00-07:00", "critical")
    assert "private-path" not in (await owner.get("/api/channels")).text
    assert (await owner.delete("/api/channels/ops")).status_code == 200
    assert (await owner.delete("/api/channels/ops")).status_code == 404


@pytest.mark.parametrize(("said", "field"), [
    ({"kind": "webhook", "values": {}}, "url"), ({"kind": "webhook", "values": {"url": "http://hooks.example/very-private"}}, "https"),
    ({"kind": "webhook", "values": {"url": "https://127.0.0.1/very-private"}}, "public"),
    ({"kind": "webhook", "values": {"url": "https://hooks.example/", "secret": "short"}}, "secret"),
    ({"kind": "webhook", "values": {"url": "https://hooks.example/", "very-private": "x"}}, "webhook has no"),
    ({"kind": "email", "values": {"to": "ann@example.test\nBcc: bob@example.test"}}, "mail addresses"),
    ({"kind": "email", "values": {"to": "nobody"}}, "mail addresses"),
    ({"kind": "jira", "values": {"url": "https://jira.example", "project": 'OPS" OR 1=1', "token": "x"}}, "project"),
    ({"kind": "jira", "values": {"url": "https://jira.example", "project": "OPS", "token": "x", "deployment": "moon"}}, "cloud or server"),
    ({**HOOK, "quiet_hours": "22-7"}, "quiet hours"), ({**HOOK, "quiet_hours": "22:00-07:00", "zone": "Mars"}, "time zone"),
])
async def test_what_cannot_be_a_channel_says_why_and_repeats_nothing(owner: httpx.AsyncClient, said: dict[str, object], field: str) -> None:
    reply = await owner.put("/api/channels/ops", json=said)
    assert reply.status_code == 400
    assert field in reply.json()["detail"]
    assert "very-private" not in reply.text.replace("webhook has no very-private", "")


async def test_a_channel_that_is_set_again_has_another_version_and_keeps_its_log(desk: Desk, owner: httpx.AsyncClient) -> None:
    await owner.put("/api/channels/ops", json=HOOK)
    number = note(desk, "a")
    again = (await owner.put("/api/channels/ops", json={"kind": "slack", "values": {"url": "https://slack.example/x"}})).json()
    assert (again["version"], again["kind"], again["secret"]) == (2, "slack", None)
    assert [one["channel"] for one in (await owner.get(f"/api/alerts/{number}")).json()["deliveries"]] == ["ops"]


async def test_alerts_come_in_pages_newest_first_and_are_sent_again(desk: Desk, owner: httpx.AsyncClient) -> None:
    await owner.put("/api/channels/ops", json=HOOK)
    numbers = [note(desk, str(number)) for number in range(5)]
    page = (await owner.get("/api/alerts", params={"limit": 3})).json()
    rest = (await owner.get("/api/alerts", params={"limit": 3, "cursor": page["next_cursor"]})).json()
    assert [one["id"] for one in page["items"] + rest["items"]] == numbers[::-1]
    assert rest["next_cursor"] is None
    with desk.database.write() as db:
        db.execute("UPDATE alert_delivery SET state = 'failed', tries = 13")
        db.execute("UPDATE alert SET resolved_us = 1 WHERE id = ?", (numbers[0],))
    assert len((await owner.get("/api/alerts", params={"open": True})).json()["items"]) == 4
    reply = await owner.post(f"/api/alerts/{numbers[1]}/replay", json={"channel": "ops"})
    assert (reply.status_code, reply.json()) == (202, {"deliveries": 1})
    with desk.database.read() as db:
        assert [(row.state, row.tries) for row in deliveries_of(db, numbers[1])] == [("waiting", 0)]
    assert (await owner.post(f"/api/alerts/{numbers[1]}/replay", json={"channel": "none"})).status_code == 404


async def test_another_organisation_s_alerts_and_channels_are_not_there(desk: Desk, owner: httpx.AsyncClient) -> None:
    other = desk.other_organization()
    async with desk.owner("other") as stranger:
        await stranger.put("/api/channels/theirs", json=HOOK)
        number = note(desk, "theirs", other)
        assert (await stranger.get(f"/api/alerts/{number}")).status_code == 200
    for method, path in (("GET", f"/api/alerts/{number}"), ("POST", f"/api/alerts/{number}/replay"), ("DELETE", "/api/channels/theirs"),
                         ("POST", "/api/channels/theirs/test")):
        assert (await owner.request(method, path, json={} if "replay" in path else None)).status_code == 404
    assert (await owner.get("/api/alerts")).json()["items"] == []


async def test_thresholds_of_a_budget_are_set_and_refused(desk: Desk, owner: httpx.AsyncClient) -> None:
    budget = (await owner.post("/api/budgets", json={"scope": "org", "limit": "$5/month"})).json()["id"]
    before = desk.database.change_count()
    reply = await owner.put(f"/api/alerts/thresholds/{budget}", json={"percents": "75,100"})
    assert reply.json() == {"budget_id": budget, "percents": [75, 100]}
    assert desk.database.change_count() > before
    assert (await owner.put(f"/api/alerts/thresholds/{budget}", json={"percents": "half"})).status_code == 400
    assert (await owner.put("/api/alerts/thresholds/999", json={"percents": "50"})).status_code == 404


async def test_a_test_is_on_its_way_when_the_answer_comes(desk: Desk, owner: httpx.AsyncClient) -> None:
    await owner.put("/api/channels/ops", json=HOOK)
    reply = await owner.post("/api/channels/ops/test")
    assert reply.status_code == 202
    with desk.database.read() as db:
        assert [row.event for row in deliveries_of(db, reply.json()["alert_id"])] == ["test"]


async def test_an_alert_is_acknowledged_and_shows_by_whom(desk: Desk, owner: httpx.AsyncClient) -> None:
    number = note(desk, "a")
    assert (await owner.post(f"/api/alerts/{number}/acknowledge", json={"note": "asked the team"})).json() == {"alerts": 1}
    shown = (await owner.get(f"/api/alerts/{number}")).json()
    assert (shown["note"], shown["acknowledged_at"] is not None, shown["acknowledged_by"] is not None) == ("asked the team", True, True)
    with desk.database.write() as db:
        db.execute("UPDATE alert SET resolved_us = 1")
    assert (await owner.post(f"/api/alerts/{number}/acknowledge", json={})).status_code in (400, 409)
    assert (await owner.post("/api/alerts/999/acknowledge", json={})).status_code == 404


async def test_a_mute_is_begun_listed_and_ended(desk: Desk, owner: httpx.AsyncClient) -> None:
    number = note(desk, "a")
    asked = {"until": "2026-12-01T00:00:00Z", "reason": "a load test", "alert_id": number}
    made = await owner.post("/api/alerts/mutes", json=asked)
    assert made.status_code == 201, made.text
    assert (made.json()["thread"], made.json()["until"], made.json()["reason"]) == ("a", "2026-12-01T00:00:00Z", "a load test")
    assert (await owner.get("/api/alerts/mutes")).json()["items"] == [made.json()]
    assert (await owner.delete(f"/api/alerts/mutes/{made.json()['id']}")).status_code == 200
    assert (await owner.get("/api/alerts/mutes")).json()["items"] == []
    assert (await owner.post("/api/alerts/mutes", json={**asked, "alert_id": None, "kind": "budgets"})).status_code == 400
    assert (await owner.post("/api/alerts/mutes", json={**asked, "until": "2020-01-01T00:00:00Z"})).status_code == 400


async def test_a_channel_has_the_scopes_that_it_was_given(owner: httpx.AsyncClient) -> None:
    made = await owner.put("/api/channels/search", json={**HOOK, "scopes": ["team:search", "project:search/web"]})
    assert made.json()["scopes"] == ["team:search", "project:search/web"]
    assert (await owner.put("/api/channels/search", json={**HOOK, "scopes": ["search"]})).status_code == 400
