"""Builds the price book's data files, one per provider, from three sources.

1. genai-prices (MIT), its bundled data: the backbone, with dated history, tiers and variants.
2. LiteLLM's model map (MIT), a JSON file given by path: limits, and rates for models and classes
   genai-prices does not know, taken only where the two agree on the plain input and output price.
3. `src/tallystick/providers/prices/hand/<provider>.toml`: what neither can say (tool fees, clocks,
   retired ids billed as their successor, end dates), each with its own source; it wins.

A tier or batch price that genai-prices dates with the day somebody first read it off a page is
held to be as old as the standard price it belongs to, for it is that price times a constant.

    python scripts/build_prices.py --litellm model_prices_and_context_window_backup.json

The output is a function of the inputs alone: no clock, no network. docs/adr/0004-price-book.md
says why the book is built this way.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

import price_zones
from genai_prices.data import providers as genai_providers
from genai_prices.types import StartDateConstraint, TieredPrices

PRICES = Path(__file__).resolve().parent.parent / "src/tallystick/providers/prices"
sys.path.insert(0, str(PRICES.parents[2]))

from tallystick.core.price_cards import STAND_IN  # noqa: E402
from tallystick.core.usage import TOKEN_CLASSES, UNIT_RANK  # noqa: E402


@dataclass(frozen=True)
class Plan:
    """Where one provider's rows come from."""

    id: str
    genai: str | None
    litellm: tuple[str, ...] = ()
    litellm_prefix: str = ""
    hand_too: str = ""                       # whose hand-kept entries hold here as well
    zoned: bool = False                      # its ids name zones
    hosts: str = ""                          # a router: how genai-prices calls the hosts behind it, their names cut off


PLANS = (
    Plan("openai", "openai", ("openai", "text-completion-openai")),
    Plan("anthropic", "anthropic", ("anthropic",)),
    Plan("google", "google", ("gemini",), "gemini/"),
    Plan("mistral", "mistral", ("mistral",), "mistral/"),
    Plan("openrouter", "openrouter"),
    Plan("xai", "x-ai", ("xai",), "xai/"),
    Plan("groq", "groq", ("groq",), "groq/"),
    Plan("deepseek", "deepseek", ("deepseek",), "deepseek/"),
    Plan("azure", "azure", ("azure",), "azure/"),
    Plan("ollama", None),
    Plan("bedrock", "aws", ("bedrock", "bedrock_converse"), "bedrock/", zoned=True),
    Plan("vertex", "anthropic", ("vertex_ai-anthropic_models", "vertex_ai-mistral_models", "vertex_ai-embedding-models"), "vertex_ai/",
         hand_too="anthropic"),
    Plan("cohere", "cohere", ("cohere", "cohere_chat"), "cohere/"),
    Plan("meta", "meta", ("meta",), "meta/"),
    Plan("deepinfra", None, ("deepinfra",), "deepinfra/"),
    Plan("novita", "novita", ("novita",), "novita/"),
    Plan("fireworks", "fireworks", ("fireworks_ai",), "fireworks_ai/"),
    Plan("perplexity", "perplexity", ("perplexity",), "perplexity/"),
    Plan("cerebras", "cerebras", ("cerebras",), "cerebras/"),
    Plan("nebius", None, ("nebius",), "nebius/"),
    Plan("together", "together", ("together_ai",), "together_ai/"),
    Plan("huggingface", None, hosts="huggingface_"),
    Plan("replicate", None, ("replicate",), "replicate/"),
)
# Model ids of these have slashes of their own.
SLASHED = {"groq", "deepinfra", "novita", "fireworks", "perplexity", "together", "nebius", "replicate"}

