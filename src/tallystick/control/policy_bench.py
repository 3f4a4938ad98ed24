"""The test bench: what policies say of a request that somebody wrote down, as if one of the organisation's keys had sent it.
Nobody is called, nothing is booked, no rate counts it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from tallystick.control.callers import CallerOf, PartsOf
from tallystick.control.figures import answer
from tallystick.control.problems import Problem
from tallystick.core.errors import Denied
from tallystick.core.identity import Principal
from tallystick.core.money import decimal_text
from tallystick.core.policies.bench import Alone, Tried
from tallystick.core.policies.book import Judgement
from tallystick.core.policies.policy import Claim
from tallystick.ports import Pasted
from tallystick.stores.sql.directory import find_key, organization

BODY_CHARS_MAX: Final = 200_000
HEADERS_MAX: Final = 100
Token = Annotated[str, Field(max_length=128, pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")]
Line = Annotated[str, Field(max_length=4_096, pattern=r"^[^\r\n\x00]*$")]


class Written(BaseModel):
    """A request as it would come in. Credentials in it are not looked at: `key_id` says whose call it is."""

    model_config = ConfigDict(extra="forbid")

    key_id: Annotated[str, Field(max_length=64)]
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"] = "POST"
    path: Annotated[Line, Field(min_length=1, pattern=r"^/[\x21-\x7e]*$")]
    headers: Annotated[dict[Token, Line], Field(max_length=HEADERS_MAX)] = {}
    body: Annotated[str, Field(max_length=BODY_CHARS_MAX)] = ""
    address: Annotated[str, Field(max_length=64, description="Where it comes from, for policies on addresses.")] = ""


class Said(BaseModel):
    """What comes of a call: `refused` with `code` and `message`, `changed` (to `model`, to `output_limit`), `warned`, `passes`.
    `counts`: what it would take room in, which is not taken."""

    verdict: Literal["refused", "changed", "warned", "passes"]
    code: str | None
    message: str | None
    model: str | None
    output_limit: int | None
    warnings: list[str]
    counts: list[str]


class SaidAlone(Said):
    """One policy, as if it were the only one and enforced; its `mode`, and whether the glass is broken, say what it does now."""

    policy: int
    kind: str
    on: str
    name: str
    mode: str
    bypassed: bool


class Benched(Said):
    """`read`: what the request was taken for; null where it does not come before the policies."""

    read: dict[str, Any] | None
    by: int | None
    policies: list[SaidAlone]


def routes() -> APIRouter:
    """The route of this resource; it stands before those that name a policy."""
    router = APIRouter(prefix="/api/policies", tags=["policies"])
    router.add_api_route("/bench", try_policies_on, methods=["POST"], response_model=Benched)
    return router


async def try_policies_on(parts: PartsOf, caller: CallerOf, written: Written) -> Response:
    """Which policies would judge a request how. Nothing is sent or booked."""
    here = await asyncio.to_thread(organization, parts.database, caller.organization)
    key = await asyncio.to_thread(find_key, parts.database, here.id, written.key_id, caller.sight)
    if key is None:
        raise Problem(404, "not_found", "There is no such key here; take the id of one from the list of keys.")
    if parts.bench is None:
        raise Problem(503, "unavailable", "This process serves no calls, so it cannot try one.")
    principal = Principal(key.id, caller.organization, key.labels, key.dimensions, key.credential)
    headers = [(name.encode("ascii"), value.encode()) for name, value in written.headers.items()]
    found = await parts.bench(Pasted(principal, written.method, written.path.encode("ascii"), headers, written.body.encode(),
                                     parts.clock.now_us(), written.address))
    return answer(_refused_before(found) if isinstance(found, Denied) else _document(found))


def _refused_before(denied: Denied) -> dict[str, Any]:
    said = {"verdict": "refused", "code": denied.code, "message": denied.message, "model": None, "output_limit": None}
    return {**said, "warnings": [], "counts": [], "read": None, "by": None, "policies": []}


def _document(tried: Tried) -> dict[str, Any]:
    call, facts = tried.case.call, tried.case.call.facts
    expected = tried.case.expected(call)
    read = {
        "provider": call.provider, "operation": call.operation, "model": facts.model, "output_limit": facts.output_limit,
        "billable": tried.case.billable, "body_bytes": call.body_bytes, "labels": dict(tried.case.attribution.labels),
        "expected_nanos": expected, "expected_usd": None if expected is None else decimal_text(expected)}
    return {**_said(tried.together), "read": read, "by": tried.together.policy, "policies": [_alone(one) for one in tried.alone]}


def _alone(one: Alone) -> Mapping[str, Any]:
    policy = one.policy
    return {"policy": policy.id, "kind": policy.kind, "on": str(policy.scope), "name": policy.name, "mode": policy.mode,
            "bypassed": one.bypassed, **_said(one.judgement)}


def _said(judgement: Judgement) -> dict[str, Any]:
    denied, edit = judgement.denied, judgement.edit
    verdict = "refused" if denied else "changed" if edit else "warned" if judgement.warnings else "passes"
    counts = [text for claimed in judgement.claims for text in _claim(claimed.claim)]
    counts += [f"calls and cost of session {cap.subject}" for _, cap in judgement.caps]
    return {
        "verdict": verdict, "code": denied.code if denied else None, "message": denied.message if denied else None,
        "model": edit.model if edit else None, "output_limit": edit.output_limit if edit else None,
        "warnings": list(judgement.warnings), "counts": counts}


def _claim(claim: Claim) -> list[str]:
    window_s = claim.window_us // 1_000_000
    each = {"requests": claim.requests, "tokens": claim.tokens}
    told = [f"{limit} {what} in {window_s} s" for what, limit in each.items() if limit is not None]
    return told + ([f"{claim.concurrent} calls at once"] if claim.concurrent is not None else [])
