"""What the gateway does for policies where a running one is hard to catch at it."""

from __future__ import annotations

import asyncio
from dataclasses import fields, replace
from typing import Any
from urllib.parse import quote

import pytest

from tallystick import providers
from tallystick.core.attempt import Admission
from tallystick.core.budget import Scope
from tallystick.core.dialect import Route
from tallystick.core.errors import Denied
from tallystick.core.exchange import Forward, Rules
from tallystick.core.policies.book import PolicyBook, policy_book, rule_of
from tallystick.core.policies.policy import Edit, Policy
from tallystick.edge import policing
from tallystick.edge.body import BodyLimits
from tallystick.edge.gateway import Gateway, Ports, Setup
from tallystick.edge.inbound import Inbound
from tallystick.edge.paths import Target, resolve
from tallystick.core.call import Facts
from tallystick.core.identity import Claims
from tallystick.stores.memory import MemoryJournal, NoBudgets
from tallystick.telemetry import Telemetry
from tests.build.edge import PROVIDERS, Issued
from tests.build.journal import admission as admitted
from tests.build.prices import book_of
from tests.edge.test_gateway import World


class Waiting(NoBudgets):
    """Budgets at which a call waits, and while it does somebody pulls the kill switch."""

    def __init__(self, policies: dict[str, PolicyBook]) -> None:
        self.policies = policies
        self.cancelled: list[Admission] = []

    async def hold(self, admission: Admission) -> Admission | Denied:
        self.policies["default"] = policy_book([Policy(7, "", "kill", Scope("org"), rule_of("kill", {}))])
        return admission

    def cancel(self, admission: Admission) -> None:
        self.cancelled.append(admission)


def test_a_call_that_waited_for_its_budget_does_not_slip_past_a_kill_switch() -> None:
    policies: dict[str, PolicyBook] = {}
    world, journal, budgets, answers = World(), MemoryJournal(), Waiting(policies), list[dict[str, Any]]()
    provider = PROVIDERS["openai"]
    setup = Setup({"openai": provider}, {"openai": "https://provider.example"},
                  Rules(book_of(openai={"m-1": {"input_text": "2", "output_text": "10"}}), policies=policies), BodyLimits())
    ports = Ports(**dict.fromkeys((port.name for port in fields(Ports)), world)  # type: ignore[arg-type]
                  | {"keyring": Issued("tsk_a"), "journal": journal, "budgets": budgets})
    scope: dict[str, Any] = {"type": "http", "method": "POST", "raw_path": b"/v1/chat/completions", "query_string": b"", "headers": [
        (b"x-tallystick-key", b"tsk_a"), (b"content-length", b"15"), (b"authorization", b"Bearer sk-own")]}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b'{"model":"m-1"}', "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        answers.append(message)

    asyncio.run(Gateway(ports, setup, Telemetry("0"))(scope, receive, send))
    assert (journal.admissions, [(refusal.code, refusal.policy) for refusal in journal.refusals]) == ({}, [("killed", 7)])
    assert len(budgets.cancelled) == 1
    assert answers[0]["status"] == 403


def test_what_was_changed_is_in_the_bytes_in_the_facts_and_in_the_answer() -> None:
    wanted = replace(admitted(), dialect="openai_chat", provider="groq", model="small")
    command = Forward(wanted, Edit("small", 9), ("expected_cost_usd=1.5", "ünï"))
    asked = Inbound(b'{"model": "large", "messages": []}', Claims(), Facts(model="large"))
    out = policing.edited(asked, command, Route("POST", "/v1/chat/completions", "chat"), "small")
    assert out.body == b'{"max_tokens":9,"model": "small", "messages": []}'
    assert (out.facts.model, out.facts.output_limit) == ("small", 9)
    assert policing.disclosed(command) == (
        (b"x-tallystick-model", b"small"), (b"x-tallystick-warning", b"output_limit=9"),
        (b"x-tallystick-warning", b"expected_cost_usd=1.5"), (b"x-tallystick-warning", b"?n?"))


REAL = {known.id: known for known in providers.PROVIDERS}
PROFILE = "arn:aws:bedrock:us-east-1:012345678901:inference-profile/us.anthropic.claude-haiku-4-5-v1:0"


@pytest.mark.parametrize(("asked", "cheaper", "expected"), [
    ("/v1beta/models/gemini-2.5-pro:streamGenerateContent", "gemini-2.5-flash", "/v1beta/models/gemini-2.5-flash:streamGenerateContent"),
    ("/proxy/bedrock/model/anthropic.claude-sonnet-4-5-v1%3A0/converse", "anthropic.claude-haiku-4-5-v1:0",
     "/model/anthropic.claude-haiku-4-5-v1%3A0/converse"),
    ("/proxy/bedrock/eu-central-1/model/anthropic.claude-sonnet-4-5-v1:0/invoke", PROFILE, f"/model/{quote(PROFILE, safe='')}/invoke"),
    ("/proxy/azure/openai/deployments/gpt-4o-prod/chat/completions", "gpt-4o-mini", "/openai/deployments/mini-prod/chat/completions"),
    ("/proxy/vertex/v1/projects/p/locations/europe-west1/publishers/anthropic/models/claude-sonnet-4-5@20250929:rawPredict",
     "claude-haiku-4-5@20251001", "/v1/projects/p/locations/europe-west1/publishers/anthropic/models/claude-haiku-4-5@20251001:rawPredict"),
    ("/proxy/huggingface/hf-inference/models/org/large", "org/small", "/hf-inference/models/org/small"),
    ("/v1/chat/completions", "gpt-4o-mini", "/v1/chat/completions"),
])
def test_a_model_that_the_path_names_is_another_there(asked: str, cheaper: str, expected: str) -> None:
    target = resolve("POST", asked.encode(), b"", {}, REAL)
    assert isinstance(target, Target)
    provider = target.provider
    route, path_model = provider.route_for("POST", target.path)
    command = Forward(replace(admitted(), provider=provider.id), Edit(model=cheaper))
    name = policing.asked_name({("azure", "mini-prod"): "gpt-4o-mini", ("openai", "mini"): "gpt-4o"}, command)
    aimed = policing.aimed(target, route, name)
    assert (aimed.path, aimed.origin) == (expected, target.origin)
    assert provider.route_for("POST", aimed.path) == (route, None if path_model is None else name)
    body = policing.edited(Inbound(b'{"model":"x"}', Claims(), Facts(model="x"), is_json=True), command, route, name).body
    assert body == b'{"model":"%s"}' % (name or "").encode()
    silent = policing.edited(Inbound(b"{}", Claims(), Facts(model="x"), is_json=True), command, route, name)
    assert (silent.body == b"{}") == (path_model is not None)
    assert silent.facts.model == cheaper
    assert policing.aimed(target, route, policing.asked_name({}, replace(command, edit=None))) is target
