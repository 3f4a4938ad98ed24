"""The tables of the providers: which path is which operation, what is billed, what is metered."""

import pytest

from tallystick.core.dialect import UNLISTED, UNLISTED_POST
from tallystick.providers import PROVIDERS, openai_compatible, provider


def route(id, method, path):
    found, model = provider(id).route_for(method, path)
    return found.operation, found.dialect.name if found.dialect else None, model


@pytest.mark.parametrize(("id", "path", "expected"), [
    ("openai", "/v1/chat/completions", ("chat", "openai_chat", None)),
    ("openai", "/v1/completions", ("completions", "openai_chat", None)),
    ("openai", "/v1/responses", ("responses", "openai_responses", None)),
    ("openai", "/v1/responses/compact", ("responses_compact", "openai_responses", None)),
    ("openai", "/v1/embeddings", ("embeddings", "openai_embeddings", None)),
    ("openai", "/v1/threads/thread_1/runs", ("runs", "openai_runs", None)),
    ("openai", "/v1/threads/runs", ("runs", "openai_runs", None)),
    ("azure", "/openai/deployments/my-gpt/chat/completions", ("chat", "openai_chat", "my-gpt")),
    ("azure", "/openai/v1/chat/completions", ("chat", "openai_chat", None)),
    ("azure", "/openai/responses", ("responses", "openai_responses", None)),
    ("groq", "/openai/v1/chat/completions", ("chat", "openai_chat", None)),
    ("openrouter", "/api/v1/chat/completions", ("chat", "openai_chat", None)),
    ("deepseek", "/beta/chat/completions", ("chat", "openai_chat", None)),
    ("deepseek", "/chat/completions", ("chat", "openai_chat", None)),
    ("mistral", "/v1/fim/completions", ("completions", "openai_chat", None)),
    ("ollama", "/api/chat", ("native_chat", "ndjson_chat", None)),
    ("ollama", "/v1/chat/completions", ("chat", "openai_chat", None)),
    ("google", "/v1beta/openai/chat/completions", ("chat", "openai_chat", None)),
])
def test_generation_is_metered(id, path, expected):
    assert route(id, "POST", path) == expected
    assert not provider(id).route_for("POST", path)[0].free


@pytest.mark.parametrize(("method", "path"), [
    ("POST", "/v1/moderations"), ("POST", "/v1/files"), ("GET", "/v1/files/file-1/content"), ("GET", "/v1/models"),
    ("DELETE", "/v1/models/ft:gpt-4o-mini:acme::abc"), ("POST", "/v1/responses/input_tokens"), ("POST", "/v1/threads"),
    ("POST", "/v1/threads/thread_1/messages"), ("POST", "/v1/assistants"), ("POST", "/v1/conversations"), ("POST", "/v1/batches/batch_1/cancel"),
    ("POST", "/v1/realtime/client_secrets"), ("POST", "/v1/vector_stores/vs_1/files"), ("DELETE", "/v1/responses/resp_1"),
])
def test_what_costs_nothing_is_known(method, path):
    found, _ = provider("openai").route_for(method, path)
    assert found.free
    assert found not in {UNLISTED, UNLISTED_POST}


@pytest.mark.parametrize("path", ["/v1/batches", "/v1/fine_tuning/jobs", "/v1/containers", "/v1/videos", "/v1/something/new"])
def test_what_has_no_meter_is_billable_all_the_same(path):
    found, _ = provider("openai").route_for("POST", path)
    assert (found.free, found.dialect) == (False, None)


def test_a_poll_is_free_and_read():
    for path in ("/v1/responses/resp_1", "/v1/threads/thread_1/runs/run_1"):
        found, _ = provider("openai").route_for("GET", path)
        assert (found.free, found.poll, found.dialect is not None) == (True, True, True)


def test_large_bodies_stream_through():
    for path in ("/v1/files", "/v1/audio/transcriptions", "/v1/images/edits", "/v1/uploads/u/parts"):
        assert provider("openai").route_for("POST", path)[0].uploads, path


def test_what_works_on_stored_objects_is_no_plain_generation():
    """A stored credential opens plain generation only; a run reads a thread that someone owns."""
    for path in ("/v1/threads/thread_1/runs", "/v1/threads/runs", "/v1/vector_stores/vs_1/search", "/v1/batches"):
        assert provider("openai").route_for("POST", path)[0].kind == "object", path


@pytest.mark.parametrize("known", PROVIDERS, ids=lambda known: known.id)
def test_every_table_is_sound(known):
    places = [(route.method, route.path) for route in known.routes]
    assert len(places) == len(set(places))
    assert known.credentials
    assert known.base_url is None or "://" in known.base_url
    for found in known.routes:
        assert found.path.startswith("/")
        assert not (found.free and found.kind == "generation" and found.dialect)


def test_ids_are_unique_and_found():
    ids = [known.id for known in PROVIDERS]
    assert len(ids) == len(set(ids))
    assert all(provider(id).id == id for id in ids)
    assert provider("nobody") is None


def test_only_those_who_say_so_are_asked_for_stream_usage():
    assert {known.id for known in PROVIDERS if known.asks_stream_usage} == {
        "openai", "azure", "ollama", "meta", "novita", "nebius"}


def test_a_host_of_ones_own_needs_an_address_only():
    own = openai_compatible("mine", "http://10.0.0.5:8000", free_models=True)
    found, _ = own.route_for("POST", "/v1/chat/completions")
    assert (found.operation, own.asks_stream_usage, own.free_models) == ("chat", True, True)


@pytest.mark.parametrize(("id", "path", "asked"), [
    ("openai", "/v1/images/edits", {"images": [{"file_id": "file-1"}, {"image_url": "data:image/png;base64,aGk="}]}),
    ("openai", "/v1/images/edits", {"images": [], "mask": {"file_id": "file-1"}}),
    ("mistral", "/v1/ocr", {"document": {"type": "file", "file_id": "file-1"}}),
    ("replicate", "/v1/predictions", {"version": "5c7d", "input": {"image": "https://api.replicate.com/v1/files/file-1"}}),
    ("replicate", "/v1/predictions", {"version": "5c7d", "input": {"images": ["https://api.replicate.com/v1/files/file-1"]}}),
])
def test_what_the_provider_keeps_is_seen_where_a_request_names_it(id, path, asked):
    """Behind a stored credential it would be somebody else's."""
    found, model = provider(id).route_for("POST", path)
    assert [name.rpartition("/")[2] for name in found.dialect.facts(asked, model).objects] == ["file-1"]
