"""Three routes of LiteLLM's proxy, for tools that ask them: what a key has left, the log of its calls, and spend by day. Names
and nesting are LiteLLM's (its `info_key_fn`, `view_spend_logs`, `SpendAnalyticsPaginatedResponse`); what this gateway does
not keep is left out, not zero. Amounts are JSON numbers of dollars there, so here too: exact decimals of the ledger's
nanos. A virtual key sees itself and its own calls, a person what their role opens. Days are the organisation's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Response

from tallystick.control.budget_document import own_budgets
from tallystick.control.call_document import list_item, moment
from tallystick.control.callers import Caller, CallerOf, PartsOf
from tallystick.control.explore_document import days_asked
from tallystick.control.figures import EPOCH, Day, answer, dollars, local
from tallystick.control.problems import Problem
from tallystick.core.identity import Principal
from tallystick.stores.sql import directory as store
from tallystick.stores.sql import facts, rollup_reads
from tallystick.stores.sql.breakdown import Cut, Question, Total, broken_down
from tallystick.stores.sql.breakdown_names import Filter, TooMany
from tallystick.stores.sql.directory import KeyRow, Organization, organization
from tallystick.stores.sql.names import Names
from tallystick.stores.sql.sight import EVERYTHING

ROWS_MAX: Final = 1_000
PAGE_MAX: Final = 366
_DURATIONS: Final[Mapping[str, str]] = {"hour": "1h", "day": "1d", "week": "7d", "month": "1mo", "year": "1y"}
_STATUSES: Final[Mapping[str, str]] = {"active": "active", "expired": "expired", "revoked": "revoked"}

Start = Annotated[Day | None, Query(alias="start_date", description="First day, YYYY-MM-DD.")]
End = Annotated[Day | None, Query(alias="end_date", description="Last day, included.")]
ApiKey = Annotated[str | None, Query(alias="api_key", min_length=1, max_length=256, description="A key's id.")]
User = Annotated[str | None, Query(alias="user_id", min_length=1, max_length=256)]


def routes() -> APIRouter:
    """The routes, where LiteLLM has them."""
    router = APIRouter(tags=["litellm"])
    router.add_api_route("/key/info", key_info, methods=["GET"], response_model=dict[str, Any])
    router.add_api_route("/spend/logs", spend_logs, methods=["GET"], response_model=list[dict[str, Any]])
    router.add_api_route("/user/daily/activity", daily_activity, methods=["GET"], response_model=dict[str, Any])
    return router


def key_info(
    parts: PartsOf, caller: CallerOf, key: Annotated[str | None, Query(min_length=1, max_length=64, description="A key's id.")] = None,
) -> Response:
    """What LiteLLM says of a key: its name, whose it is, what it spent and may spend. A virtual key asks about itself."""
    here, now_us = organization(parts.database, caller.organization), parts.clock.now_us()
    own = caller.principal.key_id if caller.principal else None
    if own is not None and key not in (None, own):
        raise Problem(403, "forbidden", "A key may ask about itself alone; leave `key` out.")
    if own is None and key is None:
        raise Problem(400, "invalid_request", "Name the key: key=ID, as `GET /api/keys` lists them.")
    row = store.find_key(parts.database, here.id, own or key or "", EVERYTHING if own else caller.sight)
    if row is None:
        raise Problem(404, "not_found", "There is no such key.")
    return answer({"key": key or row.id, "info": _info(parts, here, row, now_us)})


def spend_logs(
    parts: PartsOf, caller: CallerOf, start: Start = None, end: End = None, api_key: ApiKey = None, user: User = None,
    request_id: Annotated[str | None, Query(pattern="^req_[0-9a-f]{32}$")] = None, summarize: bool = True,
) -> Response:
    """Calls as LiteLLM logs them, newest first, at most 1,000; between two days and unless `summarize=false`, sums by day."""
    here = organization(parts.database, caller.organization)
    wanted = _wanted(caller, api_key, user)
    if start is not None and end is not None and summarize and request_id is None:
        return answer(_summary(parts, caller, here, wanted, start, end))
    with parts.database.read() as db:
        asked = facts.Asked(*_days(start, end), filters=wanted, sight=_sight(caller), whole=request_id is None)
        if request_id is None:
            found: Iterable[Mapping[str, Any]] = facts.listed(db, here.id, asked, newest_first=True, behind=None, limit=ROWS_MAX)
        else:                                # each attempt is a row of its own
            found = ({**row, "attempts": 1} for row in facts.attempts_of(db, here.id, asked, [bytes.fromhex(request_id[4:])]))
        names = Names(db, here.id)
        return answer([_log(list_item(row, names.of), row, here.slug) for row in found])


def daily_activity(
    parts: PartsOf, caller: CallerOf, start: Start = None, end: End = None, api_key: ApiKey = None, user: User = None,
    model: Annotated[str | None, Query(min_length=1, max_length=256)] = None, page: Annotated[int, Query(ge=1, le=10_000)] = 1,
    page_size: Annotated[int, Query(ge=1, le=1000)] = 50,
) -> Response:
    """Spend, tokens and calls by day, newest first, with models, providers and keys of each; sums are of the page."""
    if start is None or end is None:
        raise Problem(400, "invalid_request", "Name the days: start_date and end_date.")
    here = organization(parts.database, caller.organization)
    wanted = {**_wanted(caller, api_key, user), **({"model": model} if model else {})}
    first, last = days_asked(start, end, local(parts.clock.now_us(), here.zone).date())
    size = min(page_size, PAGE_MAX)
    try:
        with parts.database.read() as db:
            days = [place for place, _ in sorted(broken_down(db, here.id, _question(caller, wanted, first, last)), reverse=True)]
            shown = days[(page - 1) * size:page * size]
            cuts = {name: broken_down(db, here.id, _question(caller, wanted, shown[-1], shown[0], *group)) if shown else {}
                    for name, group in _BREAKDOWN.items()}
            keys = {name: store.find_key(parts.database, here.id, name) for _, names in cuts["api_keys"] for name in names if name}
    except TooMany as many:
        raise Problem(400, "too_many_groups", f"These days have more {many} than one answer holds; ask for fewer.") from None
    results = [_day(place, cuts, keys) for place in shown]
    pages = max(1, -(-len(days) // size))
    return answer({"results": results, "metadata": {
        **{f"total_{name}": value for name, value in _metrics(_added(cuts[""].values())).items() if name in _TOTALS},
        "page": page, "total_pages": pages, "has_more": page < pages}})


_BREAKDOWN: Final[Mapping[str, tuple[str, ...]]] = {
    "": (), "models": ("model",), "model_groups": ("requested_model",), "providers": ("provider",), "api_keys": ("key",)}
_TOTALS: Final = frozenset({
    "spend", "prompt_tokens", "completion_tokens", "total_tokens", "api_requests", "successful_requests", "failed_requests",
    "cache_read_input_tokens"})


def _info(parts: PartsOf, here: Organization, row: KeyRow, now_us: int) -> dict[str, Any]:
    principal = Principal(row.id, row.organization, row.labels)
    with parts.database.read() as db:
        budget = next((one for one in own_budgets(db, here.id, principal, now_us)
                       if one["scope"] == "key" and one["mode"] == "hard" and "limit_nanos" in one), None)
        spent = rollup_reads.total(db, here.id, facts.Asked(filters={"key": row.id})).cost_nanos
    limits: dict[str, Any] = {"spend": dollars(spent), "max_budget": None, "budget_duration": None, "budget_reset_at": None}
    if budget is not None:
        limits = {"spend": dollars(budget["spent_nanos"]), "max_budget": dollars(budget["limit_nanos"]),
                  "budget_duration": _DURATIONS.get(budget["window"], budget["window"]), "budget_reset_at": budget["resets_at"]}
    status = row.status(now_us)
    return {
        "key_name": row.preview, "key_alias": row.name or None, **limits, "expires": moment(row.expires_us), "models": [],
        "user_id": row.labels.get("user"), "team_id": row.labels.get("team"), "project_id": row.labels.get("project"),
        "agent_id": row.labels.get("agent"), "organization_id": row.organization, "metadata": {}, "blocked": status == "revoked",
        "created_at": moment(row.created_us), "created_by": row.created_by, "status": _STATUSES.get(status, status),
    }


def _summary(
    parts: PartsOf, caller: Caller, here: Organization, wanted: Mapping[str, str], start: date, end: date,
) -> list[dict[str, Any]]:
    """Spend of each day, by user and by model; days without any between the first and the last of them are there too."""
    first, last = days_asked(start, end, start)
    if last - first > PAGE_MAX:
        raise Problem(400, "invalid_request", f"Ask for at most {PAGE_MAX} days.")
    try:
        with parts.database.read() as db:
            cuts = [broken_down(db, here.id, _question(caller, wanted, first, last, *group))
                    for group in ((), ("user",), ("model",))]
    except TooMany as many:
        raise Problem(400, "too_many_groups", f"These days have more {many} than one answer holds; ask for fewer.") from None
    days = {place for place, _ in cuts[0]}
    return [] if not days else [
        {"startTime": _date(place).isoformat(), "spend": dollars(cuts[0].get((place, ()), Total()).cost_nanos),
         "users": _spent(cuts[1], place), "models": _spent(cuts[2], place)}
        for place in range(min(days), last + 1)]


def _spent(cut: Cut, place: int) -> dict[str, Any]:
    return {names[0] or "": dollars(total.cost_nanos) for (at, names), total in sorted(cut.items(), key=str) if at == place}


def _day(place: int, cuts: Mapping[str, Cut], keys: Mapping[str, KeyRow | None]) -> dict[str, Any]:
    def within(name: str) -> dict[str, Any]:
        return {names[0] or "": {"metrics": _metrics(total), "metadata": _key(keys.get(names[0] or "")) if name == "api_keys" else {}}
                for (at, names), total in sorted(cuts[name].items(), key=str) if at == place}

    return {"date": _date(place).isoformat(), "metrics": _metrics(cuts[""].get((place, ()), Total())),
            "breakdown": {name: within(name) for name in _BREAKDOWN if name}}


def _key(row: KeyRow | None) -> dict[str, Any]:
    return {} if row is None else {"key_alias": row.name or None, "team_id": row.labels.get("team"), "user_id": row.labels.get("user")}


def _metrics(total: Total) -> dict[str, Any]:
    failed = min(total.errors, total.requests)
    return {
        "spend": dollars(total.cost_nanos), "prompt_tokens": total.input_tokens, "completion_tokens": total.output_tokens,
        "cache_read_input_tokens": total.cached_tokens, "total_tokens": total.input_tokens + total.output_tokens,
        "successful_requests": total.requests - failed, "failed_requests": failed, "api_requests": total.requests,
        "total_response_time_ms": total.latency_us // 1000, "timed_requests": total.attempts,
    }


def _log(item: Mapping[str, Any], row: Mapping[str, Any], slug: str) -> dict[str, Any]:
    """A call as a row of LiteLLM's log."""
    usage = item["usage"] or {}
    model, first_us = item["served_model"] or item["requested_model"], row["first_byte_us"]
    return {
        "request_id": item["id"], "call_type": item["operation"] or "", "api_key": item["key_id"] or "",
        "spend": dollars(item["cost_nanos"]),
        "total_tokens": usage.get("input", 0) + usage.get("output", 0), "prompt_tokens": usage.get("input", 0),
        "completion_tokens": usage.get("output", 0), "startTime": item["at"], "endTime": moment(row["at_us"] + row["latency_us"]),
        "completionStartTime": moment(row["at_us"] + first_us) if first_us else None,
        "model": model or "", "model_group": item["requested_model"],
        "user": item["user"] or "", "end_user": item["user"], "team_id": item["team"], "organization_id": slug, "agent_id": item["agent"],
        "metadata": {"dimensions": item["dimensions"]}, "request_tags": item["tags"],
        "custom_llm_provider": item["provider"], "session_id": item["session"], "request_duration_ms": row["latency_us"] // 1000,
        "status": "success" if item["outcome"] == "completed" else "failure",
    }