GENAI_UNITS: dict[str, tuple[str, int]] = {
    "input_mtok": ("input_text", 1_000_000),
    "output_mtok": ("output_text", 1_000_000),
    "cache_read_mtok": ("cached_text", 1_000_000),
    "cache_write_mtok": ("cache_write_5m", 1_000_000),
    "cache_write_1h_mtok": ("cache_write_1h", 1_000_000),
    "input_audio_mtok": ("input_audio", 1_000_000),
    "cache_audio_read_mtok": ("cached_audio", 1_000_000),
    "output_audio_mtok": ("output_audio", 1_000_000),
    "input_image_mtok": ("input_image", 1_000_000),
    "cache_image_read_mtok": ("cached_image", 1_000_000),
    "output_image_mtok": ("output_image", 1_000_000),
    "input_video_mtok": ("input_video", 1_000_000),
    "output_reasoning_mtok": ("output_reasoning", 1_000_000),
    "web_searches_kcount": ("web_searches", 1_000),
    "storage_searches_kcount": ("file_searches", 1_000),
    "input_mchars": ("characters", 1_000_000),
    "audio_hours": ("audio_seconds", 3_600),
    "requests_kcount": ("requests", 1_000),
    "rerank_searches_kcount": ("rerank_units", 1_000),
    "input_document_kpages": ("pages", 1_000),
    "output_citation_mtok": ("citation_tokens", 1_000_000),
    "input_annotated_document_kpages": ("pages+annotated", 1_000),
}
GENAI_LEFT_OUT = {
    "input_audio_hours",                     # the same figure as audio_hours, said twice
    "output_video_mtok",                     # no dialect reads it yet
    "input_text_messages_kcount",            # likewise
}

LITELLM_UNITS = {
    "input_cost_per_token": "input_text",
    "output_cost_per_token": "output_text",
    "cache_read_input_token_cost": "cached_text",
    "cache_creation_input_token_cost": "cache_write_5m",
    "cache_creation_input_token_cost_above_1hr": "cache_write_1h",
    "input_cost_per_audio_token": "input_audio",
    "cache_read_input_audio_token_cost": "cached_audio",
    "output_cost_per_audio_token": "output_audio",
    "input_cost_per_image_token": "input_image",
    "cache_read_input_image_token_cost": "cached_image",
    "output_cost_per_image_token": "output_image",
    "input_cost_per_video_token": "input_video",
    "output_cost_per_reasoning_token": "output_reasoning",
}
LITELLM_KEY = re.compile(
    rf"({'|'.join(sorted(LITELLM_UNITS, key=len, reverse=True))})(?:_above_(\d+)k_tokens)?(?:_(batches|flex|priority))?"
)
LITELLM_TRAIT = {None: (), "batches": (("processing", "batch"),), "flex": (("tier", "flex"),), "priority": (("tier", "priority"),)}
LITELLM_MODES = {"chat", "completion", "embedding", "responses", "realtime", "audio_transcription", "audio_speech", "image_generation"}


@dataclass(frozen=True)
class Rate:
    """A row in the making; the fields are those of core.price_rows.PriceRow."""

    model: str
    unit: str
    price: Decimal
    per: int = 1_000_000
    start: str = ""
    end: str = ""
    window: str = ""
    traits: tuple[tuple[str, str], ...] = ()
    context_from: int = 0
    source: str = ""
    needs: str = ""

    def outside(self, other: Rate) -> list[Rate]:
        """What is left of this rate where `other` speaks for the same thing during its own time."""
        mine = (self.unit, self.traits, self.context_from, self.window)
        if mine != (other.unit, other.traits, other.context_from, other.window):
            return [self]
        left = []
        if self.start < other.start:
            left.append(replace(self, end=min(self.end or other.start, other.start)))
        if other.end and (not self.end or other.end < self.end):
            left.append(replace(self, start=max(self.start, other.end)))
        return left

    def record(self) -> dict[str, Any]:
        out: dict[str, Any] = {"model": self.model, "unit": self.unit, "price": plain(self.price)}
        if self.per != 1_000_000:
            out["per"] = self.per
        for key, value in (("from", self.start), ("to", self.end), ("window_utc", self.window)):
            if value:
                out[key] = value
        if self.traits:
            out["traits"] = dict(self.traits)
        if self.context_from:
            out["context_from"] = self.context_from
        if self.needs:
            out["needs"] = self.needs
        out["source"] = self.source
        return out


