"""`tallystick retention`: how long rows of calls are kept. A running server drops months by itself once `retention.months`
says so; `run` does it by hand, and `hold` freezes everything until `release`.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tallystick.cli.answers import FOUND_WRONG, AsJson, Config, Data, Org, fail, print_json, print_table, settings_of

Months = Annotated[int | None, typer.Option("--months", min=2, help="How many whole months stay, instead of [retention.months].")]


def build() -> typer.Typer:
    """The commands of this noun."""
    app = typer.Typer(no_args_is_help=True)
    app.command("show")(show)
    app.command("run")(run)
    app.command("hold")(hold)
    app.command("release")(release)
    return app


def show(months: Months = None, as_json: AsJson = False, data: Data = None, config: Config = None) -> None:
    """Show which months have their rows, which are pruned, and what keeps those that could go."""
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.core.moments import moment_text
    from tallystick.stores.sql.engine import month_text
    from tallystick.stores.sql.retention_report import holds, month_standings

    kept = months or settings.retention.months
    with installation.opened(settings, make=False) as here, here.database.read() as db:
        standing, held = month_standings(db, kept, here.now_us()), holds(db)
    rows: list[dict[str, Any]] = [
        {"month": month_text(one.month), "state": one.state, "why": list(one.why),
         "pruned_at": None if one.pruned_us is None else moment_text(one.pruned_us)} for one in standing]
    if as_json:
        print_json({"months": kept, "holds": [{"organization": one.organization, "reason": one.reason, "since": moment_text(one.made_us),
                                               "by": one.made_by} for one in held], "standing": rows})
        return
    print("Rows of all months are kept ([retention] months is not set)." if kept is None else
          f"The running month and the {kept} before it keep their rows.")
    for one in held:
        print(f"{one.organization} is under a legal hold since {moment_text(one.made_us)}, by {one.made_by}: {one.reason}")
    print_table("", ("month", "state", "why"), [(row["month"], row["state"], "; ".join(row["why"]) or row["pruned_at"]) for row in rows])


def run(
    months: Months = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and do nothing.")] = False,
    as_json: AsJson = False, data: Data = None, config: Config = None,
) -> None:
    """Prune the months whose time has come, with the server running or not. Exit 1: one of them is not as it was written."""
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.stores.sql import pruning
    from tallystick.stores.sql.engine import month_text
    from tallystick.stores.sql.journal import Sequencer

    kept = months or settings.retention.months
    if kept is None:
        fail("Say how many months stay: --months N, or set retention.months.")
    with installation.opened(settings, make=False) as here:
        with here.database.read() as db:
            due = pruning.due(db, kept, here.now_us())
        went: list[int] = []
        fault = ""
        if not dry_run:
            sequencer = Sequencer(here.database, here.secrets.ledger_key)
            anew = True
            while pruning.step(sequencer, kept, here.now_us(), anew=anew):
                anew = False
            with here.database.read() as db:
                at = pruning.under_way(db)
                gone = {int(month) for (month,) in db.execute("SELECT month FROM journal_month WHERE pruned_us IS NOT NULL").fetchall()}
            went, fault = [one.month for one in due if one.month in gone], at.fault if at is not None else ""
    stays = next((one for one in due if one.why), None)
    document: dict[str, Any] = {
        "due": [month_text(one.month) for one in due if not one.why], "pruned": [month_text(month) for month in went],
        "kept": {} if stays is None else {month_text(stays.month): list(stays.why)}, "fault": fault or None}
    if as_json:
        print_json(document)
    else:
        _print(document, dry_run)
    if fault:
        fail(f"nothing was dropped: {fault}.", FOUND_WRONG)


def _print(document: dict[str, Any], dry_run: bool) -> None:
    if dry_run:
        print(f"Would be pruned: {', '.join(document['due']) or 'nothing'}.")
    else:
        print(f"Pruned: {', '.join(document['pruned']) or 'nothing'}." + (
            " The tables are dropped in ten minutes, by a running server or the next `run`." if document["pruned"] else ""))
    for month, why in document["kept"].items():
        print(f"{month} and what is younger stays: {'; '.join(why)}.")


def hold(
    reason: Annotated[str, typer.Option(help="Why: a case, a letter. It stands in the ledger.")],
    org: Org = None, as_json: AsJson = False, data: Data = None, config: Config = None,
) -> None:
    """Freeze: from now on nothing is pruned, in no organisation, until it is released."""
    if not reason.strip() or len(reason) > 256 or not reason.isprintable():
        fail("Say why, in at most 256 characters.")
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.stores.sql import pruning

    with installation.opened(settings, make=False, org=org) as here:
        pruning.hold(here.directory.sequencer, here.organization, reason, here.now_us(), "cli")
    if as_json:
        print_json({"held": True, "reason": reason})
    else:
        print("Held: nothing is pruned until `tallystick retention release`.")


def release(org: Org = None, as_json: AsJson = False, data: Data = None, config: Config = None) -> None:
    """End a legal hold."""
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.stores.sql import pruning

    with installation.opened(settings, make=False, org=org) as here:
        if not pruning.release(here.directory.sequencer, here.organization, here.now_us(), "cli"):
            fail("There is no legal hold here.")
    if as_json:
        print_json({"held": False})
    else:
        print("Released.")
