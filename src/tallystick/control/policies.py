"""Policies: list, set, remove, try on past calls, lint; break the glass. A change is in force when the answer comes; a
running gateway that did not follow within a second is named in `not_in_force_on`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path, Query, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from tallystick.control import Parts
from tallystick.control.callers import Caller, CallerOf, DirectoryOf, PartsOf, actor_of, within_teams
from tallystick.control.dry_run_document import dry_run_document, lint_document
from tallystick.control.figures import answer
from tallystick.control.policy_document import activity_document, bypass_document, policy_document, spec_of
from tallystick.control.problems import Problem
from tallystick.core.budget import Scope
from tallystick.core.identity import NAME_CHARS_MAX, VALUE_CHARS_MAX
from tallystick.core.policies.parameters import BadPolicy, parse_scope
from tallystick.stores.sql import policy_lint
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.facts import DAY_US
from tallystick.stores.sql.directory import Directory, KeyRow, find_key, list_keys, organization
from tallystick.stores.sql.members import find_member
from tallystick.stores.sql.past_calls import proposed, try_policies
from tallystick.stores.sql.policies import Policies, PolicySpec
from tallystick.stores.sql.policy_trail import refused_by_policies
from tallystick.stores.sql.policy_rows import PolicyRow, bypass_rows, policy_rows, policy_versions
from tallystick.stores.sql.scope_reach import reach_of
from tallystick.stores.sql.standing import not_in_force

PolicyId = Annotated[int, Path(ge=1, lt=1 << 62)]
Text = Annotated[str, Field(max_length=VALUE_CHARS_MAX)]
ScopeText = Annotated[str, Field(max_length=NAME_CHARS_MAX + VALUE_CHARS_MAX + 16, description="`org`, `team:search`, `user:*`…")]
Days = Annotated[int, Query(ge=1, le=400)]
_EPOCH: Final = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
_KEYS_PAGE: Final = 1000
OF_THE_ORGANIZATION: Final = frozenset(("delegation", "failover"))     # whose word counts under everybody's budgets; whose account pays


class NewPolicy(BaseModel):
    """A policy to set; docs/policies.md has the kinds and their parameters. Amounts of money are decimal texts."""

    model_config = ConfigDict(extra="forbid")

    kind: Text
    on: ScopeText = "org"
    parameters: dict[str, Any] = {}
    mode: Literal["enforce", "observe"] = "enforce"
    name: Text = ""
    owner: Text = ""
    note: Text = ""
    starts_at: AwareDatetime | None = None
    ends_at: AwareDatetime | None = None


class NewBypass(BaseModel):
    """Broken glass: until a moment within seven days `policy` (without it: all but kill switches) does nothing in a scope."""

    model_config = ConfigDict(extra="forbid")

    on: ScopeText
    reason: Annotated[str, Field(min_length=1, max_length=VALUE_CHARS_MAX)]
    until: AwareDatetime
    policy: Annotated[int | None, Field(ge=1, lt=1 << 62)] = None


class Policy(BaseModel):
    """One version of a policy."""

    id: int
    version: int
    kind: str
    on: str
    name: str
    mode: str
    status: str
    parameters: dict[str, Any]
    owner: str
    note: str
    starts_at: datetime | None
    ends_at: datetime | None
    set_at: datetime
    set_by: str
    replaced_at: datetime | None


class OnePolicy(Policy):
    """A policy as it stands, and every version it had."""

    versions: list[Policy]


class ChangedPolicy(Policy):
    """A policy as it is from now on. `warnings`: what is odd about one that was set, as the lint says it."""

    not_in_force_on: list[str]
    warnings: list[str] = []


class Bypass(BaseModel):
    """A broken glass. `policy` is null where every policy but kill switches is passed by."""

    id: int
    policy: int | None
    on: str
    reason: str
    until: datetime
    active: bool
    set_at: datetime
    set_by: str
    not_in_force_on: list[str] = []


class PolicyPage(BaseModel):
    """All policies that stand, and the bypasses that hold; there is only one page."""

    items: list[Policy]
    bypasses: list[Bypass]
    next_cursor: str | None


class RefusedByPolicy(BaseModel):
    """A call that a policy refused."""

    request_id: str
    at: datetime
    code: str
    key_id: str | None
    team: str | None
    model: str | None


class PolicyActivity(BaseModel):
    """How many calls a policy refused, and the last ten."""

    id: int
    refused: int
    last_refusals: list[RefusedByPolicy]


class Activity(BaseModel):
    """Policies that refused something in the last days. `whole`: false where only the last 2,000 refusals were looked at."""

    days: int
    whole: bool
    items: list[PolicyActivity]


class DryRun(BaseModel):
    """What policies would have done to past calls. `who` and `stopped` are cut at 100 and 1,000."""

    model_config = ConfigDict(extra="allow")

    days: int
    calls: int
    would_stop: int
    saved_nanos: int
    saved_usd: str
    would_change: int
    would_warn: int
    would_let_through: int
    simulated: list[int]
    not_judged: dict[str, int]
    policies: list[dict[str, Any]]
    who: list[dict[str, Any]]
    stopped: list[dict[str, Any]]


class Linted(BaseModel):
    """What is odd about a policy; nothing where `findings` is empty."""

    id: int
    kind: str
    on: str
    name: str
    last_matched_at: datetime | None
    asked: bool
    findings: list[str]


class LintPage(BaseModel):
    """Every policy that stands."""

    items: list[Linted]


def routes() -> APIRouter:
    """The routes of this resource."""
    router = APIRouter(prefix="/api/policies", tags=["policies"])
    router.add_api_route("", list_policies, methods=["GET"], response_model=PolicyPage)
    router.add_api_route("", set_policy, methods=["POST"], response_model=ChangedPolicy, status_code=201)
    router.add_api_route("/activity", read_activity, methods=["GET"], response_model=Activity)
    router.add_api_route("/lint", lint_policies, methods=["GET"], response_model=LintPage)
    router.add_api_route("/dry-run", dry_run_policy, methods=["POST"], response_model=DryRun)
    router.add_api_route("/bypasses", break_glass, methods=["POST"], response_model=Bypass, status_code=201)
    router.add_api_route("/bypasses/{bypass_id}", end_bypass, methods=["DELETE"], response_model=Bypass)
    router.add_api_route("/{policy_id}", read_policy, methods=["GET"], response_model=OnePolicy)
    router.add_api_route("/{policy_id}", remove_policy, methods=["DELETE"], response_model=ChangedPolicy)
    return router


def list_policies(parts: PartsOf, caller: CallerOf, kind: Annotated[str | None, Query(max_length=VALUE_CHARS_MAX)] = None) -> Response:
    """All policies that stand, in the order they were made; of one kind, where it is named."""
    here, now_us = organization(parts.database, caller.organization), parts.clock.now_us()
    with parts.database.read() as db:
        found = [row for row in policy_rows(db, here.id, caller.sight) if kind in (None, row.kind)]
        return answer({"items": [policy_document(row, now_us) for row in found],
                       "bypasses": [bypass_document(row, now_us) for row in bypass_rows(db, here.id, now_us, caller.sight)],
                       "next_cursor": None})


def set_policy(parts: PartsOf, caller: CallerOf, directory: DirectoryOf, new: NewPolicy) -> Response:
    """Make a policy: 201; or a new version of the one that stands with this kind, scope and name: 200."""
    here, now_us = organization(parts.database, caller.organization), parts.clock.now_us()
    spec = _spec(new)
    _within(parts, caller, here.id, spec.scope)
    if caller.cell == "own_teams" and spec.kind in OF_THE_ORGANIZATION:
        raise Problem(403, "forbidden", f"A policy of kind {spec.kind} is the organisation's to set.")
    row = _hand(parts, caller, directory, here.id).set(here.id, spec, now_us, actor_of(caller))
    warnings = policy_lint.warnings(row, reach_of(every_key(parts, here.id), parts.vault.origins, now_us))
    status = 201 if row.version == 1 and row.made_us == now_us else 200
    return _changed(parts, {**policy_document(row, now_us), "warnings": warnings}, status)


def read_policy(parts: PartsOf, caller: CallerOf, policy_id: PolicyId) -> Response:
    """One policy and its versions."""
    here, now_us = organization(parts.database, caller.organization), parts.clock.now_us()
    with parts.database.read() as db:
        versions = [policy_document(row, now_us) for row in policy_versions(db, here.id, policy_id, caller.sight)]
    if not versions:
        raise _no_policy()
    return answer({**versions[-1], "versions": versions})


def remove_policy(parts: PartsOf, caller: CallerOf, directory: DirectoryOf, policy_id: PolicyId) -> Response:
    """Remove a policy. Its versions stay in the ledger."""
    here, now_us = organization(parts.database, caller.organization), parts.clock.now_us()
    _check_seen(parts, caller, here.id, policy_id)
    row = _hand(parts, caller, directory, here.id).remove(here.id, policy_id, now_us, actor_of(caller))
    return _changed(parts, policy_document(row, now_us))


def dry_run_policy(parts: PartsOf, caller: CallerOf, new: NewPolicy, days: Days = 30) -> Response:
    """What a policy that is not set yet would have done in the last days to the calls that one sees."""
    here, now_us, spec = organization(parts.database, caller.organization), parts.clock.now_us(), _spec(new)
    _within(parts, caller, here.id, spec.scope)
    run, book, unjudged = try_policies(parts.database, here.id, [proposed(spec)], days, now_us, caller.sight)
    return answer(dry_run_document(run, book, days, unjudged))


def read_activity(parts: PartsOf, caller: CallerOf, days: Annotated[int, Query(ge=1, le=90)] = 7) -> Response:
    """What policies refused in the last days, of the calls that one sees."""
    here, since_us = organization(parts.database, caller.organization), parts.clock.now_us() - days * DAY_US
    with parts.database.read() as db:
        return answer({"days": days, **activity_document(refused_by_policies(db, here.id, since_us, caller.sight))})


def lint_policies(parts: PartsOf, caller: CallerOf) -> Response:
    """Which policies reach nothing, and when each last did."""
    here, now_us = organization(parts.database, caller.organization), parts.clock.now_us()
    reach = reach_of(every_key(parts, here.id), parts.vault.origins, now_us)
    with parts.database.read() as db:
        found = policy_lint.lint(db, policy_rows(db, here.id, caller.sight), reach, now_us)
        return answer({"items": [lint_document(one) for one in found]})


def break_glass(parts: PartsOf, caller: CallerOf, directory: DirectoryOf, new: NewBypass) -> Response:
    """Break the glass; what the policies would have done is journaled with every call."""
    here, now_us = organization(parts.database, caller.organization), parts.clock.now_us()
    try:
        scope = parse_scope(new.on)
    except BadPolicy as fault:
        raise Problem(400, "invalid_request", str(fault)) from None
    _within(parts, caller, here.id, scope)
    if new.policy is not None:
        _check_seen(parts, caller, here.id, new.policy)
    elif caller.cell == "own_teams":
        raise Problem(403, "forbidden", "Name the policy: those of the organisation are not yours to pass by.")
    until_us = (new.until - _EPOCH) // timedelta(microseconds=1)
    row = _hand(parts, caller, directory, here.id).bypass(here.id, scope, new.policy or 0, new.reason, until_us, now_us, actor_of(caller))
    return _changed(parts, bypass_document(row, now_us), 201)


def _within(parts: Parts, caller: Caller, organization_id: int, scope: Scope) -> None:
    """Whether somebody who may act on their teams only may act on this scope: one of those teams, a project or a key of it.
    Raises Problem 403."""
    if caller.cell == "own_teams":
        key = find_key(parts.database, organization_id, scope.value) if scope.kind == "key" else None
        team = scope.value.partition("/")[0] if scope.kind in ("team", "project") else None
        within_teams(caller, key.labels.get("team") if key else team)


def _hand(parts: Parts, caller: Caller, directory: Directory, organization_id: int) -> Policies:
    """What changes policies for this caller. A manager adds to what binds their team, and takes back what managers added:
    what an owner, an admin or the host set there stands."""
    if caller.cell != "own_teams":
        return Policies(directory.sequencer)

    def may(db: Connection, row: PolicyRow) -> None:
        _within(parts, caller, organization_id, row.scope)
        maker = find_member(db, organization_id, row.made_by)
        if maker is None or maker.membership.role != "manager":
            raise Problem(403, "above_the_parent", "This policy was set by somebody above; it is not yours to change.")

    return Policies(directory.sequencer, may)


def _check_seen(parts: Parts, caller: Caller, organization_id: int, policy_id: int) -> None:
    """Raises Problem 404 for a policy that this caller does not see."""
    with parts.database.read() as db:
        if not policy_versions(db, organization_id, policy_id, caller.sight):
            raise _no_policy()


def _no_policy() -> Problem:
    return Problem(404, "not_found", "There is no such policy.")


def end_bypass(parts: PartsOf, caller: CallerOf, directory: DirectoryOf, bypass_id: PolicyId) -> Response:
    """Let policies bind again before a bypass ends by itself."""
    here, now_us = organization(parts.database, caller.organization), parts.clock.now_us()
    with parts.database.read() as db:
        if not any(row.id == bypass_id for row in bypass_rows(db, here.id, now_us, caller.sight)):
            raise Problem(404, "not_found", "No such bypass holds.")
    row = Policies(directory.sequencer).end_bypass(here.id, bypass_id, now_us, actor_of(caller))
    return _changed(parts, bypass_document(row, now_us))


def _spec(new: NewPolicy) -> PolicySpec:
    try:
        return spec_of(new.model_dump())
    except BadPolicy as fault:
        raise Problem(400, "invalid_request", str(fault)) from None


def every_key(parts: Parts, organization_id: int) -> Iterator[KeyRow]:
    """Every key of an organisation, read in pages."""
    after: tuple[int, str] | None = None
    while page := list_keys(parts.database, organization_id, after=after, limit=_KEYS_PAGE):
        yield from page
        after = (page[-1].created_us, page[-1].id)


def _changed(parts: Parts, document: Mapping[str, Any], status: int = 200) -> Response:
    behind = not_in_force(parts.database, parts.database.change_count(), parts.clock.now_us)
    reply = answer({**document, "not_in_force_on": list(behind)})
    reply.status_code = status
    return reply
