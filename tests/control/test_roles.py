"""How far each role sees and what each may say, cell by cell: the table in the code against the one that was decided,
and what every list, sum and id shows against the table.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest

from tallystick.control.keys import NewKey
from tallystick.control.roles import APPROVERS, CREDENTIAL_NAMES, GRANTS, KEY_IDS, NEW_KEY, Cell, ProposalKind, RoleName
from tallystick.core.membership import ROLES
from tests.build.control import Desk

# What was decided, in the order owner, admin, finance, manager, member, auditor, virtual key; `-` is closed.
DECIDED = """
GET    /api/auth/me                               self  self     self     self       self  self   -
GET    /api/auth/session                          self  self     self     self       self  self   -
DELETE /api/auth/session                          self  self     self     self       self  self   -
POST   /api/auth/session/organization             self  self     self     self       self  self   -
GET    /api/auth/sessions                         self  self     self     self       self  self   -
DELETE /api/auth/sessions                         self  self     self     self       self  self   -
DELETE /api/auth/sessions/{session_id}            self  self     self     self       self  self   -
PATCH  /api/auth/me                               self  self     self     self       self  self   -
POST   /api/auth/password                         self  self     self     self       self  self   -
GET    /api/auth/totp                             self  self     self     self       self  self   -
POST   /api/auth/totp                             self  self     self     self       self  self   -
POST   /api/auth/totp/confirm                     self  self     self     self       self  self   -
POST   /api/auth/totp/recovery-codes              self  self     self     self       self  self   -
POST   /api/auth/totp/remove                      self  self     self     self       self  self   -
GET    /api/organization/sign-in                  all   all      -        -          -     all    -
PUT    /api/organization/sign-in                  all   all      -        -          -     -      -
GET    /api/tokens                                all   all      own      own        own   all    -
POST   /api/tokens                                self  self     self     self       self  self   -
DELETE /api/tokens/{token_id}                     all   all      own      own        own   own    -
GET    /api/members                               all   all      -        own_teams  -     all    -
POST   /api/members                               all   all      -        own_teams  -     -      -
PATCH  /api/members/{account_id}                  all   all      -        own_teams  -     -      -
DELETE /api/members/{account_id}                  all   all      -        own_teams  -     -      -
GET    /api/invitations                           all   all      -        own_teams  -     all    -
POST   /api/invitations                           all   all      -        own_teams  -     -      -
DELETE /api/invitations/{invitation_id}           all   all      -        own_teams  -     -      -
GET    /api/requests                              all   all      all      own_teams  own   all    -
GET    /api/requests/{request_id}                 all   all      all      own_teams  own   all    -
POST   /api/requests/{request_id}/adjustments     all   -        propose  -          -     -      -
GET    /api/keys                                  all   all      -        own_teams  own   ids    -
POST   /api/keys                                  all   all      -        own_teams  own   -      -
POST   /api/keys/bulk                             all   all      -        own_teams  own   -      -
GET    /api/keys/self                             -     -        -        -          -     -      self
POST   /api/help/key                              all   all      -        own_teams  own   -      -
GET    /key/info                                  all   all      -        own_teams  own   -      self
GET    /spend/logs                                all   all      all      own_teams  own   all    self
GET    /user/daily/activity                       all   all      all      own_teams  own   all    self
GET    /api/keys/{key_id}                         all   all      -        own_teams  own   ids    -
POST   /api/keys/{key_id}/rotate                  all   all      -        own_teams  own   -      -
PATCH  /api/keys/{key_id}                         all   all      -        own_teams  own   -      -
DELETE /api/keys/{key_id}                         all   all      -        own_teams  own   -      -
GET    /api/credentials                           all   all      -        -          -     names  -
PUT    /api/credentials/{provider}/{name}         all   all      -        -          -     -      -
DELETE /api/credentials/{provider}/{name}         all   all      -        -          -     -      -
POST   /api/credentials/{provider}/{name}/test    all   all      -        -          -     -      -
GET    /api/budgets                               all   all      all      own_teams  own   all    -
POST   /api/budgets                               all   all      all      own_teams  -     -      -
GET    /api/budgets/lint                          all   all      all      own_teams  own   all    -
POST   /api/budgets/dry-run                       all   all      all      own_teams  -     -      -
GET    /api/budgets/{budget_id}                   all   all      all      own_teams  own   all    -
GET    /api/budgets/{budget_id}/history           all   all      all      own_teams  own   all    -
PUT    /api/budgets/{budget_id}                   all   all      all      own_teams  -     -      -
DELETE /api/budgets/{budget_id}                   all   all      all      own_teams  -     -      -
POST   /api/budgets/{budget_id}/raises            all   all      all      own_teams  -     -      -
GET    /api/policies                              all   all      -        own_teams  own   all    -
POST   /api/policies                              all   all      -        own_teams  -     -      -
GET    /api/policies/lint                         all   all      -        own_teams  own   all    -
GET    /api/policies/activity                     all   all      -        own_teams  own   all    -
POST   /api/policies/dry-run                      all   all      -        own_teams  -     -      -
POST   /api/policies/bench                        all   all      -        own_teams  -     -      -
POST   /api/policies/bypasses                     all   all      -        own_teams  -     -      -
GET    /api/policies/{policy_id}                  all   all      -        own_teams  own   all    -
DELETE /api/policies/bypasses/{bypass_id}         all   all      -        own_teams  -     -      -
DELETE /api/policies/{policy_id}                  all   all      -        own_teams  -     -      -
GET    /api/alerts                                all   all      all      -          -     all    -
GET    /api/alerts/mutes                          all   all      all      -          -     all    -
POST   /api/alerts/mutes                          all   all      all      -          -     -      -
DELETE /api/alerts/mutes/{mute_id}                all   all      all      -          -     -      -
GET    /api/alerts/{alert_id}                     all   all      all      -          -     all    -
POST   /api/alerts/{alert_id}/acknowledge         all   all      all      -          -     -      -
POST   /api/alerts/{alert_id}/replay              all   all      -        -          -     -      -
PUT    /api/alerts/thresholds/{budget_id}         all   all      all      -          -     -      -
GET    /api/channels                              all   all      all      -          -     all    -
PUT    /api/channels/{name}                       all   all      -        -          -     -      -
DELETE /api/channels/{name}                       all   all      -        -          -     -      -
POST   /api/channels/{name}/test                  all   all      -        -          -     -      -
GET    /api/envelopes                             all   all      all      own_teams  own   all    -
POST   /api/envelopes                             all   all      all      own_teams  own   -      -
GET    /api/envelopes/headroom                    all   all      all      own_teams  own   all    -
POST   /api/envelopes/transfers                   all   all      all      -          -     -      -
PUT    /api/envelopes/requirements                all   all      all      -          -     -      -
GET    /api/envelopes/{envelope_id}               all   all      all      own_teams  own   all    -
POST   /api/envelopes/{envelope_id}/sign          all   all      all      -          -     -      -
POST   /api/envelopes/{envelope_id}/decline       all   all      all      -          -     -      -
POST   /api/envelopes/{envelope_id}/top-ups       all   all      all      -          -     -      -
PUT    /api/envelopes/{envelope_id}/fallback      all   all      all      -          -     -      -
DELETE /api/envelopes/{envelope_id}/fallback      all   all      all      -          -     -      -
POST   /api/envelopes/{envelope_id}/end           all   all      all      -          -     -      -
GET    /api/providers                             all   all      all      own_teams  own   all    -
GET    /api/providers/{provider}                  all   all      all      own_teams  own   all    -
GET    /api/prices                                all   all      all      -          -     all    -
GET    /api/prices/model                          all   all      all      -          -     all    -
GET    /api/prices/unpriced                       all   all      all      -          -     all    -
GET    /api/prices/calculation                    all   all      all      -          -     all    -
POST   /api/prices/effects                        all   all      all      -          -     all    -
GET    /api/prices/overrides                      all   all      all      -          -     all    -
POST   /api/prices/overrides                      all   propose  all      -          -     -      -
DELETE /api/prices/overrides/{override_id}        all   propose  all      -          -     -      -
GET    /api/proposals                             all   all      all      -          -     all    -
POST   /api/proposals/{proposal_id}/approve       all   -        all      -          -     -      -
POST   /api/proposals/{proposal_id}/decline       all   own      all      -          -     -      -
GET    /api/teams                                 all   all      all      own_teams  own   all    -
POST   /api/teams                                 all   all      -        -          -     -      -
PATCH  /api/teams                                 all   all      -        -          -     -      -
GET    /api/projects                              all   all      all      own_teams  own   all    -
POST   /api/projects                              all   all      -        own_teams  -     -      -
GET    /api/spenders                              all   all      all      own_teams  own   all    -
GET    /api/spenders/one                          all   all      all      own_teams  own   all    -
GET    /api/dimensions                            all   all      all      own_teams  -     all    -
PUT    /api/dimensions                            all   all      -        -          -     -      -
DELETE /api/dimensions                            all   all      -        -          -     -      -
GET    /api/dimensions/one                        all   all      all      own_teams  -     all    -
PATCH  /api/projects                              all   all      -        -          -     -      -
POST   /api/projects/move                         all   all      -        own_teams  -     -      -
GET    /api/aggregations/monthly                  all   all      all      own_teams  own   all    own_team
GET    /api/aggregations/by-prompt                all   all      all      own_teams  own   all    own_team
GET    /api/aggregations/by-team                  all   all      all      own_teams  own   all    own_team
GET    /api/aggregations/version-comparison       all   all      all      own_teams  own   all    own_team
GET    /api/metrics/overview                      all   all      all      own_teams  own   all    -
GET    /api/retention                             all   all      all      own_teams  own   all    -
PUT    /api/retention/hold                        all   all      -        -          -     -      -
DELETE /api/retention/hold                        all   all      -        -          -     -      -
GET    /api/explore                               all   all      all      own_teams  own   all    -
GET    /api/live                                  all   all      all      own_teams  own   all    -
GET    /api/prompts                               all   all      all      own_teams  own   all    -
PUT    /api/prompts                               all   all      -        all        all   -      -
DELETE /api/prompts                               all   all      -        all        all   -      -
GET    /api/prompts/one                           all   all      all      own_teams  own   all    -
POST   /api/prompts/versions                      all   all      -        all        all   -      -
GET    /api/prompts/estimate                      all   all      all      own_teams  own   all    -
POST   /api/prompts/import                        self  self     self     self       self  self   -
PUT    /api/prompts/active                        all   all      -        all        all   -      -
GET    /api/ledger/entries                        all   all      all      own_teams  -     all    -
GET    /api/ledger/entries/{seq}                  all   all      all      own_teams  -     all    -
GET    /api/ledger/entries/{seq}/proof            all   all      all      own_teams  -     all    -
GET    /api/ledger/verifications                  all   all      all      -          -     all    -
POST   /api/ledger/verifications                  all   all      all      -          -     all    -
GET    /api/ledger/verifications/{run_id}         all   all      all      -          -     all    -
DELETE /api/ledger/verifications/{run_id}         all   all      all      -          -     all    -
GET    /api/exports/totals                        all   all      all      own_teams  own   all    -
GET    /api/exports/calls.csv                     all   all      all      own_teams  own   all    -
GET    /api/exports/calls.jsonl                   all   all      all      own_teams  own   all    -
GET    /api/exports/ledger.jsonl                  all   all      all      -          -     all    -
GET    /api/explore/rows.csv                      all   all      all      own_teams  own   all    -
GET    /api/explore/values                        all   all      all      own_teams  own   all    -
PATCH  /api/organization                          all   all      -        -          -     -      -
GET    /api/organization                          self  self     self     self       self  self   -
GET    /api/freshness                             self  self     self     self       self  self   -
GET    /api/library                               all   all      all      own_teams  own   all    -
POST   /api/library                               all   all      -        all        all   -      -
DELETE /api/library                               all   all      -        all        -     -      -
PUT    /api/library/mark                          self  self     self     self       self  self   -
POST   /api/library/{approval_id}/approve         all   all      -        all        -     -      -
POST   /api/library/{approval_id}/decline         all   all      -        all        own   -      -
GET    /api/views                                 self  self     self     self       self  self   -
POST   /api/views                                 self  self     self     self       self  self   -
PUT    /api/views/{view_id}                       self  self     self     self       self  self   -
DELETE /api/views/{view_id}                       self  self     self     self       self  self   -
"""
OPEN = {("POST", "/api/auth/token"), ("POST", "/api/auth/session"), ("POST", "/api/auth/invitation"),
        ("POST", "/api/auth/invitation/accept"), ("POST", "/api/auth/forgot"), ("POST", "/api/auth/reset"), ("GET", "/setup"), ("POST", "/api/setup"), ("GET", "/api/openapi.json")}
COLUMNS: tuple[RoleName, ...] = (*ROLES, "key")

# Of four calls, keys and teams: which ones each role sees. 1 and 2 are of team search, and 1 is made with the member's own key.
SEEN: dict[RoleName, set[int]] = {
    "owner": {1, 2, 3, 4}, "admin": {1, 2, 3, 4}, "finance": {1, 2, 3, 4}, "auditor": {1, 2, 3, 4}, "manager": {1, 2}, "member": {1}}
KEYS_SEEN: dict[RoleName, set[int]] = {role: seen for role, seen in SEEN.items() if role != "finance"}
TEAMS_SEEN: dict[RoleName, set[str]] = {role: {"default", "search", "ads"} if len(seen) > 2 else {"search"} for role, seen in SEEN.items()}


def decided() -> dict[tuple[str, str], dict[RoleName, Cell]]:
    table: dict[tuple[str, str], dict[RoleName, Cell]] = {}
    for line in DECIDED.strip().splitlines():
        method, path, *cells = line.split()
        table[method, path] = {role: cell for role, cell in zip(COLUMNS, cells, strict=True) if cell != "-"}  # type: ignore[misc]
    return table


def test_the_table_is_the_one_that_was_decided() -> None:
    ours = {(grant.method, grant.path): dict(grant.cells) for grant in GRANTS}
    assert {place: cells for place, cells in ours.items() if place not in OPEN} == decided()
    assert all(ours[place] == {"anyone": "open"} for place in OPEN)


@dataclass
class House:
    """Two teams, four keys with a call each, and somebody in every role."""

    desk: Desk
    keys: dict[int, str]
    calls: dict[int, str]
    people: dict[RoleName, str]

    def client(self, role: RoleName) -> httpx.AsyncClient:
        return self.desk.person(self.people[role])


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    desk = Desk(tmp_path)
    people: dict[RoleName, str] = {role: desk.member(role, *(("search",) if role in ("manager", "member") else ())) for role in ROLES}
    owned = (people["member"], None, None, people["owner"])
    labels = ({"team": "search", "project": "ranking"}, {"team": "search"}, {"team": "ads", "project": "banners"}, {})
    keys = {number: desk.key(owner=owned[number - 1], **labels[number - 1])[0] for number in (1, 2, 3, 4)}
    calls = {number: desk.book(10**number, key_id=keys[number], labels={**labels[number - 1], "user": f"u{number}", "prompt_key": f"p{number}"})
             for number in keys}
    yield House(desk, keys, calls, people)
    desk.close()


@pytest.mark.parametrize("role", SEEN)
async def test_calls_in_lists_and_by_id(house: House, role: RoleName) -> None:
    async with house.client(role) as client:
        listed = [call["id"] for call in (await client.get("/api/requests")).json()["items"]]
        assert set(listed) == {house.calls[number] for number in SEEN[role]} and len(listed) == len(set(listed))
        narrowed = (await client.get("/api/requests", params={"team": "ads"})).json()["items"]
        assert [call["id"] for call in narrowed] == ([house.calls[3]] if 3 in SEEN[role] else [])
        for number, request_id in house.calls.items():
            assert (await client.get(f"/api/requests/{request_id}")).status_code == (200 if number in SEEN[role] else 404)


@pytest.mark.parametrize("role", SEEN)
async def test_a_page_is_full_of_what_is_seen(house: House, role: RoleName) -> None:
    async with house.client(role) as client:
        first = (await client.get("/api/requests", params={"limit": 1})).json()
    assert first["items"][0]["id"] == house.calls[max(SEEN[role])]
    assert (first["next_cursor"] is None) == (len(SEEN[role]) == 1)


@pytest.mark.parametrize("role", SEEN)
async def test_sums_are_of_what_is_seen(house: House, role: RoleName) -> None:
    cost = sum(10**number for number in SEEN[role])
    async with house.client(role) as client:
        assert (await client.get("/api/aggregations/monthly")).json()["total_cost"] == cost / 10**9
        by_team = (await client.get("/api/aggregations/by-team")).json()["teams"]
        by_prompt = (await client.get("/api/aggregations/by-prompt")).json()["prompts"]
        versions = (await client.get("/api/aggregations/version-comparison", params={"prompt_key": "p3"})).json()["versions"]
        overview = (await client.get("/api/metrics/overview")).json()
    assert {team["team_name"] for team in by_team} == {{1: "search", 2: "search", 3: "ads", 4: "unknown"}[number] for number in SEEN[role]}
    assert {prompt["prompt_key"] for prompt in by_prompt} == {f"p{number}" for number in SEEN[role]}
    assert sum(version["request_count"] for version in versions) == (3 in SEEN[role])
    assert (overview["today"]["cost_nanos"], overview["month_to_date"]["requests"]) == (cost, len(SEEN[role]))
    assert {user["name"] for user in overview["top_users_30d"]} == {f"u{number}" for number in SEEN[role]}


@pytest.mark.parametrize("role", KEYS_SEEN)
async def test_keys_in_lists_and_by_id(house: House, role: RoleName) -> None:
    async with house.client(role) as client:
        listed = (await client.get("/api/keys")).json()["items"]
        assert {key["id"] for key in listed} == {house.keys[number] for number in KEYS_SEEN[role]}
        shown = set(KEY_IDS) if role == "auditor" else {*KEY_IDS, "preview", "team", "owner"}
        assert all(shown == key.keys() if role == "auditor" else shown <= key.keys() for key in listed)
        for number, key_id in house.keys.items():
            read = await client.get(f"/api/keys/{key_id}")
            assert read.status_code == (200 if number in KEYS_SEEN[role] else 404)
            assert read.status_code == 404 or read.json() in listed
            if role != "auditor":
                assert (await client.delete(f"/api/keys/{key_id}")).status_code == (200 if number in KEYS_SEEN[role] else 404)


@pytest.mark.parametrize("role", TEAMS_SEEN)
async def test_teams_and_projects(house: House, role: RoleName) -> None:
    async with house.client(role) as client:
        teams = {team["name"] for team in (await client.get("/api/teams")).json()["items"]}
        projects = {project["team"] for project in (await client.get("/api/projects")).json()["items"]}
        other = (await client.get("/api/projects", params={"team": "ads"})).json()["items"]
    assert teams == projects == TEAMS_SEEN[role]
    assert [project["name"] for project in other] == (["banners"] if "ads" in TEAMS_SEEN[role] else [])


@pytest.mark.parametrize("role", ["manager", "member"])
async def test_teams_follow_the_keys_one_owns(house: House, role: RoleName) -> None:
    house.desk.key(owner=house.people[role], team="ads")
    async with house.client(role) as client:
        teams = {team["name"] for team in (await client.get("/api/teams")).json()["items"]}
    assert teams == ({"search", "ads"} if role == "member" else {"search"})


BUDGETS_SEEN: dict[RoleName, set[str]] = {
    **{role: {"org", "team", "project", "key", "ads"} for role in ("owner", "admin", "finance", "auditor")},  # type: ignore[dict-item]
    "manager": {"team", "project", "key"}, "member": {"key"}}


async def budgets_of(house: House) -> dict[str, int]:
    """A budget on the organisation, one each on team search, a project of it and the member's key, and one on team ads."""
    made = {}
    async with house.client("owner") as owner:
        for name, scope, value in (("org", "org", ""), ("team", "team", "search"), ("project", "project", "search/ranking"),
                                   ("key", "key", house.keys[1]), ("ads", "team", "ads")):
            reply = await owner.post("/api/budgets", json={"scope": scope, "value": value, "limit": "$100/month", "name": name})
            assert reply.status_code == 201, reply.text
            made[name] = reply.json()["id"]
    return made


