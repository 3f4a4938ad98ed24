"""`tallystick orgs`: make and list organisations. Whoever holds the host makes them; each takes in its first owner
with `tallystick members add EMAIL --role owner --org SLUG`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tallystick.cli.answers import AsJson, Config, Data, print_facts, print_json, print_table, settings_of

if TYPE_CHECKING:
    from tallystick.stores.sql.organizations import OrganizationRow


def build() -> typer.Typer:
    """The commands of this noun."""
    app = typer.Typer(no_args_is_help=True)
    app.command("create")(create)
    app.command("list")(list_)
    return app


def create(
    slug: Annotated[str, typer.Argument(metavar="SLUG", help="Its short name in the ledger: lower-case letters, digits and -. It stays.")],
    name: Annotated[str, typer.Option(help="What it is called [its short name].")] = "",
    zone: Annotated[str, typer.Option(metavar="Z", help="The time zone of its days and months, like Europe/Berlin. It stays.")] = "UTC",
    as_json: AsJson = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Make an organisation, with its team and project `default`."""
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.stores.sql.organizations import create_organization

    with installation.opened(settings) as here:
        row = create_organization(here.directory.sequencer, slug, name, zone, here.now_us())
    document = _document(row)
    if as_json:
        print_json(document)
        return
    print_facts(document)


def list_(as_json: AsJson = False, data: Data = None, config: Config = None) -> None:
    """List all organisations."""
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.stores.sql.organizations import organizations

    with installation.opened(settings, make=False) as here, here.database.read() as db:
        found = [_document(row) for row in organizations(db)]
    if as_json:
        print_json({"organizations": found})
        return
    columns = ("slug", "name", "zone", "members", "keys", "created_at")
    print_table(f"{len(found)} organisations", columns, ([each[column] for column in columns] for each in found), right=("members", "keys"))


def _document(row: OrganizationRow) -> dict[str, Any]:
    from tallystick.control.call_document import moment

    return {"slug": row.slug, "name": row.name, "zone": row.zone, "members": row.members, "keys": row.keys,
            "created_at": moment(row.created_us)}
