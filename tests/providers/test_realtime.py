"""Two-way sessions, bill by bill: what each answer and each transcript costs, and what is never forgotten.
All messages are of our own making; the recorded sessions run in test_corpus_whole.py."""

from __future__ import annotations

import json
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.core.price_rows import instant_us
from tallystick.core.usage import Reading, Usage
from tallystick.providers import PROVIDERS, provider
from tallystick.stores.price_files import open_book
from tests.build.replies import damaged

BOOK = open_book()
AT_US = instant_us("2026-11-20T12:00Z")
SPEECH = "/v1/realtime"
LIVE = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"


class Session:
    """One connection to a provider; says what each message bills."""

    def __init__(self, provider_id: str, path: str = SPEECH, model: str | None = None) -> None:
        known = provider(provider_id)
        assert known is not None
        socket = known.socket_for(path)
        assert socket is not None
        self.provider = provider_id
        self.meter = socket.dialect.session(model)

    def sends(self, **message: Any) -> None:
        self.meter.sent(json.dumps(message).encode())

    def hears(self, **message: Any) -> Reading | None:
        return self.meter.received(json.dumps(message).encode())

    def bill(self, **message: Any) -> Reading:
        bill = self.hears(**message)
        assert bill is not None
        return bill

    def cost(self, bill: Reading) -> Decimal:
        assert bill.usage is not None
        charge = BOOK.price(self.provider, bill.model, bill.usage, AT_US, bill.traits, parts=bill.parts)
        assert charge.unpriced == ()
        return charge.exact


def spoken(*, text: int, audio: int, cached_text: int = 0, cached_audio: int = 0, out_text: int = 0, out_audio: int = 0) -> dict[str, Any]:
    return {
        "input_tokens": text + audio, "output_tokens": out_text + out_audio, "total_tokens": text + audio + out_text + out_audio,
        "input_token_details": {
            "text_tokens": text, "audio_tokens": audio, "image_tokens": 0, "cached_tokens": cached_text + cached_audio,
            "cached_tokens_details": {"text_tokens": cached_text, "audio_tokens": cached_audio, "image_tokens": 0}},
        "output_token_details": {"text_tokens": out_text, "audio_tokens": out_audio},
    }


def transcribing(model: str | None) -> dict[str, Any]:
    return {"model": "gpt-realtime", "audio": {"input": {"transcription": {"model": model} if model else None}}}


TRANSCRIBED = "conversation.item.input_audio_transcription.completed"


def test_audio_cached_audio_and_text_at_five_rates_and_the_transcript_at_its_own_model() -> None:
    """Money case 27."""
    call = Session("openai")
    assert call.hears(type="session.created", session={"model": "gpt-realtime"}) is None
    assert call.hears(type="session.updated", session=transcribing("gpt-realtime-whisper")) is None
    assert call.hears(type="response.created", response={"id": "resp_1", "usage": None}) is None
    transcript = call.bill(type=TRANSCRIBED, item_id="item_1", transcript="hello", usage={"type": "duration", "seconds": 3})
    answer = call.bill(type="response.done", response={
        "id": "resp_1", "status": "completed", "usage": spoken(text=43, audio=96, cached_audio=64, out_text=18, out_audio=43)})
    # 43 × 4 + 32 × 32 + 64 × 0.40 + 18 × 16 + 43 × 64, each a million
    assert (answer.response_id, call.cost(answer)) == ("resp_1", Decimal("0.0042616"))
    assert [(part.role, part.model) for part in transcript.parts] == [("input transcription", "gpt-realtime-whisper")]
    assert call.cost(transcript) == Decimal("0.00085")                                    # 3 × 0.017 / 60
    assert call.meter.finish() is None


def test_every_response_is_a_bill_and_a_cancelled_one_too() -> None:
    call = Session("openai", model="gpt-realtime")
    bills = []
    for number, status in enumerate(("completed", "cancelled", "incomplete")):
        call.hears(type="response.created", response={"id": f"resp_{number}"})
        bills.append(call.bill(type="response.done", response={"id": f"resp_{number}", "status": status, "usage": spoken(text=100, audio=0, out_text=10)}))
    assert [bill.response_id for bill in bills] == ["resp_0", "resp_1", "resp_2"]
    assert [call.cost(bill) for bill in bills] == [Decimal("0.00056")] * 3                # 100 × 4 + 10 × 16


