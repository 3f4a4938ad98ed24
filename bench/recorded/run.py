"""The recorded traffic through LiteLLM's proxy and through us: is the reply the provider's, is the
usage what was billed, is the cost right?

    python -m bench.recorded.run [--json FILE] [--limit N] [--write]

Taken is every recorded exchange that says what it billed, whose request was kept, and which a way
serves (`bench/recorded/peers.py` says which and how each is configured). One stand-in answers for all
providers, one call at a time. Left out of a way is what it asks a provider otherwise than was recorded
(another endpoint, a usage event that the recording did not ask for): the recorded reply would then be
no answer. Compared is what both sides state: all input and all output tokens, then
cache reads and writes too; our own test (tests/gateway/test_recorded.py) compares every count.
A cost is right if it is the provider's own charge, or that of a worked case of the corpus which names no
day of its own (both gateways price by today's lists), to 1e-9 USD.
For all others there is an opinion, not the truth: genai-prices on the billed usage at August's prices.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from bench.load.run import RESULTS, title
from bench.recorded import peers
from bench.recorded.peers import Asked, Booked, Way
from bench.recorded.standin import StandIn
from tests.build.corpus import CORPUS, Exchange, exchanges, present

BOOKING_S = 10.0                                 # a gateway may book after it has replied
NANO_USD = Decimal("1e-9")
OURS = "tallystick"
STATED, WORKED, OPINION = "stated by the provider", "worked case", "genai-prices"


@dataclass(frozen=True)
class Verdict:
    """One exchange on one way. None: nothing to compare with. `cost_against`: which of the three.
    `comparable`: the provider was asked what the recording answers."""

    id: str
    kind: str
    way: str
    comparable: bool
    served: bool
    identical: bool
    same_content: bool
    totals: bool
    with_cache: bool
    has_cost: bool
    cost: bool | None
    cost_against: str
    detail: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="every verdict, one JSON document a line")
    parser.add_argument("--limit", type=int, help="so many exchanges of each kind at most")
    parser.add_argument("--keep", type=Path, help="an empty folder for configurations, logs and records")
    parser.add_argument("--write", action="store_true", help="append to bench/RESULTS.md")
    chosen = parser.parse_args()
    if not present():
        raise SystemExit(f"no recorded traffic in {CORPUS} (TALLYSTICK_SHARED)")
    rows = list(_taken(chosen.limit))
    verdicts: list[Verdict] = []
    with ExitStack() as stack:
        folder = chosen.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        provider = stack.enter_context(StandIn())
        client = stack.enter_context(httpx.Client(timeout=60, trust_env=False))
        ways = [way for opened in (peers.ours, peers.litellm)
                for way in stack.enter_context(opened(folder / opened.__name__, provider.url))]
        for way in ways:
            verdicts += _through(way, rows, provider, client)
    if chosen.json is not None:
        chosen.json.write_text("".join(json.dumps(asdict(one)) + "\n" for one in verdicts))
    text = "\n".join([title(), f"`{' '.join(['python -m bench.recorded.run', *sys.argv[1:]])}`: {len(rows):,} recorded exchanges\n",
                      *_tables(verdicts)]) + "\n"
    print(text)
    if chosen.write:
        with RESULTS.open("a") as file:
            file.write("\n" + text)


def _taken(limit: int | None) -> Iterator[Exchange]:
    seen: Counter[str] = Counter()
    for row in exchanges():
        if row.method == "POST" and row.request and row.billable and row.status == 200 and (limit is None or seen[_kind(row)] < limit):
            seen[_kind(row)] += 1
            yield row


def _kind(row: Exchange) -> str:
    return f"{row.provider} {row.endpoint}{', stream' if row.streaming else ''}"


def _through(way: Way, rows: list[Exchange], provider: StandIn, client: httpx.Client) -> list[Verdict]:
    """All calls first, then the books: what is booked late is not missing."""
    served: list[tuple[Exchange, httpx.Response | None, bool]] = []
    begun = time.monotonic()
    for row in rows:
        asked = way.asked(row)
        if asked is not None:
            answer = _sent(way, asked, row, provider, client)
            served.append((row, answer, _asked_alike(row, provider)))
    print(f"{way.name}: {len(served)} calls in {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
    time.sleep(BOOKING_S)
    return [_verdict(way, row, answer, alike) for row, answer, alike in served]


def _sent(way: Way, asked: Asked, row: Exchange, provider: StandIn, client: httpx.Client) -> httpx.Response | None:
    """The reply; None where the connection broke off."""
    provider.hold(row)
    try:
        return client.post(way.url + asked.path, json=asked.body, headers=way.headers)
    except httpx.HTTPError:
        return None


def _asked_alike(row: Exchange, provider: StandIn) -> bool:
    """Whether the provider was asked at the recorded endpoint, and for no usage event beyond. A call
    that never reached it counts: a refusal of the gateway's own is a result."""
    if not provider.target:
        return True
    path = urlsplit(provider.target).path
    try:
        asked = json.loads(provider.body)
    except ValueError:
        asked = {}
    return path.rpartition("/")[2] == row.path.rpartition("/")[2] and asked.get("stream_options") == row.request.get("stream_options")