# --- who sees what --------------------------------------------------------------------------------


def _wanted(caller: Caller, api_key: str | None, user: str | None) -> dict[str, str]:
    """The filters, with those that a virtual key cannot leave. Raises Problem 403."""
    own = caller.principal.key_id if caller.principal else None
    if own is not None and api_key not in (None, own):
        raise Problem(403, "forbidden", "A key sees its own calls alone; leave api_key out.")
    key = own or api_key
    return {**({"key": key} if key else {}), **({"user": user} if user else {})}


def _sight(caller: Caller) -> Any:
    return EVERYTHING if caller.principal else caller.sight


def _question(caller: Caller, wanted: Mapping[str, str], first: int, last: int, *groups: str) -> Question:
    filters = tuple(Filter(name, "is", (value,)) for name, value in wanted.items())
    return Question(first, last, groups, "day", filters, sight=_sight(caller))


def _days(start: date | None, end: date | None) -> tuple[int | None, int | None]:
    if start and end and end < start:
        raise Problem(400, "invalid_request", "The end lies before the start.")
    return (start.toordinal() - EPOCH if start else None, end.toordinal() - EPOCH if end else None)


def _date(place: int) -> date:
    return date.fromordinal(EPOCH) + timedelta(days=place)


def _added(totals: Iterable[Total]) -> Total:
    whole = Total()
    for total in totals:
        whole.merge(total)
    return whole
