"""What every provider owes, run over the tuple of them: routes, a place for its credential, an error
shape, what it serves for nothing, an id of its own, a row in the docs, and replies that are read right.

Replies are recorded ones where the corpus has them; where it has none they are made after the
provider's documentation (`documented/*.json`, each with the page's address and the day it was read),
with ids, texts and figures of our own. All are read whole, byte by byte and in threes, and some are
priced to the last digit.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.core.call import Dialect, Facts, ReplyHead
from tallystick.core.dialect import UNLISTED_POST, ErrorShape, Provider
from tallystick.core.money import to_nanos
from tallystick.core.price_rows import instant_us
from tallystick.edge.paths import RESOURCE_NAMES
from tallystick.providers import PROVIDERS, provider
from tallystick.stores.price_files import open_book
from tests.build import corpus
from tests.build.replies import body, damaged, events, read

BOOK = open_book()
ROOT = Path(__file__).resolve().parents[2]
DOCUMENTED = sorted((Path(__file__).parent / "documented").glob("*.json"))
RECORDED = {
    "openai", "anthropic", "google", "azure", "mistral", "openrouter", "xai", "groq", "deepseek", "ollama", "bedrock", "vertex",
    "cohere", "cerebras", "together", "huggingface", "replicate", "perplexity",
}


def pages() -> Iterator[dict[str, Any]]:
    for path in DOCUMENTED:
        yield json.loads(path.read_text(encoding="utf-8"))


def examples() -> Iterator[Any]:
    for page in pages():
        for exchange in page["exchanges"]:
            yield pytest.param(page["provider"], exchange, id=f"{page['provider']}: {exchange['what']}")


@pytest.mark.parametrize("known", PROVIDERS, ids=lambda known: known.id)
class TestEveryProvider:
    """One provider at a time."""

    def test_has_routes_that_are_metered(self, known: Provider) -> None:
        assert any(route.dialect is not None and route.kind == "generation" for route in known.routes)

    def test_bills_nothing_for_lists_and_counts(self, known: Provider) -> None:
        assert any(route.free for route in known.routes)
        assert all(route.free for route in known.routes if route.kind in {"models", "count"})
        assert all(route.free for route in known.routes if route.method in {"GET", "DELETE"})

    def test_a_poll_is_free_read_and_never_the_bill_itself(self, known: Provider) -> None:
        for route in known.routes:
            if route.keeps:
                assert route.method == "POST", route.path
                assert route.dialect is not None, route.path
                assert not route.free, route.path

    def test_says_where_its_key_goes(self, known: Provider) -> None:
        headers = [place.header for place in known.credentials]
        assert headers
        assert headers == [header.lower() for header in headers]
        assert len(headers) == len(set(headers))

    def test_has_an_error_shape_its_clients_know(self, known: Provider) -> None:
        assert known.error_shape in get_args(ErrorShape)

    def test_an_unlisted_post_of_it_is_billable(self, known: Provider) -> None:
        assert known.route_for("POST", "/no/such/path/at-all/of-any-host")[0] == UNLISTED_POST

    def test_its_id_is_its_own(self, known: Provider) -> None:
        assert [other.id for other in PROVIDERS].count(known.id) == 1
        assert known.id not in RESOURCE_NAMES
        assert known.id == known.id.lower()

    def test_stands_in_the_docs(self, known: Provider) -> None:
        page = (ROOT / "docs" / "reference" / "providers.md").read_text(encoding="utf-8")
        assert f"| `{known.id}` |" in page
        assert known.docs_url.startswith("https://")

    def test_has_prices(self, known: Provider) -> None:
        assert BOOK.prices(known.price_book or known.id) is not None

    def test_its_replies_are_known_from_traffic_or_from_documentation(self, known: Provider) -> None:
        assert known.id in RECORDED or any(page["provider"] == known.id for page in pages())


def test_documentation_has_an_address_and_a_day() -> None:
    for page in pages():
        assert page["source"].startswith("https://"), page
        assert page["checked_on"] >= "2026-11-01", page
        assert provider(page["provider"]) is not None, page


@pytest.mark.parametrize(("provider_id", "exchange"), [*examples()])
def test_a_documented_reply_is_read_right(provider_id: str, exchange: dict[str, Any]) -> None:
    known = provider(provider_id)
    assert known is not None
    route, path_model = known.route_for(exchange["method"], exchange["path"])
    assert route.dialect is not None
    facts = asked(route.dialect, exchange["request"], path_model)
    reading = read(route.dialect, reply_of(exchange), head_of(exchange), facts)
    expected = exchange["expected"]

    if expected["usage"] is None:
        assert reading.usage is None
    else:
        assert reading.usage is not None
        assert reading.usage.inclusive() == {name: Decimal(n) if isinstance(n, str) else n for name, n in expected["usage"].items()}
    assert reading.deferred == expected.get("deferred", False)
    assert reading.opaque == expected.get("opaque", False)
    if "model" in expected:
        assert reading.model == expected["model"]
    if "traits" in expected:
        assert reading.traits == expected["traits"]
    if "cost" in expected:
        assert known.states_cost
        assert reading.stated is not None
        assert reading.stated.usd == Decimal(expected["cost"])
        assert to_nanos(reading.stated.usd) == expected["cost_nanos"]
    else:
        assert reading.stated is None
    if "priced" in expected:
        assert reading.usage is not None
        at_us = instant_us(expected["priced"]["at"])
        charge = BOOK.price(provider_id, reading.model, reading.usage, at_us, reading.traits, requested=facts.model)
        assert (charge.unpriced, charge.exact) == ((), Decimal(expected["priced"]["usd"]))


@given(st.data())
def test_no_reply_however_damaged_breaks_a_meter(data: st.DataObject) -> None:
    """Values of the wrong kind anywhere: nothing raises, nothing is negative, nothing is made up."""
    provider_id, exchange = data.draw(st.sampled_from([example.values for example in examples() if "reply" in example.values[1]]))
    route, path_model = provider(provider_id).route_for(exchange["method"], exchange["path"])
    request = data.draw(damaged(exchange["request"] or {}))
    facts = asked(route.dialect, request if isinstance(request, dict) else None, path_model)
    reading = read(route.dialect, body(data.draw(damaged(exchange["reply"]))), head_of(exchange), facts)
    assert reading.usage is None or all(count > 0 for count in reading.usage.counts.values())


def asked(dialect: Dialect, request: dict[str, Any] | None, path_model: str | None) -> Facts:
    return Facts(model=path_model) if request is None else dialect.facts(request, path_model)


def head_of(exchange: dict[str, Any]) -> ReplyHead:
    streaming = "events" in exchange
    headers = {"content-type": "text/event-stream" if streaming else "application/json", **exchange.get("headers", {})}
    return ReplyHead(exchange.get("status", 200), headers, streaming, exchange["path"])


def reply_of(exchange: dict[str, Any]) -> bytes:
    if "text" in exchange:
        return str(exchange["text"]).encode()
    if "events" in exchange:
        return events(*exchange["events"], named=exchange["named"]) + (b"data: [DONE]\n\n" if exchange["done"] else b"")
    return body(exchange["reply"])


@pytest.mark.skipif(not corpus.present(), reason=f"no recorded traffic at {corpus.CORPUS}")
def test_recordings_are_where_we_say() -> None:
    billable = {exchange.provider for exchange in corpus.exchanges() if exchange.billable}
    assert billable == RECORDED
