"""`tallystick rollups`: the sums by hour and day that figures are read from. They are written along with the
ledger; should `verify` ever say that they differ from it, `rebuild` writes them anew from the rows of calls.
"""

from __future__ import annotations

import typer

from tallystick.cli.answers import AsJson, Config, Data, print_json, settings_of


def build() -> typer.Typer:
    """The commands of this noun."""
    app = typer.Typer(no_args_is_help=True)
    app.callback()(_noun)
    app.command("rebuild")(rebuild)
    return app


def _noun() -> None:
    """A noun with one verb keeps it."""


def rebuild(as_json: AsJson = False, data: Data = None, config: Config = None) -> None:
    """Write all roll-ups anew from the rows of calls, a day at a time, with the server running or not."""
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.stores.sql import rollup_days

    with installation.opened(settings, make=False) as here:
        days = rollup_days.rebuild(here.database)
    if as_json:
        print_json({"days": days})
    else:
        print(f"{days} days written anew.")
