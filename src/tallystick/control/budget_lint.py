"""Budgets that do not do what somebody thinks they do: a list of them, and what is said of one that was just set."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter, Response
from pydantic import BaseModel

from tallystick.control import Parts
from tallystick.control.callers import CallerOf, PartsOf
from tallystick.control.dry_run_document import budget_lint_document
from tallystick.control.figures import answer
from tallystick.control.policies import every_key
from tallystick.stores.sql import budget_lint
from tallystick.stores.sql.budget_rows import BudgetRow, rows
from tallystick.stores.sql.directory import organization
from tallystick.stores.sql.scope_reach import reach_of
from tallystick.stores.sql.sight import of_budgets


class LintedBudget(BaseModel):
    """What is odd about a budget; nothing where `findings` is empty."""

    id: int
    scope: str
    value: str
    window: str
    name: str
    last_matched_at: datetime | None
    asked: bool
    findings: list[str]


class BudgetLintPage(BaseModel):
    """Every budget that stands and is seen."""

    items: list[LintedBudget]


def routes() -> APIRouter:
    """The route of this resource; it stands before those that name a budget."""
    router = APIRouter(prefix="/api/budgets", tags=["budgets"])
    router.add_api_route("/lint", lint_budgets, methods=["GET"], response_model=BudgetLintPage)
    return router


def lint_budgets(parts: PartsOf, caller: CallerOf) -> Response:
    """Which budgets reach nothing, refuse nothing, have no say beside another, or are too small for one call."""
    here, now_us = organization(parts.database, caller.organization), parts.clock.now_us()
    reach = reach_of(every_key(parts, here.id), parts.vault.origins, now_us)
    seen, values = of_budgets(caller.sight, here.id)
    with parts.database.read() as db:
        mine = {row.id for row in rows(db, f" WHERE organization = ? AND removed_us IS NULL{seen}", (here.id, *values))}
        found = [row for row in budget_lint.lintable(db, here.id) if row.id in mine]
        return answer({"items": [budget_lint_document(one) for one in budget_lint.lint(db, found, reach, now_us)]})


def warnings_of(parts: Parts, row: BudgetRow) -> list[str]:
    """What is odd about a budget that was just set."""
    now_us = parts.clock.now_us()
    reach = reach_of(every_key(parts, row.organization), parts.vault.origins, now_us)
    with parts.database.read() as db:
        return budget_lint.warnings(db, row, reach, now_us)
