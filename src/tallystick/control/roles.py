"""Who may open which route of the API, how far they see there, and which fields they may fill in: one table, read
top to bottom, and nothing that is not in it (decisions.md, "Roles"). A route, a role or a field that is missing is
closed, so forgetting a line locks a door instead of opening one; tests walk the application's real routes and
compare every cell.

A cell says how far: `all` of the organisation, `own_teams`, `own` (the keys one owns, and their calls), `ids` or
`names` (all rows, and of each only that), `propose` (somebody else approves), `own_team` (a virtual key: its team's
sums), `self` (only what is about whoever asks), `open` (no proof is asked for). What a grant to somebody else may be
worth is said in core/membership.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from tallystick.core.membership import Role

RoleName = Role | Literal["anyone", "key"]
Cell = Literal["open", "self", "all", "own_teams", "own", "ids", "names", "propose", "own_team"]
Cells = Mapping[RoleName, Cell]
ProposalKind = Literal["override_set", "override_end", "adjustment", "prompt"]

# The columns of the table of decisions.md, as far as there are routes for them.
ANYONE: Final[Cells] = {"anyone": "open"}
PEOPLE: Final[Cells] = {
    "owner": "self", "admin": "self", "finance": "self", "manager": "self", "member": "self", "auditor": "self"}
KEY_ITSELF: Final[Cells] = {"key": "self"}
MEMBERS: Final[Cells] = {"owner": "all", "admin": "all", "manager": "own_teams"}
MEMBERS_READ: Final[Cells] = {**MEMBERS, "auditor": "all"}
SETTINGS: Final[Cells] = {"owner": "all", "admin": "all"}                        # of the whole organisation
TOKENS: Final[Cells] = {"owner": "all", "admin": "all", "finance": "own", "manager": "own", "member": "own", "auditor": "own"}
TOKENS_READ: Final[Cells] = {**TOKENS, "auditor": "all"}
SIGN_IN_READ: Final[Cells] = {**SETTINGS, "auditor": "all"}
KEYS: Final[Cells] = {"owner": "all", "admin": "all", "manager": "own_teams", "member": "own"}
KEYS_READ: Final[Cells] = {**KEYS, "auditor": "ids"}
CREDENTIALS: Final[Cells] = {"owner": "all", "admin": "all"}                     # write-only: no route reads a value
CREDENTIALS_READ: Final[Cells] = {**CREDENTIALS, "auditor": "names"}
BUDGETS: Final[Cells] = {"owner": "all", "admin": "all", "finance": "all", "manager": "own_teams"}       # within the team's own
BUDGETS_READ: Final[Cells] = {**BUDGETS, "member": "own", "auditor": "all"}
POLICIES: Final[Cells] = {"owner": "all", "admin": "all", "manager": "own_teams"}     # beside those that stand, over none
POLICIES_READ: Final[Cells] = {**POLICIES, "member": "own", "auditor": "all"}
PRICES: Final[Cells] = {"owner": "all", "admin": "propose", "finance": "all"}
PRICES_READ: Final[Cells] = {"owner": "all", "admin": "all", "finance": "all", "auditor": "all"}
MONEY: Final[Cells] = {
    "owner": "all", "admin": "all", "finance": "all", "manager": "own_teams", "member": "own", "auditor": "all"}
LEDGER: Final[Cells] = {"owner": "all", "admin": "all", "finance": "all", "auditor": "all"}      # a chain is checked as a whole
LEDGER_READ: Final[Cells] = {**LEDGER, "manager": "own_teams"}
DIMENSIONS_READ: Final[Cells] = {name: cell for name, cell in MONEY.items() if name != "member"}
MONEY_AND_KEY: Final[Cells] = {**MONEY, "key": "own_team"}
MONEY_AND_KEY_ITSELF: Final[Cells] = {**MONEY, "key": "self"}
KEYS_AND_KEY_ITSELF: Final[Cells] = {**KEYS, "key": "self"}
ALERTS: Final[Cells] = {"owner": "all", "admin": "all", "finance": "all"}        # at which shares budgets tell
ALERTS_READ: Final[Cells] = {**ALERTS, "auditor": "all"}
ADJUST: Final[Cells] = {"owner": "all", "finance": "propose"}
PROPOSALS: Final[Cells] = {"owner": "all", "finance": "all", "admin": "own"}     # take back what one proposed
PROPOSALS_READ: Final[Cells] = {"owner": "all", "admin": "all", "finance": "all", "auditor": "all"}
APPROVE: Final[Cells] = {"owner": "all", "finance": "all"}                       # of each kind, its APPROVERS
ENVELOPES: Final[Cells] = {"owner": "all", "admin": "all", "finance": "all"}     # sign, decline, top up, move, require
ENVELOPES_ASK: Final[Cells] = {**ENVELOPES, "manager": "own_teams", "member": "own"}
ENVELOPES_READ: Final[Cells] = {**ENVELOPES_ASK, "auditor": "all"}
PROMPTS: Final[Cells] = {"owner": "all", "admin": "all", "manager": "all", "member": "all"}      # names and notes; no money hangs on them
LIBRARY: Final[Cells] = {"owner": "all", "admin": "all", "manager": "all"}       # approve what others may use, and withdraw it
LIBRARY_DECLINE: Final[Cells] = {**LIBRARY, "member": "own"}                     # take back what one proposed
TEAMS: Final[Cells] = {"owner": "all", "admin": "all", "manager": "own_teams"}   # make a project in


@dataclass(frozen=True, slots=True)
class Grant:
    """One method of one route, and how far it is open to whom."""

    method: str
    path: str
    cells: Cells


GRANTS: Final = (
    Grant("POST", "/api/auth/token", ANYONE),
    Grant("GET", "/api/auth/me", PEOPLE),
    Grant("PATCH", "/api/auth/me", PEOPLE),
    Grant("POST", "/api/auth/password", PEOPLE),
    Grant("POST", "/api/auth/forgot", ANYONE),
    Grant("POST", "/api/auth/reset", ANYONE),
    Grant("POST", "/api/auth/session", ANYONE),
    Grant("GET", "/api/auth/session", PEOPLE),
    Grant("DELETE", "/api/auth/session", PEOPLE),
    Grant("POST", "/api/auth/session/organization", PEOPLE),
    Grant("GET", "/api/auth/sessions", PEOPLE),
    Grant("DELETE", "/api/auth/sessions", PEOPLE),
    Grant("DELETE", "/api/auth/sessions/{session_id}", PEOPLE),
    Grant("GET", "/api/auth/totp", PEOPLE),
    Grant("POST", "/api/auth/totp", PEOPLE),
    Grant("POST", "/api/auth/totp/confirm", PEOPLE),
    Grant("POST", "/api/auth/totp/remove", PEOPLE),
    Grant("POST", "/api/auth/totp/recovery-codes", PEOPLE),
    Grant("GET", "/api/organization/sign-in", SIGN_IN_READ),
    Grant("PUT", "/api/organization/sign-in", SETTINGS),
    Grant("GET", "/api/tokens", TOKENS_READ),
    Grant("POST", "/api/tokens", PEOPLE),
    Grant("DELETE", "/api/tokens/{token_id}", TOKENS),
    Grant("GET", "/setup", ANYONE),
    Grant("POST", "/api/setup", ANYONE),
    Grant("GET", "/api/openapi.json", ANYONE),
    Grant("GET", "/api/members", MEMBERS_READ),
    Grant("POST", "/api/members", MEMBERS),
    Grant("PATCH", "/api/members/{account_id}", MEMBERS),
    Grant("DELETE", "/api/members/{account_id}", MEMBERS),
    Grant("GET", "/api/invitations", MEMBERS_READ),
    Grant("POST", "/api/invitations", MEMBERS),
    Grant("DELETE", "/api/invitations/{invitation_id}", MEMBERS),
    Grant("POST", "/api/auth/invitation", ANYONE),
    Grant("POST", "/api/auth/invitation/accept", ANYONE),
    Grant("GET", "/api/requests", MONEY),
    Grant("GET", "/api/requests/{request_id}", MONEY),
    Grant("POST", "/api/requests/{request_id}/adjustments", ADJUST),
    Grant("GET", "/api/keys", KEYS_READ),
    Grant("POST", "/api/keys", KEYS),
    Grant("POST", "/api/keys/bulk", KEYS),
    Grant("GET", "/api/keys/self", KEY_ITSELF),
    Grant("GET", "/api/keys/{key_id}", KEYS_READ),
    Grant("PATCH", "/api/keys/{key_id}", KEYS),
    Grant("DELETE", "/api/keys/{key_id}", KEYS),
    Grant("POST", "/api/keys/{key_id}/rotate", KEYS),
    Grant("GET", "/api/credentials", CREDENTIALS_READ),
    Grant("PUT", "/api/credentials/{provider}/{name}", CREDENTIALS),
    Grant("DELETE", "/api/credentials/{provider}/{name}", CREDENTIALS),
    Grant("POST", "/api/credentials/{provider}/{name}/test", CREDENTIALS),
    Grant("GET", "/api/budgets", BUDGETS_READ),
    Grant("POST", "/api/budgets", BUDGETS),
    Grant("GET", "/api/budgets/lint", BUDGETS_READ),
    Grant("POST", "/api/budgets/dry-run", BUDGETS),
    Grant("GET", "/api/budgets/{budget_id}", BUDGETS_READ),
    Grant("GET", "/api/budgets/{budget_id}/history", BUDGETS_READ),
    Grant("PUT", "/api/budgets/{budget_id}", BUDGETS),
    Grant("DELETE", "/api/budgets/{budget_id}", BUDGETS),
    Grant("POST", "/api/budgets/{budget_id}/raises", BUDGETS),
    Grant("GET", "/api/policies", POLICIES_READ),
    Grant("POST", "/api/policies", POLICIES),
    Grant("GET", "/api/policies/lint", POLICIES_READ),
    Grant("GET", "/api/policies/activity", POLICIES_READ),
    Grant("POST", "/api/policies/dry-run", POLICIES),
    Grant("POST", "/api/policies/bench", POLICIES),
    Grant("POST", "/api/policies/bypasses", POLICIES),
    Grant("DELETE", "/api/policies/bypasses/{bypass_id}", POLICIES),
    Grant("GET", "/api/policies/{policy_id}", POLICIES_READ),
    Grant("DELETE", "/api/policies/{policy_id}", POLICIES),
    Grant("GET", "/api/providers", MONEY),
    Grant("GET", "/api/providers/{provider}", MONEY),
    Grant("GET", "/api/prices", PRICES_READ),
    Grant("GET", "/api/prices/model", PRICES_READ),
    Grant("GET", "/api/prices/unpriced", PRICES_READ),
    Grant("GET", "/api/prices/calculation", PRICES_READ),
    Grant("POST", "/api/prices/effects", PRICES_READ),
    Grant("GET", "/api/prices/overrides", PRICES_READ),
    Grant("POST", "/api/prices/overrides", PRICES),
    Grant("DELETE", "/api/prices/overrides/{override_id}", PRICES),
    Grant("GET", "/api/proposals", PROPOSALS_READ),
    Grant("POST", "/api/proposals/{proposal_id}/approve", APPROVE),
    Grant("POST", "/api/proposals/{proposal_id}/decline", PROPOSALS),
    Grant("GET", "/api/alerts", ALERTS_READ),
    Grant("GET", "/api/alerts/mutes", ALERTS_READ),
    Grant("POST", "/api/alerts/mutes", ALERTS),
    Grant("DELETE", "/api/alerts/mutes/{mute_id}", ALERTS),
    Grant("GET", "/api/alerts/{alert_id}", ALERTS_READ),
    Grant("POST", "/api/alerts/{alert_id}/acknowledge", ALERTS),
    Grant("POST", "/api/alerts/{alert_id}/replay", SETTINGS),
    Grant("PUT", "/api/alerts/thresholds/{budget_id}", ALERTS),
    Grant("GET", "/api/channels", ALERTS_READ),
    Grant("PUT", "/api/channels/{name}", SETTINGS),
    Grant("DELETE", "/api/channels/{name}", SETTINGS),
    Grant("POST", "/api/channels/{name}/test", SETTINGS),
    Grant("GET", "/api/envelopes", ENVELOPES_READ),
    Grant("POST", "/api/envelopes", ENVELOPES_ASK),
    Grant("GET", "/api/envelopes/headroom", ENVELOPES_READ),
    Grant("POST", "/api/envelopes/transfers", ENVELOPES),
    Grant("PUT", "/api/envelopes/requirements", ENVELOPES),
    Grant("GET", "/api/envelopes/{envelope_id}", ENVELOPES_READ),
    Grant("POST", "/api/envelopes/{envelope_id}/sign", ENVELOPES),
    Grant("POST", "/api/envelopes/{envelope_id}/decline", ENVELOPES),
    Grant("POST", "/api/envelopes/{envelope_id}/top-ups", ENVELOPES),
    Grant("PUT", "/api/envelopes/{envelope_id}/fallback", ENVELOPES),
    Grant("DELETE", "/api/envelopes/{envelope_id}/fallback", ENVELOPES),
    Grant("POST", "/api/envelopes/{envelope_id}/end", ENVELOPES),
    Grant("GET", "/api/teams", MONEY),
    Grant("POST", "/api/teams", SETTINGS),
    Grant("PATCH", "/api/teams", SETTINGS),
    Grant("GET", "/api/projects", MONEY),
    Grant("GET", "/api/dimensions", DIMENSIONS_READ),
    Grant("PUT", "/api/dimensions", SETTINGS),
    Grant("DELETE", "/api/dimensions", SETTINGS),
    Grant("GET", "/api/dimensions/one", DIMENSIONS_READ),
    Grant("GET", "/api/spenders", MONEY),
    Grant("GET", "/api/spenders/one", MONEY),
    Grant("POST", "/api/projects", TEAMS),
    Grant("POST", "/api/projects/move", TEAMS),          # of one's teams to one's teams
    Grant("PATCH", "/api/projects", CREDENTIALS),        # names the credential of its calls
    Grant("GET", "/api/aggregations/monthly", MONEY_AND_KEY),
    Grant("GET", "/api/aggregations/by-prompt", MONEY_AND_KEY),
    Grant("GET", "/api/aggregations/by-team", MONEY_AND_KEY),
    Grant("GET", "/api/aggregations/version-comparison", MONEY_AND_KEY),
    Grant("POST", "/api/help/key", KEYS),
    Grant("GET", "/key/info", KEYS_AND_KEY_ITSELF),                          # LiteLLM's, for tools that ask them
    Grant("GET", "/spend/logs", MONEY_AND_KEY_ITSELF),
    Grant("GET", "/user/daily/activity", MONEY_AND_KEY_ITSELF),
    Grant("GET", "/api/metrics/overview", MONEY),
    Grant("GET", "/api/explore", MONEY),
    Grant("GET", "/api/live", MONEY),
    Grant("GET", "/api/prompts", MONEY),
    Grant("PUT", "/api/prompts", PROMPTS),
    Grant("DELETE", "/api/prompts", PROMPTS),
    Grant("GET", "/api/prompts/one", MONEY),
    Grant("POST", "/api/prompts/versions", PROMPTS),
    Grant("PUT", "/api/prompts/active", PROMPTS),
    Grant("GET", "/api/prompts/estimate", MONEY),
    Grant("POST", "/api/prompts/import", PEOPLE),        # reads nothing of the organisation's
    Grant("GET", "/api/library", MONEY),
    Grant("POST", "/api/library", PROMPTS),
    Grant("DELETE", "/api/library", LIBRARY),
    Grant("PUT", "/api/library/mark", PEOPLE),           # one's own pins and stars
    Grant("POST", "/api/library/{approval_id}/approve", LIBRARY),
    Grant("POST", "/api/library/{approval_id}/decline", LIBRARY_DECLINE),
    Grant("GET", "/api/views", PEOPLE),
    Grant("POST", "/api/views", PEOPLE),
    Grant("PUT", "/api/views/{view_id}", PEOPLE),
    Grant("DELETE", "/api/views/{view_id}", PEOPLE),
    Grant("GET", "/api/explore/rows.csv", MONEY),
    Grant("GET", "/api/explore/values", MONEY),
    Grant("GET", "/api/ledger/entries", LEDGER_READ),
    Grant("GET", "/api/ledger/entries/{seq}", LEDGER_READ),
    Grant("GET", "/api/ledger/entries/{seq}/proof", LEDGER_READ),
    Grant("GET", "/api/ledger/verifications", LEDGER),
    Grant("POST", "/api/ledger/verifications", LEDGER),
    Grant("GET", "/api/ledger/verifications/{run_id}", LEDGER),
    Grant("DELETE", "/api/ledger/verifications/{run_id}", LEDGER),
    Grant("GET", "/api/exports/totals", MONEY),
    Grant("GET", "/api/exports/calls.csv", MONEY),
    Grant("GET", "/api/exports/calls.jsonl", MONEY),
    Grant("GET", "/api/exports/ledger.jsonl", LEDGER),
    Grant("GET", "/api/organization", PEOPLE),
    Grant("GET", "/api/freshness", PEOPLE),
    Grant("GET", "/api/retention", MONEY),
    Grant("PUT", "/api/retention/hold", SETTINGS),
    Grant("DELETE", "/api/retention/hold", SETTINGS),
    Grant("PATCH", "/api/organization", SETTINGS),
)

# What is open to a person whose organisation asks for a second factor, as long as they have none.
WITHOUT_FACTOR: Final = frozenset({
    ("GET", "/api/auth/me"), ("GET", "/api/auth/session"), ("DELETE", "/api/auth/session"), ("POST", "/api/auth/session/organization"),
    ("GET", "/api/auth/totp"), ("POST", "/api/auth/totp"), ("POST", "/api/auth/totp/confirm"),
})

_ADMINS: Final[frozenset[RoleName]] = frozenset({"owner", "admin"})
_MANAGERS: Final[frozenset[RoleName]] = _ADMINS | {"manager"}
_MAKERS: Final[frozenset[RoleName]] = _MANAGERS | {"member"}

# Who may say what of a new key. Whoever makes one for themselves does not say whose spend it is, which credential
# it uses or what it looks like.
NEW_KEY: Final[Mapping[str, frozenset[RoleName]]] = {
    "team": _MAKERS, "project": _MAKERS, "agent": _MAKERS, "environment": _MAKERS, "prompt_key": _MAKERS, "prompt_version": _MAKERS,
    "name": _MAKERS, "expires_at": _MAKERS,
    "user": _MANAGERS, "cost_center": _MANAGERS, "dimensions": _MANAGERS, "owner": _MANAGERS,
    "credential": _ADMINS, "format": _ADMINS,
}

# Who approves what somebody else proposed; alone, they do it at once.
APPROVERS: Final[Mapping[ProposalKind, frozenset[RoleName]]] = {
    "override_set": frozenset({"owner", "finance"}), "override_end": frozenset({"owner", "finance"}), "adjustment": frozenset({"owner"}),
    "prompt": frozenset({"owner", "admin", "manager"}),
}

# What is shown of a row where a cell names no more than this.
KEY_IDS: Final = ("id", "organization", "status", "created_at", "created_by", "expires_at", "revoked_at")
CREDENTIAL_NAMES: Final = ("provider", "name")


def cell_of(method: str, path: str, role: RoleName) -> Cell | None:
    """How far this route is open to this role; None where it is closed, or where the table does not know it."""
    for grant in GRANTS:
        if grant.method == method and grant.path == path:
            return grant.cells.get("anyone") or grant.cells.get(role)
    return None
