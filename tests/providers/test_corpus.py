"""Every recorded exchange is read as it was billed, whole and one byte at a time.

The rows come from the corpus beside the repository; where it is absent these tests skip, and the
small exchanges made by hand in the other tests of this directory stand for it.
"""

import json
import zlib
from collections import Counter

import pytest

from tallystick import providers
from tallystick.providers.dialects.framing import SseReader
from tallystick.providers.dialects.stream_usage import UsageRemover
from tests.build import corpus

pytestmark = pytest.mark.skipif(not corpus.present(), reason=f"no recorded traffic at {corpus.CORPUS}")

SHARE_WRONG_MAX = 0.005
FAMILIES = {name: name for name in ("anthropic", "google", "bedrock", "vertex", "cohere")}     # all others copied one API

# Its prompt was blocked before any model saw it: usage without counts, which states that nothing was used.
BLOCKED = "dfe16821638bfabb"

# Why each stands here: docs/reference/known-gaps.md.
KNOWN_WRONG = {"d46e6c7cd7090593", "a10f5c4c02958c1e"}


@pytest.fixture(scope="module")
def exchanges():
    return corpus.exchanges()


def test_billable_exchanges_are_read_exactly(exchanges):
    billable, wrong = Counter(), {}
    for exchange in exchanges:
        reading = corpus.read(exchange)
        if not exchange.billable:
            continue                         # must not raise; what is read is not judged
        family = FAMILIES.get(exchange.provider, "openai-shaped")
        billable[family] += 1
        if found := corpus.differences(exchange, reading):
            wrong[exchange.id] = (family, exchange.provider, exchange.endpoint, found)
    assert not {id: what for id, what in wrong.items() if id not in KNOWN_WRONG}
    assert sum(billable.values()) > 1500
    for family, rows in billable.items():
        share = sum(what[0] == family for what in wrong.values()) / rows
        assert share <= SHARE_WRONG_MAX, f"{family}: {share:.2%} of {rows} wrong"


def test_nothing_is_read_where_nothing_is_stated(exchanges):
    """A stream that was not asked for its usage, an error, a list of objects: no usage, not a zero.
    Pictures billed by the piece are counted although no reply states them."""
    for exchange in exchanges:
        if exchange.expected is not None and exchange.expected.get("usage") is None and exchange.endpoint != "image_generation":
            reading = corpus.read(exchange)
            nothing = {} if exchange.id == BLOCKED else None
            assert reading is None or reading.usage is None or reading.usage.counts == nothing, exchange.id


def test_no_count_is_ever_negative(exchanges):
    for exchange in exchanges:
        reading = corpus.read(exchange)
        if reading is not None and reading.usage is not None:
            counts = [*reading.usage.counts.values(), *(n for part in reading.parts for n in part.usage.counts.values())]
            assert all(count > 0 for count in counts), exchange.id


@pytest.mark.slow
def test_one_byte_at_a_time_gives_the_same_reading(exchanges):
    streams = [e for e in exchanges if e.streaming and len(e.body) <= 60_000]
    whole = [e for e in exchanges if not e.streaming and len(e.body) <= 20_000 and corpus.read(e) is not None]
    sample = sorted(whole, key=lambda e: zlib.crc32(e.id.encode()))[:200]
    assert len(streams) > 100
    for exchange in (*streams, *sample):
        pieces = (exchange.body[i:i + 1] for i in range(len(exchange.body)))
        assert corpus.read(exchange, pieces) == corpus.read(exchange), exchange.id


def test_every_billable_exchange_has_a_metered_route(exchanges):
    for exchange in exchanges:
        if exchange.billable:
            route, _ = providers.provider(exchange.provider).route_for(exchange.method, exchange.path)
            assert route.dialect is not None, (exchange.id, exchange.path)


def test_recorded_streams_lose_their_usage_and_nothing_else(exchanges):
    """Streams that were asked for usage, undone: every chunk is as before less `usage`, and the chunk
    that had nothing else is gone."""
    asked = [e for e in exchanges if e.streaming and e.provider == "openai" and '"include_usage"' in json.dumps(e.request)]
    assert len(asked) > 40
    for exchange in asked:
        remover = UsageRemover()
        undone = remover.feed(exchange.body) + remover.finish()
        kept = [chunk for chunk in _chunks(exchange.body) if chunk["choices"] or not chunk.get("usage")]
        expected = [{k: v for k, v in chunk.items() if k != "usage"} for chunk in kept]
        assert _chunks(undone) == expected, exchange.id
        assert undone.count(b"[DONE]") == exchange.body.count(b"[DONE]")


def _chunks(body):
    reader = SseReader()
    events = [*reader.feed(body), *reader.finish()]
    return [json.loads(event.data) for event in events if event.data != b"[DONE]"]