def test_a_transcript_by_tokens_is_priced_by_the_model_the_session_names_last() -> None:
    call = Session("azure", "/openai/v1/realtime")
    call.hears(type="session.updated", session={"model": "gpt-realtime", "input_audio_transcription": {"model": "whisper-1"}})
    call.hears(type="session.updated", session=transcribing("gpt-4o-transcribe"))
    usage = {"type": "tokens", "input_tokens": 26, "input_token_details": {"audio_tokens": 26}, "output_tokens": 9}
    assert call.cost(call.bill(type=TRANSCRIBED, item_id="i", usage=usage)) == Decimal("0.000246")     # 26 × 6 + 9 × 10


def test_a_transcript_that_states_nothing_is_not_free() -> None:
    call = Session("azure", "/openai/realtime")
    call.hears(type="session.updated", session=transcribing("whisper-1"))
    silent = call.bill(type=TRANSCRIBED, item_id="i", transcript="hello")
    assert (silent.usage, silent.opaque, silent.model) == (None, True, "whisper-1")


def test_usage_beside_the_response_and_seconds_of_speech() -> None:
    """xAI bills the minutes of its voice and states tokens as well: priced, at nothing."""
    call = Session("xai")
    call.hears(type="session.created", session={"model": "grok-voice-latest"})
    bill = call.bill(
        type="response.done", response={"id": "r", "status": "completed", "usage": {}},
        usage={"input_tokens": 8, "input_token_details": {"text_tokens": 8, "audio_tokens": 0, "grok_tokens": 0}, "output_tokens": 376,
               "output_token_details": {"text_tokens": 27, "audio_tokens": 349, "grok_tokens": 0}, "billable_audio_seconds": 3})
    assert bill.usage is not None
    assert bill.usage.inclusive() == {"input": 8, "output": 376, "audio_out": 349, "billable_audio_seconds": 3}
    assert call.cost(bill) == Decimal("0.004")                                            # 3 × 4.80 / 3600


def test_reasoning_stands_inside_the_output() -> None:
    call = Session("openai", model="gpt-realtime-2.1")
    usage = spoken(text=51, audio=0, out_text=33)
    usage["output_token_details"]["reasoning_tokens"] = 17
    bill = call.bill(type="response.done", response={"id": "r", "usage": usage})
    assert bill.usage is not None
    assert bill.usage.inclusive() == {"input": 51, "output": 33, "reasoning": 17}


def test_a_response_that_was_begun_and_cut_is_not_forgotten() -> None:
    call = Session("openai", model="gpt-realtime")
    call.hears(type="response.created", response={"id": "resp_1"})
    call.hears(type="response.output_audio.delta", delta="AAAA" * 100)
    call.hears(type="response.output_audio_transcript.delta", delta="Good day")
    left = call.meter.finish()
    assert left is not None
    assert (left.usage, left.model, left.output_bytes) == (None, "gpt-realtime", 8)


def test_each_turn_of_a_live_session_is_a_bill_with_thoughts_on_top() -> None:
    call = Session("google", LIVE)
    call.sends(setup={"model": "models/gemini-live-2.5-flash", "generationConfig": {"responseModalities": ["AUDIO"]}})
    call.sends(client_content={"turns": [], "turnComplete": True})
    assert call.hears(setupComplete={}) is None
    assert call.hears(serverContent={"modelTurn": {"parts": [{"inlineData": {"data": "AAAA"}}]}}) is None
    text, audio = {"modality": "TEXT", "tokenCount": 1_150}, {"modality": "AUDIO", "tokenCount": 85}
    first = call.bill(serverContent={"turnComplete": True}, usageMetadata={
        "promptTokenCount": 1_150, "responseTokenCount": 85, "totalTokenCount": 1_235, "promptTokensDetails": [text],
        "responseTokensDetails": [audio], "thoughtsTokenCount": 28})
    second = call.bill(serverContent={"turnComplete": True, "groundingMetadata": {}}, usageMetadata={
        "promptTokenCount": 44, "candidatesTokenCount": 61, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 44}],
        "candidatesTokensDetails": [{"modality": "TEXT", "tokenCount": 11}, {"modality": "AUDIO", "tokenCount": 50}]})
    assert call.cost(first) == Decimal("0.001651")                                        # 1150 × 0.50 + 85 × 12 + 28 × 2
    assert call.cost(second) == Decimal("0.000644")                                       # 44 × 0.50 + 11 × 2 + 50 × 12
    assert call.meter.finish() is None