@pytest.mark.parametrize("role", BUDGETS_SEEN)
async def test_budgets_in_lists_and_by_id(house: House, role: RoleName) -> None:
    budgets = await budgets_of(house)
    async with house.client(role) as client:
        listed = {budget["name"] for budget in (await client.get("/api/budgets")).json()["items"]}
        linted = {budget["name"] for budget in (await client.get("/api/budgets/lint")).json()["items"]}
        assert listed == linted == BUDGETS_SEEN[role]
        for name, number in budgets.items():
            assert (await client.get(f"/api/budgets/{number}")).status_code == (200 if name in BUDGETS_SEEN[role] else 404), name


async def test_a_manager_sets_budgets_within_their_teams_and_the_teams_own(house: House) -> None:
    budgets = await budgets_of(house)
    more = {"by": "$1", "until": "2027-01-01T00:00:00Z", "reason": "a launch"}
    async with house.client("manager") as client:
        for name, number in budgets.items():
            for method, place, body in (("PUT", "", {"limit": "$90/month"}), ("POST", "/raises", more), ("DELETE", "", None)):
                reply = await client.request(method, f"/api/budgets/{number}{place}", json=body)
                allowed = {"PUT": 200, "POST": 201, "DELETE": 200}[method]
                assert reply.status_code == (allowed if name in {"project", "key"} else 403 if name == "team" else 404), (name, method)
        for scope, value, limit, status in (
            ("project", "search/new", "$100/month", 201), ("project", "search/new", "$101/month", 403), ("project", "ads/new", "$1/month", 403),
            ("team", "search", "$1/month", 403), ("org", "", "$1/month", 403), ("user", "*", "$1/month", 403),
            ("key", house.keys[2], "$1/month", 201), ("key", house.keys[3], "$1/month", 403), ("key", "*", "$1/month", 403),
        ):
            reply = await client.post("/api/budgets", json={"scope": scope, "value": value, "limit": limit})
            assert reply.status_code == status, (scope, value, reply.text)


