"""Sealed credentials on a running gateway: set by command and by API, used by calls, and found again nowhere
(S7): not on the disk, in the log, in an answer, in the ledger, in the list of processes."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tallystick.control.roles import GRANTS
from tests.build import chat
from tests.build.gateway import ADMIN, PATIENCE_S, RunningGateway
from tests.mini_upstream import MiniUpstream, json_reply

FIRST, SECOND, BATCH, REFUSED = "sk-canary-first-4sRb81", "sk-canary-second-5tSc82", "sk-canary-batch-6uTd83", "sk-canary refused 7vUe84"
CANARIES = (FIRST, SECOND, BATCH, REFUSED)
SEEN_WITHIN_S = 1.0                          # a poll takes place every 250 ms; the rest is the machine's


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[tuple[RunningGateway, MiniUpstream]]:
    with ExitStack() as stack:
        provider = stack.enter_context(MiniUpstream(strict=False))
        yield stack.enter_context(RunningGateway(tmp_path, upstream=provider.url)), provider


def owner(gateway: RunningGateway) -> httpx.Client:
    login = httpx.post(f"{gateway.url}/api/auth/token", data={"username": ADMIN[0], "password": ADMIN[1]}, timeout=PATIENCE_S)
    token = login.raise_for_status().json()["access_token"]
    return httpx.Client(base_url=gateway.url, headers={"Authorization": f"Bearer {token}"}, timeout=PATIENCE_S)


def call(gateway: RunningGateway, provider: MiniUpstream, key: str) -> tuple[int, str]:
    """Status of a call without a provider key of its own, and the key that the provider saw or our refusal's code."""
    before = len(provider.calls)
    provider.expect("POST", chat.PATH, json_reply(chat.completion(1, "ok")))
    reply = httpx.post(f"{gateway.url}{chat.PATH}", json=chat.asked(), headers={"X-Tallystick-Key": key}, timeout=PATIENCE_S)
    if len(provider.calls) > before:
        return reply.status_code, (provider.calls[-1].header(b"authorization") or b"").decode().removeprefix("Bearer ")
    return reply.status_code, str(reply.json()["error"]["code"])


