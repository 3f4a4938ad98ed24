"""`tallystick prices`: what the price book says, what a new one would say differently, and what
others say; and what of it changes: overrides, newer prices from a feed, past calls priced anew. Only
`refresh` fetches anything, from the address it is given.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tallystick.cli.answers import FOUND_WRONG, AsJson, Config, Data, fail, print_json, print_table, settings_of
from tallystick.cli import price_overrides, price_refresh
from tallystick.cli.price_books import list_in_force
from tallystick.cli.reprice import reprice

if TYPE_CHECKING:
    from tallystick.core.price_review import Opinion
    from tallystick.core.price_rows import PriceRow, ProviderPrices

At = Annotated[str | None, typer.Option("--at", metavar="DATE", help="A day or a moment, such as 2026-08-21 or 2026-08-21T16:00Z.")]


def build() -> typer.Typer:
    """The commands of this noun."""
    app = typer.Typer(no_args_is_help=True)
    app.command("show")(show)
    app.command("diff")(diff)
    app.command("check")(check)
    app.command("reprice")(reprice)
    for command in (price_refresh.refresh, price_refresh.pending, price_refresh.apply, price_refresh.reject):
        app.command(command.__name__)(command)
    app.add_typer(price_overrides.build(), name="overrides", help="What was agreed over the list: set, list, remove.")
    return app


def show(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model as it is called, or PROVIDER/MODEL.")],
    at: At = None,
    data: Data = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """The rows that price a model, with their sources: all of them, or those in force at a moment."""
    settings = settings_of(data, config)
    from tallystick.core.price_review import rows_at
    from tallystick.stores.price_files import price_files, shipped

    moment = _moment(at)
    book = list_in_force(settings)
    found: list[dict[str, Any]] = []
    for provider, name in _meanings(model, list(price_files(shipped()))):
        resolved = book.resolve(provider, name, moment or _now_us())
        if resolved is not None and resolved[0] == provider and resolved[1] != "*":
            rows = [row for row in book.rows(provider) if row.model in {resolved[1], "*"}]
            window, longest = book.limits(provider, name, moment or _now_us())
            prices = book.prices(provider)
            found.append({
                "provider": provider, "model": resolved[1], "context_window": window, "output_max": longest,
                "free": bool(prices and prices.models[resolved[1]].free),
                "rows": [_row_document(row, prices) for row in rows_at(rows, moment)],
            })
    if not found:
        fail(f"no price is known for {model}")
    if as_json:
        print_json({"version": book.version, "at": at, "models": found})
        return
    for one in found:
        _print_model(one, book.version)


def diff(
    old: Annotated[Path, typer.Argument(help="Directory of the older price files.")],
    new: Annotated[Path, typer.Argument(help="Directory of the newer ones.")],
    data: Data = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """What NEW says differently from OLD, row by row, for a person to review."""
    settings_of(data, config)
    from tallystick.core.price_review import changes

    before, after = _all_statements(old), _all_statements(new)
    found = list(changes(before, after))
    if as_json:
        print_json({"changes": [
            {"kind": c.kind, "id": c.id, "old": c.old, "new": c.new, "ratio": None if c.ratio is None else _plain(round(c.ratio, 3))}
            for c in found
        ]})
    elif found:
        print_table(f"{len(found)} changes", ("", "id", "old", "new", "ratio"),
                    [(c.kind, c.id, c.old, c.new, "" if c.ratio is None else f"×{_plain(round(c.ratio, 3))}") for c in found],
                    right=("ratio",))
    else:
        print("no changes")


def check(
    litellm: Annotated[Path | None, typer.Option("--litellm", metavar="FILE", help="LiteLLM's model map (JSON).")] = None,
    at: At = None,
    data: Data = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Ask second opinions (the installed genai-prices, LiteLLM's map): exit 1 where they disagree,
    2 where none is at hand. A disagreement is a question, not an error of ours: see
    docs/reference/price-disagreements.md."""
    settings = settings_of(data, config)
    from tallystick.core.price_review import disagreements

    moment = _moment(at) or _now_us()
    opinions, missing = _opinions(litellm, moment)
    if not opinions:
        fail("no second opinion is at hand: " + "; ".join(missing))
    judged, found = disagreements(list_in_force(settings), opinions, moment)
    if as_json:
        print_json({"judged": judged, "missing": missing, "disagreements": [
            {"source": d.opinion.source, "provider": d.opinion.provider, "model": d.opinion.model, "unit": d.opinion.unit,
             "theirs": _plain(d.opinion.per_million), "ours": None if d.ours is None else _plain(d.ours), "row": d.row} for d in found]})
    else:
        print_table(f"{len(found)} of {judged} opinions differ ($ a million)", ("model", "unit", "ours", "theirs", "who"),
                    [(f"{d.opinion.provider}/{d.opinion.model}", d.opinion.unit, "unpriced" if d.ours is None else _plain(d.ours),
                      _plain(d.opinion.per_million), d.opinion.source) for d in found], right=("ours", "theirs"))
    if found:
        raise typer.Exit(FOUND_WRONG)


