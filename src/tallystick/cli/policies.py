"""`tallystick policies`: set, list, show and remove policies, pull and release kill switches, break the glass. A change
is in force when the command returns; a running gateway that does not follow within a second is named, and the exit
code is 1.
"""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from tallystick.cli.answers import FOUND_WRONG, AsJson, Config, Data, Org, fail, print_facts, print_json, print_table, settings_of
from tallystick.cli.budget_lint import reach_here
from tallystick.cli.expiry import expiry_us
from tallystick.cli.in_force import answer_in_force

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tallystick.cli.installation import Installation
    from tallystick.core.budget import Scope
    from tallystick.stores.sql.policy_rows import PolicyRow

PolicyId = Annotated[int, typer.Argument(metavar="ID", help="The policy's number, as `policies list` shows it.")]
On = Annotated[str, typer.Option("--on", metavar="SCOPE", help="org, team:T, project:[T/]P, key:ID, user:U, agent:A…")]
Parameter = Annotated[list[str] | None, typer.Option("--param", "-p", metavar="NAME=VALUE", help="A parameter; VALUE is JSON, else text.")]


def build() -> typer.Typer:
    """The commands of this noun."""
    app = typer.Typer(no_args_is_help=True)
    app.command("set")(set_)
    app.command("list")(list_)
    app.command("show")(show)
    app.command("remove")(remove)
    app.command("kill")(kill)
    app.command("unkill")(unkill)
    app.command("bypass")(bypass)
    app.command("unbypass")(unbypass)
    app.command("dry-run")(dry_run)
    app.command("lint")(lint)
    return app


