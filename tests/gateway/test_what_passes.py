"""What goes through a running gateway and what does not: headers both ways (S18), attempts to choose where a
call goes (S8), uploads, lists, HEAD, and 100-continue.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator

import httpx
import pytest

from tests.build import chat
from tests.build.gateway import PATIENCE_S, RunningGateway
from tests.mini_upstream import Answer, MiniUpstream, head_bytes, json_reply, reply

STAYS_HERE = (
    "X-Tallystick-Team", "X-Tallystick-Tags", "X-Tallystick-Budget", "X-Tallystick-Session", "X-Tallystick-Anything", "X-Cartie-Tenant",
    "X-Cartie-Anything", "X-Aso-Team", "X-Aso-Dimension-Floor", "X-Litellm-Tags", "X-Litellm-Anything", "X-Provider-Key",
    "Keep-Alive", "Proxy-Authorization", "Proxy-Connection", "Proxy-Authenticate", "TE", "Trailer", "Cookie", "X-Named-By-Connection",
    "Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port", "X-Forwarded", "X-Real-Ip",
    "X-Client-Ip", "Client-Ip", "True-Client-Ip", "X-Cluster-Client-Ip", "X-Original-Forwarded-For", "Cf-Connecting-Ip", "Cf-Ray",
    "Fastly-Client-Ip", "Cdn-Loop", "X-Envoy-External-Address", "X-Remote-Addr", "X-Remote-Ip", "X-Originating-Ip", "X-Azure-Clientip",
    "X-Azure-Socketip", "X-Appengine-User-Ip", "Fly-Client-Ip", "X-Vercel-Forwarded-For", "X-Api-Key", "X-Goog-Api-Key", "Api-Key",
)
GOES_ON = ("Accept-Language", "X-Stainless-Lang", "OpenAI-Beta", "Idempotency-Key", "Traceparent", "X-Request-Id", "User-Agent")


def test_what_is_ours_or_the_connections_or_tells_of_the_caller_goes_no_further(
    gateway: RunningGateway, provider: MiniUpstream, key: str,
) -> None:
    provider.expect("POST", chat.PATH, chat.answers(1)[0])
    values = {"X-Tallystick-Budget": "1", "X-Cartie-Tenant": "hr", "X-Aso-Team": "hr", "X-Tallystick-Team": "hr", "TE": "trailers"}
    told = {name: values.get(name, "10.1.2.3") for name in STAYS_HERE} | dict.fromkeys(GOES_ON, "goes-on")
    answer = httpx.post(f"{gateway.url}{chat.PATH}", json=chat.asked(), timeout=PATIENCE_S,
                        headers={**told, **chat.headers(key), "Connection": "keep-alive, X-Named-By-Connection"})
    assert answer.status_code == 200, answer.text
    arrived = {name.decode().lower() for name, _ in provider.calls[-1].headers}
    assert arrived & {name.lower() for name in STAYS_HERE} == set()
    assert arrived >= {name.lower() for name in GOES_ON}
    assert provider.calls[-1].header(b"authorization") == b"Bearer sk-own"
    assert key.encode() not in provider.calls[-1].head
    assert provider.calls[-1].header(b"host") == provider.url.removeprefix("http://").encode()


def test_what_a_provider_sets_for_itself_stays_there(gateway: RunningGateway, provider: MiniUpstream, key: str) -> None:
    headers = [(b"Set-Cookie", b"a=1"), (b"Keep-Alive", b"timeout=5"), (b"Connection", b"keep-alive, X-Hop"), (b"X-Hop", b"1"),
               (b"OpenAI-Organization", b"org-1"), (b"X-Ratelimit-Remaining", b"9"), (b"X-Tallystick-Cost-Usd", b"7")]
    provider.expect("POST", chat.PATH, json_reply(chat.completion(1), headers=headers))
    answer = httpx.post(f"{gateway.url}{chat.PATH}", json=chat.asked(), headers=chat.headers(key), timeout=PATIENCE_S)
    assert not {"set-cookie", "keep-alive", "x-hop"} & set(answer.headers)
    assert (answer.headers["openai-organization"], answer.headers["x-ratelimit-remaining"]) == ("org-1", "9")
    assert answer.headers["x-tallystick-cost-usd"] == "0.000000900"


@pytest.fixture
def trap() -> Iterator[tuple[str, list[object]]]:
    """A listener that nobody may ever call, and who did."""
    came: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def wait() -> None:
            try:
                while True:
                    came.append(listener.accept())
            except OSError:
                return
        threading.Thread(target=wait, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", came
        listener.shutdown(socket.SHUT_RDWR)


def test_where_a_call_goes_is_not_the_callers_to_say(
    gateway: RunningGateway, provider: MiniUpstream, key: str, trap: tuple[str, list[object]],
) -> None:
    """Unknown members and headers pass as they are; none of them is read as an address."""
    address, came = trap
    host = address.removeprefix("http://")
    members = dict.fromkeys(("api_base", "base_url", "custom_host", "api_version", "endpoint", "proxy", "url", "organization"), address)
    headers = dict.fromkeys(("X-Portkey-Custom-Host", "X-Custom-Host", "X-Base-Url", "X-Api-Base", "X-Upstream-Host", "Helicone-Target-Url",
                             "Destination", "X-Original-Url", "X-Rewrite-Url", "X-Forwarded-Host"), address)
    query = "&".join(f"{name}={address}" for name in ("api_base", "base_url", "custom_host", "target"))
    body = chat.asked(**members)
    for path in (f"{chat.PATH}?{query}", f"/proxy/openai{chat.PATH}?{query}"):
        provider.expect("POST", f"{chat.PATH}?{query}", chat.answers(1)[0], body=lambda sent: json.loads(sent) == body)
        answer = httpx.post(f"{gateway.url}{path}", json=body, timeout=PATIENCE_S,
                            headers={**headers, **chat.headers(key), "Host": host})
        assert answer.status_code == 200, answer.text
    for path in (f"/proxy/{host}/v1/chat/completions", f"/proxy/http:%2f%2f{host}/v1", f"//{host}/v1/chat/completions", f"/v1/{host}/x"):
        with chat.raw_call(gateway, chat.head(key, 2, "Connection: close", path=path), b"{}") as client:
            assert chat.read_all(client).split(b" ")[1] in (b"400", b"404"), path
    for target in (f"{address}{chat.PATH}", f"{host}"):
        with chat.raw_call(gateway, chat.head(key, 2, "Connection: close", path=target), b"{}") as client:
            assert chat.read_all(client).split(b" ")[1] == b"400", target
    assert came == []


@pytest.mark.parametrize("path", ["/v1/audio/transcriptions", "/v1/files", "/v1/images/edits"])
@pytest.mark.parametrize("chunked", [False, True])
def test_an_upload_passes_unread(gateway: RunningGateway, provider: MiniUpstream, key: str, path: str, chunked: bool) -> None:
    """Form data of more than a mebibyte goes through byte for byte and is in the journal."""
    form = b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n--b\r\n' + bytes(range(256)) * 6_000 + b"\r\n--b--\r\n"
    provider.expect("POST", path, json_reply({"id": "file-1", "object": "file", "text": "hi"}))
    content = iter([form[:700_000], form[700_000:]]) if chunked else form
    answer = httpx.post(f"{gateway.url}{path}", content=content, timeout=PATIENCE_S,
                        headers={**chat.headers(key), "Content-Type": "multipart/form-data; boundary=b"})
    assert answer.status_code == 200, answer.text
    assert (provider.calls[-1].body, provider.calls[-1].header(b"content-type")) == (form, b"multipart/form-data; boundary=b")
    call = gateway.call(answer.headers["x-tallystick-request-id"])
    assert call["state"] == "settled"
    assert (call["method"], call["basis"]) in (("unpriced", "usage"), ("unpriced", "counted"), ("priced", "zero_proven"))
    assert path != "/v1/audio/transcriptions" or call["method"] == "unpriced"


def test_an_upload_is_answered_before_its_end(gateway: RunningGateway, provider: MiniUpstream, key: str) -> None:
    """A provider that refuses an upload from its head alone is heard, and the connection is not used again."""
    provider.expect("POST", "/v1/files", json_reply({"error": {"message": "no"}}, status=413), before_body=True)
    with chat.raw_call(gateway, chat.head(key, 4 << 20, path="/v1/files"), b"x" * 100) as client:
        answer = chat.read_all(client)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in answer
    assert gateway.call(chat.id_in(answer))["status"] == 413


def test_a_route_nobody_lists_is_journaled_as_unpriced(gateway: RunningGateway, provider: MiniUpstream, key: str) -> None:
    for path, outside in (("/v1/brand/new", "/v1/brand/new"), ("/v1/brand/new", "/proxy/openai/v1/brand/new")):
        provider.expect("POST", path, json_reply({"ok": True}))
        answer = httpx.post(f"{gateway.url}{outside}", json={"x": 1}, headers=chat.headers(key), timeout=PATIENCE_S)
        if answer.status_code == 404:
            provider._expected.clear()
            continue
        call = gateway.call(answer.headers["x-tallystick-request-id"])
        assert (call["method"], call["state"], call["cost_nanos"]) == ("unpriced", "settled", 0)
    assert outside.startswith("/proxy/")
    assert answer.json() == {"ok": True}


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_list_of_models_is_free(gateway: RunningGateway, provider: MiniUpstream, key: str, method: str) -> None:
    document = json.dumps({"object": "list", "data": [{"id": chat.MODEL}]}).encode()
    whole = reply(200, [(b"Content-Type", b"application/json")], document)
    bare = Answer((head_bytes(200, [(b"Content-Type", b"application/json"), (b"Content-Length", b"%d" % len(document))]),))
    provider.expect(method, "/v1/models", whole if method == "GET" else bare)
    answer = httpx.request(method, f"{gateway.url}/v1/models", headers=chat.headers(key), timeout=PATIENCE_S)
    assert (answer.status_code, answer.headers["content-length"]) == (200, str(len(document)))
    assert answer.content == (document if method == "GET" else b"")
    call = gateway.call(answer.headers["x-tallystick-request-id"])
    assert (call["cost_nanos"], call["basis"], call["outcome"]) == (0, "zero_proven", "completed")


def test_a_caller_who_waits_for_100_continue_gets_it(gateway: RunningGateway, provider: MiniUpstream, key: str) -> None:
    provider.expect("POST", chat.PATH, chat.answers(1)[0])
    body = json.dumps(chat.asked()).encode()
    with chat.raw_call(gateway, chat.head(key, len(body), "Expect: 100-continue")) as client:
        assert chat.read_until(client, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(body)
        assert chat.read_until(client, b"chatcmpl-1").startswith(b"HTTP/1.1 200 ")


def test_who_would_be_refused_is_not_told_to_continue(gateway: RunningGateway, key: str) -> None:
    with chat.raw_call(gateway, chat.head(key[:-1] + "x", 1 << 20, "Expect: 100-continue")) as client:
        assert chat.read_all(client).startswith(b"HTTP/1.1 401 ")

