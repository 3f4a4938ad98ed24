"""What a dry run came to, and what linting found, as commands and the API show them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tallystick.control.call_document import moment
from tallystick.core.money import decimal_text
from tallystick.core.policies.book import PolicyBook
from tallystick.core.policies.dry_run import SIMULATED, DryRun, Tally
from tallystick.stores.sql.budget_dry_run import Refused, Trial
from tallystick.stores.sql.budget_lint import LintedBudget
from tallystick.stores.sql.policy_lint import Linted

WHO_MAX: Final = 100


def trial_document(trial: Trial, days: int) -> dict[str, Any]:
    """What a budget would have refused; of whom, the most first."""
    whose = sorted(trial.by_subject.items(), key=lambda one: (-one[1].cost_nanos, -one[1].calls, one[0]))
    return {
        "days": days, "calls": trial.calls, "refused": _refused("", trial.refused),
        "subjects": [_refused(subject, refused) for subject, refused in whose if subject][:WHO_MAX],
        "until": moment(trial.until_us)}


def _refused(subject: str, refused: Refused) -> dict[str, Any]:
    return {"subject": subject, "calls": refused.calls, "cost_nanos": refused.cost_nanos, "cost_usd": decimal_text(refused.cost_nanos),
            "first_at": moment(refused.first_us)}


def dry_run_document(run: DryRun, book: PolicyBook, days: int, unjudged: int) -> dict[str, Any]:
    """`saved_nanos`: what the calls cost that would have been stopped. `simulated`: these policies were replayed, and may
    have decided otherwise live. `not_judged`: calls that could not be asked about, by reason."""
    kinds = {policy.id: policy.kind for policy in book.policies}
    who = sorted(run.by_who.items(), key=lambda one: (-one[1].saved_nanos, -one[1].stopped))
    return {
        "days": days, **_tally(run.tally), "would_change": run.changed, "would_warn": run.warned, "would_let_through": run.released,
        "simulated": sorted(number for number, kind in kinds.items() if kind in SIMULATED),
        "not_judged": {**run.unjudged, **({"refused_otherwise": unjudged} if unjudged else {})},
        "policies": [{"id": number, "kind": kinds[number], **_tally(tally, calls=False)}
                     for number, tally in sorted(run.by_policy.items())],
        "who": [{**{name: value for name, value in whose._asdict().items() if value}, **_tally(tally)}
                for whose, tally in who[:WHO_MAX] if tally.stopped],
        "stopped": [{"id": one.request_id, "policy": one.policy, "code": one.code, "cost_nanos": one.cost_nanos} for one in run.stopped],
    }


def lint_document(linted: Linted) -> dict[str, Any]:
    """One policy. `last_matched_at` is null where no call was found; `asked` says whether calls could be looked for."""
    return {"id": linted.row.id, "kind": linted.row.kind, "on": str(linted.row.scope), "name": linted.row.name,
            "last_matched_at": moment(linted.last_matched_us), "asked": linted.asked, "findings": list(linted.findings)}


def budget_lint_document(linted: LintedBudget) -> dict[str, Any]:
    """One budget, told as `lint_document` tells a policy."""
    row = linted.row
    return {"id": row.id, "scope": row.kind, "value": row.value, "window": row.span, "name": row.name,
            "last_matched_at": moment(linted.last_matched_us), "asked": linted.asked, "findings": list(linted.findings)}


def _tally(tally: Tally, *, calls: bool = True) -> Mapping[str, Any]:
    return {**({"calls": tally.calls} if calls else {}), "would_stop": tally.stopped, "saved_nanos": tally.saved_nanos,
            "saved_usd": decimal_text(tally.saved_nanos)}