def _print_model(one: dict[str, Any], version: str) -> None:
    limits = f"context {one['context_window'] or 'unknown'}, output {one['output_max'] or 'unknown'}"
    free = ", declared free" if one["free"] else ""
    print_table(f"{one['provider']}/{one['model']}: {limits}{free} (book {version})",
                ("unit", "price", "per", "from", "to", "when", "source"),
                [_row_cells(row) for row in one["rows"]], right=("price", "per"))


def _meanings(model: str, providers: list[str]) -> list[tuple[str, str]]:
    """PROVIDER/MODEL where the first part is a provider, and the whole as a model of any provider
    (OpenRouter's and Groq's names have slashes of their own)."""
    head, slash, rest = model.partition("/")
    named = [(head, rest)] if slash and head in providers else []
    return named or [(provider, model) for provider in providers]


def _moment(at: str | None) -> int | None:
    from tallystick.core.price_rows import instant_us

    try:
        return instant_us(at) if at else None
    except ValueError:
        fail(f"not a day or a moment: {at}")


def _now_us() -> int:
    return int(datetime.now(UTC).timestamp()) * 1_000_000


def _all_statements(directory: Path) -> dict[str, Any]:
    from tallystick.core.price_review import statements
    from tallystick.core.price_rows import PriceFault, parse_prices
    from tallystick.stores.price_files import price_files

    said: dict[str, Any] = {}
    try:
        for file in price_files(directory).values():
            said |= statements(parse_prices(file.read_text(encoding="utf-8")))
    except (OSError, PriceFault) as error:
        fail(str(error))
    if not said:
        fail(f"no price files in {directory}")
    return said


def _opinions(litellm: Path | None, at_us: int) -> tuple[list[Opinion], list[str]]:
    from tallystick.stores.price_opinions import NoOpinion, genai_opinions, litellm_opinions

    opinions: list[Opinion] = []
    missing: list[str] = []
    try:
        opinions += genai_opinions(datetime.fromtimestamp(at_us // 1_000_000, UTC))
    except NoOpinion as error:
        missing.append(str(error))
    if litellm is not None:
        try:
            opinions += litellm_opinions(litellm)
        except NoOpinion as error:
            missing.append(str(error))
    return opinions, missing


def _row_document(row: PriceRow, prices: ProviderPrices | None) -> dict[str, Any]:
    source = prices.sources.get(row.source) if prices else None
    return {
        "id": row.id, "unit": row.unit, "price": _plain(row.price), "per": row.per, "valid_from": row.valid_from or None,
        "valid_to": row.valid_to or None, "window_utc": row.window_utc or None, "traits": dict(row.traits),
        "context_from": row.context_from, "needs": row.needs or None,
        "source": None if source is None else {
            "name": source.name, "version": source.version, "address": source.address, "checked_on": source.checked_on},
    }


def _row_cells(row: dict[str, Any]) -> tuple[object, ...]:
    when = [f"{name}={value}" for name, value in row["traits"].items()]
    if row["context_from"]:
        when.append(f"from {row['context_from']} tokens")
    if row["window_utc"]:
        when.append(f"{row['window_utc']} UTC")
    source = row["source"] or {"name": "", "checked_on": ""}
    cited = f"{source['name']} ({source['checked_on']})"
    return row["unit"], row["price"], row["per"], row["valid_from"], row["valid_to"], ", ".join(when), cited


def _plain(value: Decimal) -> str:
    return format(value.normalize(), "f") if value else "0"


app = build()