@dataclass
class Model:
    """A model in the making."""

    id: str
    names: set[str] = field(default_factory=set)
    patterns: list[str] = field(default_factory=list)
    context_window: int | None = None
    output_max: int | None = None
    free: bool = False
    rates: list[Rate] = field(default_factory=list)

    def record(self) -> dict[str, Any]:
        out: dict[str, Any] = {"model": self.id}
        names = sorted(self.names - {self.id})
        for key, value in (("names", names), ("patterns", self.patterns), ("context_window", self.context_window),
                           ("output_max", self.output_max), ("free", self.free)):
            if value:
                out[key] = value
        return out

    def now(self, unit: str, traits: tuple[tuple[str, str], ...] = ()) -> Decimal | None:
        """Today's base rate: what is still in force."""
        return next((r.price for r in self.rates if r.unit == unit and r.traits == traits and not r.end
                     and not r.context_from and not r.window), None)

    def last_change(self) -> str:
        """When a standard token price last changed; empty where it never did."""
        return max((r.start for r in self.rates if not r.traits and r.per == 1_000_000), default="")


def plain(value: Decimal) -> str:
    """A decimal without exponent or trailing zeros: `2.50` → `2.5`, `1E+1` → `10`."""
    text = format(value.normalize(), "f")
    return text if value else "0"


# --- genai-prices ---------------------------------------------------------------------------------


def genai_models(plan: Plan) -> dict[str, Model]:
    """Every model of one genai-prices provider, with its history, tiers and variants."""
    if plan.hosts:
        return hosted_models(plan)
    if plan.genai is None:
        return {}
    provider = next(p for p in genai_providers if p.id == plan.genai)
    models: dict[str, Model] = {}
    for info in provider.models:
        name = price_zones.plain_id(info.id.lower()) if plan.zoned else info.id.lower()
        named = set() if plan.zoned else set(clause_names(info.match))
        model = Model(name, named | {name}, context_window=info.context_window)
        eras = genai_eras(info.prices)
        standard = [(start, flat(prices)) for start, prices in eras]
        # An entry without prices means "free" where the name or the publisher says so, else "unknown".
        model.free = not any(rates for _, rates in standard) and (name.endswith(":free") or name.startswith("gemma"))
        model.rates = list(eras_to_rates(plan, name, standard, ()))
        for trait, variants in variants_of(info).items():
            model.rates += variant_rates(plan, model, standard, trait, variants)
        models[name] = model
    return models


def hosted_models(plan: Plan) -> dict[str, Model]:
    """Every model of a router, each price with the host that asks it: the trait `host`."""
    models: dict[str, Model] = {}
    for provider in genai_providers:
        if not provider.id.startswith(plan.hosts):
            continue
        host = (("host", provider.id.removeprefix(plan.hosts)),)
        for info in provider.models:
            name = info.id.lower()
            model = models.setdefault(name, Model(name, {name}))
            model.context_window = max(model.context_window or 0, info.context_window or 0) or None
            model.rates += eras_to_rates(plan, name, [(start, flat(prices)) for start, prices in genai_eras(info.prices)], host)
    return models


def genai_eras(prices: Any) -> list[tuple[str, Any]]:
    """(first day, prices) in order. Entries for a time of day are left to the hand-kept files."""
    if not isinstance(prices, list):
        return [("", prices)]
    dated = [(p.constraint.start_date.isoformat() if p.constraint else "", p.prices)
             for p in prices if p.constraint is None or isinstance(p.constraint, StartDateConstraint)]
    return sorted(dated, key=lambda era: era[0])


