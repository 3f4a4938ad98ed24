"""Several stored credentials on a running gateway: a rate limit that one call meets, and what the others do then."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count
from time import monotonic, sleep
from typing import Any

import httpx
import openai
import pytest

from tests.build import chat
from tests.build.gateway import ADMIN, PATIENCE_S, RunningGateway
from tests.mini_upstream import Answer, MiniUpstream, Received, chunked, json_reply, sse_reply

LIMIT = {"error": {"message": "Rate limit reached", "type": "requests", "param": None, "code": "rate_limit_exceeded"}}
LONG = ((b"Retry-After", b"500"),)           # no test waits for its end


def limited(headers: tuple[tuple[bytes, bytes], ...] = LONG, status: int = 429) -> Answer:
    return json_reply(LIMIT, status=status, headers=headers)


@pytest.fixture(scope="module")
def provider() -> Iterator[MiniUpstream]:
    with MiniUpstream() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(provider: MiniUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    with RunningGateway(tmp_path_factory.mktemp("failover"), upstream=provider.url) as running:
        yield running


@pytest.fixture(scope="module")
def owner(gateway: RunningGateway) -> Iterator[httpx.Client]:
    login = httpx.post(f"{gateway.url}/api/auth/token", data={"username": ADMIN[0], "password": ADMIN[1]}, timeout=PATIENCE_S)
    token = login.raise_for_status().json()["access_token"]
    with httpx.Client(base_url=gateway.url, headers={"Authorization": f"Bearer {token}"}, timeout=PATIENCE_S) as client:
        yield client


class Team:
    """A team with a key and two credentials of its own, so that no test meets what another one's calls showed."""

    numbers = count(1)

    def __init__(self, gateway: RunningGateway, provider: MiniUpstream, owner: httpx.Client) -> None:
        self.gateway, self.provider, self._owner = gateway, provider, owner
        self.name = f"team{next(self.numbers)}"
        self.first, self.second = f"{self.name}-first", f"{self.name}-second"
        for name in (self.first, self.second):
            self._put(f"/api/credentials/openai/{name}", {"value": f"sk-{name}"}, "PUT")
        self.key = self._put("/api/keys", {"team": self.name, "project": "bot", "credential": self.first})["key"]
        self._calls_before = len(provider.calls)

    def moves(self, **parameters: Any) -> int:
        """A policy that lets its calls go on with the second credential; the policy's id."""
        said = {"credentials": [self.second], "on": ["rate_limit", "refused", "unavailable", "connect"]} | parameters
        policy = self._put("/api/policies", {"kind": "failover", "on": f"team:{self.name}", "parameters": said})
        return int(policy["id"])

    def ask(self, **more: Any) -> httpx.Response:
        return httpx.post(
            f"{self.gateway.url}{chat.PATH}", json=chat.asked(**more), headers={"X-Tallystick-Key": self.key}, timeout=PATIENCE_S)

    def meets(self, *answers: Answer) -> None:
        """What the provider will answer, in this order."""
        for answer in answers:
            self.provider.expect("POST", chat.PATH, answer)

    @property
    def seen(self) -> list[Received]:
        """Its calls as they came to the provider."""
        return self.provider.calls[self._calls_before:]

    @property
    def used(self) -> list[str]:
        """Which credential each of them came with."""
        return [(call.header(b"authorization") or b"").decode().removeprefix(f"Bearer sk-{self.name}-") for call in self.seen]

    def calls(self, at_least: int, kind: str = "calls") -> list[dict[str, Any]]:
        """Its calls in the API's list, newest first, once there are so many, with every attempt that the provider has seen."""
        deadline = monotonic() + PATIENCE_S
        while True:
            found: list[dict[str, Any]] = self.get(f"/api/requests?team={self.name}&kind={kind}")["items"]
            if len(found) >= at_least and (kind != "calls" or sum(call["attempts"] for call in found) >= len(self.seen)):
                return found
            assert monotonic() < deadline, f"{found} is not {at_least}"
            sleep(0.05)

    def get(self, path: str) -> Any:
        return self._owner.get(path).raise_for_status().json()

    def _put(self, path: str, body: dict[str, Any], method: str = "POST") -> Any:
        answer = self._owner.request(method, path, json=body)
        assert answer.is_success, answer.text
        return answer.json()


@pytest.fixture
def team(gateway: RunningGateway, provider: MiniUpstream, owner: httpx.Client) -> Team:
    return Team(gateway, provider, owner)