def _verdict(way: Way, row: Exchange, answer: httpx.Response | None, alike: bool) -> Verdict:
    if answer is None or answer.status_code != row.status:
        said = "broken off" if answer is None else f"{answer.status_code} {answer.text[:300]}"
        return Verdict(row.id, _kind(row), way.name, alike, False, False, False, False, False, False, None, _expected_cost(row)[0], said)
    booked = way.booked(answer.headers.get(way.id_header, ""))
    want = _expected_usage(row)
    have = _comparable(booked)
    against, cost = _expected_cost(row)
    right = None if cost is None else booked.cost_usd is not None and abs(booked.cost_usd - cost) <= NANO_USD
    totals = {name: have.get(name) for name in ("input", "output")} == {name: want[name] for name in ("input", "output")}
    exact = have == want
    detail = "" if exact and right is not False else \
        f"usage {_plain(have)} of {_plain(want)}; cost {booked.cost_usd} of {cost}; {booked.why}"
    return Verdict(row.id, _kind(row), way.name, alike, True, answer.content == row.body, _content(answer.content) == _content(row.body),
                   totals, exact, booked.cost_usd is not None, right, against, detail)


def _plain(counts: dict[str, Decimal]) -> dict[str, str]:
    return {name: str(count) for name, count in counts.items()}


def _expected_usage(row: Exchange) -> dict[str, Decimal]:
    assert row.expected is not None
    return _counts(row.expected["usage"])


def _comparable(booked: Booked) -> dict[str, Decimal]:
    return {} if booked.usage is None else _counts(booked.usage)


def _counts(usage) -> dict[str, Decimal]:
    """The four counts both sides state; what is not said is nought."""
    written = sum(Decimal(usage.get(name) or 0) for name in ("cache_write_5m", "cache_write_1h", "cache_write"))
    return {**{name: Decimal(usage.get(name) or 0) for name in ("input", "output", "cached_read")}, "cache_write": Decimal(written)}


def _expected_cost(row: Exchange) -> tuple[str, Decimal | None]:
    expected = row.expected or {}
    if (stated := expected.get("provider_cost_usd")) is not None:
        return STATED, Decimal(stated)
    if row.id in _worked():
        return WORKED, _worked()[row.id]
    if expected.get("cost_usd") is not None and not expected.get("cost_incomplete"):
        return OPINION, Decimal(expected["cost_usd"])
    return "", None


@cache
def _worked() -> dict[str, Decimal]:
    return {one["recorded_id"]: Decimal(one["cost_usd_exact"]) for one in json.loads((CORPUS / "money_cases.json").read_text())
                      if one["recorded_id"] and one["cost_usd_exact"] is not None and one["priced_on"] is None}


def _content(body: bytes) -> object:
    """A reply's JSON, or that of each event, without regard to spelling and order of members."""
    try:
        return json.loads(body)
    except ValueError:
        pass
    events = [line[5:].strip() for line in body.splitlines() if line.startswith(b"data:")]
    try:
        return [event if event == b"[DONE]" else json.loads(event) for event in events]
    except ValueError:
        return body


_COLUMNS = ("served", "bytes identical", "same JSON", "input and output exact", "… and cache", "has a cost", "cost right",
            "as genai-prices")


def _tables(verdicts: list[Verdict]) -> Iterator[str]:
    own = {one.id: one for one in verdicts if one.way == OURS}
    fit = [one for one in own.values() if one.comparable]
    yield f"All of them through {OURS} alone ({len(own) - len(fit)} left out):\n"
    yield from _heading("taken")
    yield f"| {len(fit):,} | " + " | ".join(_cells(fit)) + " |"
    for way in dict.fromkeys(one.way for one in verdicts if one.way != OURS):
        theirs = [one for one in verdicts if one.way == way]
        pairs = [(one, own[one.id]) for one in theirs if one.comparable and own[one.id].comparable]
        yield f"\n### {way} / {OURS}, on the same exchanges ({len(theirs) - len(pairs)} left out)\n"
        yield from _heading("exchanges of", "taken")
        for kind in (*sorted({one.kind for one, _ in pairs}), ""):
            these = [pair for pair in pairs if kind in ("", pair[0].kind)]
            cells = zip(_cells([one for one, _ in these]), _cells([other for _, other in these]), strict=True)
            yield f"| {kind or '**all**'} | {len(these):,} | " + " | ".join(" / ".join(pair) for pair in cells) + " |"


def _heading(*first: str) -> Iterator[str]:
    yield "| " + " | ".join((*first, *_COLUMNS)) + " |"
    yield "|" + "---|" * len(first) + "---:|" * len(_COLUMNS)


def _cells(these: list[Verdict]) -> Iterator[str]:
    """A way's counts in the columns' order; a cost says of how many."""
    for name in ("served", "identical", "same_content", "totals", "with_cache", "has_cost"):
        yield f"{sum(getattr(one, name) for one in these):,}"
    for against in ((STATED, WORKED), (OPINION,)):
        held = [one for one in these if one.cost_against in against]
        yield f"{sum(bool(one.cost) for one in held):,} of {len(held):,}" if held else "–"


if __name__ == "__main__":
    main()