def within(seconds: float, holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_set_used_replaced_removed_while_the_gateway_runs(scene: tuple[RunningGateway, MiniUpstream]) -> None:
    gateway, provider = scene
    key, of_batch = gateway.key(team="hr", project="bot"), gateway.key(team="hr", credential="batch")
    assert call(gateway, provider, key) == (401, "provider_credential_missing")
    assert gateway.run("credentials", "set", "openai", said=FIRST).returncode == 0
    assert within(SEEN_WITHIN_S, lambda: call(gateway, provider, key) == (200, FIRST))
    assert call(gateway, provider, of_batch) == (401, "provider_credential_missing")        # it asked for another one
    with owner(gateway) as client:
        assert client.put("/api/credentials/openai/batch", json={"value": BATCH}).json()["version"] == 1
        assert (call(gateway, provider, key), call(gateway, provider, of_batch)) == ((200, FIRST), (200, BATCH))
        assert gateway.json("credentials", "rewrap") == {"rewrapped": 2}
        assert (call(gateway, provider, key), call(gateway, provider, of_batch)) == ((200, FIRST), (200, BATCH))
        assert client.put("/api/credentials/openai/default", json={"value": SECOND}).json()["version"] == 2
        assert call(gateway, provider, key) == (200, SECOND)
        assert client.delete("/api/credentials/openai/default").status_code == 200
        assert call(gateway, provider, key) == (401, "provider_credential_missing")
        assert [each["name"] for each in client.get("/api/credentials").json()["items"]] == ["batch"]
    assert gateway.json("verify")["ok"] is True


def test_a_keys_own_then_its_projects_then_the_default(scene: tuple[RunningGateway, MiniUpstream]) -> None:
    gateway, provider = scene
    for name, value in (("default", FIRST), ("batch", BATCH), ("mine", SECOND)):
        assert gateway.run("credentials", "set", "openai", name, said=value).returncode == 0
    own, projects, teams = gateway.key(team="hr", project="bot", credential="mine"), gateway.key(team="hr", project="bot"), gateway.key(team="hr")
    assert gateway.json("credentials", "assign", "hr/bot", "batch") == {"team": "hr", "project": "bot", "credential": "batch"}
    assert [call(gateway, provider, key) for key in (own, projects, teams)] == [(200, SECOND), (200, BATCH), (200, FIRST)]
    # Which project a header claims opens no credential.
    provider.expect("POST", chat.PATH, json_reply(chat.completion(1, "ok")))
    claimed = {"X-Tallystick-Key": teams, "X-Tallystick-Project": "bot"}
    assert httpx.post(f"{gateway.url}{chat.PATH}", json=chat.asked(), headers=claimed, timeout=PATIENCE_S).status_code == 200
    assert provider.calls[-1].header(b"authorization") == f"Bearer {FIRST}".encode()
    with owner(gateway) as client:
        changed = client.patch("/api/projects", json={"team": "hr", "project": "bot"}).json()
        assert (changed["name"], changed["credential"]) == ("bot", None)
        assert call(gateway, provider, projects) == (200, FIRST)
        assert client.patch("/api/projects", json={"team": "hr", "project": "nobody"}).status_code == 404
    assert gateway.run("credentials", "assign", "hr/nobody", "batch").returncode == 2
    assert gateway.json("verify")["ok"] is True


def test_a_provider_that_moved_gets_no_key_until_it_is_set_again(scene: tuple[RunningGateway, MiniUpstream], tmp_path: Path) -> None:
    gateway, _ = scene
    assert gateway.run("credentials", "set", "openai", said=FIRST).returncode == 0
    key = gateway.key()
    gateway.stop()
    # the same data, another address
    with MiniUpstream(strict=False) as evil, RunningGateway(tmp_path, upstream=evil.url) as moved:
        assert call(moved, evil, key) == (401, "provider_credential_unusable")
        assert evil.calls == []
        assert moved.json("credentials", "list")["credentials"][0]["status"] == "origin_changed"
        assert moved.run("credentials", "set", "openai", said=SECOND).returncode == 0
        assert within(SEEN_WITHIN_S, lambda: call(moved, evil, key) == (200, SECOND))


def test_a_credential_is_tested_by_a_listing_that_costs_nothing(scene: tuple[RunningGateway, MiniUpstream]) -> None:
    gateway, provider = scene
    assert gateway.run("credentials", "test", "openai").returncode == 2          # there is none yet
    assert gateway.run("credentials", "set", "openai", said=FIRST).returncode == 0
    wrong = json_reply({"error": {"message": f"Incorrect API key provided: {FIRST[:6]}****{FIRST[-4:]}."}}, status=401)
    with owner(gateway) as client:
        def tested() -> dict[str, object]:
            return dict(client.post("/api/credentials/openai/default/test").raise_for_status().json())

        assert within(SEEN_WITHIN_S, lambda: client.get("/api/credentials").json()["items"] != [])
        for answer in (json_reply({"data": []}), wrong, wrong):
            provider.expect("GET", "/v1/models", answer)
        works = tested()
        assert (works["outcome"], works["status"], works["asked"]) == ("works", 200, f"GET {provider.url}/v1/models")
        assert type(works["latency_us"]) is int
        assert provider.calls[0].header(b"authorization") == f"Bearer {FIRST}".encode()
        refused = tested()
        assert (refused["outcome"], refused["words"]) == ("refused", "Incorrect API key provided: ***")
    provider.expect("GET", "/v1/models", wrong)
    said = gateway.run("credentials", "test", "openai")
    assert said.returncode == 1
    assert f"  GET {provider.url}/v1/models: 401, after " in said.stdout
    assert "OpenAI refuses this key (401)." in said.stdout
    for answer in (json_reply({"data": []}), wrong):
        provider.expect("GET", "/v1/models", answer)
    assert gateway.json("credentials", "test", "openai")["outcome"] == "works"
    assert gateway.calls(at_least=0) == []                                         # none of it was a call
    assert not found_in(said.stdout.encode() + said.stderr.encode() + gateway.log.read_bytes())


def test_no_value_is_found_again(scene: tuple[RunningGateway, MiniUpstream]) -> None:
    gateway, provider = scene
    key = gateway.key()
    shown: list[tuple[str, bytes]] = []
    for words, said in ((("set", "openai"), FIRST), (("set", "openai", "batch"), BATCH), (("set", "openai", "no"), REFUSED), (("list",), "")):
        done = gateway.run("credentials", *words, said=said)
        shown.append((" ".join(words), (done.stdout + done.stderr).encode()))
    with owner(gateway) as client:
        shown += [
            (f"PUT {body}", client.put("/api/credentials/openai/default", content=body, headers={"content-type": "application/json"}).content)
            for body in (
                json.dumps({"value": SECOND}), json.dumps({"value": REFUSED}), json.dumps({"value": SECOND, "more": SECOND}),
                json.dumps({"value": [SECOND]}), f'{{"value": "{SECOND}', json.dumps({"value": SECOND * 1000}))]
        shown.append(("unknown", client.put("/api/credentials/nobody/default", json={"value": SECOND}).content))
        assert within(SEEN_WITHIN_S, lambda: call(gateway, provider, key) == (200, SECOND))
        provider.expect("POST", f"{chat.PATH}?echo=1", json_reply({"error": {"message": f"Incorrect API key provided: {SECOND}"}}, status=401))
        echoed = httpx.post(f"{gateway.url}{chat.PATH}?echo=1", json=chat.asked(), headers={"X-Tallystick-Key": key}, timeout=PATIENCE_S)
        assert SECOND in echoed.text         # what the provider says is the caller's to read, and is kept nowhere
        provider.expect("GET", "/v1/models", json_reply({"error": {"message": f"Incorrect API key provided: {SECOND}"}}, status=401))
        shown.append(("test", client.post("/api/credentials/openai/default/test").content))
        provider.expect("GET", "/v1/models", json_reply({"error": f"unknown key {SECOND}"}, status=401))
        shown.append(("credentials test", gateway.run("credentials", "test", "openai").stdout.encode()))
        for request_id in (each["id"] for each in gateway.calls(at_least=2)):
            shown.append((request_id, json.dumps(gateway.call(request_id)).encode()))
        places = {"request_id": "req_" + "0" * 32, "key_id": "x", "provider": "openai", "name": "default"}
        for grant in GRANTS:                 # every route that can be read to its end, as the owner
            if grant.method == "GET" and grant.path != "/api/live":
                shown.append((grant.path, client.get(grant.path.format_map(_Known(places))).content))
        shown.append(("/metrics", client.get("/metrics").content))
        shown.append(("DELETE", client.delete("/api/credentials/openai/default").content))
    for form in ("calls-csv", "calls-jsonl", "ledger-jsonl"):
        exported = gateway.run("export", form)
        assert exported.returncode == 0, exported.stderr
        shown.append((form, exported.stdout.encode()))
    assert b"CREDENTIAL" in shown[-1][1]
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            shown.append((str(process), process.read_bytes()))
        except OSError:
            continue                         # it ended
    gateway.stop()
    kept = [(path.name, path.read_bytes()) for path in gateway.data.rglob("*") if path.is_file()]
    assert any(b"CREDENTIAL" in data or b"credential" in data for _, data in kept)
    everything = [*shown, *kept, ("log", gateway.log.read_bytes())]
    assert {name: hits for name, data in everything if (hits := found_in(data))} == {}


class _Known(dict[str, str]):
    """Samples for the parameters of a path; those that have none here are numbers."""

    def __missing__(self, _: str) -> str:
        return "1"


def found_in(data: bytes) -> list[str]:
    """The canaries that stand in some bytes, plain or encoded."""
    return [canary for canary in CANARIES if any(form in data for form in (
        canary.encode(), base64.b64encode(canary.encode()).rstrip(b"=")[:-1], canary.encode().hex().encode(), canary.encode("utf-16-le")))]
