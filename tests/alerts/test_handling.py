"""Who hears of what, and what people do about it: channels of a team, mutes that end, and alerts that somebody sees to."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tallystick.stores.sql.alerts_deliveries import deliveries_of
from tallystick.stores.sql.alerts_handling import MUTE_US_MAX, Mute, MuteSpec, acknowledge, mute, mutes, unmute
from tallystick.stores.sql.alerts_thresholds import set_percents
from tallystick.stores.sql.budgets import Budgets, spec_of
from tallystick.stores.sql.directory import KeySpec, Refused
from tallystick.stores.sql.engine import DEFAULT
from tallystick.stores.sql.entries import exact_entries
from tallystick.stores.sql.verify import verify
from tests.alerts.scene import DAY_US, HOUR_US, MINUTE_US, Scene, open_scene
from tests.build.databases import both_engines
from tests.build.journal import KEY, directory

pytestmark = both_engines
DOLLAR = 1_000_000_000


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return open_scene(tmp_path)


def begin(scene: Scene, for_us: int = 8 * HOUR_US, **what: object) -> Mute:
    with scene.journal.sequencer.append(scene.journal.clock.us) as pen:
        return mute(pen, DEFAULT, MuteSpec(scene.journal.clock.us + for_us, "a load test", **what), "ann")  # type: ignore[arg-type]


def said(scene: Scene) -> list[tuple[str, str]]:
    return [(one["type"].removeprefix("alert."), one["data"]["title"]) for one in scene.service.said()]


def entries(scene: Scene) -> list[dict[str, object]]:
    """What the ledger says of channels, thresholds and mutes."""
    with scene.journal.database.read() as db:
        found = [json.loads(line) for line in exact_entries(db, DEFAULT)]
    return [{name: value for name, value in one.items() if name not in ("kind", "prev", "seq", "org", "at", "v")}
            for one in found if one["kind"] == "ALERTS"]


def heard_by(scene: Scene, name: str) -> list[str]:
    """The titles of what a channel was to say."""
    with scene.journal.database.read() as db:
        return [row[0] for row in db.execute(
            "SELECT a.title FROM alert_delivery d JOIN alert a ON a.id = d.alert JOIN alert_channel c ON c.id = d.channel"
            " WHERE c.name = ? ORDER BY d.id", (name,))]


def test_a_team_s_channel_hears_of_its_team_and_its_projects_alone(scene: Scene) -> None:
    scene.channel("all")
    scene.channel("search", scopes=("team:search",))
    scene.channel("web", scopes=("project:search/web", "team:ops"))
    scene.budget("$10/month")
    scene.budget("$10/month", "project", "search/web")
    scene.budget("$10/month", "team", "*")
    scene.budget("$10/month", "model", "gpt-4o-2024-08-06")
    scene.budget("$10/month", "org", "")
    scene.spend(5 * DOLLAR)
    team, project = "Budget of team search: 50% used", "Budget of project search/web: 50% used"
    assert sorted(heard_by(scene, "search")) == [project, team, team]
    assert heard_by(scene, "web") == [project]
    assert len(heard_by(scene, "all")) == len(scene.alerts()) == 4       # calls are counted by the model that was asked for


def test_what_is_a_key_s_is_its_team_s_too(scene: Scene) -> None:
    scene.channel("search", scopes=("team:search",))
    scene.channel("ops", scopes=("team:ops",))
    now_us = scene.journal.clock.us
    directory(scene.journal.sequencer).create_key(
        DEFAULT, KeySpec(labels={"team": "search", "project": "web"}, name="ci", expires_us=now_us + 20 * DAY_US), now_us)
    scene.pass_time(19 * DAY_US + HOUR_US)
    scene.send()
    assert (len(heard_by(scene, "search")), heard_by(scene, "ops")) == (1, [])
    assert scene.alerts()[0].scopes[1:] == ("project:search/web", "team:search")


@pytest.mark.parametrize("scope", ["search", "team:", "team:a,b", "project:web", "user:ann", "team:*/x"])
def test_what_is_no_scope_of_a_channel_is_refused(scene: Scene, scope: str) -> None:
    with pytest.raises(Refused):
        scene.channel("one", scopes=(scope,))


def test_a_channel_that_hears_a_kind_that_is_none_is_refused(scene: Scene) -> None:
    with pytest.raises(Refused, match="budget_threshold, run_rate"):
        scene.channel("one", kinds=("budgets",))


@pytest.mark.parametrize("what", ["alert", "kind", "budget"])
def test_what_is_still_so_when_a_mute_ends_is_told_then(scene: Scene, what: str) -> None:
    scene.channel(kinds=("budget_threshold",))
    row = scene.budget("$10/month")
    scene.spend(5 * DOLLAR)
    scene.send()
    begin(scene, **{"alert": {"alert": scene.alerts()[0].id}, "kind": {"kind": "budget_threshold"}, "budget": {"budget": row.id}}[what])
    scene.spend(3 * DOLLAR)
    scene.send()
    assert said(scene) == [("raised", "Budget of team search: 50% used")]
    assert scene.percents() == [50, 80], "what is muted is recorded"
    scene.pass_time(9 * HOUR_US)
    scene.send()
    assert said(scene)[1:] == [("raised", "Budget of team search: 80% used")]


def test_what_is_over_before_a_mute_ends_is_never_told(scene: Scene) -> None:
    scene.channel(kinds=("budget_threshold",))
    row = scene.budget("$10/month")
    begin(scene, budget=row.id)
    scene.spend(5 * DOLLAR)
    scene.send()
    Budgets(scene.journal.sequencer).change(DEFAULT, row.id, lambda it: replace(spec_of(it), limit=100 * DOLLAR), scene.journal.clock.us, "cli")
    scene.send()
    scene.pass_time(DAY_US)
    scene.send()
    assert said(scene) == []
    with scene.journal.database.read() as db:
        assert [one.state for one in deliveries_of(db, scene.alerts()[0].id)] == ["skipped"]


def test_who_was_told_before_a_mute_is_told_that_it_is_over_at_once(scene: Scene) -> None:
    scene.channel(kinds=("budget_threshold",))
    row = scene.budget("$10/month")
    scene.spend(5 * DOLLAR)
    scene.send()
    begin(scene, budget=row.id)
    Budgets(scene.journal.sequencer).change(DEFAULT, row.id, lambda it: replace(spec_of(it), limit=100 * DOLLAR), scene.journal.clock.us, "cli")
    scene.send()
    assert [event for event, _ in said(scene)] == ["raised", "resolved"]


def test_a_mute_of_one_budget_says_nothing_of_another_and_ends_when_somebody_ends_it(scene: Scene) -> None:
    scene.channel(kinds=("budget_threshold",))
    row = scene.budget("$10/month")
    scene.budget("$10/month", "org", "")
    made = begin(scene, budget=row.id)
    scene.spend(5 * DOLLAR)
    scene.send()
    assert said(scene) == [("raised", "Budget of the organisation: 50% used")]
    with scene.journal.sequencer.append(scene.journal.clock.us) as pen:
        unmute(pen, DEFAULT, made.id, "ann")
        assert mutes(pen.db, DEFAULT, scene.journal.clock.us) == []
    scene.send()
    assert said(scene)[1:] == [("raised", "Budget of team search: 50% used")]
    with scene.journal.sequencer.append(scene.journal.clock.us) as pen, pytest.raises(Refused):
        unmute(pen, DEFAULT, made.id, "ann")


@pytest.mark.parametrize("spec", [
    {"kind": ""}, {"kind": "run_rate", "reason": " "}, {"kind": "run_rate", "for_us": 0}, {"kind": "run_rate", "for_us": MUTE_US_MAX + 1},
    {"kind": "budgets"}, {"alert": 7}, {"budget": 7}])
def test_what_cannot_be_muted_says_so(scene: Scene, spec: dict[str, object]) -> None:
    asked = {"reason": "x", "for_us": MINUTE_US, **spec}
    until_us = scene.journal.clock.us + int(asked.pop("for_us"))         # type: ignore[call-overload]
    with scene.journal.sequencer.append(scene.journal.clock.us) as pen, pytest.raises(Refused):
        mute(pen, DEFAULT, MuteSpec(until_us, **asked), "ann")  # type: ignore[arg-type]


def test_somebody_sees_to_all_that_is_open_of_a_thread(scene: Scene) -> None:
    scene.budget("$10/month")
    scene.spend(8 * DOLLAR)
    with scene.journal.database.write() as db:
        assert acknowledge(db, DEFAULT, scene.alerts()[0].id, "ann", "I ask the team", 5) == 2
    assert [(row.acknowledged_us, row.acknowledged_by, row.note) for row in scene.alerts()] == [(5, "ann", "I ask the team")] * 2
    scene.spend(DOLLAR)
    assert scene.alerts()[2].acknowledged_us is None, "the next step is news again"
    scene.pass_time(20 * DAY_US)
    scene.send()
    with scene.journal.database.write() as db, pytest.raises(Refused):
        acknowledge(db, DEFAULT, scene.alerts()[0].id, "ann", "", 6)


def test_channels_thresholds_and_mutes_stand_in_the_ledger_without_secrets(scene: Scene) -> None:
    scene.channel("ops", scopes=("team:search",), severity="warning")
    row = scene.budget("$10/month")
    set_percents(scene.journal.sequencer, DEFAULT, row.id, (75, 100), scene.journal.clock.us, "ann")
    made = begin(scene, budget=row.id)
    with scene.journal.sequencer.append(scene.journal.clock.us) as pen:
        unmute(pen, DEFAULT, made.id, "bob")
        scene.job.channels.remove(pen, DEFAULT, "ops", "bob")
    channel = {"channel": "ops", "form": "webhook", "origin": "https://hooks.example", "version": 1, "kinds": [], "severity": "warning",
               "scopes": ["team:search"]}
    assert entries(scene) == [
        {"event": "channel_set", "actor": "cli", **channel},
        {"event": "thresholds", "actor": "ann", "budget": row.id, "percents": [75, 100]},
        {"event": "muted", "actor": "ann", "mute": made.id, "budget": row.id, "until": made.until_us, "reason": "a load test"},
        {"event": "unmuted", "actor": "bob", "mute": made.id},
        {"event": "channel_removed", "actor": "bob", **channel}]
    assert verify(scene.journal.database, KEY.public_key).findings == ()
