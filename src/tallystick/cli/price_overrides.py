"""`tallystick prices overrides`: what was agreed with a provider, over the list: a price, a percentage, or
which model a deployment's name means. Set and ended, never edited; running servers follow within a second.
"""

from __future__ import annotations

from secrets import token_bytes
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tallystick.cli.answers import AsJson, Config, Data, Org, fail, print_facts, print_json, print_table, settings_of
from tallystick.cli.price_books import live_prices
from tallystick.config import Settings

if TYPE_CHECKING:
    from tallystick.cli.installation import Installation
    from tallystick.stores.sql.overrides import Overrides

_SCOPE = "Only calls of this "


def build() -> typer.Typer:
    """The commands of this noun."""
    app = typer.Typer(no_args_is_help=True)
    app.command("set")(set_)
    app.command("list")(list_)
    app.command("remove")(remove)
    return app


def set_(
    provider: Annotated[str, typer.Argument(metavar="PROVIDER", help="The provider's id, such as openai; for --percent also '*', any.")],
    model: Annotated[str, typer.Argument(metavar="[MODEL]", help="The model, or with --means the deployment's name.")] = "*",
    price: Annotated[str | None, typer.Option(metavar="USD", help="A price of your own for --unit.")] = None,
    per: Annotated[int, typer.Option(help="How many units the price is for.")] = 1_000_000,
    percent: Annotated[str | None, typer.Option(metavar="NUMBER", help="Percent on the list price of --unit; -12.5 is a discount.")] = None,
    unit: Annotated[str, typer.Option(help="A unit (input_text, web_searches…); with --percent also all, tokens, input, output, cached, "
                                           "tools.")] = "",
    means: Annotated[str | None, typer.Option(metavar="MODEL", help="The model that the deployment's name means.")] = None,
    trait: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="Only where served so, such as tier=flex.")] = None,
    context_from: Annotated[int, typer.Option(metavar="TOKENS", help="Only from this input length on.")] = 0,
    since: Annotated[str | None, typer.Option("--from", metavar="DATE", help="First day or moment [now].")] = None,
    until: Annotated[str, typer.Option("--to", metavar="DATE", help="The day or moment it ends at.")] = "",
    team: Annotated[str, typer.Option(help=_SCOPE + "team.")] = "",
    project: Annotated[str, typer.Option(help=_SCOPE + "project.")] = "",
    credential: Annotated[str, typer.Option(help="Only calls with the stored credential of this name; `caller`: the caller's own.")] = "",
    contract: Annotated[str, typer.Option(help="The contract it stands in.")] = "",
    note: Annotated[str, typer.Option(help="Anything to remember.")] = "",
    unlisted: Annotated[bool, typer.Option("--unlisted", help="The model is your own: the price book need not know it.")] = False,
    org: Org = None,
    as_json: AsJson = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Set an override: one of --price, --percent and --means."""
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.control.override_document import override_document

    kinds = {"price": price, "percent": percent, "model": means}
    given = [kind for kind, said in kinds.items() if said is not None]
    if len(given) != 1:
        fail("Say one of --price, --percent and --means.")
    kind, said = given[0], kinds[given[0]]
    terms: dict[str, Any] = {
        "kind": kind, "provider": provider, "model": model, "unit": unit, "valid_to": until, "team": team, "project": project,
        "credential": credential, "contract": contract, "note": note, "context_from": context_from, "traits": _traits(trait or [])}
    terms |= {"means": said} if kind == "model" else {"value": said}
    if kind == "price":
        terms["per"] = per
    if since is not None:
        terms["valid_from"] = since
    with installation.opened(settings, org=org) as here:
        stored = _overrides(here, settings).set(here.organization, terms, here.now_us(), "cli", unlisted=unlisted)
        document = override_document(stored, here.now_us())
    if as_json:
        print_json(document)
        return
    print_facts(document)
    print("\nRunning servers price by it within a second. Calls before it: `tallystick prices reprice`.")


def list_(
    ended: Annotated[bool, typer.Option("--ended", help="Those that have ended, too.")] = False,
    org: Org = None,
    as_json: AsJson = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """List the overrides in force and to come."""
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.control.override_document import override_document
    from tallystick.stores.sql.overrides import list_overrides

    with installation.opened(settings, make=False, org=org) as here:
        now_us = here.now_us()
        found = [override_document(stored, now_us) for stored in list_overrides(here.database, here.organization)]
    shown = [document for document in found if ended or document["status"] != "ended"]
    if as_json:
        print_json({"overrides": shown})
        return
    print_table(f"{len(shown)} overrides", ("id", "for", "what", "where", "from", "to", "status", "contract"), [
        (one["id"], f"{one['provider']}/{one.get('model', '*')}", _what(one), _where(one), one["valid_from"], one["valid_to"],
         one["status"], one.get("contract")) for one in shown])


def remove(
    override: Annotated[str, typer.Argument(metavar="ID", help="The override's id, ovr_….")],
    at: Annotated[str | None, typer.Option("--at", metavar="DATE", help="When it ends [now]; at its start, it never was.")] = None,
    org: Org = None,
    as_json: AsJson = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """End an override. It stays in the list of those that ended, and in the ledger."""
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.control.override_document import override_document

    with installation.opened(settings, make=False, org=org) as here:
        stored = _overrides(here, settings).end(here.organization, override, here.now_us(), "cli", at)
        if stored is None:
            fail("There is no such override; `tallystick prices overrides list` shows them.")
        document = override_document(stored, here.now_us())
    if as_json:
        print_json(document)
        return
    print(f"{override} ends at {document['valid_to']}. Calls since then: `tallystick prices reprice`.")


def _overrides(here: Installation, settings: Settings) -> Overrides:
    from tallystick.stores.sql.overrides import Overrides

    return Overrides(here.directory.sequencer, live_prices(here, settings), token_bytes)


def _traits(said: list[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in said]
    if any(not name or not value for name, _, value in pairs):
        fail("--trait: NAME=VALUE, such as tier=flex.")
    return {name: value for name, _, value in pairs}


def _what(one: dict[str, Any]) -> str:
    if one["kind"] == "model":
        return f"means {one['means']}"
    conditions = "".join(f" {name}={value}" for name, value in one.get("traits", {}).items())
    conditions += f" from {one['context_from']} tokens" if "context_from" in one else ""
    figure = f"{one['value']}%" if one["kind"] == "percent" else f"${one['value']} per {one['per']:,}"
    return f"{one['unit']} {figure}{conditions}"


def _where(one: dict[str, Any]) -> str:
    return ", ".join(f"{scope} {one[scope]}" for scope in ("team", "project", "credential") if scope in one) or "everywhere"