POLICIES_SEEN: dict[RoleName, set[str]] = {
    **{role: {"org", "team", "project", "key", "ads"} for role in ("owner", "admin", "auditor")},  # type: ignore[dict-item]
    "manager": {"team", "project", "key"}, "member": {"key"}}


def scopes_of(house: House) -> dict[str, str]:
    """The organisation, team search, a project of it, the member's key in it, and team ads."""
    return {"org": "org", "team": "team:search", "project": "project:search/ranking", "key": f"key:{house.keys[1]}", "ads": "team:ads"}


async def policies_of(house: House, maker: RoleName = "owner", *names: str) -> dict[str, int]:
    """A policy and a bypass of it on each of these scopes."""
    made = {}
    async with house.client(maker) as client:
        for name, scope in scopes_of(house).items():
            if names and name not in names:
                continue
            reply = await client.post("/api/policies", json={"kind": "hours", "on": scope, "name": f"{name} {maker}",
                                                             "parameters": {"closed": "08:00-09:00"}})
            assert reply.status_code == 201, reply.text
            made[name] = reply.json()["id"]
            glass = {"on": scope, "reason": "x", "until": "2026-11-21T00:00:00Z", "policy": made[name]}
            assert (await client.post("/api/policies/bypasses", json=glass)).status_code == 201
    return made


