"""Which paths of the two providers cost something, which are counted, and what a stored key may open."""

import base64
import json

import pytest

from tallystick.core.custody import denied_with_stored
from tallystick.providers import provider
from tests.build.replies import head, read


@pytest.mark.parametrize(("provider_id", "method", "path", "operation", "kind", "free", "dialect", "model"), [
    ("anthropic", "POST", "/v1/messages", "messages", "generation", False, "anthropic_messages", None),
    ("anthropic", "POST", "/v1/messages/count_tokens", "count_tokens", "count", True, "anthropic_messages", None),
    ("anthropic", "POST", "/v1/complete", "text_completion", "generation", False, "anthropic_complete", None),
    ("anthropic", "POST", "/v1/messages/batches", "batches", "object", False, None, None),
    ("anthropic", "POST", "/v1/messages/batches/b1/cancel", "batches", "object", True, None, None),
    ("anthropic", "GET", "/v1/messages/batches/b1/results", "batches", "object", True, None, None),
    ("anthropic", "POST", "/v1/files", "files", "object", True, None, None),
    ("anthropic", "GET", "/v1/models/claude-opus-5", "models", "models", True, None, "claude-opus-5"),
    ("anthropic", "POST", "/v1/something/new", "other", "other", False, None, None),
    ("deepseek", "POST", "/anthropic/v1/messages", "messages", "generation", False, "anthropic_messages", None),
    ("google", "POST", "/v1beta/models/gemini-2.5-pro:generateContent", "chat", "generation", False, "gemini", "gemini-2.5-pro"),
    ("google", "POST", "/v1/models/gemini-2.5-pro:streamGenerateContent", "chat", "generation", False, "gemini", "gemini-2.5-pro"),
    ("google", "POST", "/v1beta/models/gemini-embedding-2:batchEmbedContents", "embeddings", "generation", False, "gemini_embeddings", "gemini-embedding-2"),
    ("google", "POST", "/v1beta/models/m:countTokens", "count_tokens", "count", True, "gemini", "m"),
    ("google", "POST", "/v1beta/interactions", "interactions", "generation", False, "gemini_interactions", None),
    ("google", "GET", "/v1beta/interactions/v1_a", "interactions", "object", True, "gemini_interactions", None),
    ("google", "POST", "/v1beta/cachedContents", "cached_contents", "object", False, None, None),
    ("google", "POST", "/v1beta/openai/chat/completions", "chat", "generation", False, "openai_chat", None),
    ("google", "POST", "/upload/v1beta/files", "files", "object", True, None, None),
    ("google", "POST", "/v1beta/models/m:somethingNew", "other", "other", False, None, None),
])
def test_a_path_and_what_it_is(provider_id, method, path, operation, kind, free, dialect, model):
    route, named = provider(provider_id).route_for(method, path)
    found = (route.operation, route.kind, route.free, route.dialect.name if route.dialect else None, named)
    assert found == (operation, kind, free, dialect, model)


def test_where_credentials_go():
    anthropic, google = provider("anthropic"), provider("google")
    assert [(place.header, place.scheme) for place in anthropic.credentials] == [("x-api-key", ""), ("authorization", "Bearer ")]
    assert anthropic.default_headers == {"anthropic-version": "2023-06-01"}
    assert (google.credentials[0].header, google.query_credential) == ("x-goog-api-key", "key")


IN_STORE = {"video": {"format": "mp4", "source": {"s3Location": {"uri": "s3://bucket/of-another"}}}}


def encoded(document):
    return base64.b64encode(json.dumps(document).encode()).decode()


@pytest.mark.parametrize(("provider_id", "path", "body"), [
    ("openai", "/v1/responses/input_tokens", {"previous_response_id": "resp_of_another"}),
    ("openai", "/v1/responses/input_tokens", {"conversation": "conv_of_another"}),
    ("anthropic", "/v1/messages/count_tokens",
     {"messages": [{"role": "user", "content": [{"type": "document", "source": {"type": "file", "file_id": "file_1"}}]}]}),
    ("google", "/v1beta/models/m:countTokens", {"generateContentRequest": {"cachedContent": "cachedContents/1"}}),
    ("google", "/v1beta/models/m:countTokens",
     {"generateContentRequest": {"contents": [{"parts": [{"fileData": {"fileUri": "https://x/v1beta/files/1"}}]}]}}),
    ("vertex", "/v1/projects/p/locations/global/publishers/google/models/g:countTokens",
     {"contents": [{"parts": [{"fileData": {"fileUri": "gs://bucket/of-another"}}]}]}),
    ("vertex", "/v1beta1/projects/p/locations/global/publishers/google/models/g:computeTokens",
     {"contents": [{"parts": [{"file_data": {"file_uri": "gs://bucket/of-another"}}]}]}),
    ("vertex", "/v1/projects/p/locations/global/publishers/anthropic/models/count-tokens:rawPredict",
     {"model": "claude", "messages": [{"role": "user", "content": [{"type": "document", "source": {"type": "file", "file_id": "file_1"}}]}]}),
    ("meta", "/v1/messages/count_tokens",
     {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "file", "file_id": "file_1"}}]}]}),
    ("bedrock", "/model/m/count-tokens", {"input": {"converse": {"messages": [{"role": "user", "content": [IN_STORE]}]}}}),
    ("bedrock", "/model/m/count-tokens", {"input": {"invokeModel": {"body": encoded({"messages": [{"role": "user", "content": [IN_STORE]}]})}}}),
    ("bedrock", "/model/m/count-tokens", {"input": {"invokeModel": {"body": "no base64 of anything"}}}),
    ("bedrock", "/model/m/invoke", {"messages": [{"role": "user", "content": [IN_STORE]}]}),
    ("bedrock", "/model/m/invoke", {"inputType": "video", "mediaSource": {"s3Location": {"uri": "s3://bucket/of-another"}}}),
])
def test_with_a_stored_credential_nobody_counts_what_another_owner_made(provider_id, path, body):
    route, named = provider(provider_id).route_for("POST", path)
    assert denied_with_stored(route, route.dialect.facts(body, named), "key:1", None).code == "not_your_object"


@pytest.mark.parametrize(("path", "body"), [
    ("/model/m/count-tokens", {"input": {"converse": {"messages": [{"role": "user", "content": [{"text": "see s3://bucket"}]}]}}}),
    ("/model/m/count-tokens", {"input": {"invokeModel": {"body": encoded({"prompt": "s3://bucket"})}}}),
    ("/model/m/invoke", {"prompt": "s3://bucket", "texts": ["s3://bucket"]}),
])
def test_what_is_only_said_names_nothing(path, body):
    route, named = provider("bedrock").route_for("POST", path)
    assert denied_with_stored(route, route.dialect.facts(body, named), "key:1", None) is None


def test_what_is_counted_is_billed_to_nobody():
    route, named = provider("bedrock").route_for("POST", "/model/m/count-tokens")
    assert (route.free, named) == (True, "m")
    assert read(route.dialect, b'{"inputTokens":12}', head()).usage is None
