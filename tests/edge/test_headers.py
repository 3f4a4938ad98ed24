"""What goes further, both ways: everything, exactly, save the deny-list."""

from __future__ import annotations

import pytest

from tallystick.core.dialect import CredentialPlace
from tallystick.core.secret import Secret
from tallystick.edge.headers import ACCOUNT_HEADERS, Bend, readable_encodings, to_client, to_provider
from tests.build.edge import BEARER, PROVIDERS

OPENAI, ANTHROPIC = PROVIDERS["openai"], PROVIDERS["anthropic"]


def sent(*headers: tuple[str, str], provider=OPENAI, **bend) -> list[tuple[str, str]]:
    raw = [(name.encode(), value.encode()) for name, value in headers]
    return [(name.decode(), value.decode()) for name, value in to_provider(raw, provider, Bend(**bend))]


def test_order_values_and_duplicates_stay():
    headers = [("accept", "application/json"), ("x-b", "1"), ("x-a", " spaced "), ("x-b", "2"), ("openai-beta", "v=2"), ("idempotency-key", "k")]
    assert sent(*headers) == headers


INTERNAL = [
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "http2-settings",
    "host", "content-length", "expect", "cookie", "origin", "referer",
    "x-tallystick-key", "x-tallystick-team", "x-tallystick-anything", "x-tallystick-dimension-a",
    "x-cartie-key", "x-cartie-tenant", "x-cartie-new", "x-aso-api-key", "x-aso-dimension-a", "x-virtual-key", "x-provider-key", "x-project-token",
    "x-sandbox", "_aipromptcost", "x-aipromptcost", "x-litellm-tags", "x-litellm-api-key",
    "forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-forwarded", "x-real-ip", "x-client-ip", "true-client-ip",
    "cf-connecting-ip", "cf-ray", "cdn-loop", "x-envoy-external-address",
    "x-api-key", "x-goog-api-key", "api-key",
]


@pytest.mark.parametrize("name", INTERNAL)
def test_none_of_these_reaches_a_provider_that_takes_bearer_tokens(name):
    assert sent((name, "x"), ("accept", "*/*")) == [("accept", "*/*")]


def test_headers_named_by_connection_go_no_further():
    assert sent(("connection", "close, X-Trace"), ("connection", "x-more"), ("x-trace", "1"), ("x-more", "1"), ("x-kept", "1")) == [("x-kept", "1")]


def test_a_credential_passes_exactly_where_the_provider_takes_it():
    assert sent(("authorization", "Bearer  sk-x")) == [("authorization", "Bearer  sk-x")]
    both = [("x-api-key", "sk-ant"), ("authorization", "Bearer oat"), ("anthropic-version", "2026-10-21")]
    assert sent(*both, provider=ANTHROPIC) == both


def test_a_gateway_key_in_a_credential_s_place_stays_here():
    assert sent(("x-api-key", "tsk_x"), ("authorization", "Bearer oat"), provider=ANTHROPIC, withheld=frozenset({b"x-api-key"})) \
        == [("authorization", "Bearer oat"), ("anthropic-version", "2023-06-01")]


def test_a_stored_credential_replaces_every_other_and_hides_the_account():
    assert sent(
        ("authorization", "Bearer theirs"), ("openai-organization", "org-1"), ("openai-project", "p"), ("accept", "*/*"),
        credential=Secret("sk-stored"), place=BEARER, stored=True,
    ) == [("accept", "*/*"), ("authorization", "Bearer sk-stored")]


def test_the_caller_s_own_account_headers_pass_with_the_caller_s_own_credential():
    headers = [("authorization", "Bearer theirs"), ("openai-organization", "org-1")]
    assert sent(*headers) == headers


def test_s3_s_provider_key_is_written_where_the_provider_takes_it():
    assert sent(("authorization", "Bearer apc_x"), ("x-api-key", "sk-ignored"), ("anthropic-version", "1"), provider=ANTHROPIC,
                credential=Secret("sk-ant"), place=CredentialPlace("x-api-key")) == [("anthropic-version", "1"), ("x-api-key", "sk-ant")]


@pytest.mark.parametrize(("asked", "passed"), [
    ("gzip, deflate, br, zstd", "gzip, deflate, br, zstd"),
    ("GZIP;q=1.0,  br;q=0.5", "GZIP;q=1.0,  br;q=0.5"),
    ("gzip, compress, br", "gzip, br"),
    ("*", "identity"),
    ("gzip, *;q=0", "gzip"),
    ("dcb", "identity"),
])
def test_encodings_are_narrowed_to_what_a_meter_can_read(asked, passed):
    assert readable_encodings(asked.encode()) == passed.encode()
    assert sent(("accept-encoding", asked)) == [("accept-encoding", passed)]


def test_a_stream_we_must_edit_is_asked_for_plainly():
    assert sent(("accept-encoding", "gzip"), ("accept", "*/*"), identity=True) == [("accept-encoding", "identity"), ("accept", "*/*")]
    assert sent(("accept", "*/*"), identity=True) == [("accept", "*/*"), ("accept-encoding", "identity")]


@pytest.mark.parametrize(("stated", "passed"), [
    ([], [("content-type", "application/json")]),
    ([("content-type", "application/x-www-form-urlencoded")], [("content-type", "application/json")]),
    ([("content-type", "application/x-www-form-urlencoded; charset=utf-8")], [("content-type", "application/json")]),
    ([("content-type", "")], [("content-type", "application/json")]),
    ([("content-type", "application/json; charset=utf-8")], [("content-type", "application/json; charset=utf-8")]),
    ([("content-type", "text/plain")], [("content-type", "text/plain")]),
])
def test_json_that_curl_calls_a_form_is_json(stated, passed):
    assert sent(*stated, json_body=True) == passed
    assert sent(*stated) == stated


# --- the way back -----------------------------------------------------------------------------------

def returned(*headers: tuple[str, str], own: bool = True, edited: bool = False, ours=()) -> list[tuple[str, str]]:
    raw = [(name.encode(), value.encode()) for name, value in headers]
    return [(name.decode(), value.decode()) for name, value in to_client(raw, own_credential=own, edited=edited, ours=ours)]


def test_a_reply_s_headers_pass_as_they_are_and_ours_follow():
    headers = [("Date", "d"), ("Server", "s"), ("X-Request-Id", "r"), ("content-length", "3"), ("content-encoding", "gzip"), ("x-a", "1"), ("x-a", "2")]
    assert returned(*headers, ours=[(b"x-tallystick-request-id", b"req_1")]) == [*headers, ("x-tallystick-request-id", "req_1")]


@pytest.mark.parametrize("name", ["Set-Cookie", "set-cookie2", "Connection", "Keep-Alive", "Transfer-Encoding", "Trailer", "Upgrade", "X-Tallystick-Cost-USD"])
def test_none_of_these_reaches_the_client(name):
    assert returned((name, "x"), ("a", "b")) == [("a", "b")]


def test_headers_the_provider_s_connection_names_stay_there():
    assert returned(("Connection", "X-Hop"), ("x-hop", "1"), ("a", "b")) == [("a", "b")]


@pytest.mark.parametrize("name", sorted(name.decode() for name in ACCOUNT_HEADERS))
def test_whose_account_it_is_only_its_owner_learns(name):
    assert returned((name.title(), "x")) == [(name.title(), "x")]
    assert returned((name.title(), "x"), own=False) == []


def test_an_edited_body_loses_its_length():
    assert returned(("Content-Length", "10"), edited=True) == []
