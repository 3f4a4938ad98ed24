"""What a call would cost before anybody makes it: the Prompt Builder's estimate. Rates are those that settle calls, with the
organisation's own over the list; the tokens are guessed from the size of the request, and the answer is taken as long as
it may be. So it is an estimate and says so, with its arithmetic.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from tallystick.control.call_document import line_document
from tallystick.control.callers import CallerOf, PartsOf
from tallystick.control.figures import answer
from tallystick.core.call import Facts
from tallystick.core.estimate import estimated_input
from tallystick.core.identity import VALUE_CHARS_MAX, Attribution
from tallystick.core.money import decimal_text
from tallystick.core.usage import usage_of

OUTPUT_TOKENS: Final = 1_000                 # where neither the request nor the model has an end
MODELS_MAX: Final = 500
_TOKENS_MAX: Final = 10_000_000
_OWN: Final = ""                             # no credential: the organisation's general prices


class Estimate(BaseModel):
    """What a call may cost. `lines`: quantity × rate = amount; `unpriced`: what no price is known for; `longest_output`: whether the
    output is as long as the model can, because the request sets no end. `models`: what the provider has prices for."""

    provider: str
    model: str
    known: bool
    input_tokens: int
    output_tokens: int
    longest_output: bool
    context_window: int | None
    output_max: int | None
    lines: list[dict[str, Any]]
    cost_nanos: int
    cost_usd: str
    unpriced: list[str]
    notes: list[str]
    price_version: str
    models: list[str]


def routes() -> APIRouter:
    """The routes of this resource."""
    router = APIRouter(prefix="/api/prompts", tags=["prompts"])
    router.add_api_route("/estimate", estimate, methods=["GET"], response_model=Estimate)
    return router


def estimate(
    parts: PartsOf, caller: CallerOf, provider: Annotated[str, Query(min_length=1, max_length=64)],
    model: Annotated[str, Query(min_length=1, max_length=VALUE_CHARS_MAX)],
    input_bytes: Annotated[int, Query(ge=0, le=100_000_000, description="Size of the request's body.")],
    max_tokens: Annotated[int | None, Query(ge=1, le=_TOKENS_MAX, description="The longest answer the request allows.")] = None,
) -> Response:
    """What a call of this size would cost at the prices of now, with the longest answer it allows."""
    now_us, listed = parts.clock.now_us(), parts.prices.listed_as(provider)
    book = parts.prices.of(provider, Attribution("", caller.organization, {}), _OWN)
    context_window, output_max = book.limits(listed, model, now_us)
    output_tokens = max_tokens if max_tokens is not None else output_max or OUTPUT_TOKENS
    if output_max is not None:
        output_tokens = min(output_tokens, output_max)
    usage = usage_of(input_text=estimated_input(Facts(), input_bytes, listed), output_text=output_tokens)
    charge = book.price(listed, model, usage, now_us, {})
    known = book.prices(listed)
    return answer({
        "provider": provider, "model": model, "known": book.resolve(listed, model, now_us) is not None,
        "input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens, "longest_output": max_tokens is None,
        "context_window": context_window, "output_max": output_max,
        "lines": [line_document(line, lambda one: parts.prices.describe(one.row or "")) for line in charge.lines],
        "cost_nanos": charge.nanos, "cost_usd": decimal_text(charge.nanos), "unpriced": charge.unpriced, "notes": charge.notes,
        "price_version": book.version, "models": sorted(known.models)[:MODELS_MAX] if known else [],
    })
