"""Whoever changes only a base URL arrives: every form of every source system, and no odd path."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.core.errors import Denied
from tallystick.edge.paths import RESOURCE_NAMES, Target, error_shape, resolve, serves
from tallystick.providers import provider
from tests.build.edge import PROVIDERS

CHAT = "/v1/chat/completions"


def resolved(path: str, method: str = "POST", query: bytes = b"", **headers: str) -> Target | Denied:
    lookup = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    return resolve(method, path.encode("latin-1"), query, lookup, PROVIDERS)


@pytest.mark.parametrize(("path", "provider", "theirs"), [
    # W001, W401: OpenAI's own path; W007: Anthropic's under the same host
    ("/v1/chat/completions", "openai", CHAT),
    ("/v1/embeddings", "openai", "/v1/embeddings"),
    ("/v1/responses/resp_1/input_items", "openai", "/v1/responses/resp_1/input_items"),
    ("/v1/messages", "anthropic", "/v1/messages"),
    ("/v1/messages/count_tokens", "anthropic", "/v1/messages/count_tokens"),
    ("/v1/messages/batches/b1/results", "anthropic", "/v1/messages/batches/b1/results"),
    # W101: the provider and its full path
    ("/v1/openai/v1/chat/completions", "openai", CHAT),
    ("/v1/openai/chat/completions", "openai", CHAT),
    ("/v1/anthropic/v1/messages", "anthropic", "/v1/messages"),
    ("/v1/groq/openai/v1/chat/completions", "groq", "/openai/v1/chat/completions"),
    ("/v1/groq/chat/completions", "groq", "/openai/v1/chat/completions"),
    ("/v1/groq/v1/chat/completions", "groq", "/openai/v1/chat/completions"),
    ("/v1/ollama/api/chat", "ollama", "/api/chat"),
    ("/v1/ollama/chat/completions", "ollama", CHAT),
    ("/v1/deepseek/chat/completions", "deepseek", "/chat/completions"),
    ("/v1/deepseek/anthropic/v1/messages", "deepseek", "/anthropic/v1/messages"),
    ("/v1/google/v1beta/models/g:generateContent", "google", "/v1beta/models/g:generateContent"),
    ("/v1/google/models/g:generateContent", "google", "/v1beta/models/g:generateContent"),
    ("/v1/google/v1/models/g:generateContent", "google", "/v1/models/g:generateContent"),
    # W201: canonical, never touched
    ("/proxy/openai/v1/chat/completions", "openai", CHAT),
    ("/proxy/anthropic/v1/messages", "anthropic", "/v1/messages"),
    ("/proxy/groq/openai/v1/chat/completions", "groq", "/openai/v1/chat/completions"),
    ("/proxy/openai/chat/completions", "openai", "/chat/completions"),
    ("/proxy/openai", "openai", "/"),
    # W301, W302, W304: the route without `/v1`, or with it as an SDK appends it
    ("/api/proxy/v1/openai/chat/completions", "openai", CHAT),
    ("/api/proxy/v1/anthropic/messages", "anthropic", "/v1/messages"),
    ("/api/proxy/v1/anthropic/v1/messages", "anthropic", "/v1/messages"),
    # Gemini's own paths
    ("/v1beta/models/gemini-2.5-flash:generateContent", "google", "/v1beta/models/gemini-2.5-flash:generateContent"),
    ("/v1/models/gemini-2.5-flash:streamGenerateContent", "google", "/v1/models/gemini-2.5-flash:streamGenerateContent"),
    ("/upload/v1beta/files", "google", "/upload/v1beta/files"),
    # nothing is normalised
    ("/v1/files/", "openai", "/v1/files/"),
    ("/v1/files/a%20b", "openai", "/v1/files/a%20b"),
])
def test_every_form_arrives(path, provider, theirs):
    target = resolved(path)
    assert isinstance(target, Target)
    assert (target.provider.id, target.path) == (provider, theirs)


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/claude-sonnet-4-5", "/v1/files", "/v1/files/f1/content"])
def test_a_name_that_two_providers_have_goes_by_the_version_header(path):
    assert resolved(path, "GET").provider.id == "openai"
    assert resolved(path, "GET", anthropic_version="2023-06-01").provider.id == "anthropic"


def test_a_fine_tuned_model_with_colons_is_openai_s():
    assert resolved("/v1/models/ft:gpt-4o-mini:acme", "DELETE").provider.id == "openai"


def test_only_s3_s_paths_follow_s3_s_rules():
    assert resolved("/api/proxy/v1/openai/chat/completions").promptcost
    assert not resolved("/proxy/openai/v1/chat/completions").promptcost
    assert not resolved("/v1/chat/completions").promptcost


def test_the_query_stays_as_it_is():
    assert resolved("/v1beta/models/g:streamGenerateContent", query=b"alt=sse&x=%2F&&").query == b"alt=sse&x=%2F&&"


@pytest.mark.parametrize(("path", "code"), [
    ("/v2/chat", "unknown_provider"),
    ("/v1/cohere/v1/chat", "unknown_provider"),
    ("/v1/gorq/chat/completions", "unknown_provider"),
    ("/proxy/nobody/v1/x", "unknown_provider"),
    ("/proxy/OpenAI/v1/x", "unknown_provider"),
    ("/api/proxy/v1/nobody/x", "unknown_provider"),
    ("/v1/nonsense", "unknown_route"),
    ("/chat/completions", "unknown_route"),
    ("/api/requests", "unknown_route"),
])
def test_nobody_s_path_is_404_and_names_a_way_out(path, code):
    refused = resolved(path)
    assert isinstance(refused, Denied)
    assert refused.code == code


@pytest.mark.parametrize("path", [
    "", "v1/chat", "*", "http://evil/v1/chat/completions", "//v1/chat/completions", "/v1//chat", "/v1/chat//",
    "/proxy/openai/../anthropic/v1/messages", "/proxy/openai/..", "/proxy/./openai", "/proxy/openai/%2e%2e/x", "/proxy/openai/.%2E/x",
    "/proxy/openai/v1%2fchat", "/proxy/openai/v1%2Fchat", "/proxy/openai%5cv1", "/proxy/openai/a%00b", "/proxy/openai/a%0d%0ab",
    "/proxy/openai/a%7f", "/proxy/openai/a;b", "/proxy/openai/a\\b", "/proxy/openai/a b", "/proxy/openai/a#b", "/proxy/openai/a?b",
    "/proxy/openai/a%", "/proxy/openai/a%2", "/proxy/openai/a%zz", "/proxy/openai/\xe9", "/proxy/openai/a\n", "/proxy/openai/a\x00", "/proxy/openai/<a>",
])
def test_a_path_that_two_readers_could_read_differently_is_refused(path):
    refused = resolved(path)
    assert isinstance(refused, Denied)
    assert refused.code == "bad_path"


@pytest.mark.parametrize("path", ["/v1/files/a..b", "/v1/files/.hidden", "/v1/files/...", "/v1/files/a%252fb", "/v1/files/~a!$&'()*+,=@-_"])
def test_what_only_looks_odd_passes_as_it_is(path):
    assert resolved(path, "GET").path == path


@given(st.binary(max_size=60))
def test_no_path_raises(junk):
    for raw in (junk, b"/" + junk, b"/proxy/openai/" + junk, b"/v1/" + junk):
        target = resolve("POST", raw, b"", {}, PROVIDERS)
        if isinstance(target, Target):
            assert b"//" not in raw
            assert b"\\" not in raw
        error_shape(raw, {})


def test_a_long_hostile_path_costs_no_time():
    refused = resolve("POST", b"/" + b"a" * 30_000 + b"\xff", b"", {}, PROVIDERS)
    assert isinstance(refused, Denied)


def test_refusals_repeat_no_key_that_was_put_into_a_path():
    refused = resolved("/proxy/sk-Abc123.secret/v1")
    assert isinstance(refused, Denied)
    assert "secret" not in refused.message


def test_no_provider_here_has_a_resource_s_name():
    assert not RESOURCE_NAMES & PROVIDERS.keys()


@pytest.mark.parametrize(("path", "headers", "shape"), [
    ("/v1/chat/completions", {}, "openai"),
    ("/v1/messages", {}, "anthropic"),
    ("/proxy/anthropic/v1/messages", {}, "anthropic"),
    ("/proxy/deepseek/anthropic/v1/messages", {"anthropic_version": "2023-06-01"}, "anthropic"),
    ("/v1beta/models/g:generateContent", {}, "gemini"),
    ("/v1beta/openai/chat/completions", {}, "openai"),
])
def test_errors_speak_the_caller_s_dialect(path, headers, shape):
    assert resolved(path, **headers).error_shape == shape


@pytest.mark.parametrize(("path", "shape"), [
    ("/v2/chat", "cohere"), ("/v1/messages;x", "anthropic"), ("/v1beta//x", "gemini"), ("/nowhere", "openai"),
])
def test_without_a_target_the_path_tells_the_shape(path, shape):
    assert error_shape(path.encode(), {}) == shape


@pytest.mark.parametrize(("path", "ours"), [
    ("/v1/chat/completions", True), ("/api/proxy/v1/openai/chat/completions", True), ("/proxy/x/y", True), ("/v2/chat", True),
    ("/api/requests", False), ("/healthz", False), ("/", False), ("/v1", False),
])
def test_the_data_plane_knows_its_paths(path, ours):
    assert serves(path.encode()) is ours


# --- regional hosts, and names with encoded slashes


REGIONAL = {**PROVIDERS, **{known.id: known for known in (provider("bedrock"), provider("vertex"))}}
PROFILE = "arn%3Aaws%3Abedrock%3Aus-east-1%3A012345678901%3Ainference-profile%2Fus.anthropic.claude-sonnet-4-5-v1%3A0"


def regional(path: str) -> Target | Denied:
    return resolve("POST", path.encode(), b"", {}, REGIONAL)


@pytest.mark.parametrize(("path", "origin", "theirs"), [
    ("/proxy/bedrock/model/m/converse", None, "/model/m/converse"),
    ("/proxy/bedrock/eu-west-1/model/m/converse", "https://bedrock-runtime.eu-west-1.amazonaws.com", "/model/m/converse"),
    ("/v1/bedrock/eu-west-1/model/m/converse", "https://bedrock-runtime.eu-west-1.amazonaws.com", "/model/m/converse"),
    ("/proxy/bedrock/evil.test/model/m/converse", None, "/evil.test/model/m/converse"),
    ("/proxy/vertex/v1/projects/p/locations/global/x:y", "https://aiplatform.googleapis.com", "/v1/projects/p/locations/global/x:y"),
    ("/proxy/vertex/v1/projects/p/locations/europe-west4/x:y", "https://europe-west4-aiplatform.googleapis.com",
     "/v1/projects/p/locations/europe-west4/x:y"),
    ("/v1/vertex/projects/p/locations/eu/x:y", "https://aiplatform.eu.rep.googleapis.com", "/v1/projects/p/locations/eu/x:y"),
    ("/proxy/vertex/v1/publishers/google/models/g:generateContent", None, "/v1/publishers/google/models/g:generateContent"),
])
def test_a_regional_host_comes_from_the_provider_s_list(path, origin, theirs):
    target = regional(path)
    assert (target.origin, target.path) == (origin, theirs)


@pytest.mark.parametrize("location", ["evil.test", "evil.test#", "us-central1.evil.test", "locations", "europe-west4%40evil", ""])
def test_a_location_that_is_not_on_the_list_is_refused(location):
    assert isinstance(regional(f"/proxy/vertex/v1/projects/p/locations/{location}/x:y"), Denied)


@pytest.mark.parametrize("path", [
    f"/proxy/bedrock/model/{PROFILE}/converse", f"/v1/bedrock/model/{PROFILE}/invoke", f"/proxy/bedrock/us-east-1/model/{PROFILE}/converse",
    "/proxy/bedrock/model/a%2fb%2Fc/converse",
])
def test_a_model_s_name_may_hold_encoded_slashes_where_it_stands(path):
    target = regional(path)
    assert path.endswith(target.path)
    assert target.provider.route_for("POST", target.path)[1].count("/") == path.lower().count("%2f")


@pytest.mark.parametrize("path", [
    "/proxy/bedrock/model/a%2F..%2Fb/converse", "/proxy/bedrock/model/..%2Fb/converse", "/proxy/bedrock/model/a%2F%2Fb/converse",
    "/proxy/bedrock/model/a%2F/converse", "/proxy/bedrock/model/%2Fa/converse", "/proxy/bedrock/model/a%2Fb", "/proxy/bedrock/a%2Fb/model/m/converse",
    "/proxy/bedrock/model/m/converse%2Fx", "/proxy/bedrock/model/a%2Fb/converse/model/c%2Fd/x", "/proxy/bedrock/model/a%2Fb%2e%2e/converse",
    "/proxy/openai/model/a%2Fb/x", "/proxy/vertex/model/a%2Fb/x", "/model/a%2Fb/x", "/api/model/a%2Fb/x",
])
def test_nowhere_else_and_in_no_other_form(path):
    assert regional(path).code == "bad_path"


@given(st.binary(max_size=40), st.sampled_from([b"/proxy/bedrock/model/", b"/proxy/vertex/v1/projects/p/locations/", b"/v1/bedrock/", b"/proxy/bedrock/model/a%2F"]))
def test_no_regional_path_leads_off_the_list(junk: bytes, start: bytes) -> None:
    for raw in (start + junk, start + junk + b"/converse"):
        target = resolve("POST", raw, b"", {}, REGIONAL)
        if isinstance(target, Target):
            assert target.origin is None or target.origin in target.provider.regions.values()
            assert ".." not in target.path.lower().replace("%2f", "/").replace("%2e", ".").split("/")
