"""`tallystick envelopes`: ask for money for a time, sign it or decline it, top it up, move it, and ask whether a plan fits. Who
holds the host may sign; over the API owner, admin and finance do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tallystick.cli.answers import FOUND_WRONG, AsJson, Config, Data, Org, fail, print_facts, print_json, print_table, settings_of
from tallystick.cli.expiry import expiry_us
from tallystick.cli.figures import figure
from tallystick.cli.in_force import answer_in_force

if TYPE_CHECKING:
    from tallystick.cli.installation import Installation
    from tallystick.core.budget import Scope
    from tallystick.core.currencies import Limit
    from tallystick.stores.sql.envelope_rows import EnvelopeRow
    from tallystick.stores.sql.envelopes import Envelopes

EnvelopeId = Annotated[int, typer.Argument(metavar="ID", help="The envelope's number, as `envelopes list` shows it.")]
On = Annotated[str, typer.Argument(metavar="SCOPE", help="org, team:NAME, project:TEAM/NAME, user:NAME…")]
Amount = Annotated[str, typer.Option(help="How much: 5000, 5000 EUR.")]
Until = Annotated[str, typer.Option(metavar="D", help="When it ends: 2026-12-31, 90d.")]
Reason = Annotated[str, typer.Option(help="Why; it stands in the ledger.")]


def build() -> typer.Typer:
    """The commands of this noun."""
    app = typer.Typer(no_args_is_help=True)
    for name, command in (("request", request), ("list", list_), ("show", show), ("sign", sign), ("decline", decline), ("top-up", top_up),
                          ("move", move), ("fallback", fallback), ("end", end), ("require", require), ("release", release),
                          ("headroom", headroom)):
        app.command(name)(command)
    return app


def request(
    on: On,
    amount: Amount,
    until: Until,
    purpose: Annotated[str, typer.Option(help="What for.")],
    since: Annotated[str | None, typer.Option("--from", metavar="D", help="When it begins [when it is signed].")] = None,
    evidence: Annotated[str, typer.Option(help="What shows the need.")] = "",
    owner: Annotated[str, typer.Option(help="Who answers for it.")] = "",
    signed: Annotated[bool, typer.Option("--sign", help="Sign it at once.")] = False,
    as_json: AsJson = False,
    org: Org = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Ask for an envelope."""
    def do(here: Installation, envelopes: Envelopes) -> EnvelopeRow:
        from tallystick.stores.sql.envelopes import EnvelopeSpec

        now_us = here.now_us()
        spec = EnvelopeSpec(_scope(on), _limit(here, amount), amount, expiry_us(until, now_us), purpose,
                            None if since is None else expiry_us(since, now_us), owner, evidence)
        return (envelopes.grant if signed else envelopes.request)(here.organization, spec, now_us, "cli")

    _do(do, as_json=as_json, org=org, data=data, config=config)


