"""When alerts go out: retries and their end, quiet hours, grouping, replay, who listens to what, and one sender at a time."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.channels.channel import Reply, retry_after_s
from tallystick.core.alerts.alert import Alert, Severity
from tallystick.core.alerts.sending import BACKOFF_S, BadQuietHours, next_try_us, quiet_hours
from tallystick.stores.sql.alerts_channels import find_channel, list_channels
from tallystick.stores.sql.alerts_deliveries import attempts_of, claim, deliveries_of, finish, fire_test, replay
from tallystick.channels.channel import Outcome
from tallystick.stores.sql.alerts_raised import raise_alert, resolve
from tallystick.stores.sql.directory import Refused
from tallystick.stores.sql.engine import DEFAULT
from tallystick.stores.sql.vault import Vault
from tests.alerts.scene import HOUR_US, MINUTE_US, SECOND_US, Scene, open_scene
from tests.build.databases import both_engines, files_only

pytestmark = both_engines


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return open_scene(tmp_path)


def note(scene: Scene, thread: str = "t", severity: Severity = "warning", kind: str = "note") -> int:
    with scene.journal.database.write() as db:
        number = raise_alert(db, DEFAULT, Alert(kind, f"note/{thread}", "1", severity, f"Note {thread}", "Something."), scene.journal.clock.us)
    assert number is not None
    return number


def states(scene: Scene, alert: int) -> list[str]:
    with scene.journal.database.read() as db:
        return [row.state for row in deliveries_of(db, alert)]


def test_a_channel_that_never_answers_is_given_up_and_replay_tries_anew(scene: Scene) -> None:
    scene.channel()
    scene.service.away = True
    alert = note(scene)
    for _ in range(20):
        scene.send()
        scene.pass_time(12 * HOUR_US)
    assert (states(scene, alert), scene.service.tried) == (["failed"], len(BACKOFF_S) + 1)
    scene.service.away = False
    with scene.journal.database.write() as db:
        assert replay(db, alert, None, scene.journal.clock.us) == 1
    scene.send()
    assert states(scene, alert) == ["sent"]
    with scene.journal.database.read() as db:
        [row] = deliveries_of(db, alert)
        log = attempts_of(db, row.id)
    assert [(one.number, one.result) for one in log[-2:]] == [(len(BACKOFF_S) + 1, "retry"), (len(BACKOFF_S) + 2, "sent")]


def test_a_replay_of_what_was_sent_has_the_same_id(scene: Scene) -> None:
    scene.channel()
    alert = note(scene)
    scene.send()
    with scene.journal.database.write() as db:
        replay(db, alert, None, scene.journal.clock.us)
    scene.send()
    assert len(scene.service.ids()) == 2
    assert len(set(scene.service.ids())) == 1


def test_the_service_s_own_wait_is_kept_up_to_an_hour() -> None:
    assert next_try_us(1, 0) == BACKOFF_S[0] * SECOND_US
    assert next_try_us(1, 0, 90) == 90 * SECOND_US
    assert next_try_us(1, 0, 10**9) == HOUR_US
    assert next_try_us(len(BACKOFF_S) + 1, 0) is None


@pytest.mark.parametrize(("said", "wait_s"), [("7", 7), ("0.64", 1), ("Sat, 21 Nov 2026 12:01:00 GMT", 60), ("soon", None), ("", None), ("-3", None)])
def test_retry_after_is_read_in_all_its_forms(said: str, wait_s: int | None) -> None:
    assert retry_after_s(Reply(429, {"retry-after": said, "date": "Sat, 21 Nov 2026 12:00:00 GMT"})) == wait_s


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Berlin")).timestamp()) * SECOND_US


@pytest.mark.parametrize(("now", "until"), [
    ("2026-11-21 21:59", "2026-11-21 21:59"), ("2026-11-21 22:00", "2026-11-22 07:00"), ("2026-11-22 06:59", "2026-11-22 07:00"),
    ("2026-11-22 07:00", "2026-11-22 07:00"), ("2026-10-24 23:00", "2026-10-25 07:00"),        # the clocks go back in that night
    ("2026-03-28 23:00", "2026-03-29 07:00")])
def test_quiet_hours_end_by_the_clock_on_the_wall(now: str, until: str) -> None:
    quiet = quiet_hours("22:00-07:00", "Europe/Berlin", "critical")
    assert quiet.until_us("warning", at(now)) == at(until)
    assert quiet.until_us("critical", at(now)) == at(now)


@given(st.integers(0, 23), st.integers(0, 59), st.integers(0, 23), st.integers(0, 59), st.integers(at("2026-01-01"), at("2027-01-01")))
def test_quiet_hours_are_never_longer_than_a_day_and_end_outside_them(first: int, second: int, third: int, fourth: int, now_us: int) -> None:
    quiet = quiet_hours(f"{first:02d}:{second:02d}-{third:02d}:{fourth:02d}", "Europe/Berlin", None)
    until_us = quiet.until_us("critical", now_us)
    assert now_us <= until_us <= now_us + 26 * HOUR_US
    if (first, second) != (third, fourth):
        assert quiet.until_us("critical", until_us) == until_us


@pytest.mark.parametrize("text", ["", "22-7", "24:00-07:00", "22:00", "22:00-07:00 "[:-2]])
def test_what_are_no_quiet_hours_says_so(text: str) -> None:
    with pytest.raises(BadQuietHours):
        quiet_hours(text, "UTC", None)
    with pytest.raises(BadQuietHours):
        quiet_hours("22:00-07:00", "Mars/Olympus", None)


def test_at_night_only_what_is_grave_goes_out_and_the_rest_in_the_morning(scene: Scene) -> None:
    scene.channel(quiet="11:00-14:00")           # it is noon
    mild, grave = note(scene, "mild"), note(scene, "grave", "critical")
    scene.send()
    assert (states(scene, mild), states(scene, grave)) == (["waiting"], ["sent"])
    scene.pass_time(HOUR_US)
    scene.send()
    assert states(scene, mild) == ["waiting"]
    scene.pass_time(HOUR_US)
    scene.send()
    assert states(scene, mild) == ["sent"]
    assert scene.service.tried == 2


def test_an_end_waits_for_what_it_ends_also_through_the_night(scene: Scene) -> None:
    scene.channel(quiet="11:00-14:00", breaks="none")
    alert = note(scene)
    scene.send()
    with scene.journal.database.write() as db:
        resolve(db, [alert], "It is over.", scene.journal.clock.us)
    scene.pass_time(2 * HOUR_US)
    scene.send()
    assert [one["type"] for one in scene.service.said()] == ["alert.raised", "alert.resolved"]


def test_a_channel_hears_of_its_kinds_and_of_what_is_grave_enough(scene: Scene) -> None:
    scene.channel("all")
    scene.channel("grave", severity="critical")
    scene.channel("keys", kinds=("key_expiry",))
    for thread, severity, kind in (("a", "info", "note"), ("b", "critical", "note"), ("c", "warning", "key_expiry")):
        note(scene, thread, severity, kind)      # type: ignore[arg-type]
    with scene.journal.database.read() as db:
        heard = {row.name: [alert for alert, in db.execute("SELECT alert FROM alert_delivery WHERE channel = ? ORDER BY alert", (row.id,))]
                 for row in list_channels(db, DEFAULT)}
    assert heard == {"all": [1, 2, 3], "grave": [2], "keys": [3]}


def test_a_burst_is_one_message_for_people_and_one_each_for_programs(scene: Scene) -> None:
    scene.channel("hook")
    scene.channel("chat", "slack", secrets={"url": "https://hooks.example/s"})
    for number in range(5):
        note(scene, str(number))
    scene.send()
    said = scene.service.said()
    assert len([one for one in said if "data" in one]) == 5
    assert [one["text"] for one in said if "blocks" in one] == ["5 alerts, among them: Note 0"]


def test_two_instances_send_a_thing_once_and_a_late_word_changes_nothing(scene: Scene) -> None:
    scene.channel()
    alert = note(scene)
    with scene.journal.database.write() as db:
        [first] = claim(db, scene.journal.clock.us)
        assert claim(db, scene.journal.clock.us) == []
    note(scene, "other")
    scene.send()
    assert scene.service.asked == []             # somebody is speaking to that channel
    scene.pass_time(3 * MINUTE_US)
    scene.send()
    with scene.journal.database.write() as db:
        finish(db, first.deliveries[0][0], "note/t", Outcome("refused", said="late"), 1, 2)
    assert states(scene, alert) == ["sent"]


def test_a_removed_channel_is_silent_and_its_secret_is_gone(scene: Scene) -> None:
    scene.channel()
    alert = note(scene)
    with scene.journal.sequencer.append(scene.journal.clock.us) as pen:
        scene.job.channels.remove(pen, DEFAULT, "ops", "cli")
    scene.send()
    assert states(scene, alert) == ["skipped"]
    with scene.journal.database.read() as db:
        assert db.execute("SELECT wrapped_key, sealed FROM alert_channel").fetchone() == (b"", b"")


def test_a_seal_that_was_moved_to_another_channel_does_not_open(scene: Scene) -> None:
    scene.channel("one")
    scene.channel("two", secrets={"url": "https://hooks.example/other", "secret": "whsec_" + "A" * 32})
    with scene.journal.database.write() as db:
        db.execute("UPDATE alert_channel SET wrapped_key = (SELECT wrapped_key FROM alert_channel WHERE name = 'one'),"
                   " sealed = (SELECT sealed FROM alert_channel WHERE name = 'one') WHERE name = 'two'")
    alert = note(scene)
    scene.send()
    assert sorted(states(scene, alert)) == ["failed", "sent"]


def test_a_new_key_encryption_key_opens_the_channels_too(scene: Scene) -> None:
    scene.channel()
    keks = [b"n" * 32, b"k" * 32]
    Vault(scene.journal.sequencer, lambda: keks, {}, bytes).rewrap(1, "cli")
    with scene.journal.database.read() as db:
        row = find_channel(db, DEFAULT, "ops")
    assert row is not None
    keks.pop()
    scene.job.channels = type(scene.job.channels)(scene.journal.database, lambda: keks, bytes)
    assert scene.job.channels.secrets_of(row)["url"] == "https://hooks.example/in"


def test_a_test_goes_to_one_channel_whatever_it_listens_to_and_at_night(scene: Scene) -> None:
    scene.channel("ops", kinds=("key_expiry",), quiet="11:00-14:00", breaks="none")
    scene.channel("other")
    with scene.journal.database.write() as db:
        row = find_channel(db, DEFAULT, "ops")
        assert row is not None
        fire_test(db, DEFAULT, row, "ann", scene.journal.clock.us)
        with pytest.raises(Refused):
            fire_test(db, DEFAULT, row, "ann", scene.journal.clock.us)
    scene.send()
    assert [one["type"] for one in scene.service.said()] == ["alert.test"]


@files_only
def test_nothing_of_a_channel_s_secrets_is_stored_in_the_clear(scene: Scene) -> None:
    scene.channel(secrets={"url": "https://hooks.example/very-secret-path", "secret": "whsec_" + "B" * 32})
    note(scene)
    scene.send()
    stored = b"".join(path.read_bytes() for path in scene.folder.glob("tallystick.db*"))
    assert b"very-secret-path" not in stored
    assert b"BBBBBBBB" not in stored
