"""Policies on a running gateway: in force when the command returns, answered so that a program knows which one it was."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from threading import Thread
from typing import Any

import anthropic
import httpx
import openai
import pytest

from tests.build.gateway import PATIENCE_S, RunningGateway
from tests.mini_upstream import Gate, MiniUpstream, json_reply, sse_reply

CHAT = "/v1/chat/completions"
ASK = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]}
REPLY = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4o-2024-08-06",
         "usage": {"prompt_tokens": 8, "completion_tokens": 50, "total_tokens": 58},
         "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}]}

Scene = tuple[RunningGateway, MiniUpstream]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with ExitStack() as stack:
        provider = stack.enter_context(MiniUpstream(strict=False))
        yield stack.enter_context(RunningGateway(tmp_path, upstream=provider.url)), provider


def ask(gateway: RunningGateway, key: str, body: Any = None, **headers: str) -> httpx.Response:
    return httpx.post(f"{gateway.url}{CHAT}", content=json.dumps(body or ASK, separators=(",", ":")), timeout=PATIENCE_S, headers={
        "authorization": "Bearer sk-own", "x-tallystick-key": key, "content-type": "application/json", **headers})


def test_a_policy_is_in_force_when_the_command_returns_until_it_is_removed(scene: Scene) -> None:
    gateway, provider = scene
    key = gateway.key(team="web")
    provider.expect("POST", CHAT, json_reply(REPLY), times=9)
    made = gateway.json("policies", "set", "model_access", "--on", "team:web", "-p", 'allow_models=["gpt-4o-mini*"]', "--name", "small only")
    assert (made["version"], made["not_in_force_on"]) == (1, [])
    refused = ask(gateway, key)
    error = refused.json()["error"]
    assert (refused.status_code, error["code"], refused.headers["x-should-retry"]) == (403, "policy_denied", "false")
    assert (error["tallystick"]["policy_id"], error["tallystick"]["policy"]) == (str(made["id"]), "small only")
    assert ask(gateway, key, {**ASK, "model": "gpt-4o-mini"}).status_code == 200
    assert ask(gateway, gateway.key(team="ops")).status_code == 200
    gateway.json("policies", "set", "model_access", "--on", "team:web", "-p", "allow_models=gpt-4o*", "--name", "small only")
    assert ask(gateway, key).status_code == 200
    shown = gateway.json("policies", "show", str(made["id"]))
    assert [version["parameters"] for version in shown["versions"]] == [{"allow_models": ["gpt-4o-mini*"]}, {"allow_models": "gpt-4o*"}]
    gateway.json("policies", "remove", str(made["id"]))
    assert gateway.json("policies", "list")["policies"] == []
    assert ask(gateway, key, {**ASK, "model": "o3"}).status_code == 200
    [row] = gateway.calls(1, kind="refused")
    assert (row["code"], row["status"], row["team"]) == ("policy_denied", 403, "web")
    assert gateway.call(row["id"])["policy_id"] == made["id"]
    gateway.stop()
    assert gateway.run("verify").returncode == 0


def test_observing_lets_everything_through_and_notes_it(scene: Scene) -> None:
    gateway, provider = scene
    provider.expect("POST", CHAT, json_reply(REPLY))
    made = gateway.json("policies", "set", "required_dimensions", "-p", "require=user", "--mode", "observe")
    answer = ask(gateway, gateway.key())
    assert answer.status_code == 200
    gateway.calls(1)
    assert gateway.call(answer.headers["x-tallystick-request-id"])["policies"] == [{"id": made["id"], "did": "observed"}]


def test_an_output_limit_is_set_in_the_body_and_disclosed(scene: Scene) -> None:
    gateway, provider = scene
    provider.expect("POST", CHAT, json_reply(REPLY), times=2)
    gateway.json("policies", "set", "default_output", "-p", "output_tokens=300")
    gateway.json("policies", "set", "request_size", "-p", "output_tokens_max=400", "-p", "clamp=true", "--on", "user:ann")
    key = gateway.key()
    answer = ask(gateway, key)
    assert (answer.headers["x-tallystick-model"], answer.headers["x-tallystick-warning"]) == ("gpt-4o", "output_limit=300")
    assert ask(gateway, key, {**ASK, "max_tokens": 900, "user": "x"}, **{"x-tallystick-user": "ann"}).status_code == 200
    written = json.dumps(ASK, separators=(",", ":"))
    assert provider.calls[0].body == b'{"max_completion_tokens":300,' + written[1:].encode()
    assert provider.calls[1].body == written[:-1].encode() + b',"max_tokens":400,"user":"x"}'
    gateway.calls(2)
    document = gateway.call(answer.headers["x-tallystick-request-id"])
    assert document["asked"] == {"output_limit": ""}
    gateway.stop()
    assert gateway.run("verify").returncode == 0


def test_a_kill_switch_stops_a_team_and_cuts_what_runs_where_it_says_now(scene: Scene) -> None:
    gateway, provider = scene
    key, other = gateway.key(team="web"), gateway.key(team="ops")
    gate = Gate()
    events = [b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"gpt-4o","choices":[{"index":0,"delta":{"content":"a"}}]}\n\n']
    provider.expect("POST", CHAT, sse_reply([events[0], gate, b"data: [DONE]\n\n"]))
    provider.expect("POST", CHAT, json_reply(REPLY), times=3)
    seen: list[str] = []

    def read() -> None:
        with httpx.stream("POST", f"{gateway.url}{CHAT}", json={**ASK, "stream": True}, timeout=PATIENCE_S, headers={
                "authorization": "Bearer sk-own", "x-tallystick-key": key}) as answer:
            try:
                seen.extend(answer.iter_lines())
                seen.append("whole")
            except httpx.RemoteProtocolError:
                seen.append("cut")

    reader = Thread(target=read)
    reader.start()
    gate.wait_reached()
    gateway.json("policies", "kill", "--on", "team:web", "--reason", "leaked key", "--now")
    reader.join(PATIENCE_S)
    assert seen[-1] == "cut", "although the provider never went on"
    killed = ask(gateway, key)
    assert (killed.status_code, killed.json()["error"]["code"]) == (403, "killed")
    assert "leaked key" in killed.json()["error"]["message"]
    assert ask(gateway, other).status_code == 200
    [row] = [row for row in gateway.calls(2) if row["outcome"] == "cut"]
    assert row["basis"] == "counted"
    gateway.json("policies", "unkill", "--on", "team:web")
    assert ask(gateway, key).status_code == 200
    gate.open()


def test_breaking_the_glass_is_journaled_and_named_on_every_call_it_let_through(scene: Scene) -> None:
    gateway, provider = scene
    provider.expect("POST", CHAT, json_reply(REPLY))
    key = gateway.key(team="web")
    made = gateway.json("policies", "set", "model_access", "-p", "deny_models=gpt-4o*")
    assert ask(gateway, key).status_code == 403
    gateway.json("policies", "bypass", "--on", "team:web", "--until", "2h", "--reason", "incident 12")
    answer = ask(gateway, key)
    assert answer.status_code == 200
    gateway.calls(1)
    assert gateway.call(answer.headers["x-tallystick-request-id"])["policies"] == [{"id": made["id"], "did": "bypassed"}]
    assert ask(gateway, gateway.key(team="ops")).status_code == 403
    [broken] = gateway.json("policies", "list")["bypasses"]
    assert gateway.json("policies", "unbypass", str(broken["id"]))["active"] is False
    assert ask(gateway, key).status_code == 403


def test_calls_at_once_are_limited_and_told_when_to_come_back(scene: Scene) -> None:
    gateway, provider = scene
    gate = Gate()
    provider.expect("POST", CHAT, json_reply(REPLY).before(gate))
    provider.expect("POST", CHAT, json_reply(REPLY))
    made = gateway.json("policies", "set", "rates", "--on", "team:*", "-p", "concurrent=1")
    key = gateway.key(team="web")
    first = Thread(target=ask, args=(gateway, key))
    first.start()
    gate.wait_reached()
    busy = ask(gateway, key)
    assert (busy.status_code, busy.json()["error"]["code"], busy.headers["retry-after"]) == (429, "too_many_at_once", "1")
    gate.open()
    first.join(PATIENCE_S)
    assert ask(gateway, key).status_code == 200
    gateway.json("policies", "set", "rates", "--on", "team:*", "-p", "requests=0")
    limited = ask(gateway, key)
    assert (limited.status_code, limited.json()["error"]["code"], limited.headers["x-should-retry"]) == (429, "rate_limited", "true")
    assert 1 <= int(limited.headers["retry-after"]) <= 60
    assert {gateway.call(row["id"])["policy_id"] for row in gateway.calls(2, kind="refused")} == {made["id"]}


def test_an_expensive_call_is_confirmed_or_refused_and_where_it_comes_from_counts(scene: Scene) -> None:
    gateway, provider = scene
    provider.expect("POST", CHAT, json_reply(REPLY), times=2)
    key = gateway.key()
    gateway.json("policies", "set", "expensive", "-p", "confirm_above_usd=0.01", "-p", "warn_above_usd=0.001")
    dear = {**ASK, "max_tokens": 4_000}
    refused = ask(gateway, key, dear)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "confirmation_required")
    expected = refused.json()["error"]["tallystick"]["expected_cost_usd"]
    confirmed = ask(gateway, key, dear, **{"x-tallystick-confirm": "yes"})
    assert (confirmed.status_code, confirmed.headers["x-tallystick-warning"]) == (200, f"expected_cost_usd={expected}")
    gateway.json("policies", "set", "addresses", "-p", "allow=127.0.0.0/8")
    assert ask(gateway, key, {**ASK, "max_tokens": 1}).status_code == 200
    gateway.json("policies", "set", "addresses", "-p", "allow=10.0.0.0/8")
    assert ask(gateway, key).json()["error"]["tallystick"]["kind"] == "addresses"


def test_a_dry_run_stops_of_the_past_exactly_what_was_stopped_live(scene: Scene) -> None:
    gateway, provider = scene
    provider.expect("POST", CHAT, json_reply(REPLY), times=20)
    web, ops = gateway.key(team="web"), gateway.key(team="ops")
    rules = (("model_access", "--on", "team:web", "-p", "deny_models=o3*"), ("required_dimensions", "-p", "require=user"),
             ("request_size", "-p", "output_tokens_max=500"), ("reasoning", "--on", "user:*", "-p", "effort_max=low"))
    for words in rules:
        gateway.json("policies", "set", *words)
    live = {}
    for key in (web, ops):
        for model in ("gpt-4o", "o3-mini"):
            for body, headers in (({"max_tokens": 100}, {"x-tallystick-user": "ann"}), ({"max_tokens": 900}, {"x-tallystick-user": "ann"}),
                                  ({"max_tokens": 100, "reasoning_effort": "high"}, {"x-tallystick-user": "bob"}), ({"max_tokens": 100}, {})):
                answer = ask(gateway, key, {**ASK, "model": model, **body}, **headers)
                live[answer.headers["x-tallystick-request-id"]] = answer.status_code
    gateway.calls(sum(status == 200 for status in live.values()))
    gateway.calls(sum(status == 403 for status in live.values()), kind="refused")
    run = gateway.json("policies", "dry-run", "--days", "2")
    assert {one["id"] for one in run["stopped"]} == {request for request, status in live.items() if status == 403}
    assert (run["calls"], run["simulated"], run["not_judged"], run["would_let_through"]) == (16, [], {}, 0)
    proposed = gateway.json("policies", "dry-run", "model_access", "--on", "team:ops", "-p", "deny_models=*")
    assert {one["team"] for one in proposed["who"]} == {"ops"}
    assert proposed["saved_nanos"] == sum(row["cost_nanos"] for row in gateway.calls() if row["team"] == "ops") > 0


def test_a_policy_that_reaches_nothing_is_found(scene: Scene) -> None:
    gateway, provider = scene
    provider.expect("POST", CHAT, json_reply(REPLY))
    assert ask(gateway, gateway.key(team="web")).status_code == 200
    gateway.calls(1)
    reached = gateway.json("policies", "set", "request_size", "--on", "team:web", "-p", "n_max=1")["id"]
    stray = gateway.json("policies", "set", "request_size", "--on", "team:wbe", "-p", "n_max=1")["id"]
    done = gateway.run("policies", "lint", "--json")
    assert done.returncode == 1
    found = {one["id"]: one for one in json.loads(done.stdout)["policies"]}
    assert (found[reached]["findings"], bool(found[reached]["last_matched_at"])) == ([], True)
    assert found[stray]["findings"][0] == "no live key can be in team:wbe"


def test_the_list_of_models_shows_a_key_what_is_open_to_it(scene: Scene) -> None:
    gateway, provider = scene
    models = {"object": "list", "data": [{"id": name, "object": "model"} for name in ("gpt-4o", "gpt-4o-mini", "o3")]}
    provider.expect("GET", "/v1/models", json_reply(models), times=2)
    gateway.json("policies", "set", "model_access", "--on", "team:web", "-p", "allow_models=gpt-4o*")
    listed = {team: httpx.get(f"{gateway.url}/v1/models", timeout=PATIENCE_S, headers={
        "authorization": "Bearer sk-own", "x-tallystick-key": gateway.key(team=team)}).json() for team in ("web", "ops")}
    assert [model["id"] for model in listed["web"]["data"]] == ["gpt-4o", "gpt-4o-mini"]
    assert listed["ops"] == models


def test_a_cheaper_model_answers_once_a_budget_is_nearly_spent(scene: Scene) -> None:
    gateway, provider = scene
    provider.expect("POST", CHAT, json_reply(REPLY), times=200)
    key = gateway.key(team="web")
    gateway.json("budgets", "set", "--team", "web", "--limit", "0.001", "--soft")
    made = gateway.json("policies", "set", "downgrade", "-p", "at_percent=80", "-p", 'models={"gpt-4o":"gpt-4o-mini"}')
    answers = [ask(gateway, key)]
    assert "x-tallystick-model" not in answers[0].headers
    deadline = time.monotonic() + PATIENCE_S
    while "x-tallystick-model" not in answers[-1].headers and time.monotonic() < deadline:
        answers.append(ask(gateway, key))
        time.sleep(0.2)
    assert answers[-1].headers["x-tallystick-model"] == "gpt-4o-mini"
    assert json.loads(provider.calls[-1].body) == {**ASK, "model": "gpt-4o-mini"}
    gateway.calls(len(answers))
    document = gateway.call(answers[-1].headers["x-tallystick-request-id"])
    assert (document["asked"], document["policies"]) == ({"model": "gpt-4o"}, [{"id": made["id"], "did": "edited"}])


def test_a_kill_switch_also_ends_the_wait_for_a_provider(scene: Scene) -> None:
    gateway, provider = scene
    key, gate, answers = gateway.key(team="web"), Gate(), list[httpx.Response]()
    provider.expect("POST", CHAT, json_reply(REPLY).before(gate))
    waiting = Thread(target=lambda: answers.append(ask(gateway, key)))
    waiting.start()
    gate.wait_reached()
    gateway.json("policies", "kill", "--on", "team:web", "--now")
    waiting.join(PATIENCE_S)
    assert (answers[0].status_code, answers[0].json()["error"]["code"]) == (403, "killed")
    [row] = gateway.calls(1)
    assert (row["outcome"], row["basis"]) == ("cut", "worst_case"), "the provider had it, and may bill it"
    gate.open()
    gateway.json("policies", "unkill", "--on", "team:web")
    provider.expect("POST", CHAT, json_reply(REPLY))
    assert ask(gateway, key).status_code == 200, "the connection it came by is none the worse"


def test_the_sdks_ask_once_and_raise_what_they_raise_for_a_permission(scene: Scene) -> None:
    gateway, provider = scene
    key = gateway.key()
    gateway.json("policies", "set", "model_access", "-p", "deny_models=*")
    said: Any = {"api_key": "sk-own", "default_headers": {"x-tallystick-key": key}, "max_retries": 3}
    with openai.OpenAI(base_url=f"{gateway.url}/v1", **said) as client, pytest.raises(openai.PermissionDeniedError) as denied:
        client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "hello"}])
    assert denied.value.code == "policy_denied"
    with anthropic.Anthropic(base_url=gateway.url, **said) as other, pytest.raises(anthropic.PermissionDeniedError) as refused:
        other.messages.create(model="claude-haiku-4-5", max_tokens=10, messages=[{"role": "user", "content": "hello"}])
    assert isinstance(refused.value.body, dict)
    assert refused.value.body["error"]["tallystick"]["code"] == "policy_denied"
    gemini = httpx.post(f"{gateway.url}/v1beta/models/gemini-2.5-flash:generateContent", json={"contents": []}, timeout=PATIENCE_S,
                        headers={"x-goog-api-key": "own", "x-tallystick-key": key})
    assert (gemini.status_code, gemini.json()["error"]["details"][0]["reason"]) == (403, "POLICY_DENIED")
    assert provider.calls == []
    assert len(gateway.calls(3, kind="refused")) == 3


def test_a_limit_goes_into_a_stream_that_is_asked_for_its_usage_and_into_geminis_nested_object(scene: Scene) -> None:
    gateway, provider = scene
    key = gateway.key()
    gateway.json("policies", "set", "default_output", "-p", "output_tokens=300")
    path = "/v1beta/models/gemini-2.5-flash:generateContent"
    provider.expect("POST", CHAT, sse_reply([b"data: [DONE]\n\n"]))
    provider.expect("POST", path, json_reply({"candidates": []}))
    ask(gateway, key, {**ASK, "stream": True})
    httpx.post(f"{gateway.url}{path}", content=b'{"contents":[],"generationConfig":{"topP":1}}', timeout=PATIENCE_S,
               headers={"x-goog-api-key": "own", "x-tallystick-key": key, "content-type": "application/json"})
    streamed, nested = (json.loads(call.body) for call in provider.calls)
    assert (streamed["max_completion_tokens"], streamed["stream_options"]) == (300, {"include_usage": True})
    assert nested == {"contents": [], "generationConfig": {"maxOutputTokens": 300, "topP": 1}}


def test_a_session_has_a_cap_of_its_own_where_the_callers_word_counts(scene: Scene) -> None:
    gateway, provider = scene
    provider.expect("POST", CHAT, json_reply(REPLY), times=9)
    key = gateway.key(team="agents")

    def runs(session: str, times: int) -> list[int]:
        return [ask(gateway, key, {**ASK, "max_tokens": 9}, **{"x-tallystick-session": session}).status_code for _ in range(times)]

    gateway.json("budgets", "set", "--session", "*", "--limit", "2 calls", "--window", "total")
    assert runs("before", 3) == [200, 200, 200], "a claim alone binds nobody"
    gateway.json("policies", "set", "delegation", "--on", "team:agents", "-p", "dimensions=session")
    assert (runs("one", 3), runs("two", 1)) == ([200, 200, 402], [200])
    refused = ask(gateway, key, **{"x-tallystick-session": "one"}).json()["error"]
    assert (refused["code"], refused["tallystick"]["scope"]) == ("budget_exceeded", "session one")
    gateway.calls(6)
    gateway.stop()
    assert gateway.run("verify").returncode == 0


def test_what_cannot_stand_is_refused_in_words(scene: Scene) -> None:
    gateway, _ = scene
    for words, about in ((("request_size", "-p", "n_mx=1"), "n_mx"), (("planets",), "planets"), (("kill", "--on", "team"), "scope"),
                         (("model_access", "-p", "allow_models=[]"), "allow_models")):
        done = gateway.run("policies", "set", *words)
        assert done.returncode == 2
        assert about in done.stderr