def flat(prices: Any) -> dict[tuple[str, int], Decimal]:
    """(price key, first token count) → price. A tier of genai-prices starts *above* its number."""
    out: dict[tuple[str, int], Decimal] = {}
    for key, value in vars(prices).items():
        if value is None or key in GENAI_LEFT_OUT:
            continue
        if key not in GENAI_UNITS:
            raise SystemExit(f"genai-prices has a new price key: {key}")
        if isinstance(value, TieredPrices):
            out[key, 0] = value.base
            for tier in value.tiers:
                out[key, tier.start + 1] = tier.price
        else:
            out[key, 0] = value
    return out


def eras_to_rates(plan: Plan, model: str, eras: list[tuple[str, dict[tuple[str, int], Decimal]]],
                  traits: tuple[tuple[str, str], ...]) -> Iterator[Rate]:
    """One rate per stretch in which a price stayed the same."""
    for key, context in sorted({k for _, rates in eras for k in rates}):
        stretches: list[tuple[str, Decimal | None]] = []
        for start, rates in eras:
            price = rates.get((key, context))
            if not stretches or stretches[-1][1] != price:
                stretches.append((start, price))
        for (start, price), (end, _) in pairwise([*stretches, ("", None)]):
            if price is not None:
                unit, per, more = our_unit(plan, key, price, model)
                yield Rate(model, unit, price, per, start, end, "", tuple(sorted((*traits, *more))), context, "genai-prices")


def grounding(models: Iterable[Model]) -> None:
    """Gemini states both how many prompts were grounded and how many queries it ran, and bills one of
    the two: the other is declared free, and both are where grounding is not billed (yet). A prompt
    grounded without a query (on a file store or a page) is not a grounded search, and free."""
    units = ("grounded_prompts", "grounding_queries")
    for model in models:
        model.rates = [replace(r, needs=units[1]) if r.unit == units[0] else r for r in model.rates]
        billed = [r for r in model.rates if r.unit in units]
        for unit in units if billed else ():
            first = min((r.start for r in billed if r.unit == unit), default="never")
            if first:
                end = "" if first == "never" else first
                model.rates.append(Rate(model.id, unit, Decimal(0), 1_000, end=end, source="genai-prices"))


def our_unit(plan: Plan, key: str, price: Decimal, model: str) -> tuple[str, int, tuple[tuple[str, str], ...]]:
    unit, per = GENAI_UNITS[key]
    if unit == "pages+annotated":
        return "pages", per, (("annotations", "on"),)
    if plan.id == "google" and unit == "web_searches" and "claude" not in model:
        # Gemini 2 bills a grounded prompt ($35 a thousand), Gemini 3 each query ($14 a thousand).
        return ("grounded_prompts" if price == 35 else "grounding_queries"), per, ()
    if plan.id == "xai" and unit == "audio_seconds":
        return "billable_audio_seconds", per, ()
    return unit, per, ()


def variants_of(info: Any) -> dict[tuple[str, str], list[tuple[str, Any]]]:
    """Trait → its dated prices in order. OpenAI's `fast` is the new name of `priority`, same price."""
    names = {"service_tier": "tier", "processing": "processing", "speed": "speed", "search_type": "search_type"}
    out: dict[tuple[str, str], list[tuple[str, Any]]] = {}
    for variant in info.price_variants or ():
        ((key, value),) = variant.when.items()
        if key == "route":
            continue                         # OpenRouter's price by upstream: its own stated cost says it
        if key not in names:
            raise SystemExit(f"genai-prices has a new kind of variant: {key}")
        if value in {"default", "fast"} and key == "service_tier":
            continue
        start = variant.constraint.start_date.isoformat() if variant.constraint else ""
        out.setdefault((names[key], value), []).append((start, variant.prices))
    return {trait: sorted(dated, key=lambda era: era[0]) for trait, dated in out.items()}