@pytest.mark.parametrize("role", POLICIES_SEEN)
async def test_policies_in_lists_and_by_id(house: House, role: RoleName) -> None:
    policies, scopes = await policies_of(house), scopes_of(house)
    seen = {scopes[name] for name in POLICIES_SEEN[role]}
    async with house.client(role) as client:
        page = (await client.get("/api/policies")).json()
        assert {policy["on"] for policy in page["items"]} == {bypass["on"] for bypass in page["bypasses"]} == seen
        assert {policy["on"] for policy in (await client.get("/api/policies/lint")).json()["items"]} == seen
        for name, number in policies.items():
            assert (await client.get(f"/api/policies/{number}")).status_code == (200 if name in POLICIES_SEEN[role] else 404), name


async def test_a_manager_adds_policies_to_their_teams_and_moves_only_what_managers_set(house: House) -> None:
    above, scopes = await policies_of(house), scopes_of(house)
    own = await policies_of(house, "manager", "team", "project", "key")
    until = "2026-11-21T00:00:00Z"
    async with house.client("manager") as client:
        for scope in (scopes["org"], scopes["ads"], f"key:{house.keys[3]}", "team:*", "user:ann"):
            for place, body in (("", {"kind": "kill", "on": scope}), ("/dry-run", {"kind": "kill", "on": scope}),
                                ("/bypasses", {"on": scope, "reason": "x", "until": until, "policy": own["team"]})):
                assert (await client.post(f"/api/policies{place}", json=body)).status_code == 403, (place, scope)
        assert (await client.post("/api/policies/bypasses", json={"on": "team:search", "reason": "x", "until": until})).status_code == 403
        for kind, parameters in (("delegation", {"dimensions": "user"}), ("failover", {"credentials": ["everybodys"]})):
            assert (await client.post("/api/policies", json={
                "kind": kind, "on": "team:search", "parameters": parameters})).status_code == 403, kind
        for name, number in above.items():
            status = 403 if name in own else 404
            loose = {"kind": "hours", "on": scopes[name], "name": f"{name} owner", "parameters": {"closed": "08:00-08:01"}}
            assert (await client.post("/api/policies", json=loose)).status_code == 403, name
            assert (await client.post("/api/policies/bypasses", json={
                "on": "team:search", "reason": "x", "until": until, "policy": number})).status_code == status, name
            assert (await client.delete(f"/api/policies/{number}")).status_code == status, name
        seen = (await client.get("/api/policies")).json()["bypasses"]
        assert {(await client.delete(f"/api/policies/bypasses/{bypass['id']}")).status_code for bypass in seen} == {200}
        for number in own.values():
            assert (await client.delete(f"/api/policies/{number}")).status_code == 200
    async with house.client("owner") as owner:
        kept = (await owner.get("/api/policies")).json()["bypasses"]
        assert {bypass["on"] for bypass in kept} == {scopes["org"], scopes["ads"]}
        async with house.client("manager") as client:
            assert {(await client.delete(f"/api/policies/bypasses/{bypass['id']}")).status_code for bypass in kept} == {404}