@pytest.mark.parametrize("stream", [False, True])
def test_the_second_credential_serves_and_the_first_is_let_be(team: Team, stream: bool) -> None:
    policy = team.moves()
    team.meets(limited(), chat.answers(1)[stream], chat.answers(2)[stream])
    replies = [team.ask(stream=stream) for _ in range(2)]
    assert [reply.status_code for reply in replies] == [200, 200]
    assert team.used == ["first", "second", "second"]        # the second call does not find out again
    assert team.seen[0].body == team.seen[1].body
    said = [[reply.headers.get(f"x-tallystick-{name}") for name in ("attempts", "credential")] for reply in replies]
    assert said == [["2", team.second], [None, team.second]]
    if stream:
        assert replies[0].text.endswith("data: [DONE]\n\n")
    else:
        assert replies[0].json() == chat.completion(1)

    both = team.calls(2)
    assert [(call["attempts"], call["cost_nanos"], call["status"]) for call in both] == [
        (1, chat.cost_nanos(2), 200), (2, chat.cost_nanos(1), 200)]
    document = team.gateway.call(both[1]["id"])
    assert [(one["attempt"], one["status"], one["credential"], one["cost_nanos"]) for one in document["attempts"]] == [
        (1, 429, team.first, 0), (2, 200, team.second, chat.cost_nanos(1))]
    assert (document["cost_nanos"], document["outcome"]) == (chat.cost_nanos(1), "completed")
    assert document["policies"] == [{"id": policy, "did": "edited"}]


def test_a_call_of_two_attempts_is_one_call_wherever_it_is_counted(team: Team) -> None:
    team.moves()
    gateway = team.gateway
    budget = gateway.json("budgets", "set", "--team", team.name, "--limit", "2 calls", "--window", "total")
    team.meets(limited(()), chat.answers(1)[0], chat.answers(2)[0])
    request_id = team.ask().headers["x-tallystick-request-id"]
    (row,) = team.calls(1)
    assert (row["id"], row["attempts"], row["status"], row["cost_nanos"]) == (request_id, 2, 200, chat.cost_nanos(1))
    assert [len(team.calls(at, f"calls&{which}")) for at, which in ((1, "outcome=completed"), (0, "outcome=failed"), (1, "limit=1"))] == [1, 0, 1]

    told = gateway.json("explain", request_id)
    assert [one["attempt"] for one in told["attempts"]] == [1, 2]
    assert "Attempt 2" in gateway.run("explain", request_id).stdout
    exported = [json.loads(line) for line in gateway.run("export", "calls-jsonl").stdout.splitlines()]
    assert [(line["attempts"], line["cost_nanos"]) for line in exported if line["id"] == request_id] == [(2, chat.cost_nanos(1))]
    team.ask()
    tried = gateway.json("policies", "dry-run", "model_access", "--on", f"team:{team.name}", "-p", "deny_models=gpt*")
    assert [one["cost_nanos"] for one in tried["stopped"]] == [chat.cost_nanos(1), chat.cost_nanos(2)]
    assert gateway.json("budgets", "show", str(budget["id"]))["nodes"][0]["spent_calls"] == 2
    assert team.ask().json()["error"]["code"] == "budget_exceeded"           # two calls they were, in three attempts
    (sums,) = (one for one in team.get("/api/aggregations/by-team")["teams"] if one["team_name"] == team.name)
    assert sums["request_count"] == 2
    assert gateway.json("verify")["ok"] is True


def test_without_a_policy_a_stated_limit_is_answered_here(team: Team) -> None:
    team.meets(limited())
    first = team.ask()
    assert (first.status_code, first.json(), first.headers["retry-after"]) == (429, LIMIT, "500")     # the provider's own word
    second = team.ask()
    assert len(team.seen) == 1
    error = second.json()["error"]
    assert (second.status_code, error["code"], error["type"]) == (429, "credential_cooling_down", "rate_limit_error")
    assert 1 <= int(second.headers["retry-after"]) <= 500
    team.meets(chat.answers(1)[0])                           # another model is another limit
    assert team.ask(model="gpt-4o").status_code == 200
    team.meets(chat.answers(2)[0])                           # and another's credential another's
    own = httpx.post(f"{team.gateway.url}{chat.PATH}", json=chat.asked(), headers=chat.headers(team.key), timeout=PATIENCE_S)
    assert own.status_code == 200
    (refusal,) = team.calls(1, "refused")
    assert (refusal["code"], refusal["requested_model"], refusal["cost_nanos"]) == ("credential_cooling_down", chat.MODEL, 0)


def test_where_the_provider_states_no_time_every_call_goes_to_it(team: Team) -> None:
    team.meets(*[limited(())] * 3)
    assert [team.ask().json() for _ in range(3)] == [LIMIT] * 3


@pytest.mark.parametrize("status", [401, 500, 502])
def test_a_refused_or_broken_credential_is_passed_over_too(team: Team, status: int) -> None:
    team.moves()
    team.meets(limited((), status=status), chat.answers(1)[0])
    assert team.ask().status_code == 200
    assert team.used == ["first", "second"]