def sign(
    envelope_id: EnvelopeId,
    amount: Annotated[str | None, typer.Option(help="Sign this much instead.")] = None,
    until: Annotated[str | None, typer.Option(metavar="D", help="Let it end then instead.")] = None,
    comment: Annotated[str, typer.Option(help="What there is to say.")] = "",
    as_json: AsJson = False,
    org: Org = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Sign what was asked for, as it is or edited."""
    def do(here: Installation, envelopes: Envelopes) -> EnvelopeRow:
        from tallystick.stores.sql.envelope_rows import find_envelope
        from tallystick.stores.sql.envelopes import Terms

        now_us = here.now_us()
        with here.database.read() as db:
            row = find_envelope(db, here.organization, envelope_id)
        limit = _limit(here, amount or row.asked) if row is not None else None
        terms = Terms(limit, None, None if until is None else expiry_us(until, now_us), comment)
        return envelopes.sign(here.organization, envelope_id, terms, now_us, "cli")

    _do(do, as_json=as_json, org=org, data=data, config=config)


def decline(
    envelope_id: EnvelopeId,
    comment: Annotated[str, typer.Option(help="Why not.")],
    as_json: AsJson = False,
    org: Org = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Decline what was asked for."""
    _do(lambda here, envelopes: envelopes.decline(here.organization, envelope_id, comment, here.now_us(), "cli"),
        as_json=as_json, org=org, data=data, config=config)


def top_up(
    envelope_id: EnvelopeId,
    reason: Reason,
    by: Annotated[str | None, typer.Option(metavar="AMOUNT", help="How much more.")] = None,
    until: Annotated[str | None, typer.Option(metavar="D", help="A later end.")] = None,
    as_json: AsJson = False,
    org: Org = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Add to a signed envelope, or extend it."""
    def do(here: Installation, envelopes: Envelopes) -> EnvelopeRow:
        now_us = here.now_us()
        return envelopes.top_up(here.organization, envelope_id, None if by is None else _limit(here, by),
                                None if until is None else expiry_us(until, now_us), reason, now_us, "cli")

    _do(do, as_json=as_json, org=org, data=data, config=config)


def move(
    source: Annotated[int, typer.Argument(metavar="FROM", help="The envelope that gives.")],
    target: Annotated[int, typer.Argument(metavar="TO", help="The envelope that gets.")],
    amount: Amount,
    reason: Reason,
    as_json: AsJson = False,
    org: Org = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Move allocation between an envelope and the one it lies in, or between two in the same."""
    _do(lambda here, envelopes: envelopes.move(here.organization, source, target, _limit(here, amount), reason, here.now_us(), "cli")[1],
        as_json=as_json, org=org, data=data, config=config)


def fallback(
    envelope_id: EnvelopeId,
    models: Annotated[list[str] | None, typer.Argument(metavar="PATTERN=MODEL", help="'gpt-4o*=gpt-4o-mini': the cheaper model "
                                                                                     "for what matches; none for no fallback.")] = None,
    at: Annotated[int, typer.Option(metavar="PERCENT", help="From how much spent on.")] = 80,
    as_json: AsJson = False,
    org: Org = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Send calls to cheaper models of the same provider once so much of an envelope is spent."""
    from tallystick.stores.sql.envelopes import Fallback

    pairs = [pair.partition("=")[::2] for pair in models or ()]
    if not all(cheaper for _, cheaper in pairs):
        fail("Say PATTERN=MODEL, as in 'gpt-4o*=gpt-4o-mini'.")
    wanted = Fallback(dict(pairs), at) if pairs else None
    _do(lambda here, envelopes: envelopes.fall_back(here.organization, envelope_id, wanted, here.now_us(), "cli"),
        as_json=as_json, org=org, data=data, config=config)


def end(
    envelope_id: EnvelopeId,
    as_json: AsJson = False,
    org: Org = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """End a signed envelope now."""
    _do(lambda here, envelopes: envelopes.end(here.organization, envelope_id, here.now_us(), "cli"),
        as_json=as_json, org=org, data=data, config=config)


def require(
    on: On,
    org: Org = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Let a scope spend only while it has an envelope."""
    _do(lambda here, envelopes: envelopes.require(here.organization, _scope(on), here.now_us(), "cli"),
        as_json=False, org=org, data=data, config=config)


def release(
    on: On,
    org: Org = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Let a scope spend without an envelope again."""
    _do(lambda here, envelopes: envelopes.release(here.organization, _scope(on), here.now_us(), "cli"),
        as_json=False, org=org, data=data, config=config)


def list_(
    as_json: AsJson = False,
    org: Org = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """List all envelopes and how they stand."""
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.control.envelope_document import envelope_document
    from tallystick.stores.sql.envelope_rows import envelope_rows

    with installation.opened(settings, make=False, org=org) as here, here.database.read() as db:
        found = [envelope_document(db, row, here.now_us()) for row in envelope_rows(db, here.organization)]
    if as_json:
        print_json({"envelopes": found})
        return
    print_table(f"{len(found)} envelopes", ("id", "scope", "state", "amount", "spent", "left", "ends", "purpose"),
                ([one["id"], f"{one['scope']} {one['value']}".strip(), one["state"],
                  *(figure(one, name) for name in ("amount", "spent", "remaining")), one["ends_at"][:16].replace("T", " "), one["purpose"]]
                 for one in found), right=("amount", "spent", "left"))


def show(
    envelope_id: EnvelopeId,
    as_json: AsJson = False,
    org: Org = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Show one envelope, and who signed it."""
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.control.envelope_document import envelope_document
    from tallystick.stores.sql.envelope_rows import find_envelope

    with installation.opened(settings, make=False, org=org) as here, here.database.read() as db:
        row = find_envelope(db, here.organization, envelope_id)
        if row is None:
            fail("There is no envelope of that number; `tallystick envelopes list` shows them.")
        document = envelope_document(db, row, here.now_us())
    if as_json:
        print_json(document)
    else:
        print_facts(_shown(document))


def headroom(
    on: On,
    monthly_delta: Annotated[str, typer.Option(metavar="AMOUNT", help="What the change costs more a month, in dollars.")],
    as_json: AsJson = False,
    org: Org = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Say whether a planned change fits the envelopes of a scope; exit code 1 if it does not, or if one is needed and missing."""
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.control.envelope_document import fit_document, read_delta

    with installation.opened(settings, make=False, org=org) as here, here.database.read() as db:
        try:
            delta = read_delta(monthly_delta)
        except ValueError as fault:
            fail(str(fault))
        found = fit_document(db, here.organization, _scope(on), delta, here.now_us())
    if as_json:
        print_json(found)
    elif not found["envelopes"]:
        print(f"{on} needs an envelope and has none." if found["envelope_required"] else f"{on} draws on no envelope.")
    else:
        print_table(f"{monthly_delta} dollars more a month",
                    ("envelope", "scope", "fits", "left", "the pace takes", "head-room", "planned"),
                    ([one["envelope"], f"{one['scope']} {one['value']}".strip(), "yes" if one["fits"] else "no",
                      *(figure(one, name) for name in ("remaining", "expected", "headroom", "planned"))] for one in found["envelopes"]),
                    right=("left", "the pace takes", "head-room", "planned"))
    if found["fits"] is False:
        raise typer.Exit(FOUND_WRONG)


def _do(change: Callable[[Installation, Envelopes], EnvelopeRow | None], *, as_json: bool, org: str | None, data: Any, config: Any) -> None:
    """Make a change, wait until it is in force, and show what came of it."""
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.control.envelope_document import envelope_document
    from tallystick.stores.sql.envelopes import Envelopes

    with installation.opened(settings, org=org) as here:
        row = change(here, Envelopes(here.directory.sequencer))

        def document() -> dict[str, Any]:
            with here.database.read() as db:
                return envelope_document(db, row, here.now_us()) if row is not None else {}

        answer_in_force(here, document, as_json=as_json, shown=_shown)


def _shown(document: Mapping[str, Any]) -> dict[str, Any]:
    """An envelope as people read it: money with two places, signature and fallback on a line."""
    said = {name.removesuffix("_usd"): figure(document, name.removesuffix("_usd")) if name.endswith("_usd") else value
            for name, value in document.items() if not name.endswith("_nanos")}
    if signature := document.get("signature"):
        said["signature"] = f"{signature['approver']}, entry {signature['entry']} of the ledger, {signature['hash']}"
    if fallback := document.get("fallback"):
        models = ", ".join(f"{pattern} → {cheaper}" for pattern, cheaper in fallback["models"].items())
        said["fallback"] = f"from {fallback['at_percent']}%: {models} (policy {fallback['policy']})"
    return said


def _scope(on: str) -> Scope:
    from tallystick.core.policies.parameters import parse_scope

    return parse_scope(on)


def _limit(here: Installation, text: str) -> Limit:
    from tallystick.config import rates_of
    from tallystick.core.currencies import read_limit

    return read_limit(text, rates_of(here.settings))
