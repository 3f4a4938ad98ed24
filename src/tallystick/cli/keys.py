"""`tallystick keys`: make, list, rotate and revoke virtual keys. A key's text is shown once, when it is made,
and works when the command returns.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from tallystick.cli.answers import AsJson, Config, Data, Org, fail, print_facts, print_json, print_table, settings_of
from tallystick.cli.expiry import expiry_us
from tallystick.cli.key_sets import create_set, lines_of

_NO_KEY: Final = "There is no key of that id; `tallystick keys list` shows them."


def build() -> typer.Typer:
    """The commands of this noun."""
    app = typer.Typer(no_args_is_help=True)
    app.command("create")(create)
    app.command("list")(list_)
    app.command("rotate")(rotate)
    app.command("revoke")(revoke)
    return app


def create(
    team: Annotated[str | None, typer.Option(help="Team the key is bound to; made if it is missing.")] = None,
    project: Annotated[str | None, typer.Option(help="Project the key is bound to (of team `default` without --team).")] = None,
    user: Annotated[str | None, typer.Option(help="User its calls are booked on.")] = None,
    agent: Annotated[str | None, typer.Option(help="Agent its calls are booked on.")] = None,
    environment: Annotated[str | None, typer.Option(help="Environment, such as prod.")] = None,
    cost_center: Annotated[str | None, typer.Option(help="Cost centre.")] = None,
    name: Annotated[str, typer.Option(help="What the key is for.")] = "",
    expires: Annotated[str | None, typer.Option(metavar="D", help="30d, 12h, 2026-12-31 or a moment with its zone.")] = None,
    format_: Annotated[str, typer.Option("--format", metavar="F", help="tallystick, cartie, aso, vk, apc or acm.")] = "tallystick",
    credential: Annotated[str | None, typer.Option(help="Stored provider credential it uses, by name.")] = None,
    owner: Annotated[str | None, typer.Option(metavar="EMAIL", help="Whose key it is: a member, who then sees its calls.")] = None,
    from_: Annotated[Path | None, typer.Option("--from", metavar="FILE", help="Many keys: CSV, one a line; - is standard input.")] = None,
    count: Annotated[int | None, typer.Option(metavar="N", help="Many keys: so many alike.")] = None,
    name_pattern: Annotated[str | None, typer.Option(metavar="P", help="What each of --count is called: 'ci-{n}'.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write many keys into a new file that only you read.")] = None,
    org: Org = None,
    as_json: AsJson = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Make a key, or with --from or --count many at once, all or none. Without --team and --project a key is
    organisation-wide."""
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.cli.members import found_member
    from tallystick.control.key_document import key_document
    from tallystick.stores.sql.directory import KeySpec

    given = {
        "team": team, "project": project, "user": user, "agent": agent, "environment": environment, "cost_center": cost_center,
    }
    with installation.opened(settings, org=org) as here:
        if from_ is not None or count is not None or name_pattern is not None:
            more = {"name": name or None, "expires": expires, "format": format_, "credential": credential, "owner": owner}
            alike = {column: value for column, value in {**given, **more}.items() if value is not None}
            create_set(here, lines_of(from_, count, name_pattern, alike), out, as_json=as_json)
            return
        if out is not None:
            fail("--out goes with --from or --count.")
        now_us = here.now_us()
        spec = KeySpec(
            labels={label: value for label, value in given.items() if value is not None}, name=name, format=format_,
            credential=credential, expires_us=None if expires is None else expiry_us(expires, now_us),
            owner=None if owner is None else found_member(here, owner).account,
        )
        row, key = here.directory.create_key(here.organization, spec, now_us)
    _show_new({"id": row.id, "key": key.reveal(), **key_document(row, now_us)}, as_json=as_json)


def list_(
    org: Org = None,
    as_json: AsJson = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """List all keys, revoked ones too, in the order they were made. Their text is kept nowhere."""
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.control.key_document import key_document

    with installation.opened(settings, make=False, org=org) as here:
        keys = [key_document(row, here.now_us()) for row in here.all_keys()]
    if as_json:
        print_json({"keys": keys})
        return
    print_table(
        f"{len(keys)} keys", ("id", "key", "name", "team", "project", "status", "made", "expires"),
        ([key["id"], key["preview"], key["name"], key["team"], key["project"], key["status"],
          day_of(key["created_at"]), day_of(key["expires_at"])] for key in keys),
    )


def rotate(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The key's id, as `keys list` shows it.")],
    grace: Annotated[str | None, typer.Option("--overlap", "--grace", metavar="SPAN",
                                              help="How long the old key still works: 30d, 12h, 90m [not at all].")] = None,
    org: Org = None,
    as_json: AsJson = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Replace a key by a new one that says the same."""
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.control.key_document import key_document

    with installation.opened(settings, make=False, org=org) as here:
        now_us = here.now_us()
        grace_us = 0 if grace is None else expiry_us(grace, now_us) - now_us
        made = here.directory.rotate_key(here.organization, key_id, now_us, "cli", grace_us)
        if made is None:
            fail(_NO_KEY)
    row, key = made
    _show_new({"id": row.id, "key": key.reveal(), **key_document(row, now_us), "replaces": key_id}, as_json=as_json)


def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The key's id, as `keys list` shows it.")],
    org: Org = None,
    as_json: AsJson = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Revoke a key for good; running servers refuse it within a second."""
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.control.key_document import key_document

    with installation.opened(settings, make=False, org=org) as here:
        row = here.directory.revoke_key(here.organization, key_id, here.now_us(), "cli")
        if row is None:
            fail(_NO_KEY)
        document: dict[str, Any] = key_document(row, here.now_us())
    if as_json:
        print_json(document)
        return
    print(f"Revoked {row.id} ({row.preview}).")


def _show_new(document: dict[str, Any], *, as_json: bool) -> None:
    """A key just made, with its text."""
    if as_json:
        print_json(document)
        return
    print_facts({name: value for name, value in document.items() if name not in ("prefix", "status")})
    print("\nThe key is shown this once. It works now.")


def day_of(moment: str | None) -> str:
    """The day of a moment, for a narrow table."""
    return (moment or "").partition("T")[0]
