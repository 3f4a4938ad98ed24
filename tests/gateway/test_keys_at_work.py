"""Keys on a running gateway: one works the moment the command that made it returns, and stops working
within a second of its revocation or its end."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import httpx

from tests.build import chat
from tests.build.gateway import PATIENCE_S, RunningGateway
from tests.mini_upstream import MiniUpstream

REVOKED_WITHIN_S = 1.0
SLACK_S = 4.0                                    # for a machine with other work; the promise is the bound above


def status(gateway: RunningGateway, provider: MiniUpstream, key: str) -> int:
    provider.expect("GET", "/v1/models", chat.answers(0)[0])
    answer = httpx.get(f"{gateway.url}/v1/models", headers=chat.headers(key), timeout=PATIENCE_S)
    if answer.status_code != 200:
        provider._expected.clear()
    return answer.status_code


def test_a_new_key_works_at_once_and_a_revoked_one_no_more(gateway: RunningGateway, provider: MiniUpstream) -> None:
    made = gateway.json("keys", "create", "--team", "hr", "--project", "bot")
    assert status(gateway, provider, made["key"]) == 200
    assert gateway.run("keys", "revoke", made["id"]).returncode == 0
    revoked = time.monotonic()
    while status(gateway, provider, made["key"]) != 401:
        assert time.monotonic() - revoked < REVOKED_WITHIN_S + SLACK_S, "a revoked key still works"
    assert status(gateway, provider, made["key"]) == 401


def test_a_key_asked_for_before_it_was_made_works_when_it_is(gateway: RunningGateway, provider: MiniUpstream) -> None:
    """What was looked up in vain is not remembered against it."""
    other = gateway.key()
    forged = other[:-1] + ("x" if other[-1] != "x" else "y")
    assert status(gateway, provider, forged) == 401
    assert status(gateway, provider, gateway.key()) == 200


def test_a_key_ends_when_it_said(gateway: RunningGateway, provider: MiniUpstream) -> None:
    ends = datetime.now(UTC) + timedelta(seconds=4)
    key = gateway.key(expires=ends.strftime("%Y-%m-%dT%H:%M:%SZ"))
    while status(gateway, provider, key) == 200:
        assert datetime.now(UTC) < ends + timedelta(seconds=REVOKED_WITHIN_S + SLACK_S), "an expired key still works"
    assert status(gateway, provider, key) == 401


def test_a_running_gateway_is_ready(gateway: RunningGateway) -> None:
    answer = httpx.get(f"{gateway.url}/readyz", timeout=PATIENCE_S)
    assert (answer.status_code, answer.json()) == (200, {"status": "ready", "reasons": {}})
