"""Who calls, and with whose provider key: the places in their order, and nothing of ours upstream."""

from __future__ import annotations

from base64 import b64encode

import pytest

from tallystick.core.dialect import CredentialPlace
from tallystick.core.errors import Denied
from tallystick.core.identity import Principal
from tallystick.core.keyformat import ENTROPY_BYTES, PERSONAL, mint
from tallystick.core.secret import Secret
from tallystick.edge.credentials import KEY_HEADERS, Caller, identify, present
from tallystick.edge.paths import resolve
from tests.build.edge import BEARER, PROVIDERS, Issued, answer

KEY = "tsk_valid"
STRANGER = "tsk_revoked"
ANONYMOUS = Principal("anonymous", "default", labels={"project": "open"}, anonymous=True)


def identified(path: str, headers: dict[str, str], *, query: bytes = b"", keyring: Issued | None = None, **options) -> Caller | Denied:
    lookup = {name.lower().encode(): value.encode() for name, value in headers.items()}
    target = resolve("POST", path.encode(), query, lookup, PROVIDERS)
    keyring = keyring or Issued(KEY, "proj-hr-chatbot-dev")
    return answer(identify(present(target, lookup, keyring), keyring, **options))


def code(result: Caller | Denied) -> str:
    assert isinstance(result, Denied), result
    return result.code


@pytest.mark.parametrize("name", ["X-Tallystick-Key", "X-Cartie-Key", "X-ASO-API-Key", "X-Virtual-Key", "X-Project-Token", "x-litellm-api-key"])
def test_a_key_header_authenticates_and_authorization_is_the_provider_s(name):
    caller = identified("/v1/chat/completions", {name: KEY, "Authorization": "Bearer sk-theirs"})
    assert caller.principal.key_id == "id-of-tsk_valid"
    assert caller.provider_credential == Secret("sk-theirs")
    assert caller.insert is None                         # it already stands where it belongs, byte for byte
    assert caller.withheld == frozenset()


def test_a_key_header_alone_means_a_stored_credential():
    caller = identified("/proxy/openai/v1/chat/completions", {"X-Virtual-Key": "proj-hr-chatbot-dev"})
    assert caller.principal.key_id == "id-of-proj-hr-chatbot-dev"
    assert caller.provider_credential is None


@pytest.mark.parametrize("name", [name.decode() for name in KEY_HEADERS])
def test_an_invalid_key_header_is_refused_whatever_else_comes_with_it(name):
    assert code(identified("/v1/chat/completions", {name: "no-such-key", "Authorization": f"Bearer {KEY}"})) == "invalid_api_key"


@pytest.mark.parametrize(("path", "name", "value"), [
    ("/v1/chat/completions", "Authorization", f"Bearer {KEY}"),
    ("/v1/chat/completions", "Authorization", f"bearer  {KEY}"),
    ("/v1/chat/completions", "Authorization", KEY),
    ("/v1/messages", "x-api-key", KEY),
    ("/v1/messages", "x-api-key", f"Bearer {KEY}"),
    ("/v1beta/models/g:generateContent", "x-goog-api-key", KEY),
    ("/v1/chat/completions", "api-key", KEY),
    ("/v1/chat/completions", "Authorization", "Bearer proj-hr-chatbot-dev"),
])
def test_without_a_key_header_an_issued_key_in_the_provider_s_place_authenticates_and_stays_here(path, name, value):
    caller = identified(path, {name: value})
    assert caller.principal.key_id.startswith("id-of-")
    assert caller.provider_credential is None
    assert caller.withheld == {name.lower().encode()}


def test_our_key_in_one_place_and_the_provider_s_in_another():
    caller = identified("/v1/messages", {"x-api-key": KEY, "Authorization": "Bearer sk-ant-oat-1"})
    assert caller.provider_credential == Secret("sk-ant-oat-1")
    assert caller.withheld == {b"x-api-key"}


@pytest.mark.parametrize("name", ["Authorization", "x-api-key", "x-goog-api-key", "api-key"])
@pytest.mark.parametrize("value", [STRANGER, "vk_x", "apc_x", "acm_proj_x", "aso_k_a.b", "cartie_proxy_x"])
def test_a_value_in_our_format_that_is_not_valid_is_refused_in_every_place(name, value):
    assert code(identified("/v1/chat/completions", {"X-Tallystick-Key": KEY, name: value})) == "invalid_api_key"
    assert code(identified("/v1/chat/completions", {name: value})) == "invalid_api_key"


@pytest.mark.parametrize("value", [f"Bearer sk-x {KEY}", f"Basic {STRANGER}", f"Bearer x,{STRANGER}", f'Bearer "{KEY}"', f"Bearer key={STRANGER}"])
def test_a_key_hidden_behind_another_word_does_not_pass(value):
    assert code(identified("/v1/chat/completions", {"X-Tallystick-Key": KEY, "Authorization": value})) == "invalid_api_key"


