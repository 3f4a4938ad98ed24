"""Signing in to a running gateway of two workers: both know a session at once and forget it at once, and what proves a
person opens no call and reaches no provider."""

from __future__ import annotations

from pathlib import Path

import httpx

from tests.build import chat
from tests.build.gateway import ADMIN, PATIENCE_S, RunningGateway
from tests.mini_upstream import MiniUpstream

TRIES = 8                                    # each on a connection of its own, so that both workers are met


def asked(gateway: RunningGateway, path: str, **headers: str) -> set[int]:
    return {httpx.get(gateway.url + path, headers=headers, timeout=PATIENCE_S).status_code for _ in range(TRIES)}


def test_a_session_a_token_and_their_end_on_every_worker(tmp_path: Path) -> None:
    config = "[server]\nworkers = 2\npublic_url = \"http://costs.example\"\n[sessions]\nlifetime_s = 3600\n"
    with MiniUpstream() as provider, RunningGateway(tmp_path, upstream=provider.url, config=config) as gateway:
        with httpx.Client(base_url=gateway.url, headers={"origin": gateway.url}, timeout=PATIENCE_S) as browser:
            opened = browser.post("/api/auth/session", json={"email": ADMIN[0], "password": ADMIN[1]})
            assert opened.status_code == 200, opened.text
            csrf, cookie = opened.json()["csrf"], opened.headers["set-cookie"].partition(";")[0]
            assert asked(gateway, "/api/keys", cookie=cookie) == {200}
            for headers, status in (({}, 403), ({"x-csrf-token": csrf, "origin": "http://evil.example"}, 403),
                                    ({"x-csrf-token": csrf, "origin": "http://costs.example"}, 201), ({"x-csrf-token": csrf}, 201)):
                made = browser.post("/api/tokens", json={"scopes": ["keys:read"]}, headers=headers)
                assert made.status_code == status, made.text
            token = made.json()["token"]
            assert asked(gateway, "/api/keys", authorization=f"Bearer {token}") == {200}

            # Neither is a key: the provider hears of nothing.
            for headers in ({"cookie": cookie}, {"authorization": f"Bearer {token}"}, {"x-tallystick-key": token},
                            {"x-tallystick-key": gateway.key(), "authorization": f"Bearer {token}"}):
                refused = httpx.post(gateway.url + chat.PATH, json=chat.asked(), headers=headers, timeout=PATIENCE_S)
                assert refused.status_code == 401, headers
                assert token not in refused.text

            assert browser.delete(f"/api/tokens/{made.json()['id']}", headers={"x-csrf-token": csrf}).status_code == 200
            assert asked(gateway, "/api/keys", authorization=f"Bearer {token}") == {401}
            assert browser.delete("/api/auth/session", headers={"x-csrf-token": csrf}).status_code == 200
            assert asked(gateway, "/api/keys", cookie=cookie) == {401}

        assert gateway.json("verify")["ok"] is True
        log = gateway.log.read_text()
        assert token not in log and cookie not in log and ADMIN[1] not in log
