"""`tallystick budgets`: set, list, show, raise and remove budgets. A change is in force when the command returns; a
running gateway that does not follow within a second is named, and the exit code is 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from tallystick.cli.answers import AsJson, Config, Data, Org, OrgOnly, fail, print_facts, print_json, print_table, settings_of
from tallystick.cli.apply import export_csv, import_csv
from tallystick.cli.budget_lint import lint, warnings_of
from tallystick.cli.expiry import expiry_us
from tallystick.cli.figures import figure
from tallystick.cli.in_force import answer_in_force

if TYPE_CHECKING:
    from tallystick.cli.installation import Installation
    from tallystick.core.budget import Scope
    from tallystick.stores.sql.budget_rows import BudgetRow
    from tallystick.stores.sql.budgets import BudgetSpec

_TRIED_DAYS: Final = 7
BudgetId = Annotated[int, typer.Argument(metavar="ID", help="The budget's number, as `budgets list` shows it.")]


def build() -> typer.Typer:
    """The commands of this noun."""
    app = typer.Typer(no_args_is_help=True)
    app.command("set")(set_)
    app.command("list")(list_)
    app.command("show")(show)
    app.command("raise")(raise_)
    app.command("remove")(remove)
    app.command("write-off")(write_off)
    app.command("export-csv")(export_csv)
    app.command("import-csv")(import_csv)
    app.command("lint")(lint)
    return app


def set_(
    limit: Annotated[str, typer.Option(help="How much: 500, $500/month, 500 EUR/month, 2m tokens/day, 10k calls/hour.")],
    org: Annotated[bool, typer.Option("--org", help="On the whole organisation.")] = False,
    team: Annotated[str | None, typer.Option(help="On a team; * is a budget of its own for each.")] = None,
    project: Annotated[str | None, typer.Option(metavar="[TEAM/]P", help="On a project (of team `default` without TEAM).")] = None,
    key: Annotated[str | None, typer.Option(metavar="ID", help="On a key; * for each.")] = None,
    user: Annotated[str | None, typer.Option(help="On a user; * for each.")] = None,
    agent: Annotated[str | None, typer.Option(help="On an agent; * for each.")] = None,
    session: Annotated[str | None, typer.Option(help="On a session; * for each (docs/policies.md).")] = None,
    tag: Annotated[str | None, typer.Option(metavar="NAME[=VALUE]", help="On a tag; NAME=* for each value.")] = None,
    dimension: Annotated[str | None, typer.Option(metavar="NAME=VALUE", help="On a dimension; NAME=* for each value.")] = None,
    provider: Annotated[str | None, typer.Option(help="On a provider.")] = None,
    model: Annotated[str | None, typer.Option(help="On a model, as requests name it.")] = None,
    window: Annotated[str | None, typer.Option(metavar="W", help="minute … year, total, 6h, month@15, year@4-6 [month].")] = None,
    zone: Annotated[str | None, typer.Option(metavar="Z", help="Its days' time zone [the organisation's].")] = None,
    hard: Annotated[bool, typer.Option("--hard", help="Calls that do not fit are refused (the default).")] = False,
    soft: Annotated[bool, typer.Option("--soft", help="Calls pass; alerts tell.")] = False,
    observe: Annotated[bool, typer.Option("--observe", help="Calls pass; it only counts.")] = False,
    clamp: Annotated[bool, typer.Option("--clamp", help="Too long an answer's limit is lowered to what fits.")] = False,
    ends: Annotated[str | None, typer.Option(metavar="D", help="When it ends for good: 30d, 2026-12-31.")] = None,
    name: Annotated[str | None, typer.Option(help="What it is called.")] = None,
    owner: Annotated[str | None, typer.Option(help="Who answers for it.")] = None,
    note: Annotated[str | None, typer.Option(help="Why it is there.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Set nothing: say what it would have refused in the last 7 days.")] = False,
    organization: OrgOnly = None,
    as_json: AsJson = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Make a budget, or change the limit of the one that stands for this scope and window."""
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.config import rates_of
    from tallystick.core.currencies import read_limit
    from tallystick.stores.sql.budgets import Budgets, BudgetSpec

    scope = _scope({"org": "" if org else None, "team": team, "project": project, "key": key, "user": user, "agent": agent, "tag": tag,
                    "dimension": dimension, "session": session, "provider": provider, "model": model})
    modes = [mode for mode, said in (("hard", hard), ("soft", soft), ("observe", observe)) if said]
    if len(modes) > 1:
        fail("Give one of --hard, --soft and --observe.")
    with installation.opened(settings, org=organization) as here:
        now_us = here.now_us()
        read = read_limit(limit, rates_of(settings))
        spec = BudgetSpec(
            scope, read.amount, window or (str(read.window) if read.window else "month"), zone,
            modes[0] if modes else "hard", "clamp" if clamp else "reject",  # type: ignore[arg-type]  # the three modes
            name=name, owner=owner, note=note, limit=read.value, rate=read.rate,
            ends_us=None if ends is None else expiry_us(ends, now_us))
        if dry_run:
            _try(here, spec, as_json=as_json)
            return
        row = Budgets(here.directory.sequencer).set(here.organization, spec, now_us, "cli")
        _done(here, row, as_json=as_json, warnings=warnings_of(here, settings, row))


