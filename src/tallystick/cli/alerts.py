"""`tallystick alerts`: what was raised and what became of it, trying the channels, sending again, and at which shares of
its cap a budget tells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from tallystick.cli.answers import FOUND_WRONG, AsJson, Config, Data, Org, fail, print_facts, print_json, print_table, settings_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tallystick.cli.installation import Installation
    from tallystick.stores.sql.alerts_channels import ChannelRow

AlertId = Annotated[int, typer.Argument(metavar="ID", help="The alert's number, as `alerts list` shows it.")]
ChannelName = Annotated[str | None, typer.Option("--channel", metavar="NAME", help="Only this channel [all].")]
_LISTED_MAX: Final = 200
_PATIENCE_S: Final = 30.0


def build() -> typer.Typer:
    """The commands of this noun."""
    app = typer.Typer(no_args_is_help=True)
    app.command("list")(list_)
    app.command("show")(show)
    app.command("test")(try_)
    app.command("replay")(replay)
    app.command("thresholds")(thresholds)
    app.command("acknowledge")(acknowledge)
    app.command("mute")(mute)
    app.command("mutes")(mutes)
    app.command("unmute")(unmute)
    return app


def list_(
    open_only: Annotated[bool, typer.Option("--open", help="Only what is not resolved.")] = False,
    org: Org = None, as_json: AsJson = False, data: Data = None, config: Config = None,
) -> None:
    """List the newest 200 alerts."""
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.control.alert_document import alert_document
    from tallystick.stores.sql.alerts_raised import list_alerts

    with installation.opened(settings, make=False, org=org) as here, here.database.read() as db:
        found = [alert_document(row) for row in list_alerts(db, here.organization, open_only=open_only, limit=_LISTED_MAX)]
    if as_json:
        print_json({"alerts": found})
        return
    print_table(f"{len(found)} alerts", ("id", "raised", "severity", "title", "acknowledged", "resolved"), (
        [one["id"], _minute(one["raised_at"]), one["severity"], one["title"],
         _minute(one["acknowledged_at"]), _minute(one["resolved_at"])] for one in found), right=("id",))


def show(alert_id: AlertId, org: Org = None, as_json: AsJson = False, data: Data = None, config: Config = None) -> None:
    """Show one alert and how each sending went."""
    settings = settings_of(data, config)
    from tallystick.cli import installation

    with installation.opened(settings, make=False, org=org) as here:
        document = _document(here, alert_id)
    if as_json:
        print_json(document)
        return
    deliveries = document.pop("deliveries")
    print_facts({**document, "facts": ", ".join(f"{name}={value}" for name, value in document["facts"].items())})
    print()
    print_table("Deliveries", ("channel", "event", "state", "attempts", "status", "answer", "next"), (
        [each["channel"], each["event"], each["state"], len(each["attempts"]), *_last_answer(each), _minute(each["next_at"])]
        for each in deliveries))


def try_(channel: ChannelName = None, org: Org = None, as_json: AsJson = False, data: Data = None, config: Config = None) -> None:
    """Send a test alert to every channel, or to one, and say how it went."""
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.stores.sql.alerts_channels import list_channels

    with installation.opened(settings, make=False, org=org) as here:
        with here.database.read() as db:
            rows = [row for row in list_channels(db, here.organization) if channel in (None, row.name)]
        if not rows:
            fail("There is no such channel; `tallystick channels list` shows them.")
        try_channels(here, rows, as_json=as_json)


def try_channels(here: Installation, rows: Iterable[ChannelRow], *, as_json: bool) -> None:
    """Send a test to each channel, with a running server or without, and wait for how it went. Ends the command with exit
    code 1 where one was not reached."""
    from tallystick.stores.sql.alerts_deliveries import fire_test

    with here.database.write() as db:
        numbers = [fire_test(db, here.organization, row, "The command line", here.now_us()) for row in rows]
    found = _sent(here, numbers)
    if as_json:
        print_json({"tests": [{"alert_id": one["id"], **one["deliveries"][0]} for one in found]})
    else:
        print_table("Tests", ("channel", "state", "status", "answer"), (
            [each["channel"], each["state"], *_last_answer(each)] for each in (one["deliveries"][0] for one in found)))
    if any(one["deliveries"][0]["state"] != "sent" for one in found):
        fail("Not every channel was reached.", FOUND_WRONG)


def replay(
    alert_id: AlertId, channel: ChannelName = None, org: Org = None, as_json: AsJson = False, data: Data = None, config: Config = None,
) -> None:
    """Send an alert again. Its message ids stay, so a receiver who has it knows."""
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.stores.sql.alerts_channels import find_channel
    from tallystick.stores.sql.alerts_deliveries import replay as put_out

    with installation.opened(settings, make=False, org=org) as here:
        before = sum(len(each["attempts"]) for each in _document(here, alert_id)["deliveries"])
        with here.database.write() as db:
            row = find_channel(db, here.organization, channel) if channel is not None else None
            if channel is not None and row is None:
                fail("There is no such channel; `tallystick channels list` shows them.")
            count = put_out(db, alert_id, row.id if row else None, here.now_us())
        [document] = _sent(here, [alert_id], before)
    if as_json:
        print_json({"replayed": count, **document})
        return
    print(f"{count} deliveries were put out again; `tallystick alerts show {alert_id}` says how they went.")


def thresholds(
    budget_id: Annotated[int, typer.Argument(metavar="BUDGET", help="The budget's number.")],
    percents: Annotated[str, typer.Argument(metavar="PERCENTS", help="50,80,100 of its cap; none for no alerts.")],
    org: Org = None, as_json: AsJson = False, data: Data = None, config: Config = None,
) -> None:
    """Say at which shares of its cap a budget tells."""
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.core.alerts.budget_threshold import BadThresholds, read_percents
    from tallystick.stores.sql.alerts_thresholds import set_percents
    from tallystick.stores.sql.directory import Refused

    with installation.opened(settings, make=False, org=org) as here:
        try:
            found = read_percents(percents)
            set_percents(here.directory.sequencer, here.organization, budget_id, found, here.now_us(), "cli")
        except (BadThresholds, Refused) as error:
            fail(str(error))
    if as_json:
        print_json({"budget_id": budget_id, "percents": list(found)})
        return
    print(f"Budget {budget_id} tells at {', '.join(f'{percent}%' for percent in found) or 'nothing'}.")


def acknowledge(
    alert_id: AlertId, note: Annotated[str, typer.Option(metavar="TEXT", help="What you say about it.")] = "",
    org: Org = None, as_json: AsJson = False, data: Data = None, config: Config = None,
) -> None:
    """Say that you see to what is open of an alert's thread."""
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.stores.sql import alerts_handling

    with installation.opened(settings, make=False, org=org) as here, here.database.write() as db:
        count = alerts_handling.acknowledge(db, here.organization, alert_id, "cli", note, here.now_us())
    if as_json:
        print_json({"acknowledged": count})
        return
    print(f"{count} {'alert is' if count == 1 else 'alerts are'} acknowledged.")


