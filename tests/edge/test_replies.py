"""A refusal is an answer: in the caller's dialect, and plain about whether trying again can help."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import get_args

import pytest

from tallystick.core.dialect import ErrorShape
from tallystick.core.errors import Denied, FaultKind, UpstreamFault
from tallystick.edge import promptcost
from tallystick.edge.replies import CODES, refuse, status_of, upstream_failed

BUDGET = Denied("budget_exceeded", "Spent.", details={"budget_id": "b1", "limit_usd": "500"})
SOURCES = Path(__file__).parents[2] / "src" / "tallystick"


def body(denied: Denied, shape: ErrorShape) -> dict:
    return json.loads(refuse(denied, shape, "req_1").body)


def test_openai_s_shape():
    assert body(BUDGET, "openai") == {"error": {
        "message": "Spent.", "type": "insufficient_quota", "param": None, "code": "budget_exceeded",
        "tallystick": {"code": "budget_exceeded", "request_id": "req_1", "budget_id": "b1", "limit_usd": "500"},
    }}


def test_anthropic_s_shape():
    assert body(BUDGET, "anthropic") == {
        "type": "error", "request_id": "req_1",
        "error": {"type": "billing_error", "message": "Spent.",
                  "tallystick": {"code": "budget_exceeded", "request_id": "req_1", "budget_id": "b1", "limit_usd": "500"}},
    }


def test_gemini_s_shape():
    error = body(BUDGET, "gemini")["error"]
    assert (error["code"], error["status"]) == (402, "RESOURCE_EXHAUSTED")
    assert error["details"] == [{
        "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "BUDGET_EXCEEDED", "domain": "tallystick",
        "metadata": {"code": "budget_exceeded", "request_id": "req_1", "budget_id": "b1", "limit_usd": "500"},
    }]


@pytest.mark.parametrize("shape", ["cohere", "bedrock"])
def test_the_shape_of_a_bare_message(shape):
    answer = body(BUDGET, shape)
    assert answer["message"] == "Spent."
    assert answer["tallystick"]["code"] == "budget_exceeded"


@pytest.mark.parametrize("entry", CODES, ids=lambda entry: entry.code)
@pytest.mark.parametrize("shape", get_args(ErrorShape))
def test_every_code_in_every_shape(entry, shape):
    reply = refuse(Denied(entry.code, "Why.", retry_after_s=7), shape, "req_1")
    headers = dict(reply.headers)
    assert reply.status == entry.status == status_of(entry.code)
    assert headers[b"content-length"] == str(len(reply.body)).encode()
    assert headers[b"x-tallystick-request-id"] == b"req_1"
    assert headers[b"x-should-retry"] == (b"true" if entry.retryable else b"false")
    assert headers[b"retry-after"] == b"7"
    assert json.loads(reply.body)


def test_codes_are_unique_and_a_policy_refusal_is_never_5xx():
    assert len({entry.code for entry in CODES}) == len(CODES)
    assert all(entry.status < 500 for entry in CODES if "cap" in entry.meaning or "policy" in entry.meaning)


def test_s3_s_statuses():
    statuses = {entry.code: entry.status for entry in CODES}
    assert statuses["missing_api_key"] == statuses["invalid_api_key"] == statuses["provider_credential_missing"] == 401
    assert statuses["invalid_json"] == statuses["missing_field"] == 400
    assert statuses["upstream_unreachable"] == statuses["provider_key_invalid"] == 502


@pytest.mark.parametrize("kind", get_args(FaultKind))
def test_every_upstream_fault_has_an_answer(kind):
    denied = upstream_failed(UpstreamFault(kind, "", written=False))
    assert status_of(denied.code) in (502, 504)


def test_a_timeout_is_504():
    assert status_of(upstream_failed(UpstreamFault("timeout", "", written=True)).code) == 504


def test_every_code_in_the_source_stands_in_the_table():
    known = {entry.code for entry in CODES}
    used = {
        node.args[0].value
        for path in [*SOURCES.glob("edge/*.py"), *SOURCES.glob("core/*.py")]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Denied"
        and node.args and isinstance(node.args[0], ast.Constant)
    }
    assert used >= {"bad_path", "invalid_json", "bad_attribution"}
    assert used <= known


@pytest.mark.parametrize(("operation", "request_body", "missing"), [
    ("chat", {"model": "m", "messages": [{}]}, None),
    ("chat", {"messages": [{}]}, "model"),
    ("chat", {"model": "m"}, "messages"),
    ("chat", {"model": "m", "messages": []}, "messages"),
    ("messages", {"model": "m"}, "messages"),
    ("embeddings", {"model": "m"}, "input"),
    ("models", {}, None),
])
def test_on_s3_s_paths_a_call_names_its_model_and_its_messages(operation, request_body, missing):
    denied = promptcost.missing_field(operation, request_body)
    assert (denied and denied.details["param"]) == missing


def test_on_s3_s_paths_a_refused_provider_key_is_a_bad_gateway():
    assert status_of(promptcost.key_refused(401).code) == 502
    assert promptcost.key_refused(200) is None
    assert promptcost.key_refused(429) is None
