"""How each gateway is asked for a recorded exchange, and what it booked of it.

Three ways: through us; through LiteLLM's own API, as its clients use it (the model's name says the
provider, replies are in its own words by design); through LiteLLM's pass-through routes, which forward
a provider's own API. A way serves an exchange if a client could have sent that recorded request to it.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx

from bench.load import installs
from bench.load.peers import LITELLM_ENVIRONMENT, free_port
from tests.build.corpus import Exchange
from tests.build.gateway import RunningGateway

PATIENCE_S = 180.0


@dataclass(frozen=True)
class Booked:
    """What a gateway says of a call: counts as in the corpus's README, USD; None where it says nothing."""

    usage: Mapping[str, int | Decimal] | None = None
    cost_usd: Decimal | None = None
    why: str = ""


@dataclass(frozen=True)
class Asked:
    """A recorded request as this way takes it, or None where it does not."""

    path: str
    body: dict[str, Any]


@dataclass(frozen=True)
class Way:
    """`asked`: an exchange → the request. `id_header`: the reply's header that names the call."""

    name: str
    asked: Callable[[Exchange], Asked | None]
    url: str
    headers: Mapping[str, str]
    id_header: str
    booked: Callable[[str], Booked] = field(repr=False)


# --- ours ------------------------------------------------------------------------------------------

@contextmanager
def ours(folder: Path, provider_url: str) -> Iterator[list[Way]]:
    with RunningGateway(folder, upstream=provider_url) as gateway:
        key = gateway.key(team="recorded", project="all")

        def booked(request_id: str) -> Booked:
            call = gateway.call(request_id)
            cost = call["cost_nanos"]
            return Booked({name: Decimal(count) for name, count in call["usage"].items()},
                          Decimal(cost) / 10**9 if cost is not None else None, call["method"] or "")

        headers = {"X-Tallystick-Key": key, "Authorization": "Bearer sk-recorded"}
        yield [Way("tallystick", lambda row: Asked(f"/proxy/{row.provider}{row.path}", row.request), gateway.url, headers,
                   "x-tallystick-request-id", booked)]


# --- LiteLLM ---------------------------------------------------------------------------------------

# Provider of the corpus → LiteLLM's prefix and where it calls; the hosts are the providers' own.
_MODELS = {
    "openai": ("openai", "http://api.openai.com/v1"),
    "anthropic": ("anthropic", "http://api.anthropic.com"),
    "google": ("gemini", "http://generativelanguage.googleapis.com/v1beta"),
    "groq": ("groq", "http://api.groq.com/openai/v1"),
    "mistral": ("mistral", "http://api.mistral.ai/v1"),
    "deepseek": ("deepseek", "http://api.deepseek.com"),
    "cerebras": ("cerebras", "http://api.cerebras.ai/v1"),
    "together": ("together_ai", "http://api.together.xyz/v1"),
    "openrouter": ("openrouter", "http://openrouter.ai/api/v1"),
}
# Endpoint of the corpus → path of LiteLLM's API that takes the same request.
_PATHS = {"chat": "/v1/chat/completions", "embeddings": "/v1/embeddings", "completions": "/v1/completions",
          "responses": "/v1/responses", "messages": "/v1/messages"}
# Provider → its pass-through route and what of the recorded path its base address already says.
_PASS_THROUGH = {"openai": ("/openai_passthrough", ""), "anthropic": ("/anthropic", ""), "google": ("/gemini", ""),
                 "cohere": ("/cohere", ""), "mistral": ("/mistral", ""), "openrouter": ("/openrouter", "/api/v1")}
_ENVIRONMENT = (
    *LITELLM_ENVIRONMENT,
    "OPENAI_API_BASE=http://api.openai.com", "ANTHROPIC_API_BASE=http://api.anthropic.com",
    "GEMINI_API_BASE=http://generativelanguage.googleapis.com", "COHERE_API_BASE=http://api.cohere.com",
    "MISTRAL_API_BASE=http://api.mistral.ai", "OPENROUTER_API_BASE=http://openrouter.ai/api/v1",
    *(f"{name}_API_KEY=sk-recorded" for name in ("OPENAI", "ANTHROPIC", "GEMINI", "COHERE", "MISTRAL", "OPENROUTER")),
)