def mute(
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; it is chained in the ledger.")],
    until: Annotated[str, typer.Option(metavar="TIME", help="How long (90m, 8h, 7d), or until when; at most 90d.")],
    alert_id: Annotated[int | None, typer.Argument(metavar="ID", help="An alert, to mute its thread.")] = None,
    kind: Annotated[str, typer.Option(metavar="K", help="A kind of alerts.")] = "",
    budget: Annotated[int | None, typer.Option(metavar="N", help="A budget's number, to mute all its windows.")] = None,
    org: Org = None, as_json: AsJson = False, data: Data = None, config: Config = None,
) -> None:
    """Say nothing of something for a while. What is still so when that ends is said then, and what is over by then is not."""
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.cli.expiry import expiry_us
    from tallystick.control.alert_document import mute_document
    from tallystick.stores.sql import alerts_handling
    from tallystick.stores.sql.directory import Refused

    with installation.opened(settings, make=False, org=org) as here:
        now_us = here.now_us()
        try:
            spec = alerts_handling.MuteSpec(expiry_us(until, now_us), reason, alert_id, kind, budget)
            with here.directory.sequencer.append(now_us) as pen:
                made = alerts_handling.mute(pen, here.organization, spec, "cli")
        except (Refused, ValueError) as error:
            fail(str(error))
    if as_json:
        print_json(mute_document(made))
        return
    print(f"Mute {made.id} lasts until {_minute(mute_document(made)['until'])} UTC; `tallystick alerts unmute {made.id}` ends it.")