def variant_rates(plan: Plan, model: Model, standard: list[tuple[str, dict[tuple[str, int], Decimal]]],
                  trait: tuple[str, str], variants: list[tuple[str, Any]]) -> Iterator[Rate]:
    """A variant's rates. The first is as old as the standard price it was first seen beside; an
    empty variant says that the trait costs what standard costs, and is written out."""
    first = variants[0][0]
    began = max((start for start, _ in standard if start <= first), default="")
    eras = [(began if number == 0 else start, flat(prices)) for number, (start, prices) in enumerate(variants)]
    if not any(rates for _, rates in eras):
        eras = [(start, {k: v for k, v in rates.items() if GENAI_UNITS[k[0]][1] == 1_000_000})
                for start, rates in standard]
    yield from eras_to_rates(plan, model.id, eras, (trait,))


def clause_names(match: Any) -> Iterator[str]:
    """Ids a matching rule means beyond doubt. Prefix, suffix and infix rules give their own text
    only, for they also catch ids that do not exist; dated forms are the snapshot rule's business."""
    for child in (*getattr(match, "or_", ()), *getattr(match, "and_", ())):
        yield from clause_names(child)
    for attribute in ("equals", "starts_with", "ends_with", "contains"):
        text = getattr(match, attribute, None)
        if text and text[-1].isalnum() and not text.endswith("-2025"):
            yield text.lower()


# --- LiteLLM --------------------------------------------------------------------------------------


def litellm_fill(plan: Plan, models: dict[str, Model], entries: dict[str, Any], lenders: dict[str, Model]) -> None:
    """Limits, missing classes and missing models out of LiteLLM's map."""
    known = {name: model for model in models.values() for name in model.names}
    for key, entry in sorted(entries.items()):
        if entry.get("litellm_provider") not in plan.litellm or entry.get("mode") not in LITELLM_MODES:
            continue
        name = key.removeprefix(plan.litellm_prefix).lower()
        if ("/" in name and plan.id not in SLASHED) or (plan.zoned and not price_zones.is_plain(name) and name not in known):
            continue                         # image sizes, Azure regions and zones: other rows' business
        rates = litellm_rates(plan, name, entry)
        base = {r.unit: r.price for r in rates if not r.traits and not r.context_from}
        model = known.get(name)
        if model is None and (model := same_family(name, known)) is not None and agrees(model, base):
            model.names.add(name)
        elif model is None:
            if name in lenders or not base or not any(base.values()):
                continue
            model = models[name] = Model(name, {name})
            model.rates = rates
        limits(model, entry)
        if model.rates is not rates and agrees(model, base):
            model.rates += missing(model, rates)


def zones(plan: Plan, models: dict[str, Model], entries: dict[str, Any]) -> None:
    """Zones with a price of their own: what LiteLLM's map says of them where that is neither what it
    says of the model itself nor what the zone would cost anyway. Last, every id gets its short forms."""
    known = {name: model for model in models.values() for name in model.names}
    for key, entry in sorted(entries.items()):
        name = key.removeprefix(plan.litellm_prefix).lower()
        base = price_zones.without_zone(name)
        if base is None or name in known or entry.get("litellm_provider") not in plan.litellm or entry.get("mode") not in LITELLM_MODES:
            continue
        rates, model = litellm_rates(plan, name, entry), known.get(base)
        stated = {r.unit: r.price for r in rates if not r.traits and not r.context_from}
        usual = {r.unit: r.price for r in litellm_rates(plan, base, entries.get(base, {})) if not r.traits and not r.context_from}
        if any(stated.values()) and (model is None or (stated != usual and not agrees(model, stated))):
            zone = models[name] = Model(name, {name})
            zone.rates = rates
            limits(zone, entry)
    for model in models.values():
        model.names |= price_zones.forms(model.id)


def same_family(name: str, known: dict[str, Model]) -> Model | None:
    """The model whose dated or `-latest` form this id is."""
    match = re.fullmatch(r"(.+?)(?:-20\d{2}-?\d{2}-?\d{2}|-\d{4}|-latest|@20\d{6}|-\d{3})", name)
    return known.get(match.group(1)) if match else None