def list_(
    org: Org = None,
    as_json: AsJson = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """List all budgets and how the window that runs stands."""
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.control.budget_document import budget_document
    from tallystick.stores.sql.budget_rows import budget_rows
    from tallystick.stores.sql.standing import standing

    with installation.opened(settings, make=False, org=org) as here, here.database.read() as db:
        now_us = here.now_us()
        found = [budget_document(row, standing(db, row, now_us), now_us) for row in budget_rows(db, here.organization)
                 if row.kind != "header"]
    if as_json:
        print_json({"budgets": found})
        return
    print_table(
        f"{len(found)} budgets", ("id", "scope", "window", "mode", "limit", "spent", "held", "left", "resets"),
        (_line(budget) for budget in found), right=("limit", "spent", "held", "left"))


def show(
    budget_id: BudgetId,
    org: Org = None,
    as_json: AsJson = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Show one budget: what each subject has spent, who holds what of it, and whom it turned away last."""
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.control.budget_document import budget_document, trail_document
    from tallystick.stores.sql.budget_rows import find_budget
    from tallystick.stores.sql.standing import standing

    with installation.opened(settings, make=False, org=org) as here, here.database.read() as db:
        row, now_us = find_budget(db, here.organization, budget_id), here.now_us()
        if row is None:
            fail(_NO_BUDGET)
        document, trail = budget_document(row, standing(db, row, now_us), now_us), trail_document(db, row)
    if as_json:
        print_json({**document, **trail})
        return
    nodes = document.pop("nodes")
    print_facts(document)
    print()
    print_table(
        "This window", ("subject", "spent", "held", "left", "used %", "held by"),
        ([node["subject"] or document["value"] or "organisation", *(figure(node, name) for name in ("spent", "held", "remaining")),
          node["used_percent"], ", ".join(f"{holder['id'][:8]}{_state(holder)}" for holder in node["holders"])]
         for node in nodes), right=("spent", "held", "left", "used %"))
    if trail["open_calls"]:
        print_table("Open calls that the ledger knows", ("key", "team", "calls", "of them jobs", "held", "since"),
                    ([hold["key_id"], hold["team"], hold["calls"], hold["jobs"], figure(hold, "held"), hold["since"]]
                     for hold in trail["open_calls"]), right=("calls", "of them jobs", "held"))
    print(trail["not_known"])
    if trail["last_refusals"]:
        print_table("Turned away last", ("at", "call", "key", "team", "model", "spent", "held", "needed"),
                    ([one["at"], one["request_id"], one["key_id"], one["team"], one["model"],
                      *(_stood(one["budget"], name) for name in ("spent", "held", "needed"))]
                     for one in trail["last_refusals"]), right=("spent", "held", "needed"))


def _state(holder: Mapping[str, object]) -> str:
    return "" if holder["alive"] else " (written off)" if holder["written_off"] else " (gone)"


def write_off(
    instance: Annotated[str, typer.Argument(help="The gateway that is gone, as `budgets show` names it.")],
    reason: Annotated[str, typer.Option(help="Why; it stands in the ledger.")],
    release: Annotated[bool, typer.Option("--release", help="Free what stayed drawn of one that was written off: you have seen what "
                                          "the providers billed.")] = False,
    as_json: AsJson = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Book what a gateway that is gone for good may have cost: one that was stopped, or not seen for 15 seconds (or
    `database.max_staleness_s`, where that is longer). Its calls that the ledger knows as open are settled at their worst
    case, and what it had leased beyond them stays drawn until it is released, or its windows end."""
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.control.budget_document import part_document
    from tallystick.stores.sql import write_off as gone

    with installation.opened(settings, make=False) as here:
        asked = (here.directory.sequencer, instance, reason, here.now_us(), "cli")
        done = gone.WrittenOff(0, gone.release(*asked)) if release else gone.write_off(*asked)
    parts = [part_document(one) for one in done.kept]
    if as_json:
        print_json({"instance": instance, "released": parts} if release else {"instance": instance, "settled": done.settled, "kept": parts})
        return
    if not release:
        print(f"{done.settled} open calls were settled at their worst case.")
    print_table("Released" if release else "Stays drawn", ("budget", "subject", "amount"),
                ([part["budget"], part["subject"], figure(part, "amount")] for part in parts), right=("amount",))


def raise_(
    budget_id: BudgetId,
    by: Annotated[str, typer.Option(metavar="AMOUNT", help="How much more, as `set --limit` reads it.")],
    until: Annotated[str, typer.Option(metavar="D", help="Until when: 12h, 3d, 2026-12-31.")],
    reason: Annotated[str, typer.Option(help="Why; it stands in the ledger.")],
    org: Org = None,
    as_json: AsJson = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Raise a limit for a while."""
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.core.currencies import read_extra
    from tallystick.stores.sql.budget_rows import find_budget
    from tallystick.stores.sql.budgets import Budgets

    with installation.opened(settings, make=False, org=org) as here:
        now_us = here.now_us()
        with here.database.read() as db:
            row = find_budget(db, here.organization, budget_id)
        if row is None:
            fail(_NO_BUDGET)
        extra = read_extra(by, row.unit, row.currency, row.rate)
        row = Budgets(here.directory.sequencer).raise_for(
            here.organization, budget_id, extra, expiry_us(until, now_us), reason, now_us, "cli")
        _done(here, row, as_json=as_json)


def remove(
    budget_id: BudgetId,
    org: Org = None,
    as_json: AsJson = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Remove a budget. What it counted stays in the ledger."""
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.stores.sql.budget_rows import find_budget
    from tallystick.stores.sql.budgets import Budgets

    with installation.opened(settings, make=False, org=org) as here:
        Budgets(here.directory.sequencer).remove(here.organization, budget_id, here.now_us(), "cli")
        with here.database.read() as db:
            row = find_budget(db, here.organization, budget_id)
        assert row is not None, "it was there a moment ago"
        _done(here, row, as_json=as_json)


_NO_BUDGET = "There is no budget of that number; `tallystick budgets list` shows them."


def _scope(given: dict[str, str | None]) -> Scope:
    """The one scope that was named. Ends the command when it is none or more."""
    from tallystick.core.budget import Scope

    named = [(kind, value) for kind, value in given.items() if value is not None]
    if len(named) != 1:
        fail("Say what the budget is on, once: --org, --team, --project, --key, --user, --agent, --tag, --dimension, --provider, --model.")
    kind, value = named[0]
    if kind == "project" and "/" not in value and value != "*":
        value = f"default/{value}"
    return Scope(kind, value)  # type: ignore[arg-type]  # each option's name is a kind


def _try(here: Installation, spec: BudgetSpec, *, as_json: bool) -> None:
    from tallystick.control.dry_run_document import trial_document
    from tallystick.stores.sql.budget_dry_run import try_budget
    from tallystick.stores.sql.budgets import proposed

    with here.database.read() as db:
        trial = try_budget(db, here.organization, proposed(db, here.organization, spec), _TRIED_DAYS, here.now_us())
    document = trial_document(trial, _TRIED_DAYS)
    if as_json:
        print_json(document)
        return
    print(f"In the last {_TRIED_DAYS} days it would have refused {trial.refused.calls:,} of {trial.calls:,} calls, "
          f"${document['refused']['cost_usd']}.")
    if document["subjects"]:
        print_table("Of whom", ("subject", "calls", "cost"), ([one["subject"], one["calls"], f"${one['cost_usd']}"]
                                                             for one in document["subjects"]), right=("calls", "cost"))


def _done(here: Installation, row: BudgetRow, *, as_json: bool, warnings: Sequence[str] = ()) -> None:
    """Show a budget as it stands now, once every running gateway follows."""
    from tallystick.control.budget_document import budget_document
    from tallystick.stores.sql.standing import standing

    def document() -> dict[str, Any]:
        with here.database.read() as db:
            return {**budget_document(row, standing(db, row, here.now_us()), here.now_us()), "warnings": list(warnings)}

    if not as_json:
        for warning in warnings:
            typer.echo(f"Mind: {warning}.", err=True)
    answer_in_force(here, document, as_json=as_json, shown=lambda said: {
        name: value for name, value in said.items() if name not in ("nodes", "warnings")})


def _line(budget: dict[str, Any]) -> list[object]:
    """One budget in a narrow table: the subject that has spent most, where there are several."""
    node = budget["nodes"][0] if budget["nodes"] else {}
    scope = f"{budget['scope']} {node.get('subject') or budget['value']}".strip()
    return [budget["id"], scope, budget["window"], budget["mode"], figure(budget, "limit"),
            *(figure(node, name) for name in ("spent", "held", "remaining")), (budget["resets_at"] or "").replace("T", " ")[:16]]


def _stood(budget: dict[str, str], name: str) -> str:
    """A figure of a refusal, in whatever unit."""
    return next((value for key, value in budget.items() if key.startswith(f"{name}_")), "")