def mutes(org: Org = None, as_json: AsJson = False, data: Data = None, config: Config = None) -> None:
    """List the mutes in force."""
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.control.alert_document import mute_document
    from tallystick.stores.sql import alerts_handling

    with installation.opened(settings, make=False, org=org) as here, here.database.read() as db:
        found = [mute_document(row) for row in alerts_handling.mutes(db, here.organization, here.now_us())]
    if as_json:
        print_json({"mutes": found})
        return
    print_table(f"{len(found)} mutes", ("id", "until", "kind", "budget", "thread", "reason", "by"), (
        [one["id"], _minute(one["until"]), one["kind"], one["budget_id"], one["thread"], one["reason"], one["set_by"]] for one in found),
        right=("id",))


def unmute(
    mute_id: Annotated[int, typer.Argument(metavar="MUTE", help="The mute's number, as `alerts mutes` shows it.")],
    org: Org = None, as_json: AsJson = False, data: Data = None, config: Config = None,
) -> None:
    """End a mute now."""
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.control.alert_document import mute_document
    from tallystick.stores.sql import alerts_handling

    with installation.opened(settings, make=False, org=org) as here, here.directory.sequencer.append(here.now_us()) as pen:
        ended = alerts_handling.unmute(pen, here.organization, mute_id, "cli")
    if as_json:
        print_json(mute_document(ended))
        return
    print(f"Mute {ended.id} has ended.")


def _sent(here: Installation, numbers: list[int], before: int = 0) -> list[dict[str, Any]]:
    """The alerts once their deliveries have been tried again. What no running server sends, this process does. `before`:
    how many attempts there had been."""
    import time

    from tallystick.app import alerts_of
    from tallystick.config_sources import BadSettings

    try:
        job = alerts_of(here.settings, here.database)
    except BadSettings as error:
        fail(str(error))
    ends_s = time.monotonic() + _PATIENCE_S
    while True:
        job.step()
        found = [_document(here, number) for number in numbers]
        tried = sum(len(each["attempts"]) for one in found for each in one["deliveries"])
        waiting = any(each["state"] == "waiting" for one in found for each in one["deliveries"])
        if time.monotonic() > ends_s or not waiting or tried >= before + len(numbers):
            return found
        time.sleep(0.1)


def _document(here: Installation, alert_id: int) -> dict[str, Any]:
    from tallystick.control.alert_document import alert_document, delivery_documents
    from tallystick.stores.sql.alerts_raised import find_alert

    with here.database.read() as db:
        row = find_alert(db, here.organization, alert_id)
        if row is None:
            fail("There is no alert of that number; `tallystick alerts list` shows them.")
        return {**alert_document(row), "deliveries": delivery_documents(db, row)}


def _last_answer(delivery: dict[str, Any]) -> tuple[object, object]:
    last = delivery["attempts"][-1] if delivery["attempts"] else {"status": "", "said": ""}
    return last["status"], last["said"]


def _minute(moment: str | None) -> str:
    return (moment or "").replace("T", " ")[:16]