def agrees(model: Model, base: dict[str, Decimal]) -> bool:
    """Both books name the same plain prices today."""
    return "input_text" in base and all(
        model.now(unit) == base.get(unit) for unit in ("input_text", "output_text") if model.now(unit) is not None)


def litellm_rates(plan: Plan, name: str, entry: dict[str, Any]) -> list[Rate]:
    out = []
    for key, value in sorted(entry.items()):
        match = LITELLM_KEY.fullmatch(key)
        if not match or not isinstance(value, Decimal):
            continue
        unit = LITELLM_UNITS[match.group(1)]
        if not value:
            continue                         # its zeros say "not applicable" more often than "free"
        first = int(match.group(2)) * 1_000 + (0 if plan.id == "xai" else 1) if match.group(2) else 0
        price = (value * 1_000_000).quantize(Decimal("1e-9")).normalize()
        out.append(Rate(name, unit, price, traits=LITELLM_TRAIT[match.group(3)], context_from=first, source="litellm"))
    plain_rates = {r.unit: r.price for r in out if not r.traits and not r.context_from}
    return [r for r in out if r.traits or r.context_from or not stands_in(r, plain_rates)]


def stands_in(rate: Rate, base: dict[str, Decimal]) -> bool:
    """Whether the rate only repeats what the class would take anyway."""
    return any(base.get(other) == rate.price for other in STAND_IN.get(rate.unit, ())[:1])


def missing(model: Model, rates: list[Rate]) -> list[Rate]:
    """LiteLLM's rates for classes and traits the model has none of, from the last price change on."""
    units = {r.unit for r in model.rates if not r.traits}
    traits = {r.traits for r in model.rates if r.traits}
    base = {unit: price for unit in units if (price := model.now(unit)) is not None}
    since = model.last_change()
    return [replace(r, model=model.id, start=since) for r in rates
            if (r.unit not in units and not r.traits and not stands_in(r, base)) or (r.traits and r.traits not in traits)]


def limits(model: Model, entry: dict[str, Any]) -> None:
    window, longest = entry.get("max_input_tokens"), entry.get("max_output_tokens")
    if isinstance(window, Decimal):
        model.context_window = max(model.context_window or 0, int(window))
    if isinstance(longest, Decimal):
        model.output_max = max(model.output_max or 0, int(longest))


def borrow_limits(models: Iterable[Model], entries: dict[str, Any], widest: int | None) -> None:
    """Limits of models whose provider's own list states none: those of the same model elsewhere, the
    largest of them, for a limit bounds a hold; else `widest`, the most any model there takes."""
    limits_of: dict[str, tuple[int, int]] = {}
    for key, entry in entries.items():
        window, longest = (entry.get(name) for name in ("max_input_tokens", "max_output_tokens"))
        if isinstance(window, Decimal) and isinstance(longest, Decimal):
            name = bare(key)
            known = limits_of.get(name, (0, 0))
            limits_of[name] = (max(known[0], int(window)), max(known[1], int(longest)))
    for model in models:
        found = limits_of.get(bare(model.id))
        if found and not model.output_max:
            model.output_max = found[1]
            model.context_window = model.context_window or found[0]
        if not model.context_window and not model.output_max:
            model.context_window = widest


def bare(name: str) -> str:
    """A model's name without vendor, variant and the difference between 4.5 and 4-5."""
    return name.rsplit("/", 1)[-1].partition(":")[0].lower().replace(".", "-")