async def test_a_dry_run_counts_the_calls_that_one_sees(house: House) -> None:
    asked = {"kind": "kill", "on": "team:search"}
    async with house.client("owner") as owner, house.client("manager") as manager:
        everything = (await owner.post("/api/policies/dry-run", json=asked)).json()
        theirs = (await manager.post("/api/policies/dry-run", json=asked)).json()
    assert (everything["calls"], everything["would_stop"]) == (4, 2)
    assert (theirs["calls"], theirs["would_stop"]) == (2, 2)
    assert {one["key"] for one in theirs["who"]} == {house.keys[1], house.keys[2]}


async def test_an_auditor_reads_names_of_credentials_only(house: House) -> None:
    async with house.client("admin") as admin, house.client("auditor") as auditor:
        await admin.put("/api/credentials/openai/default", json={"value": "sk-x"})
        (read,) = (await auditor.get("/api/credentials")).json()["items"]
        (whole,) = (await admin.get("/api/credentials")).json()["items"]
    assert read == {"provider": "openai", "name": "default"} == {name: whole[name] for name in CREDENTIAL_NAMES}
    assert whole.keys() > read.keys()


def test_every_field_of_a_new_key_has_its_cells() -> None:
    assert NEW_KEY.keys() == NewKey.model_fields.keys()
    assert all("owner" in roles for roles in NEW_KEY.values())


