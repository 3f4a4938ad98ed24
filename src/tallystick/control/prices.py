"""The price book for people: which models have which prices, what one of them costs and why, what was called and has no price,
and the arithmetic of any usage by the very function that settles calls. Prices are those of the caller's organisation: package,
applied releases, and its own overrides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from tallystick.control import Parts
from tallystick.control.call_document import line_document, moment
from tallystick.control.callers import CallerOf, PartsOf
from tallystick.control.figures import answer, day_number, local
from tallystick.control.override_document import override_document
from tallystick.control.pages import LIMIT, Cursor, Limit, cursor_of, place_of
from tallystick.control.price_overrides import Override, Text
from tallystick.control.problems import Problem
from tallystick.core.identity import Attribution
from tallystick.core.money import decimal_text
from tallystick.core.price_review import rows_at
from tallystick.core.price_rows import PER_MILLION, PriceRow, ProviderPrices, instant_us
from tallystick.core.pricebook import Charge
from tallystick.core.usage import UNIT_RANK, Usage
from tallystick.stores.price_files import price_files, shipped
from tallystick.stores.sql.directory import Organization, organization
from tallystick.stores.sql.overrides import list_overrides
from tallystick.stores.sql.unpriced import unpriced

SHOWN: Final = ("input_text", "cached_text", "output_text")
DAYS: Final = 90
QUANTITY_MAX: Final = 10**12
USAGES_MAX: Final = 12
_ALL: Final = "*"
_TRIED: Final = {"input_text": 1, "output_text": 1}


class Priced(BaseModel):
    """A model of the book. The rates are what a plain call of this organisation pays now, in dollars for a million tokens, as
    decimal text; null where there is none. `agreed`: an override of the organisation is among them."""

    provider: str
    model: str
    input_usd: str | None
    cached_usd: str | None
    output_usd: str | None
    context_window: int | None
    output_max: int | None
    free: bool
    agreed: bool


class PricedPage(BaseModel):
    """A page of models. `found`: how many match; `version`: of the book."""

    items: list[Priced]
    next_cursor: str | None
    found: int
    version: str


class RowSource(BaseModel):
    """Where a price was read, and when it was compared last."""

    name: str
    version: str
    address: str
    checked_on: str


class RateRow(BaseModel):
    """A rate: `price` dollars (decimal text) for `per` units. `holds`: it is in force now; `when`: under what it holds."""

    id: str
    unit: str
    price: str
    per: int
    valid_from: str | None
    valid_to: str | None
    holds: bool
    when: list[str]
    source: RowSource | None


class MultiplierRow(BaseModel):
    """What rates are multiplied by where a trait is served: `factor` as decimal text."""

    when: str
    factor: str
    scope: str


class ModelPrices(BaseModel):
    """All that is known of a model's prices; no rows for one that only an override prices."""

    provider: str
    model: str
    names: list[str]
    context_window: int | None
    output_max: int | None
    free: bool
    rows: list[RateRow]
    factors: list[MultiplierRow]
    overrides: list[Override]
    version: str


class UnpricedShown(BaseModel):
    """Calls of a model that were booked without a price. `priced_now`: the book has one by now, so that pricing them anew
    (`tallystick prices reprice`) would book it."""

    provider: str
    model: str
    operation: str
    calls: int
    input_tokens: int
    output_tokens: int
    first_at: datetime
    last_at: datetime
    priced_now: bool


class UnpricedList(BaseModel):
    """What has no price, the most calls first, of the last 90 days."""

    items: list[UnpricedShown]


class Asked(BaseModel):
    """A usage to be priced: `use` is UNIT:QUANTITY, once for each unit. `at`: a day or a moment, now without it."""

    model_config = ConfigDict(extra="forbid")

    provider: Text
    model: Text
    use: Annotated[list[Annotated[str, Field(max_length=64)]], Field(min_length=1, max_length=USAGES_MAX)]
    at: Annotated[str | None, Field(max_length=40)] = None
    team: Text | None = None
    project: Text | None = None


class Calculation(BaseModel):
    """What a usage costs. `lines` as a call's document has them; `amount_usd` is their exact sum, `cost_nanos` the same rounded
    once. `unpriced`: units without a price, which cost nothing here and are no zero."""

    provider: str
    model: str | None
    at: datetime
    lines: list[dict[str, Any]]
    amount_usd: str
    cost_nanos: int
    cost_usd: str
    list_cost_nanos: int | None
    unpriced: list[str]
    notes: list[str]
    version: str


