"""Overrides of an organisation over the list: which one holds, what it makes of a rate, and that the list's
figure stays beside it. A naive reference, written from the rules of docs/money.md and not from the code, must
agree with the resolver on any layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.core.attempt import Settlement
from tallystick.core.entry import read_settlement, settlement_fields
from tallystick.core.identity import Attribution
from tallystick.core.money import to_nanos
from tallystick.core.price_cards import STAND_IN
from tallystick.core.price_overrides import CLASSES, Override, read_override, terms_of
from tallystick.core.price_rows import Factor, PricedModel, PriceRow, ProviderPrices, instant_us
from tallystick.core.price_scopes import ScopedPrices
from tallystick.core.pricebook import PriceBook, amount, list_amount
from tallystick.core.usage import usage_of
from tallystick.stores.price_files import open_book
from tallystick.stores.sql.verify_prices import ListRates
from tests.build.prices import book_of

NOON = instant_us("2026-11-20T12:00Z")
SONNET = "claude-sonnet-4-6"


def percent(value: str, unit: str = "tokens", id: str = "ovr_1", provider: str = "acme", **said: str) -> Override:
    return Override(id, "percent", provider, unit=unit, value=Decimal(value), **said)


def price(value: str, unit: str = "input_text", id: str = "ovr_1", provider: str = "acme", model: str = "m-1", **said: object) -> Override:
    return Override(id, "price", provider, model, unit, Decimal(value), **said)  # type: ignore[arg-type]


def means(name: str, model: str, id: str = "ovr_1", provider: str = "acme", **said: str) -> Override:
    return Override(id, "model", provider, name, means=model, **said)


ACME = {"m-1": {"input_text": "2", "output_text": "10", "web_searches": "10000"}, "m-2": {"input_text": "1", "output_text": "4"}}


def test_case_37_tokens_an_eighth_off_and_tools_at_list() -> None:
    """Store both figures: list 0.065, net 0.059375."""
    book = open_book().under([percent("-12.5", provider="anthropic", contract="C-2026-11")])
    charge = book.price("anthropic", SONNET, usage_of(input_text=10_000, output_text=1_000, web_searches=2), NOON, {})
    assert (charge.exact, charge.list_exact, charge.unpriced) == (Decimal("0.059375"), Decimal("0.065"), ())
    assert (charge.nanos, charge.list_nanos) == (59_375_000, 65_000_000)
    tokens, output, searches = charge.lines
    assert (tokens.factor, tokens.factor_row, tokens.row) == (Decimal("0.875"), "ovr_1", f"anthropic:{SONNET}:input_text")
    assert (output.listed is not None and output.listed.factor, searches.listed) == (Decimal(1), None)


def test_a_price_of_ones_own_names_the_override_and_keeps_the_lists_row() -> None:
    book = book_of(acme=ACME).under([price("1.5", contract="C-1")])
    (line, _), list_exact = (charge := book.price("acme", "m-1", usage_of(input_text=1_000_000, output_text=1_000), NOON, {})).lines, charge.list_exact
    assert (line.row, line.rate) == ("ovr_1:acme:m-1:input_text", Decimal("1.5"))
    assert line.listed is not None
    assert (line.listed.override, line.listed.row, line.listed.rate) == ("ovr_1", "acme:m-1:input_text", Decimal(2))
    assert (charge.exact, list_exact) == (Decimal("1.51"), Decimal("2.01"))


def test_cached_reads_without_a_rate_take_the_agreed_price_of_plain_input() -> None:
    book = book_of(acme=ACME).under([price("1.5")])
    charge = book.price("acme", "m-1", usage_of(cached_text=1_000_000), NOON, {})
    assert (charge.exact, charge.list_exact) == (Decimal("1.5"), Decimal(2))


def test_what_the_list_does_not_know_is_priced_and_has_no_list_price() -> None:
    book = book_of(acme=ACME)
    usage = usage_of(input_text=1_000_000, output_text=1_000_000)
    assert book.price("acme", "ft-own", usage, NOON, {}).unpriced == ("input_text", "output_text")
    own = book.under([price("3", model="ft-own"), price("12", "output_text", "ovr_2", model="ft-own")])
    charge = own.price("acme", "ft-own", usage, NOON, {})
    assert (charge.exact, charge.list_exact, charge.unpriced) == (Decimal(15), Decimal(15), ())
    assert [line.listed and line.listed.row for line in charge.lines] == [None, None]
    assert own.price("acme", "ft-other", usage, NOON, {}).unpriced == ("input_text", "output_text")
    ceiling = own.ceiling("acme", "ft-own", NOON, 1_000, 1_000)
    assert (ceiling.priced, ceiling.nanos) == (True, 15_000_000)


def test_more_particular_rows_of_the_list_stand_until_an_override_names_their_conditions() -> None:
    rows = (PriceRow("acme", "m", "input_text", Decimal(2)), PriceRow("acme", "m", "input_text", Decimal(4), traits=(("tier", "priority"),)),
            PriceRow("acme", "m", "input_text", Decimal(6), context_from=200_001),
            PriceRow("acme", "m", "input_text", Decimal(3), window_utc="11:00-13:00"))
    prices = ProviderPrices("acme", models={"m": PricedModel("m", ("m",))}, rows={"m": rows},
                            factors=(Factor("acme", ("processing", "batch"), Decimal("0.5")),))
    book = PriceBook("t", {"acme": prices}.get)

    def each(overrides: Sequence[Override], traits: dict[str, str] | None = None, context: int = 10, at: str = "2026-11-20T12:00Z") -> Decimal:
        return book.under(overrides).price("acme", "m", usage_of(input_text=1_000_000), instant_us(at), traits or {}, context).exact

    flat, dear = price("1", model="m"), price("3", id="ovr_2", model="m", traits=(("tier", "priority"),))
    assert each([flat]) == 1                             # around the clock, the hour's row too
    assert each([flat], {"tier": "priority"}) == 4       # not what was agreed: list
    assert each([flat, dear], {"tier": "priority"}) == 3
    assert each([flat], context=300_000, at="2026-11-20T14:00Z") == 6
    assert each([flat], {"processing": "batch"}) == Decimal("0.5")
    assert book.under([flat]).price("acme", "m", usage_of(input_text=9), NOON, {"tier": "unheard"}).unpriced == ("input_text",)


def test_dates_are_half_open_and_the_later_start_goes_first() -> None:
    layers = [percent("-10", valid_from="2026-11-01"), percent("-20", id="ovr_2", valid_from="2026-11-20T12:00Z", valid_to="2026-11-21")]
    book = book_of(acme=ACME).under(layers)
    usage = usage_of(input_text=1_000_000)
    days = ("2026-10-31", "2026-11-01", "2026-11-20T11:59:59Z", "2026-11-20T12:00Z", "2026-11-21")
    costs = [book.price("acme", "m-1", usage, instant_us(day), {}).exact for day in days]
    assert costs == [Decimal(text) for text in ("2", "1.8", "1.8", "1.6", "1.8")]


def test_a_deployments_name_means_its_model_requested_and_served() -> None:
    book = book_of(acme=ACME).under([means("Prod-Chat", "m-1")])
    usage = usage_of(input_text=1_000_000)
    assert book.price("acme", "prod-chat", usage, NOON, {}).exact == 2
    assert book.price("acme", "unheard", usage, NOON, {}, requested="prod-chat").exact == 2
    assert book.resolve("acme", "PROD-CHAT", NOON) == ("acme", "m-1")
    assert book.ceiling("acme", "prod-chat", NOON, 1_000, 10).priced
    assert book.version.startswith("test+")


def test_scopes_narrow_and_others_stay_at_list() -> None:
    layers = [percent("-10"), percent("-20", id="ovr_2", team="hr"), percent("-30", id="ovr_3", team="hr", project="bot"),
              percent("-40", id="ovr_4", credential="batch"), percent("-50", id="ovr_5", provider="other")]
    prices = ScopedPrices(list_book := book_of(acme=ACME), {"default": layers})
    usage = usage_of(input_text=1_000_000)

    def cost(organization: str = "default", credential: str = "caller", **labels: str) -> Decimal:
        book = prices.of("acme", Attribution("key_1", organization, labels), credential)
        return book.price("acme", "m-1", usage, NOON, {}).exact

    assert [cost(), cost(team="hr"), cost(team="hr", project="bot"), cost(team="it", project="bot"), cost(credential="batch")] == [
        Decimal(text) for text in ("1.8", "1.6", "1.4", "1.8", "1.2")]
    assert prices.of("acme", Attribution("key_1", "else", {}), "caller") is list_book
    assert prices.of("third", Attribution("key_1", "default", {}), "caller") is list_book
    same = [prices.of("acme", Attribution("key_1", "default", {"team": team}), "caller") for team in ("a", "b")]
    assert same[0] is same[1]                            # one book for all places under the same overrides


def test_the_operators_names_hold_for_everybody_until_an_organisation_says_otherwise() -> None:
    prices = ScopedPrices(book_of(acme=ACME), {"default": [means("chat", "m-2")]}, [means("chat", "m-1", "settings")])
    found = [prices.of("acme", Attribution("key_1", name, {}), "caller").resolve("acme", "chat", NOON) for name in ("default", "else")]
    assert found == [("acme", "m-2"), ("acme", "m-1")]


@pytest.mark.parametrize(("terms", "why"), [
    ({"kind": "percent", "provider": "openai", "unit": "tokens", "value": "-101"}, "percentage"),
    ({"kind": "percent", "provider": "openai", "unit": "tokens", "value": "NaN"}, "percentage"),
    ({"kind": "percent", "provider": "openai", "unit": "lunch", "value": "1"}, "unit"),
    ({"kind": "price", "provider": "openai", "unit": "input_text", "value": "1"}, "names its model"),
    ({"kind": "price", "provider": "*", "model": "m", "unit": "input_text", "value": "1"}, "provider"),
    ({"kind": "price", "provider": "openai", "model": "m", "unit": "input_text", "value": "-1"}, "price"),
    ({"kind": "price", "provider": "openai", "model": "m", "unit": "input_text", "value": "1e99"}, "price"),
    ({"kind": "price", "provider": "openai", "model": "m", "unit": "input_text", "value": "1", "per": 0}, "units"),
    ({"kind": "model", "provider": "azure", "model": "chat"}, "both"),
    ({"kind": "model", "provider": "azure", "model": "chat", "means": "Chat"}, "itself"),
    ({"kind": "gift", "provider": "azure"}, "one of"),
    ({"kind": "percent", "provider": "openai", "unit": "tokens", "value": "1", "valid_from": "soon"}, "dates"),
    ({"kind": "percent", "provider": "openai", "unit": "tokens", "value": "1", "valid_from": "2026-11-02", "valid_to": "2026-11-01"}, "ends"),
    ({"kind": "percent", "provider": "openai", "unit": "tokens", "value": "1", "colour": "red"}, "colour"),
    ({"kind": "percent", "provider": "openai", "unit": "tokens", "value": "1", "note": "a\nb"}, "control"),
])
def test_an_override_that_cannot_be_meant_is_refused(terms: dict[str, object], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read_override("ovr_1", terms)


def test_a_price_of_ones_own_may_begin_at_a_length() -> None:
    own = book_of(acme=ACME).under([price("3", model="ft-own", context_from=1_000)])
    assert own.price("acme", "ft-own", usage_of(input_text=999), NOON, {}).unpriced == ("input_text",)
    assert own.price("acme", "ft-own", usage_of(input_text=1_000), NOON, {}).exact == Decimal("0.003")


def test_an_entry_says_all_of_it_and_reads_back_to_the_same() -> None:
    """Line forms do not change; what the list says stands in the DEFINEs."""
    rows = {"m": (PriceRow("acme", "m", "input_text", Decimal(3)), PriceRow("acme", "m", "output_text", Decimal(15)))}
    prices = ProviderPrices("acme", models={"m": PricedModel("m", ("m",))}, rows=rows, factors=(Factor("acme", ("geo", "us"), Decimal("1.1")),))
    layers = [price("2", model="m"), percent("-12.5", id="ovr_2"), price("7", "web_searches", "ovr_3", model="m", per=1_000)]
    charge = PriceBook("t", {"acme": prices}.get).under(layers).price(
        "acme", "m", usage_of(input_text=1_000, cached_text=100, output_text=10, web_searches=2), NOON, {"geo": "us"})
    defined: dict[str, list[tuple[str, dict[str, str]]]] = {}

    def define(kind: str, name: str, content: Callable[[], Mapping[str, str]] | None = None) -> int:
        known = defined.setdefault(kind, [])
        if name not in [one for one, _ in known]:
            known.append((name, dict(content()) if content else {}))
        return [one for one, _ in known].index(name) + 1

    settlement = Settlement("req_" + "0" * 32, 1, NOON, "completed", "priced", "usage", charge.nanos, lines=charge.lines, traits={"geo": "us"},
                            usage=usage_of(input_text=1_000, cached_text=100, output_text=10, web_searches=2),
                            computed_nanos=charge.nanos, list_nanos=charge.list_nanos)
    fields = settlement_fields(settlement, define, lambda _: {}) | {"request": "0" * 32}
    assert read_settlement(fields, lambda kind, number: defined[kind][number - 1]) == settlement
    rates = {number: (Decimal(content["price"]), Decimal(content["per"])) for number, (_, content) in enumerate(defined["price_row"], start=1)}
    listed = ListRates()
    for kind, known in defined.items():
        for number, (_, content) in enumerate(known, start=1):
            listed.define(kind, number, content)
    assert listed.nanos(fields["lines"], rates) == charge.list_nanos
    assert [line.listed and line.listed.override for line in charge.lines] == ["ovr_1", "ovr_1", "ovr_2", "ovr_3"]


# --- any layers, against a naive reading of the rules ----------------------------------------------

UNITS = ("input_text", "cached_text", "output_text", "output_reasoning", "web_searches")
_days = st.sampled_from(("", "2026-11-01", "2026-11-19", "2026-11-20", "2026-11-21"))
_decimals = st.decimals(min_value="0", max_value="30", places=3)


@st.composite
def _override(draw: st.DrawFn, number: int) -> Override:
    kind = draw(st.sampled_from(("price", "percent")))
    said: dict[str, object] = {
        "kind": kind, "provider": "acme", "model": draw(st.sampled_from(("m", "other") if kind == "price" else ("m", "*", "other"))),
        "unit": draw(st.sampled_from(UNITS if kind == "price" else (*UNITS, *CLASSES))),
        "value": str(draw(_decimals) if kind == "price" else draw(st.decimals(min_value="-100", max_value="50", places=2))),
        "traits": draw(st.sampled_from(({}, {}, {"tier": "flex"}))), "context_from": draw(st.sampled_from((0, 0, 1_000))),
        "team": draw(st.sampled_from(("", "hr"))),
    }
    start, end = sorted((draw(_days), draw(_days)))
    if end:
        said |= {"valid_from": start, "valid_to": end}
    return read_override(f"ovr_{number}", said)


@st.composite
def _scene(draw: st.DrawFn) -> tuple[dict[tuple[str, str, int], Decimal], list[Override]]:
    rows = draw(st.dictionaries(st.tuples(st.sampled_from(UNITS), st.sampled_from(("", "flex")), st.sampled_from((0, 1_000))), _decimals, min_size=1))
    return rows, [draw(_override(number)) for number in range(draw(st.integers(0, 6)))]


def _naive(rows: dict[tuple[str, str, int], Decimal], overrides: Sequence[Override], unit: str, flex: bool, context: int) -> tuple[Decimal, Decimal] | None:
    """(net, list) for a million of a unit, None where neither list nor override has a price."""
    def conditions(traits: int, start: int) -> tuple[int, int]:
        return traits, start

    def of_list(wanted: str) -> tuple[tuple[int, int], Decimal] | None:
        fitting = [(conditions(len(tier) // 4, start), value) for (own, tier, start), value in rows.items()
                   if own == wanted and (not tier or flex) and start <= context]
        return max(fitting, default=None)

    def due(one: Override) -> bool:
        begun = not one.valid_from or one.valid_from <= "2026-11-20"
        return (begun and (not one.valid_to or one.valid_to > "2026-11-20") and one.model in ("m", "*")
                and (not one.traits or flex) and one.context_from <= context)

    def order(one: Override) -> tuple[object, ...]:
        return (bool(one.team), one.model == "m", -len(CLASSES.get(one.unit, ())), len(one.traits), one.context_from, one.start_us, one.id)

    def of_own(wanted: str) -> Override | None:
        found = of_list(wanted)
        able = [one for one in overrides if one.kind == "price" and one.unit == wanted and due(one)
                and (found is None or (len(one.traits) >= found[0][0] and one.context_from >= found[0][1]))]
        return max(able, key=order, default=None)

    def listed(wanted: str) -> Decimal | None:
        for name in (wanted, *STAND_IN.get(wanted, ())):
            if (found := of_list(name)) is not None:
                return found[1]
        return None

    source = next((name for name in (unit, *STAND_IN.get(unit, ())) if of_own(name) or of_list(name)), None)
    if source is None:
        return None
    at_list = listed(unit)
    if (own := of_own(source)) is not None:
        return own.value, own.value if at_list is None else at_list
    assert at_list is not None
    able = [one for one in overrides if one.kind == "percent" and due(one) and any(
        name == one.unit or name in CLASSES.get(one.unit, ()) for name in (unit, source))]
    best = max(able, key=order, default=None)
    return (at_list * (100 + best.value) / 100 if best else at_list), at_list


@given(scene=_scene(), flex=st.booleans(), context=st.sampled_from((10, 1_000)))
def test_layers_price_as_a_naive_reading_of_the_rules(scene: tuple[dict[tuple[str, str, int], Decimal], list[Override]], flex: bool, context: int) -> None:
    rows, overrides = scene
    prices = ProviderPrices("acme", models={"m": PricedModel("m", ("m",))}, rows={"m": tuple(
        PriceRow("acme", "m", unit, value, traits=(("tier", tier),) if tier else (), context_from=start) for (unit, tier, start), value in rows.items())})
    if flex and not any(tier for _, tier, _ in rows) and not any(one.traits for one in overrides if one.kind == "price"):
        return                               # a tier that nobody has a price for: tokens stay unpriced
    book = PriceBook("t", {"acme": prices}.get).under(overrides)
    active = [one for one in overrides if one.kind == "price" and one.holds(NOON) and one.context_from <= context and one.model == "m"]
    if flex and not any(tier for _, tier, _ in rows) and not any(one.traits for one in active):
        return
    for unit in UNITS:
        charge = book.price("acme", "m", usage_of(**{unit: 1_000_000}), NOON, {"tier": "flex"} if flex else {}, context)
        expected = _naive(rows, overrides, unit, flex, context)
        if expected is None:
            assert charge.unpriced == (unit,)
            continue
        assert (charge.exact, charge.unpriced) == (expected[0], ())
        assert (charge.exact if charge.list_exact is None else charge.list_exact) == expected[1]
        assert to_nanos(sum((amount(line) for line in charge.lines), Decimal(0))) == charge.nanos
        assert sum((list_amount(line) for line in charge.lines), Decimal(0)) == expected[1]


@given(override=_override(1))
def test_terms_come_back_as_they_were(override: Override) -> None:
    assert read_override(override.id, terms_of(override)) == override