def set_(
    kind: Annotated[str | None, typer.Argument(metavar="KIND", help="model_access, request_size… (docs/policies.md).")] = None,
    on: Annotated[str | None, typer.Option("--on", metavar="SCOPE", help="On what [org]: team:T, project:[T/]P, key:ID, user:*…")] = None,
    parameter: Parameter = None,
    file: Annotated[Path | None, typer.Option("--from", metavar="FILE", help="TOML or JSON that says it all; - is standard input.")] = None,
    mode: Annotated[Literal["enforce", "observe"] | None, typer.Option(help="observe: journal what it would do, and do nothing.")] = None,
    name: Annotated[str | None, typer.Option(help="What it is called; several of a kind on one scope have names.")] = None,
    owner: Annotated[str | None, typer.Option(help="Who answers for it.")] = None,
    note: Annotated[str | None, typer.Option(help="Why it is there.")] = None,
    ends: Annotated[str | None, typer.Option(metavar="D", help="When it ends: 30d, 2026-12-31.")] = None,
    org: Org = None,
    as_json: AsJson = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Make a policy, or a new version of the one with this kind, scope and name."""
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.control.call_document import moment
    from tallystick.control.policy_document import spec_of
    from tallystick.core.policies.parameters import BadPolicy
    from tallystick.stores.sql import policy_lint
    from tallystick.stores.sql.directory import Refused
    from tallystick.stores.sql.policies import Policies

    said = _said(file, parameter, kind=kind, on=on, mode=mode, name=name, owner=owner, note=note)
    with installation.opened(settings, org=org) as here:
        now_us = here.now_us()
        try:
            if ends is not None:
                said["ends_at"] = moment(expiry_us(ends, now_us))
            row = Policies(here.directory.sequencer).set(here.organization, spec_of(said), now_us, "cli")
        except (BadPolicy, Refused, ValueError) as error:
            fail(str(error))
        _done(here, row, as_json=as_json, warnings=policy_lint.warnings(row, reach_here(here, settings)))


def list_(
    org: Org = None,
    as_json: AsJson = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """List the policies that stand, and the bypasses that hold."""
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.control.policy_document import bypass_document, policy_document
    from tallystick.stores.sql.policy_rows import bypass_rows, policy_rows

    with installation.opened(settings, make=False, org=org) as here, here.database.read() as db:
        now_us = here.now_us()
        found = [policy_document(row, now_us) for row in policy_rows(db, here.organization)]
        broken = [bypass_document(row, now_us) for row in bypass_rows(db, here.organization, now_us)]
    if as_json:
        print_json({"policies": found, "bypasses": broken})
        return
    print_table(f"{len(found)} policies", ("id", "kind", "on", "mode", "parameters", "name", "status"),
                ([one["id"], one["kind"], one["on"], one["mode"], _text(one["parameters"]), one["name"], one["status"]] for one in found))
    if broken:
        print_table(f"{len(broken)} bypasses", ("id", "policy", "on", "until", "reason"),
                    ([one["id"], one["policy"] or "all", one["on"], one["until"], one["reason"]] for one in broken))


def show(
    policy_id: PolicyId,
    org: Org = None,
    as_json: AsJson = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Show a policy and the versions it had."""
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.control.policy_document import policy_document
    from tallystick.stores.sql.policy_rows import policy_versions

    with installation.opened(settings, make=False, org=org) as here, here.database.read() as db:
        versions = [policy_document(row, here.now_us()) for row in policy_versions(db, here.organization, policy_id)]
    if not versions:
        fail("There is no policy of that number; `tallystick policies list` shows them.")
    if as_json:
        print_json({**versions[-1], "versions": versions})
        return
    print_facts({**versions[-1], "parameters": _text(versions[-1]["parameters"])})
    print()
    print_table("Versions", ("version", "mode", "parameters", "set", "by", "until"),
                ([one["version"], one["mode"], _text(one["parameters"]), one["set_at"], one["set_by"],
                  one["replaced_at"]] for one in versions))


def remove(
    policy_id: PolicyId,
    org: Org = None,
    as_json: AsJson = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Remove a policy. Its versions and what it did stay in the ledger."""
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.stores.sql.policies import Policies

    with installation.opened(settings, make=False, org=org) as here:
        row = Policies(here.directory.sequencer).remove(here.organization, policy_id, here.now_us(), "cli")
        _done(here, row, as_json=as_json)


def kill(
    on: On,
    reason: Annotated[str, typer.Option(help="Why; callers are told, and it stands in the ledger.")] = "",
    now: Annotated[bool, typer.Option("--now", help="Cut replies that are running, too.")] = False,
    until: Annotated[str | None, typer.Option(metavar="D", help="Until when: 12h, 3d [until `unkill`].")] = None,
    org: Org = None,
    as_json: AsJson = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Stop everything in a scope."""
    parameters = [f"reason={json.dumps(reason)}"] if reason else []
    if now:
        parameters.append("now=true")
    set_("kill", on, parameters, ends=until, org=org, as_json=as_json, data=data, config=config)


def unkill(
    on: On,
    org: Org = None,
    as_json: AsJson = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Release the kill switch of a scope."""
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.stores.sql.policies import Policies
    from tallystick.stores.sql.policy_rows import policy_rows

    with installation.opened(settings, make=False, org=org) as here:
        scope = _scope(on)
        with here.database.read() as db:
            pulled = [row for row in policy_rows(db, here.organization) if (row.kind, row.scope) == ("kill", scope)]
        if not pulled:
            fail(f"No kill switch is pulled on {scope}.")
        released = [Policies(here.directory.sequencer).remove(here.organization, row.id, here.now_us(), "cli") for row in pulled]
        _done(here, released[-1], as_json=as_json)


def bypass(
    on: On,
    reason: Annotated[str, typer.Option(help="Why; it stands in the ledger.")],
    until: Annotated[str, typer.Option(metavar="D", help="Until when, at most 7 days: 2h, 1d.")],
    policy: Annotated[int, typer.Option(metavar="ID", help="Only this policy [all but kill switches].")] = 0,
    org: Org = None,
    as_json: AsJson = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Break the glass: for a while policies do nothing to the calls of a scope. What they would have done is journaled."""
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.control.policy_document import bypass_document
    from tallystick.stores.sql.directory import Refused
    from tallystick.stores.sql.policies import Policies

    with installation.opened(settings, make=False, org=org) as here:
        now_us = here.now_us()
        try:
            row = Policies(here.directory.sequencer).bypass(
                here.organization, _scope(on), policy, reason, expiry_us(until, now_us), now_us, "cli")
        except (Refused, ValueError) as error:
            fail(str(error))
        answer_in_force(here, lambda: bypass_document(row, now_us), as_json=as_json)


def unbypass(
    bypass_id: Annotated[int, typer.Argument(metavar="ID", help="The bypass's number, as `policies list` shows it.")],
    org: Org = None,
    as_json: AsJson = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Let policies bind again before a bypass ends by itself."""
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.control.policy_document import bypass_document
    from tallystick.stores.sql.policies import Policies

    with installation.opened(settings, make=False, org=org) as here:
        row = Policies(here.directory.sequencer).end_bypass(here.organization, bypass_id, here.now_us(), "cli")
        answer_in_force(here, lambda: bypass_document(row, here.now_us()), as_json=as_json)


def dry_run(
    kind: Annotated[str | None, typer.Argument(metavar="[KIND]", help="A policy that is not set yet, said as for `set`.")] = None,
    on: Annotated[str | None, typer.Option("--on", metavar="SCOPE", help="On what [org].")] = None,
    parameter: Parameter = None,
    file: Annotated[Path | None, typer.Option("--from", metavar="FILE", help="TOML or JSON that says it all.")] = None,
    policy: Annotated[int | None, typer.Option("--id", metavar="ID", help="One that stands [all that stand].")] = None,
    days: Annotated[int, typer.Option(min=1, max=400, help="How far back.")] = 30,
    org: Org = None,
    as_json: AsJson = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Say what policies would have done to past calls: who would have been stopped, and what that would have saved."""
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.control.dry_run_document import dry_run_document
    from tallystick.control.policy_document import spec_of
    from tallystick.core.ledger import LedgerFault
    from tallystick.core.policies.parameters import BadPolicy
    from tallystick.stores.sql.directory import Refused
    from tallystick.stores.sql.past_calls import proposed, try_policies
    from tallystick.stores.sql.policy_rows import policy_rows

    said = _said(file, parameter, kind=kind, on=on)
    with installation.opened(settings, make=False, org=org) as here:
        try:
            if said:
                policies = [proposed(spec_of(said))]
            else:
                with here.database.read() as db:
                    policies = [row.policy() for row in policy_rows(db, here.organization) if policy in (None, row.id)]
            if not policies:
                fail("There is no such policy.")
            run, book, unjudged = try_policies(here.database, here.organization, policies, days, here.now_us())
        except (BadPolicy, Refused, LookupError, ValueError, LedgerFault) as error:
            fail(str(error))
    document = dry_run_document(run, book, days, unjudged)
    if as_json:
        print_json(document)
        return
    who, stopped = document.pop("who"), document.pop("stopped")
    print_facts(document | {"policies": _text(document["policies"])})
    if who:
        print()
        print_table("Who would have been stopped", ("key", "team", "project", "user", "calls", "stopped", "saved $"),
                    ([*(one.get(name, "") for name in ("key", "team", "project", "user")),
                      one["calls"], one["would_stop"], one["saved_usd"]] for one in who), right=("calls", "stopped", "saved $"))
        print(f"{len(stopped)} of their calls are listed with --json.")


def lint(
    org: Org = None,
    as_json: AsJson = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Look for policies that reach nothing. The exit code is 1 where one does."""
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.control.dry_run_document import lint_document
    from tallystick.stores.sql import policy_lint
    from tallystick.stores.sql.policy_rows import policy_rows

    with installation.opened(settings, make=False, org=org) as here:
        reach = reach_here(here, settings)
        with here.database.read() as db:
            found = [lint_document(linted) for linted in policy_lint.lint(db, policy_rows(db, here.organization), reach, here.now_us())]
    if as_json:
        print_json({"policies": found})
    else:
        print_table(f"{len(found)} policies", ("id", "kind", "on", "last matched", "findings"),
                    ([one["id"], one["kind"], one["on"], one["last_matched_at"] or ("never" if one["asked"] else "?"),
                      "; ".join(one["findings"])] for one in found))
    if any(one["findings"] for one in found):
        raise typer.Exit(FOUND_WRONG)


def _said(file: Path | None, parameters: list[str] | None, **flags: str | None) -> dict[str, Any]:
    """A policy as file and flags say it together; flags win."""
    said = _document(file) if file is not None else {}
    said |= {member: text for member, text in flags.items() if text is not None}
    if parameters:
        said["parameters"] = {**said.get("parameters", {}), **dict(map(_parameter, parameters))}
    return said


def _scope(on: str) -> Scope:
    from tallystick.core.policies.parameters import BadPolicy, parse_scope

    try:
        return parse_scope(on)
    except BadPolicy as fault:
        fail(str(fault))


def _text(parameters: Mapping[str, Any]) -> str:
    return json.dumps(parameters, ensure_ascii=False)


def _document(file: Path) -> dict[str, Any]:
    """A policy as a file says it: JSON where it begins with a brace, else TOML."""
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text("utf-8")
        said = json.loads(text, parse_float=str) if text.lstrip().startswith("{") else tomllib.loads(text, parse_float=str)
    except (OSError, ValueError) as fault:
        fail(f"{file}: {fault}")
    return dict(said)


def _parameter(text: str) -> tuple[str, Any]:
    """`NAME=VALUE`: what reads as JSON is that, everything else is text; amounts of money keep their digits."""
    name, equals, value = text.partition("=")
    if not equals:
        fail(f"{text!r} is no parameter; say NAME=VALUE.")
    try:
        return name, json.loads(value, parse_float=str)
    except ValueError:
        return name, value


def _done(here: Installation, row: PolicyRow, *, as_json: bool, warnings: Sequence[str] = ()) -> None:
    """Show a policy as it is now, and what is odd about it."""
    from tallystick.control.policy_document import policy_document

    document = policy_document(row, here.now_us())
    for warning in warnings:
        typer.echo(f"Mind: {warning}.", err=True)
    shown = {**document, "warnings": list(warnings)} if as_json else {**document, "parameters": _text(document["parameters"])}
    answer_in_force(here, lambda: shown, as_json=as_json)