def routes() -> APIRouter:
    """The routes of this resource."""
    router = APIRouter(prefix="/api/prices", tags=["prices"])
    router.add_api_route("", list_models, methods=["GET"], response_model=PricedPage)
    router.add_api_route("/model", read_model, methods=["GET"], response_model=ModelPrices)
    router.add_api_route("/unpriced", list_unpriced, methods=["GET"], response_model=UnpricedList)
    router.add_api_route("/calculation", calculate, methods=["GET"], response_model=Calculation)
    return router


def list_models(
    parts: PartsOf, caller: CallerOf, q: Annotated[str, Query(max_length=128, description="Words, each in provider or name.")] = "",
    provider: Annotated[str | None, Query(max_length=64)] = None, limit: Limit = LIMIT, cursor: Cursor = None,
) -> Response:
    """Models with their prices, by provider and name."""
    here, now_us = organization(parts.database, caller.organization), parts.clock.now_us()
    words = q.casefold().split()
    found = [place for place in _models(parts, provider) if all(word in place[2] for word in words)]
    behind = place_of(cursor)[0] if cursor else 0
    page = found[behind:behind + limit]
    return answer({
        "items": [_shown(parts, here, prices, model, now_us) for prices, model, _ in page],
        "next_cursor": cursor_of(behind + limit) if len(found) > behind + limit else None, "found": len(found),
        "version": parts.prices.version})


def read_model(
    parts: PartsOf, caller: CallerOf, provider: Annotated[str, Query(max_length=64)], model: Annotated[str, Query(max_length=256)],
) -> Response:
    """One model: every rate with its dates, conditions and source, and what the organisation agreed over it."""
    here, now_us = organization(parts.database, caller.organization), parts.clock.now_us()
    book = _book_name(parts, provider)
    resolved = parts.prices.book.resolve(book, model, now_us)
    name = resolved[1] if resolved is not None and resolved[1] != _ALL else model
    overrides = [stored for stored in list_overrides(parts.database, here.id) if stored.override.provider in (provider, _ALL)
                 and (stored.override.model in (_ALL, name) or name in (stored.override.means, stored.override.model))]
    if resolved is None and not any(stored.override.kind == "price" and stored.override.model == name for stored in overrides):
        raise Problem(404, "not_found", "No price is known for this model; set one of your own with an override.")
    prices = parts.prices.book.prices(resolved[0] if resolved else book) or ProviderPrices(provider)
    known = prices.models.get(name)
    rows = [*prices.rows.get(name, ()), *prices.rows.get(_ALL, ())]
    holding = {row.id for row in rows_at(rows, now_us)}
    return answer({
        "provider": provider, "model": name, "names": sorted({*(known.names if known else ()),
                                                              *(alias.name for alias in prices.aliases if alias.model == name)}),
        "context_window": known.context_window if known else None, "output_max": known.output_max if known else None,
        "free": bool(known and known.free), "rows": [_row(row, prices, row.id in holding) for row in rows],
        "factors": [{"when": "=".join(factor.trait), "factor": f"{factor.factor:f}", "scope": factor.scope} for factor in prices.factors
                    if not factor.models or name in factor.models],
        "overrides": [override_document(stored, now_us) for stored in overrides], "version": parts.prices.version})


def list_unpriced(parts: PartsOf, caller: CallerOf) -> Response:
    """What was called in the last 90 days and has no price."""
    here, now_us = organization(parts.database, caller.organization), parts.clock.now_us()
    first = day_number((local(now_us, here.zone) - timedelta(days=DAYS - 1)).date())
    with parts.database.read() as db:
        found = unpriced(db, here.id, first)
    return answer({"items": [{
        "provider": one.provider, "model": one.model, "operation": one.operation, "calls": one.calls, "input_tokens": one.input_tokens,
        "output_tokens": one.output_tokens, "first_at": moment(one.first_us), "last_at": moment(one.last_us),
        "priced_now": bool(one.model) and not _charge(parts, here, one.provider, one.model, _TRIED, now_us).unpriced,
    } for one in found]})


