"""Beside a running gateway: somebody is taken in on the host, sees what is theirs, and what changes holds at once."""

from __future__ import annotations

from pathlib import Path

import httpx

from tests.build.gateway import ADMIN, PATIENCE_S, RunningGateway

PASSWORD = "a password of their own"


def logged_in(gateway: RunningGateway, email: str, **more: str) -> httpx.Client:
    reply = httpx.post(f"{gateway.url}/api/auth/token", data={"username": email, "password": PASSWORD, **more}, timeout=PATIENCE_S)
    assert reply.status_code == 200, reply.text
    return httpx.Client(base_url=gateway.url, headers={"authorization": f"Bearer {reply.json()['access_token']}"}, timeout=PATIENCE_S)


def added(gateway: RunningGateway, email: str, *words: str) -> None:
    done = gateway.run("members", "add", email, *words, "--password-stdin", said=PASSWORD)
    assert done.returncode == 0, done.stderr


def test_a_managers_day(tmp_path: Path) -> None:
    with RunningGateway(tmp_path) as gateway:
        gateway.key(team="search"), gateway.key(team="law")
        added(gateway, "bo@house", "--role", "manager", "--team", "search")
        with logged_in(gateway, "bo@house") as bo:
            assert bo.get("/api/auth/me").json()["role"] == "manager"
            assert [key["team"] for key in bo.get("/api/keys").json()["items"]] == ["search"]
            made = bo.post("/api/keys", json={"team": "search"}).json()
            assert bo.post("/api/keys", json={"team": "law"}).status_code == 403
            assert httpx.get(f"{gateway.url}/api/keys/self", headers={"x-tallystick-key": made["key"]}, timeout=PATIENCE_S).status_code == 200
            assert gateway.run("members", "role", "bo@house", "--role", "auditor").returncode == 0
            assert bo.post("/api/keys", json={"team": "search"}).status_code == 403
            assert all("team" not in key for key in bo.get("/api/keys").json()["items"])
            assert gateway.run("members", "remove", "bo@house").returncode == 0
            assert bo.get("/api/keys").status_code == 401
        assert gateway.run("members", "remove", ADMIN[0]).returncode == 2           # the last owner
        assert gateway.json("verify")["ok"] is True


def test_a_second_organisation_beside_the_first(tmp_path: Path) -> None:
    with RunningGateway(tmp_path) as gateway:
        assert gateway.run("orgs", "create", "acme", "--zone", "Asia/Tokyo").returncode == 0
        for org in ("default", "acme"):
            if org == "default":
                added(gateway, "ana@acme", "--role", "auditor")
            else:
                assert gateway.run("members", "add", "ana@acme", "--role", "owner", "--org", "acme").returncode == 0
        several = httpx.post(f"{gateway.url}/api/auth/token", data={"username": "ana@acme", "password": PASSWORD}, timeout=PATIENCE_S)
        assert (several.status_code, several.json()["code"]) == (400, "organization_required")
        with logged_in(gateway, "ana@acme", organization="acme") as ana, logged_in(gateway, "ana@acme", organization="default") as auditor:
            key = ana.post("/api/keys", json={"team": "search"}).json()
            assert (key["organization"], [each["id"] for each in ana.get("/api/keys").json()["items"]]) == ("acme", [key["id"]])
            assert auditor.get("/api/keys").json()["items"] == []
            assert auditor.get(f"/api/keys/{key['id']}").status_code == 404
            called = httpx.post(f"{gateway.url}/v1/chat/completions", json={"model": "gpt-4o-mini", "messages": []}, timeout=PATIENCE_S,
                                headers={"x-tallystick-key": key["key"], "x-tallystick-sandbox": "1"})
            request_id = called.headers["x-tallystick-request-id"]
            assert ana.get(f"/api/requests/{request_id}").json()["organization"] == "acme"
            assert auditor.get(f"/api/requests/{request_id}").status_code == 404
        assert gateway.json("verify")["ok"] is True
