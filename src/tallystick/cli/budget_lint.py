"""`tallystick budgets lint`: budgets that do not do what somebody thinks they do; and what is said of one that was just set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from tallystick.cli.answers import FOUND_WRONG, AsJson, Config, Data, Org, fail, print_json, print_table, settings_of
from tallystick.config_sources import BadSettings

if TYPE_CHECKING:
    from tallystick.cli.installation import Installation
    from tallystick.config import Settings
    from tallystick.stores.sql.budget_rows import BudgetRow
    from tallystick.stores.sql.scope_reach import Reach


def lint(
    org: Org = None,
    as_json: AsJson = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Look for budgets that reach nothing, refuse nothing, have no say, or fit no call. The exit code is 1 where one does."""
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.control.dry_run_document import budget_lint_document
    from tallystick.stores.sql import budget_lint

    with installation.opened(settings, make=False, org=org) as here:
        reach = reach_here(here, settings)
        with here.database.read() as db:
            rows = budget_lint.lintable(db, here.organization)
            found = [budget_lint_document(linted) for linted in budget_lint.lint(db, rows, reach, here.now_us())]
    if as_json:
        print_json({"budgets": found})
    else:
        print_table(f"{len(found)} budgets", ("id", "scope", "window", "name", "last matched", "findings"),
                    ([one["id"], ":".join(filter(None, (one["scope"], one["value"]))), one["window"], one["name"],
                      one["last_matched_at"] or ("never" if one["asked"] else "?"), "; ".join(one["findings"])] for one in found))
    if any(one["findings"] for one in found):
        raise typer.Exit(FOUND_WRONG)


def warnings_of(here: Installation, settings: Settings, row: BudgetRow) -> list[str]:
    """What is odd about a budget that was just set."""
    from tallystick.stores.sql import budget_lint

    reach = reach_here(here, settings)
    with here.database.read() as db:
        return budget_lint.warnings(db, row, reach, here.now_us())


def reach_here(here: Installation, settings: Settings) -> Reach:
    """Who can call at all, under the same settings as the server's."""
    from tallystick.configured import origins_of
    from tallystick.stores.sql.scope_reach import reach_of

    try:
        return reach_of(here.all_keys(), origins_of(settings), here.now_us())
    except BadSettings as error:
        fail(str(error))
