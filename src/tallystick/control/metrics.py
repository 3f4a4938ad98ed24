"""The overview: today beside yesterday until the same time, the month so far, who spent most in thirty
days. Days are the organisation's. What has no engine yet (forecasts, waste) is null and keeps its
place.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from fastapi import APIRouter, Response
from pydantic import BaseModel

from tallystick.control.aggregations import UNKNOWN, dearest_first
from tallystick.control.callers import CallerOf, PartsOf
from tallystick.control.figures import answer, day_number, local, ratio, share
from tallystick.core.money import decimal_text
from tallystick.stores.sql.directory import organization
from tallystick.stores.sql.facts import DAY_US, REFUSALS, Asked, Sums
from tallystick.stores.sql.rollup_reads import sums, total

TOP: Final = 5


class ModelShare(BaseModel):
    """A model's cost today and its share of the whole, from 0 to 1."""

    model: str
    cost_nanos: int
    share: float | None


class Today(BaseModel):
    """Today until now. `requests_change_pct` compares with yesterday until this time of day."""

    requests: int
    requests_change_pct: float | None
    cost_nanos: int
    cost_usd: str
    average_latency_ms: int | None
    errors: int
    blocked: int
    top_models: list[ModelShare]


class MonthToDate(BaseModel):
    """This month until now; `burn_per_day_nanos` is the mean of its days, today's part included."""

    requests: int
    cost_nanos: int
    cost_usd: str
    burn_per_day_nanos: int
    forecast_nanos: int | None


class Spender(BaseModel):
    """A user or a project, and what it cost."""

    name: str
    requests: int
    cost_nanos: int
    cost_usd: str
    share: float | None


class Repeats(BaseModel):
    """Calls that repeated an earlier one for nothing."""

    requests: int | None
    cost_nanos: int | None


class Overview(BaseModel):
    """What an organisation spends, at a glance."""

    today: Today
    month_to_date: MonthToDate
    top_users_30d: list[Spender]
    top_projects_30d: list[Spender]
    wasted_repeats_7d: Repeats


def routes() -> APIRouter:
    """The routes of this resource."""
    router = APIRouter(prefix="/api/metrics", tags=["metrics"])
    router.add_api_route("/overview", overview, methods=["GET"], response_model=Overview)
    return router


def overview(parts: PartsOf, caller: CallerOf) -> Response:
    """What the organisation spends, at a glance; who sees their own only, what that comes to."""
    here = organization(parts.database, caller.organization)
    now_us = parts.clock.now_us()
    now = local(now_us, here.zone)
    sight = caller.sight
    today, first = day_number(now.date()), day_number(now.date().replace(day=1))
    with parts.database.read() as db:
        of_today = Asked(today, today, sight=sight)
        thirty = Asked(day_number(now.date() - timedelta(days=29)), today, sight=sight)
        month = total(db, here.id, Asked(first, today, sight=sight))
        document = {
            "today": _today(
                total(db, here.id, of_today), total(db, here.id, Asked(today - 1, today - 1, before_us=now_us - DAY_US, sight=sight)),
                total(db, here.id, Asked(today, today, (REFUSALS,), sight=sight)).attempts, sums(db, here.id, of_today, "served_model"),
            ),
            "month_to_date": {
                "requests": month.requests, **_money(month), "burn_per_day_nanos": share(month.cost_nanos, today - first + 1),
                "forecast_nanos": None,
            },
            "top_users_30d": _spenders(sums(db, here.id, thirty, "user")),
            "top_projects_30d": _spenders(sums(db, here.id, thirty, "project")),
            "wasted_repeats_7d": {"requests": None, "cost_nanos": None},
        }
    return answer(document)


def _today(now: Sums, yesterday: Sums, blocked: int, models: dict[str | None, Sums]) -> dict[str, Any]:
    change = None
    if yesterday.requests:
        change = Decimal(share(1000 * (now.requests - yesterday.requests), yesterday.requests)).scaleb(-1)
    return {
        "requests": now.requests, "requests_change_pct": change, **_money(now),
        "average_latency_ms": share(now.latency_us, 1000 * now.attempts) if now.attempts else None,
        "errors": now.errors, "blocked": blocked,
        "top_models": [
            {"model": name, "cost_nanos": spent.cost_nanos, "share": ratio(spent.cost_nanos, now.cost_nanos)}
            for name, spent in dearest_first(models)[:TOP]
        ],
    }


def _spenders(found: dict[str | None, Sums]) -> list[dict[str, Any]]:
    """The dearest few, and their share of everything."""
    whole = sum(spent.cost_nanos for spent in found.values())
    return [
        {"name": name, "requests": spent.requests, **_money(spent), "share": ratio(spent.cost_nanos, whole)}
        for name, spent in dearest_first(found) if name != UNKNOWN
    ][:TOP]


def _money(spent: Sums) -> dict[str, Any]:
    return {"cost_nanos": spent.cost_nanos, "cost_usd": decimal_text(spent.cost_nanos)}