def test_a_second_valid_key_is_taken_out_too():
    caller = identified("/v1/chat/completions", {"X-Tallystick-Key": KEY, "Authorization": f"Bearer {KEY}"})
    assert caller.provider_credential is None
    assert caller.withheld == {b"authorization"}


def test_places_are_read_in_their_order():
    keyring = Issued("tsk_a", "tsk_b")
    caller = identified("/v1/messages", {"x-api-key": "tsk_b", "Authorization": "Bearer tsk_a"}, keyring=keyring)
    assert caller.principal.key_id == "id-of-tsk_a"
    assert caller.withheld == {b"x-api-key", b"authorization"}


def test_a_provider_key_is_looked_up_only_where_it_could_be_an_issued_one():
    keyring = Issued(KEY)
    identified("/v1/chat/completions", {"X-Tallystick-Key": KEY, "Authorization": "Bearer sk-theirs"}, keyring=keyring)
    assert keyring.asked == [KEY]


def test_a_credential_in_a_place_the_provider_does_not_list_is_none():
    caller = identified("/v1/chat/completions", {"X-Tallystick-Key": KEY, "x-api-key": "sk-elsewhere"})
    assert caller.provider_credential is None


@pytest.mark.parametrize("value", ["", "Bearer", "Bearer ", "  "])
def test_an_empty_place_holds_nothing(value):
    assert identified("/v1/chat/completions", {"X-Tallystick-Key": KEY, "Authorization": value}).provider_credential is None


# --- ?key= ------------------------------------------------------------------------------------------

GEMINI = "/v1beta/models/g:generateContent"


def test_gemini_s_key_in_the_url_becomes_a_header():
    caller = identified(GEMINI, {"X-Tallystick-Key": KEY}, query=b"alt=sse&key=AIza%2Dx&z=1")
    assert caller.provider_credential == Secret("AIza-x")
    assert caller.insert == CredentialPlace("x-goog-api-key")
    assert caller.query == b"alt=sse&z=1"


@pytest.mark.parametrize("query", [b"key=tsk_valid", b"%6bey=tsk_valid", b"key=%74sk_valid&alt=sse", b"key=&key=tsk_valid"])
def test_our_key_in_the_url_authenticates_and_leaves_it(query):
    caller = identified(GEMINI, {}, query=query)
    assert caller.principal.key_id == "id-of-tsk_valid"
    assert caller.provider_credential is None
    assert b"tsk" not in caller.query
    assert b"key" not in caller.query


def test_an_invalid_key_in_the_url_is_refused():
    assert code(identified(GEMINI, {"X-Tallystick-Key": KEY}, query=b"key=tsk_revoked")) == "invalid_api_key"


def test_the_header_wins_over_the_url():
    caller = identified(GEMINI, {"X-Tallystick-Key": KEY, "x-goog-api-key": "AIza-h"}, query=b"key=AIza-q")
    assert (caller.provider_credential, caller.insert, caller.query) == (Secret("AIza-h"), None, b"")


def test_other_parameters_keep_their_bytes():
    query = b"monkey=1&alt=%73se&&a"
    assert identified(GEMINI, {"X-Tallystick-Key": KEY}, query=query).query == query


# --- S3 ---------------------------------------------------------------------------------------------

S3_OPENAI, S3_ANTHROPIC = "/api/proxy/v1/openai/chat/completions", "/api/proxy/v1/anthropic/v1/messages"


def test_on_s3_s_paths_the_roles_are_reversed():
    caller = identified(S3_OPENAI, {"Authorization": f"Bearer {KEY}", "X-Provider-Key": "sk-theirs"})
    assert caller.principal.key_id == "id-of-tsk_valid"
    assert caller.provider_credential == Secret("sk-theirs")
    assert caller.insert == BEARER


def test_s3_s_anthropic_snippet_sends_x_api_key_as_well_which_is_ignored():
    caller = identified(S3_ANTHROPIC, {"Authorization": f"Bearer {KEY}", "X-Provider-Key": "sk-ant-1", "x-api-key": "sk-ant-2"})
    assert caller.provider_credential == Secret("sk-ant-1")
    assert caller.insert == CredentialPlace("x-api-key")
    assert caller.withheld >= {b"authorization", b"x-api-key"}


@pytest.mark.parametrize(("headers", "expected"), [
    ({}, "missing_api_key"),
    ({"X-Provider-Key": "sk-theirs"}, "missing_api_key"),
    ({"Authorization": "Bearer sk-theirs", "X-Provider-Key": "sk-theirs"}, "invalid_api_key"),
    ({"Authorization": "Bearer apc_revoked", "X-Provider-Key": "sk-theirs"}, "invalid_api_key"),
    ({"Authorization": f"Bearer {KEY}"}, "provider_credential_missing"),
    ({"Authorization": f"Bearer {KEY}", "X-Provider-Key": ""}, "provider_credential_missing"),
    ({"Authorization": f"Bearer {KEY}", "X-Provider-Key": KEY}, "provider_credential_missing"),
    ({"Authorization": f"Bearer {KEY}", "X-Provider-Key": STRANGER}, "invalid_api_key"),
])
def test_s3_s_refusals(headers, expected):
    assert code(identified(S3_OPENAI, headers)) == expected
    assert code(identified(S3_OPENAI, headers, anonymous=ANONYMOUS)) == expected