def test_where_no_other_carries_it_the_first_answer_comes_back_unchanged(team: Team) -> None:
    team.moves(credentials=["nowhere"])
    team.meets(limited(((b"X-Request-Id", b"theirs"),)))
    reply = team.ask()
    assert (reply.status_code, reply.json(), reply.headers["x-request-id"]) == (429, LIMIT, "theirs")
    assert "x-tallystick-attempts" not in reply.headers
    document = team.gateway.call(reply.headers["x-tallystick-request-id"])
    assert (document["outcome"], document["basis"], len(document["attempts"])) == ("failed", "zero_proven", 1)


def test_the_last_answer_is_the_callers_where_every_attempt_fails(team: Team) -> None:
    team.moves()
    team.meets(limited(()), json_reply({"error": {"message": "second"}}, status=429))
    reply = team.ask(stream=True)
    assert (reply.status_code, reply.json()["error"]["message"], reply.headers["x-tallystick-attempts"]) == (429, "second", "2")


def test_an_error_that_comes_as_a_stream_is_held_back_as_well(team: Team) -> None:
    team.moves()
    event = b'data: {"error": {"message": "Rate limit reached"}}\n\n'
    for status, served in ((429, 200), (400, 400)):
        team.meets(chunked(status, [(b"Content-Type", b"text/event-stream")], [event, chat.DONE]), *([chat.answers(1)[1]] if status == 429 else []))
        reply = team.ask(stream=True)
        assert (reply.status_code, reply.content == event + chat.DONE) == (served, status == 400)
        assert reply.text.endswith("data: [DONE]\n\n")


def test_an_error_too_long_to_be_held_back_is_passed_on(team: Team) -> None:
    team.moves()
    flood = [b"x" * 65_536] * 20
    team.meets(chunked(429, [(b"Content-Type", b"application/json")], flood))
    reply = team.ask()
    assert (reply.status_code, len(reply.content), len(team.seen)) == (429, 20 * 65_536, 1)


def test_an_answer_that_has_begun_is_never_begun_again(team: Team) -> None:
    team.moves()
    error = b'data: {"error": {"message": "overloaded", "type": "server_error"}}\n\n'
    team.meets(sse_reply([chat.delta("word"), error, chat.DONE]))
    assert (team.ask(stream=True).status_code, len(team.seen)) == (200, 1)


def test_the_real_sdk_sees_one_call_that_went_well(team: Team) -> None:
    team.moves()
    team.meets(limited(), chat.answers(1)[0], chat.answers(2)[1])
    with openai.OpenAI(api_key=team.key, base_url=f"{team.gateway.url}/v1", max_retries=0) as client:
        messages: Any = [{"role": "user", "content": "Say hello"}]
        whole = client.chat.completions.create(model=chat.MODEL, messages=messages, max_tokens=100)
        assert whole.choices[0].message.content == "Hello"
        pieces = list(client.chat.completions.create(model=chat.MODEL, messages=messages, max_tokens=100, stream=True))
        assert pieces[0].choices[0].delta.content == "word 0 "
    assert team.used == ["first", "second", "second"]


def test_the_real_sdk_ends_its_loop_at_a_limit_that_is_longer_than_it_waits(team: Team) -> None:
    team.meets(limited())
    assert team.ask().status_code == 429
    with openai.OpenAI(api_key=team.key, base_url=f"{team.gateway.url}/v1", max_retries=5) as client, pytest.raises(openai.RateLimitError) as told:
        client.chat.completions.create(model=chat.MODEL, messages=[{"role": "user", "content": "Say hello"}])
    assert told.value.code == "credential_cooling_down"
    assert (len(team.seen), len(team.calls(1, "refused"))) == (1, 1)


def test_how_it_stands_is_shown(team: Team) -> None:
    team.moves()
    team.meets(limited(), chat.answers(1)[0])
    assert team.ask().status_code == 200
    deadline = monotonic() + PATIENCE_S
    while True:                              # it is written beside the calls
        shown = {one["name"]: one["health"] for one in team.get("/api/credentials")["items"]}
        if shown[team.first]["failures"]:
            break
        assert monotonic() < deadline
        sleep(0.05)
    assert (shown[team.first]["state"], shown[team.first]["last_failure_status"], shown[team.second]["state"]) == ("cooling", 429, "healthy")
    assert [{name: one[name] for name in ("model", "why", "stated")} for one in shown[team.first]["cooling"]] == [
        {"model": chat.MODEL, "why": "rate_limit", "stated": True}]
    listed = {one["name"]: one["health"] for one in team.gateway.json("credentials", "list")["credentials"]}
    assert listed[team.first] == shown[team.first]
    printed = team.gateway.run("credentials", "list").stdout
    assert "cooling" in printed, printed
    figures = httpx.get(f"{team.gateway.url}/metrics", timeout=PATIENCE_S).text
    assert 'tallystick_credentials{provider="openai",state="cooling"}' in figures