def test_searches_belong_to_the_turn_that_made_them() -> None:
    call = Session("vertex", "/ws/google.cloud.aiplatform.v1.LlmBidiService/BidiGenerateContent")
    call.sends(setup={"model": "projects/p/locations/l/publishers/google/models/gemini-3.1-flash-live-preview"})
    call.hears(serverContent={"groundingMetadata": {"webSearchQueries": ["a", "b"]}})
    searched, plain = (call.bill(usageMetadata={"promptTokenCount": 10}) for _ in range(2))
    assert (searched.model, searched.usage) == ("gemini-3.1-flash-live-preview", Usage({"input_text": 10, "grounding_queries": 2, "grounded_prompts": 1}))
    assert plain.usage == Usage({"input_text": 10})


def test_a_live_turn_that_was_begun_and_cut_is_not_forgotten() -> None:
    call = Session("google", LIVE, model="gemini-live-2.5-flash")
    call.hears(serverContent={"outputTranscription": {"text": "Good day"}})
    left = call.meter.finish()
    assert left is not None
    assert (left.usage, left.model, left.output_bytes) == (None, "gemini-live-2.5-flash", 8)


ENDINGS = (
    {"type": "response.done", "response": {"id": "r", "usage": spoken(text=5, audio=7, cached_audio=3, out_text=2, out_audio=9)}},
    {"type": "response.done", "response": {}, "usage": {"input_tokens": 5, "output_tokens": 2, "billable_audio_seconds": 1}},
    {"type": TRANSCRIBED, "usage": {"type": "tokens", "input_tokens": 5, "output_tokens": 2}},
    {"type": "session.updated", "session": transcribing("gpt-realtime-whisper")},
    {"type": "response.output_text.delta", "delta": "x"},
    {"usageMetadata": {"promptTokenCount": 5, "cachedContentTokenCount": 9, "responseTokenCount": 3, "thoughtsTokenCount": 1}},
    {"serverContent": {"modelTurn": {"parts": [{"text": "x"}]}, "groundingMetadata": {"webSearchQueries": ["a"]}}},
    {"setup": {"model": "models/m", "tools": []}},
)


@given(st.data())
def test_no_message_however_damaged_breaks_a_session_or_makes_up_a_bill(data: st.DataObject) -> None:
    for session in sessions():
        for ending in data.draw(st.lists(st.sampled_from(ENDINGS), max_size=4)):
            message = json.dumps(data.draw(damaged(ending))).encode()
            session.sent(message)
            bill = session.received(data.draw(st.sampled_from((message, message[:-1], b"\xff\x00", b"[]"))))
            assert bill is None or bill.usage is None or all(count > 0 for count in bill.usage.counts.values())
        session.finish()


def sessions() -> Iterable[Any]:
    return (socket.dialect.session(None) for known in PROVIDERS for socket in known.sockets[:1])


@pytest.mark.parametrize("known", [known for known in PROVIDERS if known.sockets], ids=lambda known: known.id)
def test_a_socket_is_no_route(known: Any) -> None:
    """Until the gateway opens sockets, their addresses are nobody's: nothing there is billed by mistake."""
    assert len({socket.path for socket in known.sockets}) == len(known.sockets)
    for socket in known.sockets:
        route, _ = known.route_for("GET", socket.path)
        assert (route.free, route.dialect) == (True, None)
        assert known.socket_for(socket.path) is socket
    assert known.socket_for("/no/such/socket") is None