def complete_traits(models: Iterable[Model]) -> None:
    """Where a trait multiplies input and output alike and says nothing of another class, the class is
    multiplied too: a picture in a batch is not dearer than in the list. Cached reads are left alone,
    for their sources say outright where a tier keeps the standard rate."""
    for model in models:
        for trait in {r.traits for r in model.rates if len(r.traits) == 1 and r.traits[0][0] in {"tier", "processing"}}:
            shares = {unit: share_of(model, unit, trait) for unit in ("input_text", "output_text")}
            if None in shares.values() or len(set(shares.values())) != 1:
                continue
            share = shares["input_text"]
            said = {r.unit for r in model.rates if r.traits == trait}
            model.rates += [replace(r, price=r.price * share, traits=trait) for r in model.rates
                            if share and not r.traits and r.unit in TOKEN_CLASSES and r.unit not in said and "cached" not in r.unit]


def share_of(model: Model, unit: str, trait: tuple[tuple[str, str], ...]) -> Decimal | None:
    """What a trait's price is of the standard price today."""
    standard, special = model.now(unit), model.now(unit, trait)
    return special / standard if standard and special else None


# --- by hand --------------------------------------------------------------------------------------


def apply_hand(models: dict[str, Model], hand: dict[str, Any]) -> None:
    """Hand-kept models and rates over the generated ones. `replace` drops a model's own rates first;
    `[[rates]]` win over whatever speaks for the same unit, traits, context and window in their time."""
    for entry in hand.get("model", ()):
        model = models.setdefault(entry["id"], Model(entry["id"]))
        model.names |= {name.lower() for name in entry.get("names", ())} | {model.id}
        model.patterns += entry.get("patterns", [])
        model.context_window = entry.get("context_window", model.context_window)
        model.output_max = entry.get("output_max", model.output_max)
        model.free = entry.get("free", model.free)
        if entry.get("replace") or model.free:
            model.rates = []
        drop = set(entry.get("drop", ()))
        model.rates = [r for r in model.rates if r.unit not in drop]
        model.rates = [r for r in model.rates if ("context" not in drop or not r.context_from)]
        ends = entry.get("context_tier_ends")
        model.rates = [replace(r, end=ends) if ends and r.context_from and not r.end else r for r in model.rates]
        if "valid_to" in entry:
            model.rates = [replace(r, end=r.end or entry["valid_to"]) for r in model.rates]
    for name in hand.get("drop_models", ()):
        models.pop(name, None)
    for entry in hand.get("rates", ()):
        for rate in hand_rates(entry):
            model = models.setdefault(rate.model, Model(rate.model, {rate.model}))
            model.rates = [piece for r in model.rates for piece in r.outside(rate)] + [rate]
            model.free = False
    for model in models.values():
        if model.id.startswith("ft:"):       # a fine-tuned id carries the owner's own words
            model.patterns = [*model.patterns, re.escape(model.id.rstrip("-")).replace("\\-", "-") + r"(?:-[0-9-]+)?:.+"]


