"""Programs that name nothing of ours: address, key and attribution come from environment variables
alone. Each runs in a process of its own, since some SDKs read theirs as they are imported.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass

import pytest

from tests.mini_upstream import Answer, MiniUpstream
from tests.sdk import replies
from tests.sdk.conftest import ATTRIBUTION, PATIENCE_S, PROVIDER_KEY, SIDE_INTERPRETER, Gateway, booked_on, needs_side_environment, sent_with

LINES = "\n".join(f"{name}: {value}" for name, value in ATTRIBUTION.items())
MESSAGES = "[{'role': 'user', 'content': 'Say hello'}]"
OPENAI_PROGRAM = f"""
import openai
print(openai.OpenAI().chat.completions.create(model='gpt-4o-mini', messages={MESSAGES}).choices[0].message.content)
"""
ANTHROPIC_PROGRAM = f"""
import anthropic
print(anthropic.Anthropic().messages.create(model='claude-sonnet-4-6', max_tokens=9, messages={MESSAGES}).content[0].text)
"""
LITELLM_PROGRAM = f"""
import litellm
print(litellm.completion(model='MODEL', messages={MESSAGES}).choices[0].message.content)
"""
COHERE_REPLY = {"id": "c1", "finish_reason": "COMPLETE", "message": {"role": "assistant", "content": [{"type": "text", "text": "Hello there"}]},
                "usage": {"billed_units": {"input_tokens": 25, "output_tokens": 12}, "tokens": {"input_tokens": 90, "output_tokens": 14}}}
COHERE_COST_NANOS = 25 * 2_500 + 12 * 10_000                     # $2.50, $10
LOCAL = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "HF_HUB_OFFLINE": "1"}


@dataclass(frozen=True)
class Case:
    """A program; its variables, with HOST, KEY (ours), OWN (the provider's) and SAID (the attribution, a header a line); the path
    at the provider and its answer; the credential that it gets; whether the call is booked as SAID."""

    program: str
    env: dict[str, str]
    path: str
    answer: Answer
    cost_nanos: int
    credential: tuple[bytes, bytes]
    said: bool = False
    modules: tuple[str, ...] = ()
    side: bool = False


def chat_case(program: str, env: dict[str, str], stored: str, *, path: str = "/v1/chat/completions", model: str = "gpt-4o-mini", **rest: object) -> Case:
    return Case(program, env, path, replies.chat(model), replies.COST_NANOS[model], (b"authorization", f"Bearer {stored}".encode()), **rest)  # type: ignore[arg-type]


def message_case(program: str, env: dict[str, str], header: bytes, credential: bytes, **rest: object) -> Case:
    model = "claude-sonnet-4-6"
    return Case(program, env, "/v1/messages", replies.message(model), replies.COST_NANOS[model], (header, credential), **rest)  # type: ignore[arg-type]


CASES = {
    "openai": chat_case(
        OPENAI_PROGRAM, {"OPENAI_BASE_URL": "HOST/v1", "OPENAI_API_KEY": "KEY", "OPENAI_CUSTOM_HEADERS": "SAID"}, "sk-stored-openai", said=True),
    "openai, the caller's own key": chat_case(
        OPENAI_PROGRAM, {"OPENAI_BASE_URL": "HOST/v1", "OPENAI_API_KEY": "OWN", "OPENAI_CUSTOM_HEADERS": "X-Tallystick-Key: KEY\nSAID"},
        PROVIDER_KEY, said=True),
    "anthropic, a token": message_case(
        ANTHROPIC_PROGRAM, {"ANTHROPIC_BASE_URL": "HOST", "ANTHROPIC_AUTH_TOKEN": "KEY", "ANTHROPIC_CUSTOM_HEADERS": "SAID"},
        b"x-api-key", b"sk-stored-anthropic", said=True),
    "anthropic, a key": message_case(
        ANTHROPIC_PROGRAM, {"ANTHROPIC_BASE_URL": "HOST", "ANTHROPIC_API_KEY": "KEY", "ANTHROPIC_CUSTOM_HEADERS": "SAID"},
        b"x-api-key", b"sk-stored-anthropic", said=True),
    "anthropic, the caller's own key": message_case(
        ANTHROPIC_PROGRAM, {"ANTHROPIC_BASE_URL": "HOST", "ANTHROPIC_API_KEY": "OWN", "ANTHROPIC_CUSTOM_HEADERS": "X-Tallystick-Key: KEY\nSAID"},
        b"authorization", b"Bearer " + PROVIDER_KEY.encode(), said=True),
    "groq": chat_case(
        f"import groq\nprint(groq.Groq().chat.completions.create(model='llama-3.3-70b-versatile', messages={MESSAGES}).choices[0].message.content)",
        {"GROQ_BASE_URL": "HOST/proxy/groq", "GROQ_API_KEY": "KEY", "GROQ_CUSTOM_HEADERS": "SAID"}, "stored-groq",
        path="/openai/v1/chat/completions", model="llama-3.3-70b-versatile", said=True, modules=("groq",)),
    "google genai": Case(
        "from google import genai\nclient = genai.Client()\nprint(client.models.generate_content(model='gemini-2.5-flash', contents='Say hello').text)",
        {"GOOGLE_GEMINI_BASE_URL": "HOST", "GEMINI_API_KEY": "KEY"}, "/v1/models/gemini-2.5-flash:generateContent",
        replies.gemini("gemini-2.5-flash"), replies.COST_NANOS["gemini-2.5-flash"], (b"x-goog-api-key", b"stored-google")),
    "mistral, which takes the key alone": chat_case(
        "import sys\nfrom mistralai.client import Mistral\n"
        f"print(Mistral(server_url=sys.argv[1]).chat.complete(model='mistral-small-2603', messages={MESSAGES}).choices[0].message.content)",
        {"MISTRAL_API_KEY": "KEY"}, "stored-mistral", model="mistral-small-2603", modules=("mistralai",)),
    "cohere": Case(
        f"import cohere\nprint(cohere.ClientV2().chat(model='command-a-03-2025', messages={MESSAGES}).message.content[0].text)",
        {"CO_API_URL": "HOST/proxy/cohere", "CO_API_KEY": "KEY"}, "/v2/chat",
        replies.json_reply(COHERE_REPLY, usage={"input": 25, "output": 12}), COHERE_COST_NANOS, (b"authorization", b"Bearer stored-cohere"),
        modules=("cohere",)),
    "langchain, its own variable": chat_case(
        "from langchain_openai import ChatOpenAI\nprint(ChatOpenAI(model='gpt-4o-mini').invoke('Say hello').text)",
        {"OPENAI_API_BASE": "HOST/v1", "OPENAI_API_KEY": "KEY", "OPENAI_CUSTOM_HEADERS": "SAID"}, "sk-stored-openai", said=True,
        side=True),
    "langchain, the SDK's variable": chat_case(
        "from langchain_openai import ChatOpenAI\nprint(ChatOpenAI(model='gpt-4o-mini').invoke('Say hello').text)",
        {"OPENAI_BASE_URL": "HOST/v1", "OPENAI_API_KEY": "KEY"}, "sk-stored-openai", side=True),
    "langchain, anthropic": message_case(
        "from langchain_anthropic import ChatAnthropic\nprint(ChatAnthropic(model='claude-sonnet-4-6', max_tokens=9).invoke('Say hello').text)",
        {"ANTHROPIC_BASE_URL": "HOST", "ANTHROPIC_API_KEY": "KEY", "ANTHROPIC_CUSTOM_HEADERS": "SAID"}, b"x-api-key", b"sk-stored-anthropic",
        said=True, side=True),
    "litellm, openai": chat_case(
        LITELLM_PROGRAM.replace("MODEL", "gpt-4o-mini"), {"OPENAI_API_BASE": "HOST/v1", "OPENAI_API_KEY": "KEY", **LOCAL}, "sk-stored-openai",
        side=True),
    "litellm, anthropic": message_case(
        LITELLM_PROGRAM.replace("MODEL", "anthropic/claude-sonnet-4-6"), {"ANTHROPIC_API_BASE": "HOST", "ANTHROPIC_API_KEY": "KEY", **LOCAL},
        b"x-api-key", b"sk-stored-anthropic", side=True),
}
NOT_OURS = ("OPENAI", "ANTHROPIC", "GROQ", "GOOGLE", "GEMINI", "MISTRAL", "CO_API", "LANGCHAIN", "LANGSMITH", "PYTHON")


@pytest.mark.parametrize("name", CASES)
def test_nothing_but_the_environment(gateway: Gateway, provider: MiniUpstream, name: str) -> None:
    case = CASES[name]
    if case.side:
        needs_side_environment()
    for module in case.modules:
        pytest.importorskip(module, reason=f"{module} is not installed")
    places = {"HOST": gateway.url, "KEY": gateway.key("tallystick"), "OWN": PROVIDER_KEY, "SAID": LINES}
    env = {name: value for name, value in os.environ.items() if not name.startswith(NOT_OURS)}
    for variable, value in case.env.items():
        for place, real in places.items():
            value = value.replace(place, real) if variable not in LOCAL else value
        env[variable] = value
    provider.expect("POST", case.path, case.answer)
    run = subprocess.run(
        [SIDE_INTERPRETER if case.side else sys.executable, "-c", case.program, f"{gateway.url}/proxy/mistral"], env=env, capture_output=True, text=True, timeout=PATIENCE_S * 3, check=False)

    assert (run.returncode, run.stdout.strip()) == (0, "Hello there"), run.stderr
    call = gateway.booked({"x-tallystick-request-id": gateway.fresh()}, provider, cost_nanos=case.cost_nanos)
    booked_on(call, ATTRIBUTION if case.said else {})
    header, credential = case.credential
    sent_with(provider, credential, header)