def calculate(parts: PartsOf, caller: CallerOf, asked: Annotated[Asked, Query()]) -> Response:
    """What a usage costs, line by line, as `explain` prints it."""
    here, at_us = organization(parts.database, caller.organization), _moment(asked.at, parts.clock.now_us())
    labels = {name: said for name, said in (("team", asked.team), ("project", asked.project)) if said}
    charge = _charge(parts, here, asked.provider, asked.model, _usage(asked.use), at_us, labels)
    resolved = parts.prices.book.resolve(_book_name(parts, asked.provider), asked.model, at_us)
    return answer({
        "provider": asked.provider, "model": resolved[1] if resolved and resolved[1] != _ALL else None, "at": moment(at_us),
        "lines": [line_document(line, lambda line: parts.prices.describe(line.row or "")) for line in charge.lines],
        "amount_usd": f"{charge.exact.normalize():f}" if charge.exact else "0", "cost_nanos": charge.nanos,
        "cost_usd": decimal_text(charge.nanos), "list_cost_nanos": charge.list_nanos, "unpriced": list(charge.unpriced),
        "notes": list(charge.notes), "version": parts.prices.version})


def _models(parts: Parts, provider: str | None) -> Iterator[tuple[ProviderPrices, str, str]]:
    """Every model of the book in order, with what a search looks at."""
    books = sorted({*price_files(shipped()), *(one.price_book or one.id for one in parts.providers.values())})
    for book in books:
        prices = parts.prices.book.prices(book) if provider in (None, book) else None
        for name, model in sorted(prices.models.items()) if prices else ():
            yield prices, name, " ".join((book, name, *model.names)).casefold()         # type: ignore[misc]


def _shown(parts: Parts, here: Organization, prices: ProviderPrices, name: str, now_us: int) -> dict[str, Any]:
    model = prices.models[name]
    charges = {unit: _charge(parts, here, prices.provider, name, {unit: PER_MILLION}, now_us) for unit in SHOWN}
    rates = {unit: None if charge.unpriced else f"{charge.exact.normalize():f}" for unit, charge in charges.items()}
    return {
        "provider": prices.provider, "model": name, "input_usd": rates["input_text"], "cached_usd": rates["cached_text"],
        "output_usd": rates["output_text"], "context_window": model.context_window, "output_max": model.output_max, "free": model.free,
        "agreed": any(charge.list_exact is not None for charge in charges.values())}


def _charge(
    parts: Parts, here: Organization, provider: str, model: str, usage: dict[str, int], at_us: int, labels: dict[str, str] | None = None,
) -> Charge:
    """What a usage of this organisation costs, with the caller's own credential."""
    book = parts.prices.of(provider, Attribution("", here.slug, labels or {}), "caller")
    return book.price(_book_name(parts, provider), model, Usage(usage), at_us, {})


def _book_name(parts: Parts, provider: str) -> str:
    """Under whose name a provider's prices stand."""
    known = parts.providers.get(provider)
    return (known.price_book if known else None) or provider


def _usage(said: Sequence[str]) -> dict[str, int]:
    usage: dict[str, int] = {}
    for one in said:
        unit, _, count = one.partition(":")
        if unit not in UNIT_RANK or not count.isascii() or not count.isdigit() or int(count) > QUANTITY_MAX:
            raise Problem(400, "invalid_request", f"`use` is UNIT:QUANTITY, a unit being one of {', '.join(UNIT_RANK)}.")
        usage[unit] = int(count)
    return usage


def _moment(text: str | None, now_us: int) -> int:
    try:
        return instant_us(text) if text else now_us
    except ValueError:
        raise Problem(400, "invalid_request", "`at` is a day or a moment, such as 2026-08-21 or 2026-08-21T16:00Z.") from None


def _row(row: PriceRow, prices: ProviderPrices, holds: bool) -> dict[str, Any]:
    source = prices.sources.get(row.source)
    when = [f"{name} {value}" for name, value in row.traits]
    when += [f"from {row.context_from:,} tokens of context"] if row.context_from else []
    when += [f"{row.window_utc} UTC"] if row.window_utc else []
    when += [f"beside {row.needs.replace('_', ' ')}"] if row.needs else []
    when += ["any model without one of its own"] if row.model == _ALL else []
    return {
        "id": row.id, "unit": row.unit, "price": _plain(row.price), "per": row.per, "valid_from": row.valid_from or None,
        "valid_to": row.valid_to or None, "holds": holds, "when": when,
        "source": None if source is None else {
            "name": source.name, "version": source.version, "address": source.address, "checked_on": source.checked_on}}


def _plain(value: Decimal) -> str:
    return f"{value.normalize():f}" if value else "0"
