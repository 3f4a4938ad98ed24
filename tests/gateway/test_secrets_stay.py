"""Canaries in every place where a secret or a text of a caller's can stand (S12): none is found again in the
data directory, the log, the figures or the API, whatever becomes of the call.
"""

from __future__ import annotations

import base64
import json
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from tests.build import chat
from tests.build.gateway import ADMIN, PATIENCE_S, RunningGateway
from tests.build.storm import every_call
from tests.mini_upstream import Answer, Break, Gate, MiniUpstream, json_reply, reply, sse_reply

OWN, STORED, OTHER = "sk-canary-own-4pXq71", "sk-canary-stored-9sLw22", "AIzaCanaryQuery8dKf33"
FALSE_KEY = "tsk_canaryfalse_5hVn44"
PROMPT, SAID, COOKIE, PASSWORD = "canary prompt 6jRt55", "canary reply 7kYu66", "canary-cookie-8lZi77", "canary-password-9mXo88"
CANARIES = (OWN, STORED, OTHER, FALSE_KEY, PROMPT, SAID, COOKIE, PASSWORD, ADMIN[1])

PROVIDER_ANSWERS = {
    "whole": json_reply(chat.completion(1, SAID)),
    "stream": sse_reply([chat.delta(SAID), chat.usage_event(1), chat.DONE]),
    "4xx that repeats the key": json_reply({"error": {"message": f"Incorrect API key provided: {OWN}", "type": "invalid_request_error"}}, status=401),
    "4xx that repeats the prompt": reply(400, [(b"Content-Type", b"text/plain")], PROMPT.encode()),
    "5xx": reply(502, [(b"Content-Type", b"text/html")], f"<pre>{PROMPT} {OWN}</pre>".encode()),
    "no usage": json_reply({"id": "chatcmpl-9", "model": chat.MODEL, "choices": [{"message": {"content": SAID}}]}),
    "usage of text": json_reply(chat.completion(1, SAID) | {"usage": {"prompt_tokens": SAID, "completion_tokens": {SAID: SAID}, SAID: 1}}),
    "no JSON": reply(200, [(b"Content-Type", b"application/json")], f"{{{SAID}".encode()),
    "error in the stream": sse_reply([chat.delta(SAID), b'data: {"error":{"message":"' + PROMPT.encode() + b'"}}\n\n']),
    "no HTTP": Answer((f"{SAID} {OWN}\r\n\r\n".encode(), Break.CLOSE)),
    "bad header": Answer((f"HTTP/1.1 200 OK\r\n{SAID} {OWN}\0: x\r\n\r\n".encode(), Break.CLOSE)),
    "cut": sse_reply([chat.delta(SAID), Break.RESET]),
    "crash": Answer((Break.RESET,)),
    "headers": json_reply(chat.completion(1, SAID), headers=[(b"Set-Cookie", COOKIE.encode()), (b"X-Echo", OWN.encode())]),
}

BAD_BODIES = {
    "no JSON": f'{{"messages": {PROMPT}'.encode(),
    "twice": f'{{"{PROMPT}": 1, "{PROMPT}": 2}}'.encode(),
    "not UTF-8": PROMPT.encode("utf-16"),
    "no object": json.dumps([PROMPT]).encode(),
    "odd model": json.dumps({"model": [PROMPT], "messages": [{"role": "user", "content": PROMPT}]}).encode(),
    "odd members": json.dumps({"model": chat.MODEL, "messages": PROMPT, "max_tokens": PROMPT, "n": PROMPT, "stream": PROMPT, "tools": PROMPT}).encode(),
}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningGateway, MiniUpstream, str]]:
    config = "[journal]\nsegment_bytes = 262144\n[providers.openai.credentials.default]\nenv = \"STORED_OPENAI\"\n"
    with ExitStack() as stack:
        provider = stack.enter_context(MiniUpstream(strict=False))
        gateway = stack.enter_context(RunningGateway(
            tmp_path_factory.mktemp("canary"), upstream=provider.url, config=config, env={"STORED_OPENAI": STORED}))
        yield gateway, provider, gateway.key(team="hr", project="bot")


