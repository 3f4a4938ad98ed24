"""The recorded traffic as a whole: how much of it is read exactly, over requests and two-way connections;
what xAI said it charged for calls over gRPC; and what strangers sent, which must break nothing.

    pytest -s tests/providers/test_corpus_whole.py -k share        prints the share of each provider

The rows come from the corpus beside the repository; where it is absent these tests skip.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tallystick import providers
from tallystick.core.attempt import Admission
from tallystick.core.call import Dialect, Facts, ReplyHead
from tallystick.core.identity import Attribution
from tallystick.core.money import to_nanos
from tallystick.core.price_rows import instant_us
from tallystick.core.settlement import Served, settle
from tallystick.core.usage import Reading
from tallystick.providers.compatible import openai_compatible
from tallystick.providers.dialects.chat_usage import ChatUsage
from tallystick.providers.dialects.openai_chat import OpenAIChat
from tallystick.providers.xai import XAI, stated_cost
from tallystick.stores.price_files import open_book
from tests.build import corpus
from tests.build.corpus import Exchange

pytestmark = pytest.mark.skipif(not corpus.present(), reason=f"no recorded traffic at {corpus.CORPUS}")

SHARE_EXACT_MIN = Decimal("0.995")
GAPS = Path(__file__).resolve().parents[2] / "docs" / "reference" / "known-gaps.md"
BOOK = open_book()


@pytest.fixture(scope="module")
def everything() -> list[Exchange]:
    return corpus.everything()


def test_the_share_of_billable_exchanges_that_is_read_exactly(everything: list[Exchange]) -> None:
    billable: Counter[str] = Counter()
    wrong: dict[str, str] = {}
    for exchange in everything:
        if exchange.billable and exchange.transport in ("http", "ws") and corpus.is_ours(exchange):
            billable[exchange.provider] += 1
            reading = corpus.total(corpus.bills(exchange)) if exchange.frames else corpus.read(exchange)
            if corpus.differences(exchange, reading):
                wrong[exchange.id] = exchange.provider
    rows, off = sum(billable.values()), Counter(wrong.values())
    print()
    for provider, count in sorted(billable.items()):
        print(f"{provider:12} {count - off[provider]:5} of {count:5} exact")
    print(f"{'all':12} {rows - len(wrong):5} of {rows:5} exact: {(rows - len(wrong)) / rows:.2%}; wrong: {', '.join(wrong) or 'none'}")
    assert rows > 1_800
    assert rows - len(wrong) >= rows * SHARE_EXACT_MIN
    assert set(wrong) == listed_gaps(), "docs/reference/known-gaps.md lists each wrong row and no other"


def listed_gaps() -> set[str]:
    """The ids that open a row of the page's first table."""
    return set(re.findall(r"^\| `([0-9a-f]{16})` \|", GAPS.read_text(encoding="utf-8"), re.MULTILINE))


def test_each_bill_of_a_session_has_a_price(everything: list[Exchange]) -> None:
    """Every response and every transcript for itself, at the model that the session names. The one
    transcript that states nothing has none. Where a second price list knows the session's model it agrees,
    but for voices billed by the minute, which it does not charge."""
    silent, second_opinions = [], 0
    for exchange in everything:
        bills = corpus.bills(exchange) if exchange.frames else []
        told = (exchange.expected or {}).get("cost_usd")
        if bills and told is not None and exchange.provider != "xai":
            second_opinions += 1
            assert own_cost(exchange.provider, bills) == Decimal(told), exchange.id
        for bill in bills:
            if bill.usage is None:
                silent.append((exchange.id, bill.opaque))
                continue
            charge = BOOK.price(exchange.provider, bill.model, bill.usage, instant_us("2026-11-20T12:00Z"), bill.traits, parts=bill.parts)
            assert charge.unpriced == (), exchange.id
            assert charge.exact > 0, exchange.id
    assert silent == [("f1c429a3dfefa27f", True)]
    assert second_opinions == 20


def own_cost(provider: str, bills: list[Reading]) -> Decimal:
    """What the session's own model costs, transcripts aside."""
    stated = [bill for bill in bills if bill.usage is not None]
    at_us = instant_us("2026-08-22")
    return sum((BOOK.price(provider, bill.model, bill.usage, at_us, bill.traits).exact for bill in stated), Decimal(0))


# --- xAI over gRPC: not a format of ours; its cost and its prices hold all the same -----------------------------------

GRPC = OpenAIChat(usage=ChatUsage(reasoning_apart="reasoning_tokens", cached_fields=("cached_prompt_text_tokens",)), stated=stated_cost)


