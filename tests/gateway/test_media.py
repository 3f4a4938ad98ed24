"""Forms and sounds through a running gateway: what streams through is billed all the same."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.build.gateway import PATIENCE_S, RunningGateway
from tests.mini_upstream import MiniUpstream, json_reply, reply

SOUND = b"RIFF" + bytes(100_000)


@pytest.fixture(scope="module")
def gateway(provider: MiniUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    with RunningGateway(tmp_path_factory.mktemp("media"), upstream=provider.url) as running:
        yield running


def transcribe(gateway: RunningGateway, key: str, path: str = "/v1/audio/transcriptions", **fields: str) -> httpx.Response:
    return httpx.post(f"{gateway.url}{path}", data=fields, files={"file": ("speech.wav", SOUND, "audio/wav")},
                      headers={"X-Tallystick-Key": key, "Authorization": "Bearer sk-own"}, timeout=PATIENCE_S)


def test_a_recording_streams_through_and_its_seconds_are_priced(gateway: RunningGateway, provider: MiniUpstream, key: str) -> None:
    provider.expect("POST", "/v1/audio/transcriptions", json_reply({"text": "Geese.", "usage": {"type": "duration", "seconds": 8}}))
    answer = transcribe(gateway, key, model="whisper-1")
    sent = provider.calls[-1]
    assert sent.header(b"content-type") == answer.request.headers["content-type"].encode()
    assert sent.body == answer.request.read()
    call = gateway.call(answer.headers["x-tallystick-request-id"])
    assert (call["method"], call["cost_nanos"], call["usage"]) == ("priced", 800_000, {"audio_seconds": "8"})
    assert answer.headers["x-tallystick-cost-usd"] == "0.000800000"


def test_the_shortest_recording_of_one_host_is_ten_seconds(gateway: RunningGateway, provider: MiniUpstream, key: str) -> None:
    path = "/proxy/groq/openai/v1/audio/transcriptions"
    provider.expect("POST", path.removeprefix("/proxy/groq"), json_reply({"text": "Geese.", "duration": 3, "task": "transcribe"}))
    answer = transcribe(gateway, key, path, model="whisper-large-v3-turbo", response_format="verbose_json")
    assert gateway.call(answer.headers["x-tallystick-request-id"])["cost_nanos"] == 111_111


def test_a_transcript_that_says_nothing_is_unpriced_never_zero(gateway: RunningGateway, provider: MiniUpstream, key: str) -> None:
    provider.expect("POST", "/v1/audio/transcriptions", reply(200, [(b"Content-Type", b"text/plain")], b"Geese.\n"))
    answer = transcribe(gateway, key, model="whisper-1", response_format="text")
    call = gateway.call(answer.headers["x-tallystick-request-id"])
    assert (call["method"], call["cost_nanos"]) == ("unpriced", 0)
    assert "x-tallystick-cost-usd" not in answer.headers


def test_speech_is_priced_by_its_text(gateway: RunningGateway, provider: MiniUpstream, key: str) -> None:
    provider.expect("POST", "/v1/audio/speech", reply(200, [(b"Content-Type", b"audio/mpeg")], SOUND))
    answer = httpx.post(f"{gateway.url}/v1/audio/speech", json={"model": "tts-1", "voice": "alloy", "input": "héllo 👋"},
                        headers={"X-Tallystick-Key": key, "Authorization": "Bearer sk-own"}, timeout=PATIENCE_S)
    assert answer.content == SOUND
    assert gateway.call(answer.headers["x-tallystick-request-id"])["cost_nanos"] == 105_000
