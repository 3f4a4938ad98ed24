"""`tallystick channels`: where alerts go. What lets somebody speak there comes from standard input or a prompt, never from
the command line, where other users and the shell's history would see it; no command prints it again.
"""

from __future__ import annotations

import sys
from getpass import getpass
from typing import TYPE_CHECKING, Annotated, Final

import typer

from tallystick.cli import alerts
from tallystick.cli.answers import AsJson, Config, Data, Org, fail, print_facts, print_json, print_table, settings_of

if TYPE_CHECKING:
    from tallystick.channels.channel import Channel

_INPUT_CHARS_MAX: Final = 64 * 1024
Name = Annotated[str, typer.Argument(metavar="NAME", help="What the channel is called.")]


def build() -> typer.Typer:
    """The commands of this noun."""
    app = typer.Typer(no_args_is_help=True)
    app.command("add")(add)
    app.command("list")(list_)
    app.command("remove")(remove)
    app.command("test")(try_)
    return app


def add(
    name: Name,
    kind: Annotated[str, typer.Argument(metavar="KIND", help="webhook, slack, teams, discord, email, pagerduty or jira.")],
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="A setting; may be repeated.")] = None,
    kinds: Annotated[str, typer.Option(metavar="K,…", help="Only alerts of these kinds [all].")] = "",
    severity: Annotated[str, typer.Option(help="Only alerts as grave as this: info, warning or critical.")] = "info",
    quiet: Annotated[str, typer.Option(metavar="HH:MM-HH:MM", help="Hours in which nothing is sent.")] = "",
    zone: Annotated[str, typer.Option(metavar="Z", help="Of the quiet hours.")] = "UTC",
    breaks: Annotated[str, typer.Option(help="What breaks through them: info, warning, critical or none.")] = "critical",
    scope: Annotated[list[str] | None, typer.Option("--scope", metavar="S", help="Only what is theirs: team:search, project:search/web; "
                                                    "may be repeated [whoever's].")] = None,
    org: Org = None, as_json: AsJson = False, data: Data = None, config: Config = None,
) -> None:
    """Make a channel, or put another in the place of the one of that name. Its secret fields are asked for, or read from
    standard input as FIELD=VALUE lines (the value alone where there is one field)."""
    settings = settings_of(data, config)
    from tallystick.channels import CHANNELS, channel_of
    from tallystick.cli import installation
    from tallystick.config import alert_networks
    from tallystick.config_sources import BadSettings
    from tallystick.control.channel_form import Asked, channel_document, spec_of
    from tallystick.stores.secrets import KekFiles
    from tallystick.stores.sql.alerts_channels import Channels
    from tallystick.stores.sql.directory import Refused

    channel = channel_of(kind)
    if channel is None:
        fail(f"A channel is one of {', '.join(each.kind for each in CHANNELS)}.")
    values = dict(_pair(text) for text in set_ or ())
    values |= _secrets(channel, set(values))
    with installation.opened(settings, org=org) as here:
        entropy = here.directory.entropy
        try:
            asked = Asked(name, kind, values, tuple(part for part in kinds.split(",") if part), severity, quiet, zone, breaks,
                          tuple(scope or ()))
            spec, drawn = spec_of(asked, alert_networks(settings), entropy)
            with here.directory.sequencer.append(here.now_us()) as pen:
                row = Channels(here.database, KekFiles(settings.data), entropy).set(pen, here.organization, spec, "cli")
        except (Refused, BadSettings) as error:
            fail(str(error))
    document = {**channel_document(row), "secret": drawn}
    if as_json:
        print_json(document)
        return
    print_facts({**document, "secret": None})
    if drawn:
        print(f"\nSigning secret, shown this once: {drawn}")


def list_(org: Org = None, as_json: AsJson = False, data: Data = None, config: Config = None) -> None:
    """List the channels, without what is sealed."""
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.control.channel_form import channel_document
    from tallystick.stores.sql.alerts_channels import list_channels

    with installation.opened(settings, make=False, org=org) as here, here.database.read() as db:
        found = [channel_document(row) for row in list_channels(db, here.organization)]
    if as_json:
        print_json({"channels": found})
        return
    columns = ("name", "kind", "origin", "severity", "kinds", "scopes", "quiet_hours", "zone", "breaks_through")
    print_table(f"{len(found)} channels", columns, (
        [", ".join(one[column]) if column in ("kinds", "scopes") else one[column] for column in columns] for one in found))


def remove(name: Name, org: Org = None, as_json: AsJson = False, data: Data = None, config: Config = None) -> None:
    """Remove a channel for good; what waits for it is not sent."""
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.control.channel_form import channel_document
    from tallystick.stores.secrets import KekFiles
    from tallystick.stores.sql.alerts_channels import Channels

    with installation.opened(settings, make=False, org=org) as here, here.directory.sequencer.append(here.now_us()) as pen:
        row = Channels(here.database, KekFiles(settings.data), here.directory.entropy).remove(pen, here.organization, name, "cli")
    if row is None:
        fail("There is no such channel; `tallystick channels list` shows them.")
    if as_json:
        print_json(channel_document(row))
        return
    print(f"Removed {row.kind} '{name}'.")


def try_(name: Name, org: Org = None, as_json: AsJson = False, data: Data = None, config: Config = None) -> None:
    """Send a test alert to a channel and say how it went."""
    alerts.try_(name, org, as_json, data, config)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        fail("Write --set FIELD=VALUE.")
    return name, value


def _secrets(channel: Channel, given: set[str]) -> dict[str, str]:
    """The secret fields that were not given: typed unseen on a terminal, else lines of standard input."""
    wanted = [each for each in channel.fields if each.secret and each.name not in given]
    if not wanted:
        return {}
    if sys.stdin.isatty():
        return {each.name: getpass(f"{each.name} (not shown{'' if each.required else ', may be left out'}): {each.about} ")
                for each in wanted}
    lines = [line for line in sys.stdin.read(_INPUT_CHARS_MAX).splitlines() if line.strip()]
    names = {each.name for each in wanted}
    if len(lines) == 1 and lines[0].partition("=")[0] not in names:
        return {wanted[0].name: lines[0].strip()}
    return dict(_pair(line.strip()) for line in lines)