def test_s3_s_provider_key_never_authenticates():
    assert code(identified(S3_OPENAI, {"X-Provider-Key": KEY})) in ("missing_api_key", "invalid_api_key", "provider_credential_missing")


def test_the_sandbox_needs_no_provider_key():
    caller = identified(S3_OPENAI, {"Authorization": f"Bearer {KEY}"}, sandbox=True)
    assert caller.provider_credential is None


# --- nobody -----------------------------------------------------------------------------------------

def test_no_key_at_all():
    assert code(identified("/v1/chat/completions", {})) == "missing_api_key"
    assert code(identified("/v1/chat/completions", {"Authorization": "Bearer sk-theirs"})) == "missing_api_key"


def test_an_anonymous_call_brings_its_own_credential():
    caller = identified("/v1/chat/completions", {"Authorization": "Bearer sk-theirs"}, anonymous=ANONYMOUS)
    assert caller.principal is ANONYMOUS
    assert caller.provider_credential == Secret("sk-theirs")
    assert code(identified("/v1/chat/completions", {}, anonymous=ANONYMOUS)) == "provider_credential_missing"
    assert code(identified("/v1/chat/completions", {"Authorization": f"Bearer {STRANGER}"}, anonymous=ANONYMOUS)) == "invalid_api_key"


@pytest.mark.parametrize("query", [
    b"api_key=tsk_valid", b"alt=sse&access_token=cartie_proxy_x", b"api_key=%74sk_valid", b"token=Bearer+vk_abc", b"tsk_valid", b"api%5Fkey=tsk%5Fvalid",
])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/proxy/google/v1beta/models/g:generateContent", "/api/proxy/v1/openai/chat/completions"])
def test_a_key_of_ours_in_another_query_parameter_is_refused_and_goes_nowhere(path, query):
    headers = {"Authorization": f"Bearer {KEY}", "X-Provider-Key": "sk-theirs"}
    assert code(identified(path, headers, query=query)) == "invalid_api_key"


@pytest.mark.parametrize("query", [b"alt=sse", b"page_size=10", b"filter=a_task%20of_mine", b"after=msg_vk_1", b"vk_page=2"])
def test_a_query_without_a_key_of_ours_passes_as_it_came(query):
    assert identified("/v1/chat/completions", {"Authorization": f"Bearer {KEY}"}, query=query).query == query


@pytest.mark.parametrize("name", ["Authorization", "x-api-key", "x-goog-api-key", "api-key"])
@pytest.mark.parametrize("pair", ["user:tsk_valid", "tsk_valid:", ":vk_never_issued"])
def test_a_key_of_ours_inside_a_basic_credential_is_refused(name, pair):
    basic = "Basic " + b64encode(pair.encode()).decode().rstrip("=")      # padded or not
    assert code(identified("/v1/chat/completions", {"X-Tallystick-Key": KEY, name: basic})) == "invalid_api_key"


def test_a_basic_credential_that_is_not_ours_is_the_provider_s():
    basic = "Basic " + b64encode(b"theirs:secret").decode()
    caller = identified("/v1/chat/completions", {"X-Tallystick-Key": KEY, "Authorization": basic})
    assert caller.insert is None
    assert caller.withheld == frozenset()


@pytest.mark.parametrize(("headers", "query"), [
    *[({name.decode(): "{}"}, b"") for name in KEY_HEADERS],
    *[({name: form, "X-Tallystick-Key": KEY}, b"") for name in ("Authorization", "x-api-key", "x-goog-api-key", "api-key")
      for form in ("{}", "Bearer {}", "'{}'")],
    ({"Authorization": "Bearer {}"}, b""), ({"x-api-key": "{}"}, b""), ({"Authorization": "Basic"}, b""),
    ({"X-Tallystick-Key": KEY}, b"key={}"), ({"X-Tallystick-Key": KEY}, b"token={}"),
], ids=str)
def test_a_personal_access_token_calls_nothing_and_goes_to_no_provider(headers, query):
    token = mint(PERSONAL, bytes(range(ENTROPY_BYTES))).key.reveal()
    basic = b64encode(f"me:{token}".encode()).decode()
    sent = {name: f"Basic {basic}" if value == "Basic" else value.format(token) for name, value in headers.items()}
    result = identified("/v1/chat/completions", sent, query=query.replace(b"{}", token.encode()))
    assert code(result) == "invalid_api_key"