def as_json(exchange: Exchange) -> bytes:
    """A message of the protocol in the names of the HTTP API: protobuf writes long numbers as text, lists
    the tools that ran instead of counting them, and puts media beside the text."""
    reply = json.loads(exchange.body)
    usage = reply["usage"]
    if "cost_in_usd_ticks" in usage:
        usage["cost_in_usd_ticks"] = int(usage["cost_in_usd_ticks"])
    usage["server_side_tool_usage_details"] = dict(Counter(usage.pop("server_side_tools_used", ())))
    usage["prompt_tokens_details"] = {"image_tokens": usage.get("prompt_image_tokens", 0)}
    return json.dumps(reply).encode()


def test_calls_over_grpc_are_read_and_cost_what_was_stated(everything: list[Exchange]) -> None:
    rows = [exchange for exchange in everything if exchange.transport == "grpc"]
    stated = 0
    for exchange in rows:
        reading = metered(GRPC, exchange, as_json(exchange))
        if exchange.billable:
            assert not corpus.differences(exchange, reading), exchange.id
        cost = exchange.expected["provider_cost_usd"] if exchange.expected and "provider_cost_usd" in exchange.expected else None
        if cost is None:
            continue
        stated += 1
        day = instant_us(exchange.expected["priced_at"].replace("Z", "+00:00"))
        settlement = settle(admitted("xai", exchange, day), Served(status=200, reading=reading), BOOK, XAI, day)
        assert (settlement.method, settlement.cost_nanos) == ("stated", to_nanos(Decimal(cost))), exchange.id
        assert settlement.computed_nanos == settlement.cost_nanos, exchange.id
        assert not settlement.drift, exchange.id
    assert (len(rows), stated) == (50, 5)


# --- providers that are none of ours ----------------------------------------------------------------------------------


def test_strangers_break_nothing_and_are_unpriced_at_most(everything: list[Exchange]) -> None:
    """An operator's own host of that name, with the common paths. What it bills has no price, and says so."""
    strangers = [exchange for exchange in everything if not corpus.is_ours(exchange)]
    methods: Counter[str] = Counter()
    for exchange in strangers:
        host = openai_compatible(exchange.provider, "https://host.test")
        route, model = host.route_for(exchange.method, exchange.path)
        reading = metered(route.dialect, exchange, exchange.body, model) if route.dialect and exchange.status < 300 else None
        admission = admitted(exchange.provider, exchange, 1, billable=not route.free, dialect=route.dialect)
        settlement = settle(admission, Served(status=exchange.status, reading=reading, own_error=exchange.status >= 400), BOOK, host, 2)
        assert settlement.cost_nanos == 0, exchange.id
        assert settlement.method == "unpriced" or settlement.basis in ("zero_proven", "deferred"), exchange.id
        methods[settlement.method] += 1
    assert sum(methods.values()) > 150
    assert methods["unpriced"] > 100


def test_no_meter_of_ours_is_broken_by_what_strangers_send(everything: list[Exchange]) -> None:
    """Every foreign reply, and every message over gRPC, through every dialect there is."""
    dialects = {route.dialect for provider in providers.PROVIDERS for route in provider.routes if route.dialect is not None}
    foreign = [e for e in everything if (not corpus.is_ours(e) or e.transport == "grpc") and len(e.body) < 60_000]
    for exchange in foreign:
        for dialect in dialects:
            reading = metered(dialect, exchange, exchange.body)
            assert reading.usage is None or all(count > 0 for count in reading.usage.counts.values()), (exchange.id, dialect.name)


def metered(dialect: Dialect, exchange: Exchange, body: bytes, model: str | None = None) -> Any:
    facts = dialect.facts(exchange.request, model) if exchange.request else Facts(model=model)
    meter = dialect.meter(facts, ReplyHead(exchange.status, exchange.headers, exchange.streaming, exchange.path))
    meter.feed(body)
    return meter.finish()


def admitted(provider: str, exchange: Exchange, at_us: int, *, billable: bool = True, dialect: Dialect | None = GRPC) -> Admission:
    """An admission without a hold: no price was known before."""
    return Admission(
        request_id="req_" + exchange.id * 2, attempt=1, at_us=at_us, attribution=Attribution("key", "org", {}), provider=provider,
        operation="chat", dialect=dialect.name if dialect is not None else None, model=exchange.request.get("model"), facts=Facts(),
        body_bytes=len(json.dumps(exchange.request)), input_bound=0, hold_nanos=0, hold_priced=False, billable=billable,
    )
