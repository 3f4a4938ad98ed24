"""Refusals and failures in the shape the caller's SDK expects (decisions.md, "Refusals"). One table
holds every code with its status, the type each dialect has for it, and whether trying again can
help; docs/reference/errors.md is written from it.

SDKs retry 408, 409, 429 and every 5xx by themselves and obey `x-should-retry`, so each answer says
plainly which it is: a refused call that is tried three times is three refusals and no help.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tallystick.core.dialect import ErrorShape
from tallystick.core.errors import Denied, UpstreamFault
from tallystick.edge.body import BodyFault


@dataclass(frozen=True, slots=True)
class Code:
    """A stable error code. `retryable`: the same call may succeed later, unchanged."""

    code: str
    status: int
    openai_type: str
    anthropic_type: str
    gemini_status: str
    retryable: bool
    meaning: str


def _bad(code: str, meaning: str, status: int = 400) -> Code:
    return Code(code, status, "invalid_request_error", "invalid_request_error", "INVALID_ARGUMENT", False, meaning)


def _unknown_caller(code: str, meaning: str) -> Code:
    return Code(code, 401, "invalid_request_error", "authentication_error", "UNAUTHENTICATED", False, meaning)


def _forbidden(code: str, meaning: str) -> Code:
    return Code(code, 403, "invalid_request_error", "permission_error", "PERMISSION_DENIED", False, meaning)


def _not_found(code: str, meaning: str) -> Code:
    return Code(code, 404, "invalid_request_error", "not_found_error", "NOT_FOUND", False, meaning)


def _busy(code: str, meaning: str) -> Code:
    return Code(code, 429, "rate_limit_error", "rate_limit_error", "RESOURCE_EXHAUSTED", True, meaning)


CODES: Final[tuple[Code, ...]] = (
    _bad("bad_request", "The HTTP request itself is malformed or ambiguous; the connection is closed."),
    _bad("bad_path", "The path has empty or dot segments, encoded slashes or characters that no route has."),
    _bad("incomplete_body", "The connection ended before the whole request body had arrived. Nothing was forwarded."),
    _bad("invalid_json", "The body is not valid JSON in UTF-8."),
    _bad("duplicate_key", "An object in the body names a key twice, so two readers could read it differently."),
    _bad("number_out_of_range", "The body holds a number that no double can hold, such as 1e400."),
    _bad("json_too_deep", "The body nests deeper than 128 levels."),
    _bad("json_too_many", "The body holds more keys or values than the gateway reads."),
    _bad("not_an_object", "The body is JSON, but not an object."),
    _bad("missing_field", "On the paths that promise it: `model`, or what the model is to answer, is missing."),
    _bad("bad_attribution", "An attribution header or member cannot be read, or is longer than allowed."),
    _unknown_caller("missing_api_key", "No Tallystick key came with the call."),
    _unknown_caller("invalid_api_key", "The Tallystick key was never issued, is revoked or has expired."),
    _unknown_caller("provider_credential_missing", "Neither the caller nor the organisation has a key for this provider."),
    _unknown_caller("provider_credential_unusable", "The organisation's key for this provider must be set again: the provider's address "
                    "changed since, or it does not open."),
    Code("budget_exceeded", 402, "insufficient_quota", "billing_error", "RESOURCE_EXHAUSTED", False,
         "The call does not fit under a hard cap; `details` name budget, limit, spent, held and reset."),
    Code("budget_held", 402, "insufficient_quota", "billing_error", "RESOURCE_EXHAUSTED", True,
         "The call fits under what is settled, but not beside what is held for calls on their way."),
    _forbidden("outside_key_scope", "A header names a team or project outside the key's own."),
    _forbidden("route_not_open", "With a stored credential this route is closed: it needs the caller's own provider key."),
    _forbidden("not_your_object", "With a stored credential only objects that this owner created are open."),
    _forbidden("model_not_priced", "The model has no price, and a hard cap is on the path."),
    _forbidden("cost_unbounded", "A hard cap is on the path, and the call's cost has no bound: content by reference to a model whose "
               "context window is not known, or the provider's tools without a limit on their number."),
    _forbidden("policy_denied", "A policy of the organisation refuses the call; `details` name it."),
    _forbidden("killed", "A kill switch covers this call."),
    _forbidden("confirmation_required", "A policy asks that a call this expensive is confirmed: send it again with `X-Tallystick-Confirm: "
               "yes`. `details` have the expected cost."),
    _not_found("unknown_provider", "The path names a provider that is not configured here."),
    _not_found("unknown_route", "The path is no provider's."),
    _bad("method_not_allowed", "The method is none that a provider takes.", 405),
    Code("request_timeout", 408, "invalid_request_error", "timeout_error", "DEADLINE_EXCEEDED", True,
         "The request's head or body arrived too slowly."),
    Code("body_too_large", 413, "invalid_request_error", "request_too_large", "INVALID_ARGUMENT", False,
         "The body is longer than the route takes."),
    _bad("unsupported_encoding", "Request bodies must not be compressed.", 415),
    _busy("rate_limited", "More calls a minute than the key or the organisation allows, or more wrong keys from one address."),
    _busy("credential_cooling_down", "The provider limits the organisation's credential for this model and said until when; "
          "`Retry-After` has what is left of it, and nothing was sent."),
    _busy("too_many_at_once", "More calls of a key, or connections of an address, at the same time than their share."),
    _busy("too_many_names", "More new names a day than the key may make."),
    _bad("head_too_large", "The request's headers are too many or too long.", 431),
    Code("internal_error", 500, "server_error", "api_error", "INTERNAL", True, "A defect of the gateway; its log has the request id."),
    Code("provider_key_invalid", 502, "server_error", "api_error", "UNAVAILABLE", False,
         "On S3's paths: the provider refused the provider key."),
    Code("upstream_unreachable", 502, "server_error", "api_error", "UNAVAILABLE", True, "No connection to the provider could be made."),
    Code("upstream_broke_off", 502, "server_error", "api_error", "UNAVAILABLE", True,
         "The provider closed the connection before it had answered."),
    Code("upstream_bad_reply", 502, "server_error", "api_error", "UNAVAILABLE", True,
         "The provider's answer was not valid HTTP, or larger than the gateway passes on."),
    Code("journal_unavailable", 503, "server_error", "api_error", "UNAVAILABLE", True,
         "The journal cannot take the call's record, so the call was not made."),
    Code("budget_unavailable", 503, "server_error", "api_error", "UNAVAILABLE", True,
         "Whether the call fits its budgets cannot be told: the database does not answer, and what is leased is used up, or it has "
         "not answered for `database.max_staleness_s`, and the gateway may have missed a change."),
    Code("overloaded", 503, "server_error", "overloaded_error", "UNAVAILABLE", True, "The gateway has more calls than it can carry."),
    Code("upstream_timeout", 504, "server_error", "timeout_error", "DEADLINE_EXCEEDED", True, "The provider did not answer in time."),
)

_BY_CODE: Final = {entry.code: entry for entry in CODES}

_UPSTREAM: Final[Mapping[str, tuple[str, str]]] = {
    "connect": ("upstream_unreachable", "The provider could not be reached."),
    "reset": ("upstream_broke_off", "The provider closed the connection before it had answered."),
    "timeout": ("upstream_timeout", "The provider did not answer in time."),
    "protocol": ("upstream_bad_reply", "The provider's answer was not valid HTTP."),
    "too_large": ("upstream_bad_reply", "The provider's answer is larger than the gateway passes on."),
    "cancelled": ("upstream_broke_off", "The call was stopped before the provider had answered."),
}


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of our own, ready for the wire."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


def refuse(denied: Denied, shape: ErrorShape, request_id: str, *, extra: Iterable[tuple[bytes, bytes]] = ()) -> Reply:
    """A refusal as the caller's SDK expects it. Raises KeyError for a code the table lacks, which is
    a defect that the table's own test finds first."""
    entry = _BY_CODE[denied.code]
    ours = {"code": denied.code, "request_id": request_id, **denied.details}
    body = json.dumps(_body(entry, denied, shape, ours), ensure_ascii=False, separators=(",", ":")).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"x-should-retry", b"true" if entry.retryable else b"false"),
        (b"x-tallystick-request-id", request_id.encode()),
        *extra,
    ]
    if denied.retry_after_s is not None:
        headers.append((b"retry-after", str(denied.retry_after_s).encode()))
    return Reply(entry.status, headers, body)


def status_of(code: str) -> int:
    """The HTTP status of a code."""
    return _BY_CODE[code].status


def upstream_failed(fault: UpstreamFault) -> Denied:
    """The refusal of a call whose provider failed before its reply began, or whose upload broke off
    on its way to it."""
    if isinstance(fault, BodyFault):
        return fault.denied
    return Denied(*_UPSTREAM[fault.kind])


def _body(entry: Code, denied: Denied, shape: ErrorShape, ours: Mapping[str, str]) -> dict[str, Any]:
    if shape == "anthropic":
        error = {"type": entry.anthropic_type, "message": denied.message, "tallystick": ours}
        return {"type": "error", "error": error, "request_id": ours["request_id"]}
    if shape == "gemini":
        info = {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": denied.code.upper(), "domain": "tallystick", "metadata": ours,
        }
        return {"error": {"code": entry.status, "message": denied.message, "status": entry.gemini_status, "details": [info]}}
    if shape in ("cohere", "bedrock"):
        return {"message": denied.message, "tallystick": ours}
    return {"error": {
        "message": denied.message, "type": entry.openai_type, "param": denied.details.get("param"),
        "code": denied.code, "tallystick": ours,
    }}