def play(gateway: RunningGateway, provider: MiniUpstream, key: str) -> None:
    """Every scene once."""
    headers = {"X-Tallystick-Key": key, "Authorization": f"Bearer {OWN}", "X-Api-Key": OWN, "Cookie": COOKIE, "X-Unknown": OWN}
    prompt = [{"role": "user", "content": PROMPT}]
    with httpx.Client(base_url=gateway.url, timeout=PATIENCE_S, headers=headers) as client:
        for name, answer in PROVIDER_ANSWERS.items():
            provider.expect("POST", f"{chat.PATH}?api_key={OTHER}", answer)
            body = chat.asked(stream=name in ("stream", "cut", "error in the stream"), messages=prompt, api_key=OWN, unknown=PROMPT)
            try:
                client.post(f"{chat.PATH}?api_key={OTHER}&key={OTHER}", json=body)
            except httpx.TransportError:
                continue                         # a cut is passed on as a cut
        for body in BAD_BODIES.values():
            provider.expect("POST", chat.PATH, json_reply({}, status=400), body=body)      # where it is passed on
            client.post(chat.PATH, content=body, headers={"Content-Type": "application/json"})
        client.post("/v1/files", content=PROMPT.encode() * 1000, headers={"Content-Type": f"multipart/form-data; boundary={OWN}"})
        client.post(f"/v1/chat/{OWN}%2f{PROMPT}", json={"messages": prompt})
        client.get(f"/v1/{OWN}/{OTHER}?key={OTHER}")
        client.get(f"/api/requests/{OWN}?cursor={OTHER}")
        client.post("/api/auth/token", data={"username": ADMIN[0], "password": PASSWORD})
        client.post("/api/auth/token", content=f'{{"username":"{OWN}","password":"{PASSWORD}"', headers={"Content-Type": "application/json"})
        client.post(chat.PATH, json=chat.asked(messages=prompt), headers={"X-Tallystick-Budget": OWN})
        client.post(chat.PATH, json=chat.asked(messages=prompt), headers={"X-Tallystick-Tags": f"{PROMPT}{'x' * 300}"})
        client.post(chat.PATH, json=chat.asked(messages=prompt), headers={"X-Tallystick-Key": FALSE_KEY})
        client.post(chat.PATH, json=chat.asked(messages=prompt), headers={"Authorization": f"Bearer {FALSE_KEY}"})
        client.post(chat.PATH, json=chat.asked(messages=prompt), headers={"Host": f"{OWN}?"})
        client.post("/v1beta/models/gemini-2.5-flash:generateContent", params={"key": OTHER}, json={"contents": [{"parts": [{"text": PROMPT}]}]})
    with httpx.Client(base_url=gateway.url, timeout=PATIENCE_S, headers={"X-Tallystick-Key": key}) as client:
        provider.expect("POST", chat.PATH, json_reply(chat.completion(2, SAID)))
        assert client.post(chat.PATH, json=chat.asked(messages=prompt)).status_code == 200


def found_in(data: bytes) -> list[str]:
    """The canaries that stand in some bytes, plain or encoded."""
    return [canary for canary in CANARIES if any(form in data for form in (
        canary.encode(), json.dumps(canary)[1:-1].encode(), base64.b64encode(canary.encode()).rstrip(b"=")[:-1], canary.encode().hex().encode(),
        canary.encode("utf-16-le")))]


def everything(gateway: RunningGateway) -> Iterator[tuple[str, bytes]]:
    """What the gateway keeps and shows."""
    for path in gateway.data.rglob("*"):
        if path.is_file():
            yield path.name, path.read_bytes()
    yield "log", gateway.log.read_bytes()
    yield "/metrics", httpx.get(f"{gateway.url}/metrics", timeout=PATIENCE_S).content
    for kind in ("all", "refused"):
        for item in gateway.api(f"/api/requests?limit=200&kind={kind}")["items"]:
            yield item["id"], json.dumps(gateway.call(item["id"])).encode() + json.dumps(item).encode()
    yield "overview", json.dumps(gateway.api("/api/metrics/overview")).encode()


def test_no_canary_is_found_again(scene: tuple[RunningGateway, MiniUpstream, str]) -> None:
    gateway, provider, key = scene
    with ExitStack() as stack:                   # nobody may write the ledger: the spool keeps what it has
        lock = sqlite3.connect(gateway.data / "tallystick.db", isolation_level=None)
        stack.callback(lock.close)
        lock.execute("BEGIN IMMEDIATE")
        play(gateway, provider, key)
        spool = b"".join(path.read_bytes() for path in (gateway.data / "spool").rglob("*.seg"))
    assert b"gpt-4o-mini" in spool, "the spool was looked at too late"
    assert found_in(spool) == []
    assert key.encode() not in spool
    assert len(every_call(gateway, at_least=len(PROVIDER_ANSWERS))) >= len(PROVIDER_ANSWERS)
    kept = dict(everything(gateway))
    assert {name: hits for name, data in kept.items() if (hits := found_in(data))} == {}
    assert [name for name, data in kept.items() if key.encode() in data] == []


def test_nor_after_a_crash(scene: tuple[RunningGateway, MiniUpstream, str]) -> None:
    gateway, provider, key = scene
    gate = Gate()
    provider.expect("POST", chat.PATH, sse_reply([chat.delta(SAID), gate]))
    body = json.dumps(chat.asked(stream=True, messages=[{"role": "user", "content": PROMPT}])).encode()
    with chat.raw_call(gateway, chat.head(key, len(body)).replace(b"sk-own", OWN.encode()) + body) as client:
        chat.read_until(client, SAID.encode())
        gateway.kill()
    gate.open()
    gateway.start()
    assert every_call(gateway, at_least=len(PROVIDER_ANSWERS) + 1)[0]["outcome"] == "recovered"
    assert {name: hits for name, data in everything(gateway) if (hits := found_in(data))} == {}


def test_what_is_kept_is_for_its_owner_alone(scene: tuple[RunningGateway, MiniUpstream, str]) -> None:
    gateway, _, _ = scene
    assert gateway.data.stat().st_mode & 0o077 == 0
    assert (gateway.data / "tallystick.db").stat().st_mode & 0o077 == 0
