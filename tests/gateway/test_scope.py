"""Teams and projects that callers name: made at first sight below the key's scope, refused outside it."""

from __future__ import annotations

import httpx

from tests.build.gateway import PATIENCE_S, RunningGateway

ASKED = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Say hello"}]}


def sandbox(gateway: RunningGateway, key: str, **labels: str) -> httpx.Response:
    headers = {f"X-Tallystick-{name}": value for name, value in labels.items()}
    return httpx.post(f"{gateway.url}/v1/chat/completions", json=ASKED, timeout=PATIENCE_S,
                      headers={"X-Tallystick-Key": key, "X-Tallystick-Sandbox": "true", **headers})


def names(gateway: RunningGateway, path: str) -> set[str]:
    return {f"{row.get('team', '')}/{row['name']}" for row in gateway.api(path)["items"]}


def test_an_organisation_wide_key_makes_the_teams_it_names(gateway: RunningGateway) -> None:
    answer = sandbox(gateway, gateway.key(), team="sales", project="web")
    call = gateway.call(answer.headers["x-tallystick-request-id"])
    assert (call["attribution"]["team"], call["attribution"]["project"]) == ("sales", "web")
    assert {"team", "project"} <= set(call["attribution"]["claimed"]), "what only the caller says is marked"
    assert "sales/web" in names(gateway, "/api/projects")
    assert "/sales" in names(gateway, "/api/teams")


def test_a_team_key_names_its_own_projects_and_no_other_team(gateway: RunningGateway) -> None:
    key = gateway.key(team="ops")
    made = sandbox(gateway, key, project="nightly")
    gateway.call(made.headers["x-tallystick-request-id"])
    assert "ops/nightly" in names(gateway, "/api/projects")
    refused = sandbox(gateway, key, team="sales")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "outside_key_scope")


def test_a_project_without_a_team_belongs_to_the_default_team(gateway: RunningGateway) -> None:
    made = sandbox(gateway, gateway.key(), project="loose")
    gateway.call(made.headers["x-tallystick-request-id"])
    assert "default/loose" in names(gateway, "/api/projects")