SAID: dict[str, Any] = {"dimensions": {"app": "x"}, "expires_at": "2027-01-01T00:00:00Z", "format": "aso", "team": "search"}


@pytest.mark.parametrize("field", NEW_KEY)
async def test_who_may_say_what_of_a_new_key(house: House, field: str) -> None:
    for role in ("owner", "admin", "manager", "member"):
        value = house.people["member"] if field == "owner" else SAID.get(field, "x")
        async with house.client(role) as client:
            made = await client.post("/api/keys", json={"team": "search", field: value})
        if role in NEW_KEY[field]:
            assert made.status_code == 201, (role, made.text)
        else:
            assert (made.status_code, made.json()["code"]) == (403, "field_not_open"), role


@pytest.mark.parametrize("team", [{}, {"team": "ads"}, {"project": "ranking"}, {"team": "new"}])
async def test_who_has_teams_makes_keys_in_them_only(house: House, team: dict[str, str]) -> None:
    for role in ("manager", "member"):
        async with house.client(role) as client:
            made = await client.post("/api/keys", json=team)
            assert (made.status_code, made.json()["code"]) == (403, "outside_own_teams")
    async with house.client("admin") as client:
        assert (await client.post("/api/keys", json=team)).status_code == 201


async def test_a_key_that_a_member_makes_is_theirs(house: House) -> None:
    async with house.client("member") as member, house.client("manager") as manager:
        own = (await member.post("/api/keys", json={"team": "search"})).json()
        given = (await manager.post("/api/keys", json={"team": "search", "owner": house.people["member"]})).json()
        assert own["owner"] == given["owner"] == house.people["member"]
        assert {key["id"] for key in (await member.get("/api/keys")).json()["items"]} == {house.keys[1], own["id"], given["id"]}
        stranger = await manager.post("/api/keys", json={"team": "search", "owner": "acc_nobody"})
        assert (stranger.status_code, stranger.json()["code"]) == (400, "unknown_owner")


async def test_a_manager_makes_projects_in_their_own_teams(house: House) -> None:
    async with house.client("manager") as manager:
        assert (await manager.post("/api/projects", json={"team": "search", "name": "new"})).status_code == 201
        for project in ({"team": "ads", "name": "new"}, {"name": "new"}):
            assert (await manager.post("/api/projects", json=project)).status_code == 403


async def test_the_ledger_says_whose_key_it_is_and_verify_compares(house: House) -> None:
    assert house.desk.findings() == []
    with house.desk.database.write() as db:
        db.execute("UPDATE virtual_key SET owner = NULL WHERE id = ?", (house.keys[1],))
    (found,) = house.desk.findings()
    assert (found.check, "owner" in found.message) == ("directory", True)


def test_every_kind_of_proposal_has_its_approvers() -> None:
    assert APPROVERS.keys() == set(get_args(ProposalKind))
