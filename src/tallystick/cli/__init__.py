"""The commands, thin: read the options, call one function, print its answer. A file per noun; heavy
things (SQL, the web framework) are imported inside the command that needs them, so that `--help`
and `--version` answer at once.
"""

from __future__ import annotations

from typing import Annotated

import typer

from tallystick import __version__
from tallystick.cli import (
    adjust, alerts, apply, budgets, channels, connect, credentials, demo, doctor, envelopes, explain, export, import_litellm, keys,
    live, members, move, orgs, policies, prices, retention, rollups, run, serve, spend, verify,
)


def build() -> typer.Typer:
    """All commands under their names."""
    app = typer.Typer(
        name="tallystick", no_args_is_help=True, invoke_without_command=True, add_completion=False, pretty_exceptions_enable=False,
        rich_markup_mode=None,               # help texts are plain: "[all]" is a default, not markup
        help="A self-hosted LLM gateway: every call attributed, metered, priced and journaled.",
    )
    app.callback()(_root)
    app.command("serve")(serve.serve)
    app.command("demo")(demo.demo)
    app.add_typer(keys.build(), name="keys", help="Virtual keys: make, list, rotate, revoke.")
    app.add_typer(credentials.build(), name="credentials", help="Provider keys that the gateway holds: set, list, remove, assign, rewrap.")
    app.add_typer(members.build(), name="members", help="Who belongs to an organisation, and as what: add, list, role, remove.")
    app.add_typer(orgs.build(), name="orgs", help="Organisations of this installation: create, list.")
    app.add_typer(budgets.build(), name="budgets", help="Budgets: set, list, show, raise, remove, write-off, CSV in and out.")
    app.add_typer(envelopes.build(), name="envelopes", help="Envelopes: request, sign, decline, top-up, move, fallback, headroom.")
    app.add_typer(policies.build(), name="policies", help="Policies: set, list, show, remove, kill, unkill, bypass.")
    app.add_typer(alerts.build(), name="alerts", help="Alerts: list, show, test, replay, thresholds.")
    app.add_typer(channels.build(), name="channels", help="Where alerts go: add, list, remove, test.")
    app.add_typer(prices.build(), name="prices", help="The price book: show, diff, check, reprice.")
    app.add_typer(import_litellm.build(), name="import", help="Coming from elsewhere: litellm.")
    app.add_typer(rollups.build(), name="rollups", help="Sums by hour and day: rebuild.")
    app.add_typer(retention.build(), name="retention", help="How long rows of calls are kept: show, run, hold, release.")
    app.command("connect")(connect.connect)
    app.command("run", context_settings={"allow_interspersed_args": False})(run.run)
    app.command("apply")(apply.apply)
    app.command("dump")(apply.dump)
    app.command("spend")(spend.spend)
    app.command("tail")(live.tail)
    app.command("top")(live.top)
    app.command("explain")(explain.explain)
    app.command("adjust")(adjust.adjust)
    app.command("verify")(verify.verify)
    app.command("move")(move.move)
    app.command("export")(export.export)
    app.command("doctor")(doctor.doctor)
    return app


def _root(
    *, version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Options before any command."""
    if version:
        print(f"tallystick {__version__}")
        raise typer.Exit
