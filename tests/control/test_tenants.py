"""No organisation sees or moves what is another's: every route is walked with the other's ids, and every list read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tallystick.control.roles import GRANTS, Grant
from tallystick.core.attempt import Line
from tallystick.core.budget import Amount, Scope
from tallystick.core.membership import ROLES
from tallystick.stores.sql.budgets import Budgets, BudgetSpec
from tallystick.stores.sql.verifications import begin
from tests.build.control import Desk

# A gateway that is gone is the installation's, and so are providers; a credential or channel is set under a name one gives it oneself.
NO_IDS = {"/api/providers/{provider}", "PUT /api/credentials/{provider}/{name}", "PUT /api/channels/{name}"}
WITH_IDS = [grant for grant in GRANTS if "{" in grant.path and not {grant.path, f"{grant.method} {grant.path}"} & NO_IDS]
LISTS = [grant for grant in GRANTS if grant.method == "GET" and "{" not in grant.path and grant.path not in
         {"/setup", "/api/openapi.json", "/api/auth/me", "/api/keys/self", "/api/prompts/one", "/api/spenders/one", "/key/info",
          "/api/prompts/estimate"}]
CANARY = "theirs-7f3"
VIEW = {"screen": "explore", "name": CANARY, "state": CANARY}
BODIES: dict[str, Any] = {
    "PUT /api/views/{view_id}": VIEW,
    "PATCH /api/members/{account_id}": {"role": "admin"},
    "POST /api/keys/{key_id}/rotate": {},
    "PATCH /api/keys/{key_id}": {"name": "x"},
    "POST /api/requests/{request_id}/adjustments": {"cost_nanos": 1, "evidence": "x"},
    "PUT /api/budgets/{budget_id}": {"limit": "$1/month"},
    "POST /api/budgets/{budget_id}/raises": {"by": "$1", "until": "2027-01-01T00:00:00Z", "reason": "x"},
    "PUT /api/alerts/thresholds/{budget_id}": {"percents": "50"},
    "POST /api/alerts/{alert_id}/replay": {},
    "POST /api/alerts/{alert_id}/acknowledge": {},
    "POST /api/envelopes/{envelope_id}/sign": {},
    "POST /api/envelopes/{envelope_id}/decline": {"comment": "no"},
    "POST /api/envelopes/{envelope_id}/top-ups": {"by": "1", "reason": "x"},
    "PUT /api/envelopes/{envelope_id}/fallback": {"models": {"gpt-4o*": "gpt-4o-mini"}},
}
# What lists must be asked to say anything.
QUERIES = {"/api/spenders": {"kind": "team"}, "/api/dimensions/one": {"name": "user"},
           "/api/aggregations/version-comparison": {"prompt_key": CANARY}, "/api/explore/values": {"dimension": "team"},
           "/api/prices/model": {"provider": "openai", "model": "gpt-4o-mini"},
           "/api/prices/calculation": {"provider": "openai", "model": "gpt-4o-mini", "use": "input_text:1"},
           "/api/explore": {"group": "team"}, "/api/explore/rows.csv": {"group": "team"}, "/api/live": {"after": "0"},
           "/user/daily/activity": {"start_date": "2026-01-01", "end_date": "2026-12-31"},
           "/api/envelopes/headroom": {"scope": "team", "value": CANARY, "monthly_delta_usd": "1"}}
# Requests that name an id in their body, and the answer to one of another organisation.
NAMED: list[tuple[str, str, str, dict[str, Any], int]] = [
    ("POST", "/api/keys", "account_id", {"owner": "{}"}, 400),
    ("POST", "/api/alerts/mutes", "alert_id", {"until": "2026-11-22T00:00:00Z", "reason": "x", "alert_id": 0}, 404),
    ("POST", "/api/alerts/mutes", "budget_id", {"until": "2026-11-22T00:00:00Z", "reason": "x", "budget_id": 0}, 404),
    ("POST", "/api/policies/bypasses", "policy_id", {"on": "org", "reason": "x", "until": "2026-11-21T00:00:00Z", "policy": 0}, 404),
    ("POST", "/api/policies/bench", "key_id", {"key_id": "{}", "path": "/v1/models"}, 404),
    ("POST", "/api/envelopes/transfers", "envelope_id", {"source": 0, "target": 0, "amount": "1", "reason": "x"}, 404),
]


class Two:
    """Two organisations; `other` has one of everything."""

    def __init__(self, folder: Path) -> None:
        self.desk = Desk(folder)
        other = self.desk.other_organization()
        key_id, _ = self.desk.key(other, team=CANARY, project=CANARY, user=CANARY)
        request_id = self.desk.book(organization="other", key_id=key_id, labels={"team": CANARY, "user": CANARY, "prompt_key": CANARY})
        unpriced = {"method": "unpriced", "lines": (Line("input_text", 1_000, None),), "model": CANARY}
        self.desk.book(0, settled=unpriced, organization="other", key_id=key_id, labels={"team": CANARY}, model=CANARY)
        spec = BudgetSpec(Scope("team", CANARY), Amount(10**9, "money"), limit=10**9, name=CANARY)
        budget = Budgets(self.desk.sequencer).set(other, spec, self.desk.clock.at_us, "cli")
        self.desk.refuse("policy_denied", policy=1, organization="other", team=CANARY)
        self.other = other
        self.ids = {"key_id": key_id, "request_id": request_id, "budget_id": str(budget.id), "provider": "openai", "name": CANARY}

    async def fill(self) -> None:
        """What only the API makes."""
        owner_id = self.desk.owner_of("other")
        self.desk.second_factor(owner_id)
        self.desk.app.state.login.factors.require(self.other, required=True, now_us=self.desk.clock.at_us, by=owner_id)
        self.ids["session_id"] = self.desk.session_of("other")
        async with self.desk.owner("other") as owner:
            made = await owner.post("/api/tokens", json={"scopes": ["read"], "name": CANARY})
            assert made.status_code == 201, made.text
            self.ids["token_id"] = made.json()["id"]
            made = await owner.post("/api/invitations", json={"email": f"{CANARY}@invited", "role": "auditor"})
            assert made.status_code == 201, made.text
            self.ids["invitation_id"] = made.json()["id"]
            assert (await owner.put("/api/retention/hold", json={"reason": CANARY})).status_code == 200
            terms = {"kind": "percent", "provider": "*", "unit": "all", "value": "-5", "note": CANARY}
            made = await owner.post("/api/prices/overrides", json=terms)
            assert made.status_code == 201, made.text
            self.ids["override_id"] = made.json()["id"]
            assert (await owner.put(f"/api/credentials/openai/{CANARY}", json={"value": "sk-x"})).status_code == 200
            self.ids["account_id"] = self.desk.member("member", CANARY, organization=self.other, email=f"{CANARY}@other")
            view = await owner.post("/api/views", json={**VIEW, "shared": True})
            self.ids["view_id"] = view.json()["id"]
            kept = {"prompt_key": CANARY, "version": "1"}
            assert (await owner.post("/api/prompts/versions", json=kept)).status_code == 201
            assert (await owner.post("/api/library", json={**kept, "owner": CANARY})).status_code == 201
            assert (await owner.post("/api/prompts/versions", json={**kept, "version": "2"})).status_code == 201
            await self.govern(owner)
            self.desk.member("finance", organization=self.other)
            proposed = await owner.post("/api/prices/overrides", json=terms)
            assert proposed.status_code == 202, proposed.text
            self.ids["proposal_id"] = proposed.json()["id"]
            self.desk.member("admin", organization=self.other)
            wanted = await owner.post("/api/library", json={**kept, "version": "2", "owner": CANARY})
            assert wanted.status_code == 202, wanted.text
            self.ids["approval_id"] = wanted.json()["id"]
            self.ids["seq"] = str((await owner.get("/api/ledger/entries")).json()["entries"] - 1)        # their chain is the longer one
            with self.desk.database.write() as db:
                self.ids["run_id"] = begin(db, self.other, "run1", self.desk.clock.at_us, CANARY).id

    async def govern(self, owner: httpx.AsyncClient) -> None:
        """Policies, alerts and envelopes."""
        policy = {"kind": "model_access", "on": f"team:ghosts-{CANARY}", "parameters": {"allow_models": ["gpt-4o*"]}, "name": CANARY}
        envelope = {"scope": "team", "value": CANARY, "amount": "5", "ends_at": "2026-12-31T00:00:00Z", "purpose": CANARY, "sign": True}
        channel = {"kind": "webhook", "values": {"url": "https://hooks.example.com/x"}}
        for name, place, asked in (("policy_id", "/api/policies", policy), ("envelope_id", "/api/envelopes", envelope)):
            made = await owner.post(place, json=asked)
            assert made.status_code == 201, made.text
            self.ids[name] = str(made.json()["id"])
        glass = {"on": f"team:{CANARY}", "reason": CANARY, "until": "2026-11-21T00:00:00Z"}
        self.ids["bypass_id"] = str((await owner.post("/api/policies/bypasses", json=glass)).json()["id"])
        assert (await owner.put(f"/api/channels/{CANARY}", json=channel)).status_code == 200
        fired = await owner.post(f"/api/channels/{CANARY}/test")
        assert fired.status_code == 202, fired.text
        fallback = {"models": {"gpt-4o*": "gpt-4o-mini"}}
        assert (await owner.put(f"/api/envelopes/{self.ids['envelope_id']}/fallback", json=fallback)).status_code == 200
        self.ids["alert_id"] = str(fired.json()["alert_id"])
        muted = await owner.post("/api/alerts/mutes", json={"until": "2026-11-30T00:00:00Z", "reason": CANARY, "kind": "run_rate"})
        assert muted.status_code == 201, muted.text
        self.ids["mute_id"] = str(muted.json()["id"])


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Two]:
    made = Two(tmp_path)
    yield made
    made.desk.close()


@pytest.mark.parametrize("grant", WITH_IDS, ids=lambda grant: f"{grant.method} {grant.path}")
async def test_the_others_ids_are_nobodys(two: Two, grant: Grant) -> None:
    await two.fill()
    path, body = grant.path.format(**two.ids), BODIES.get(f"{grant.method} {grant.path}")
    for role in ROLES:
        if role not in grant.cells:
            continue
        account = two.desk.member(role, *((CANARY,) if role in ("manager", "member") else ()))      # a team of the same name
        async with two.desk.person(account) as client:
            reply = await client.request(grant.method, path, json=body)
        assert reply.status_code == 404, (role, reply.status_code, reply.text)
        assert CANARY not in reply.text
    async with two.desk.owner("other") as theirs:
        assert (await theirs.request(grant.method, path, json=body)).status_code not in (401, 404)


@pytest.mark.parametrize(("method", "path", "named", "body", "status"), NAMED, ids=[path for _, path, *_ in NAMED])
async def test_ids_in_bodies_are_nobodys_either(two: Two, method: str, path: str, named: str, body: dict[str, Any], status: int) -> None:
    await two.fill()
    theirs = {name: two.ids[named] if said == "{}" else int(two.ids[named]) if said == 0 else said for name, said in body.items()}
    async with two.desk.owner() as ours:
        reply = await ours.request(method, path, json=theirs)
    assert reply.status_code == status, reply.text
    assert CANARY not in reply.text


@pytest.mark.parametrize("grant", LISTS, ids=lambda grant: grant.path)
async def test_no_list_and_no_sum_has_anything_of_the_others(two: Two, grant: Grant) -> None:
    await two.fill()
    async with two.desk.owner() as ours, two.desk.owner("other") as theirs:
        query = QUERIES.get(grant.path, {})
        seen, own = await ours.get(grant.path, params=query), await theirs.get(grant.path, params=query)
    assert seen.status_code == own.status_code == 200, seen.text
    assert CANARY not in seen.text
    assert seen.text != own.text


async def test_nobody_elses_name_is_found(two: Two) -> None:
    await two.fill()
    async with two.desk.owner() as ours, two.desk.owner("other") as theirs:
        for kind in ("team", "project", "user"):
            asked = {"kind": kind, "name": CANARY, "team": CANARY}
            seen, own = await ours.get("/api/spenders/one", params=asked), await theirs.get("/api/spenders/one", params=asked)
            assert (seen.status_code, own.status_code) == (404, 200), kind
