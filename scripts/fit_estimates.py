"""Fit the ratios of core/estimate.py on the recorded traffic, and print how far estimates are off.

    python scripts/fit_estimates.py [CORPUS_DIRECTORY]

The corpus is looked for in `$TALLYSTICK_SHARED/corpus`, else in `../shared/corpus` beside the
repository. Only plain calls count for the input ratio: billable, whole, without media, references or
tools of the provider, whose tokens no byte of the body shows. For the output ratio only replies whose
generated text the meter saw and that report no reasoning. A ratio is the sum of tokens over the sum of
bytes, so that estimates are right in total; the table shows how far single calls are off. The few
calls above the bound of a hold ran tools that the request does not show, and are left out of the fit.
"""

from __future__ import annotations

import gzip
import json
import os
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tallystick.core.call import Facts, ReplyHead
from tallystick.core.estimate import (
    HIDDEN_PROMPT_TOKENS,
    MEDIUM_TOKENS,
    MEDIUM_TOKENS_MAX,
    RATIOS,
    SAME_TOKENS,
    estimate_usage,
    input_bound_tokens,
)
from tallystick.core.usage import Reading
from tallystick.providers import provider as provider_of

OUR_NAMES = {"google-ai-studio": "google", "vertex-ai": "vertex"}
SHAPES = {"vertex": "google"}                # read by another provider's routes


@dataclass(frozen=True, slots=True)
class Row:
    """One billable recorded call."""

    id: str
    family: str
    facts: Facts
    body_bytes: int
    output_bytes: int
    input: int
    output: int
    reasoning: int

    @property
    def is_plain(self) -> bool:
        shown = not (self.facts.media or self.facts.references or self.facts.server_tools or self.facts.inputs > 1)
        return shown and self.input <= input_bound_tokens(self.facts, self.body_bytes)


def main() -> None:
    rows = list(read_rows(corpus_directory()))
    families = {family: [row for row in rows if row.family == family] for family in (*RATIOS, "other")}
    print("| family | calls | input, tokens per 1,000 bytes | single calls: p10, median, p90 | replies | output | p10, median, p90 |")
    print("|---|---|---|---|---|---|---|")
    for family, found in families.items():
        plain = [row for row in found if row.is_plain and row.input]
        replies = [row for row in found if row.output_bytes and row.output and not row.reasoning]
        print(f"| {family} | {len(plain)} | {ratio([(r.input, r.body_bytes) for r in plain])} | {errors_of_input(plain)} "
              f"| {len(replies)} | {ratio([(r.output, r.output_bytes) for r in replies])} | {errors_of_output(replies)} |")
    print()
    print_bound(rows)
    print_media(rows)


def corpus_directory() -> Path:
    if len(sys.argv) > 1:
        return Path(sys.argv[1])
    shared = os.environ.get("TALLYSTICK_SHARED")
    return (Path(shared) if shared else Path(__file__).resolve().parents[2] / "shared") / "corpus"


def read_rows(corpus: Path) -> Iterator[Row]:
    with (corpus / "expected.jsonl").open(encoding="utf-8") as lines:
        expected = {row["id"]: row for row in map(json.loads, lines) if row.get("usage")}
    with gzip.open(corpus / "exchanges.jsonl.gz", "rt", encoding="utf-8") as lines:
        for exchange in map(json.loads, lines):
            answer = expected.get(exchange["id"])
            if answer is not None and is_whole(exchange, answer) and (row := read_row(exchange, answer)):
                yield row


def is_whole(exchange: dict[str, Any], answer: dict[str, Any]) -> bool:
    cut = {"request_elided", "response_elided", "text_shortened", "response_only"} & set(exchange["flags"] or [])
    doubtful = any(note.startswith(("AMBIGUOUS", "INCONSISTENT")) for note in answer.get("notes") or [])
    return exchange["transport"] == "http" and not cut and not doubtful and bool(exchange["request_body"])


def read_row(exchange: dict[str, Any], answer: dict[str, Any]) -> Row | None:
    name = OUR_NAMES.get(exchange["provider"], exchange["provider"])
    known = provider_of(SHAPES.get(name, name))
    text = exchange["request_body"]
    text = text if isinstance(text, str) else json.dumps(text)
    try:
        body = json.loads(text)
    except ValueError:
        return None
    if known is None or exchange["response_body_encoding"] != "utf-8" or not isinstance(body, dict):
        return None
    path = urlsplit(exchange["url"]).path
    if name == "vertex":
        path = "/v1beta/models/" + path.rsplit("/", 1)[1]
    route, model = known.route_for(exchange["method"], path)
    if route.dialect is None or route.operation in ("embeddings", "runs"):
        return None
    facts = route.dialect.facts(body, model)
    headers = {key.lower(): value for key, value in (exchange["response_headers"] or {}).items()}
    meter = route.dialect.meter(facts, ReplyHead(exchange["status"], headers, exchange["streaming"], path))
    meter.feed(exchange["response_body"].encode())
    reading: Reading = meter.finish()
    usage = answer["usage"]
    family = SAME_TOKENS.get(name, name)
    return Row(
        exchange["id"], family if family in RATIOS else "other", facts, len(text.encode()), reading.output_bytes,
        usage.get("input", 0), usage.get("output", 0), usage.get("reasoning", 0),
    )


def ratio(pairs: list[tuple[int, int]]) -> int:
    """Tokens per thousand bytes."""
    return round(1000 * sum(tokens for tokens, _ in pairs) / max(1, sum(size for _, size in pairs)))


def errors_of_input(rows: list[Row]) -> str:
    return spread([estimate_usage(r.facts, r.body_bytes, 0, r.family).input_tokens / r.input for r in rows])


def errors_of_output(rows: list[Row]) -> str:
    return spread([estimate_usage(r.facts, 0, r.output_bytes, r.family).output_tokens / r.output for r in rows])


def spread(quotients: list[float]) -> str:
    """Estimated over billed, as percentages."""
    if not quotients:
        return "–"
    ranked = sorted(quotients)
    return ", ".join(f"{100 * ranked[min(len(ranked) - 1, int(len(ranked) * q))]:.0f}%" for q in (0.1, 0.5, 0.9))


def print_bound(rows: list[Row]) -> None:
    """How often the bounds of a hold are passed, by plain calls and by those with inline media only."""
    for strict in (False, True):
        name = "bytes" if strict else "bytes / 2"
        plain = [r for r in rows if not (r.facts.references or r.facts.server_tools)]
        over = [r for r in plain if r.input > input_bound_tokens(r.facts, r.body_bytes, strict=strict)]
        print(f"{name} + {HIDDEN_PROMPT_TOKENS:,} holds for {len(plain) - len(over):,} of {len(plain):,} calls"
              f"{': all but ' + ', '.join(r.id for r in over) if over else ''}")


def print_media(rows: list[Row]) -> None:
    """What one inline medium was billed at, beyond the estimate of the text beside it."""
    found: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        if row.facts.media and not row.facts.references and not row.facts.server_tools:
            text_tokens = estimate_usage(Facts(), row.body_bytes - row.facts.media_bytes, 0, row.family).input_tokens
            found[row.family].append((row.input - text_tokens) // row.facts.media)
    for family, tokens in sorted(found.items()):
        ranked = sorted(tokens)
        print(f"inline media, {family}: {len(ranked)} calls, median {ranked[len(ranked) // 2]:,}, most {ranked[-1]:,} tokens "
              f"a medium (estimate {MEDIUM_TOKENS:,}, bound {MEDIUM_TOKENS_MAX:,})")


if __name__ == "__main__":
    main()