def _config() -> str:
    """JSON, which YAML contains."""
    return json.dumps({
        "model_list": [{"model_name": f"{prefix}/*", "litellm_params": {"model": f"{prefix}/*", "api_base": base, "api_key": "sk-recorded"}}
                       for prefix, base in _MODELS.values()],
        "litellm_settings": {"callbacks": ["litellm_records.records"], "num_retries": 0, "drop_params": True},
        "router_settings": {"num_retries": 0, "disable_cooldowns": True},
        "general_settings": {"dangerously_permit_weak_or_unset_master_key": True},
    }, indent=1)


def _own_api(row: Exchange) -> Asked | None:
    path = _PATHS.get(row.endpoint)
    if path is None or row.provider not in _MODELS or "model" not in row.request:
        return None
    return Asked(path, row.request | {"model": f"{_MODELS[row.provider][0]}/{row.request['model']}"})


def _pass_through(row: Exchange) -> Asked | None:
    if row.provider not in _PASS_THROUGH:
        return None
    route, base = _PASS_THROUGH[row.provider]
    return Asked(route + row.path.removeprefix(base), row.request)


@contextmanager
def litellm(folder: Path, provider_url: str) -> Iterator[list[Way]]:
    """LiteLLM's proxy with the stand-in as its HTTP proxy; records by its callback."""
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(_config())
    (folder / "litellm_records.py").write_text((Path(__file__).parent / "litellm_records.py").read_text())
    port, records = free_port(), _Records(folder / "records.jsonl")
    environment = dict(one.split("=", 1) for one in _ENVIRONMENT) | {
        "HTTP_PROXY": provider_url, "http_proxy": provider_url, "NO_PROXY": "", "no_proxy": "",
        "BENCH_RECORDS": str(folder / "records.jsonl")}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(installs.litellm()), "--config", str(folder / "config.yaml"), "--host", "127.0.0.1", "--port", str(port),
             "--telemetry", "False"],
            env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | environment,
            stdout=log, stderr=log, cwd=folder)
    try:
        url = f"http://127.0.0.1:{port}"
        _wait(url, folder / "log")
        ways = (("litellm", _own_api), ("litellm pass-through", _pass_through))
        # Google's pass-through reads the gateway's key from Google's own header.
        headers = {"Authorization": "Bearer sk-none", "x-goog-api-key": "sk-none"}
        yield [Way(name, asked, url, headers, "x-litellm-call-id", lambda call_id: _booked(records, call_id)) for name, asked in ways]
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(url: str, log: Path) -> None:
    ends_at = time.monotonic() + PATIENCE_S
    while time.monotonic() < ends_at:
        try:
            if httpx.get(f"{url}/health/liveliness", timeout=5).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.2)
    raise RuntimeError(log.read_text()[-2000:])


def _booked(records: _Records, call_id: str) -> Booked:
    lines = records.of(call_id)
    last = next((line for line in reversed(lines) if line["outcome"] == "success"), None)
    if last is None:
        return Booked(why=next((line["why"] or "failure" for line in lines), "no record"))
    usage = last["usage"] or {}
    details = usage.get("prompt_tokens_details") or {}
    cached = details.get("cached_tokens") or usage.get("cache_read_input_tokens") or 0
    written = usage.get("cache_creation_input_tokens") or details.get("cache_creation_tokens") or 0
    return Booked({"input": last["input"] or 0, "output": last["output"] or 0, "cached_read": cached, "cache_write": written},
                  _cost(last), last["why"] or "")


def _cost(line: dict[str, Any]) -> Decimal | None:
    """Nought with a reason is a cost that could not be made out."""
    return None if line["cost"] is None or (not line["cost"] and line["why"]) else Decimal(str(line["cost"]))


class _Records:
    """What the callback has written, by call; read again when there is more."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size = 0
        self._by_call: dict[str, list[dict[str, Any]]] = {}

    def of(self, call_id: str) -> list[dict[str, Any]]:
        if self._path.exists() and self._path.stat().st_size != self._size:
            text = self._path.read_text()
            self._size, self._by_call = self._path.stat().st_size, {}
            for line in map(json.loads, text.splitlines()):
                self._by_call.setdefault(line["call_id"], []).append(line)
        return self._by_call.get(call_id, [])