def also(hand: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Hand-kept entries with those of another provider before them, whose models are served here too."""
    merged = {**hand, "sources": other.get("sources", {}) | hand.get("sources", {})}
    for kind in ("model", "rates", "alias"):
        merged[kind] = other.get(kind, []) + hand.get(kind, [])
    return merged


def hand_rates(entry: dict[str, Any]) -> Iterator[Rate]:
    traits = tuple(sorted(entry.get("traits", {}).items()))
    for model in entry.get("models", [entry.get("model")]):
        for window in entry.get("windows_utc", [""]):
            for unit, price in entry["prices"].items():
                yield Rate(model, unit, Decimal(price), entry.get("per", 1_000_000), entry.get("from", ""),
                           entry.get("to", ""), window, traits, entry.get("context_from", 0), entry["source"])


# --- writing --------------------------------------------------------------------------------------


def write(plan: Plan, models: dict[str, Model], hand: dict[str, Any], checked_on: str, out: Path) -> None:
    header = {"provider": plan.id, "checked_on": checked_on, **hand.get("header", {})}
    used = {r.source for m in models.values() for r in m.rates}
    used |= {entry["source"] for kind in ("alias", "factor") for entry in hand.get(kind, ())}
    header["sources"] = {key: source for key, source in sorted(all_sources(hand, checked_on).items()) if key in used}
    lines = [header]
    lines += sorted(({"alias": a["name"], **{k: a[k] for k in ("model", "from", "to", "source") if k in a}}
                     for a in hand.get("alias", ())), key=lambda a: (a["alias"], a.get("from", "")))
    lines += sorted(({k: f[k] for k in ("factor", "traits", "scope", "models", "from", "source") if k in f}
                     for f in hand.get("factor", ())), key=lambda f: (str(f["traits"]), f.get("from", "")))
    owners: dict[str, str] = {}
    for model in sorted(models.values(), key=lambda m: m.id):
        if not model.rates and not model.free:
            continue
        model.names = {n for n in model.names if owners.setdefault(n, model.id) == model.id}
        if model.id != "*":
            lines.append(model.record())
        rank = {r: (UNIT_RANK[r.unit], r.traits, r.context_from, r.start, r.window) for r in model.rates}
        lines += [r.record() for r in sorted(model.rates, key=rank.__getitem__)]
    text = "".join(json.dumps(line, separators=(",", ":"), ensure_ascii=False) + "\n" for line in lines)
    (out / f"{plan.id}.jsonl").write_text(text)
    print(f"{plan.id:12} {sum(len(m.rates) for m in models.values()):6} rows  {len(models):5} models  {len(text):9,} bytes")


def all_sources(hand: dict[str, Any], checked_on: str) -> dict[str, dict[str, str]]:
    generated = {
        "genai-prices": {"name": "genai-prices", "version": version("genai-prices"),
                         "address": "https://github.com/pydantic/genai-prices", "checked_on": checked_on},
        "litellm": {"name": "LiteLLM model map", "version": LITELLM_VERSION,
                    "address": "https://github.com/BerriAI/litellm", "checked_on": checked_on},
    }
    return generated | hand.get("sources", {})


LITELLM_VERSION = "1.109.1"


def prefer_exact(models: Iterable[Model]) -> None:
    """A model's own id always means that model, whatever other rules say of it."""
    listed = list(models)
    ids = {m.id for m in listed}
    for model in listed:
        model.names -= ids - {model.id}


def main() -> None:
    options = argparse.ArgumentParser(description="Build the price book's data files.")
    options.add_argument("--litellm", type=Path, required=True, help="LiteLLM's model map (JSON)")
    options.add_argument("--checked-on", default="2026-11-21", help="the day the sources were compared")
    options.add_argument("--only", help="one provider")
    options.add_argument("--out", type=Path, default=PRICES, help="directory to write to")
    chosen = options.parse_args()
    lenders: dict[str, Model] = {}
    entries = json.loads(chosen.litellm.read_text(), parse_float=Decimal, parse_int=Decimal)
    for plan in PLANS:
        hand_file = PRICES / "hand" / f"{plan.id}.toml"
        hand = tomllib.loads(hand_file.read_text()) if hand_file.exists() else {}
        if plan.hand_too:
            hand = also(hand, tomllib.loads((PRICES / "hand" / f"{plan.hand_too}.toml").read_text()))
        models = genai_models(plan)
        prefer_exact(models.values())
        if plan.litellm:
            litellm_fill(plan, models, entries, lenders if plan.id == "azure" else {})
        if plan.zoned:
            zones(plan, models, entries)
        if plan.id == "google":
            grounding(models.values())
        complete_traits(models.values())
        apply_hand(models, hand)
        borrow_limits(models.values(), entries, hand.get("widest_context"))
        prefer_exact(models.values())
        if plan.id in {"openai", "anthropic", "deepseek", "xai"}:
            lenders |= {name: model for model in models.values() for name in model.names}
        if not chosen.only or chosen.only == plan.id:
            write(plan, models, hand, chosen.checked_on, chosen.out)


if __name__ == "__main__":
    main()
