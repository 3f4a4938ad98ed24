"""Past calls of an organisation as policies judge them, admitted and refused ones, in the order in which they came and in
bounded memory. Sandbox calls are among them: policies judge those too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from tallystick.core.holding import tokens_of
from tallystick.core.policies.book import PolicyBook, policy_book, rule_of
from tallystick.core.policies.dry_run import DryRun, PastCall, dry_run, past_admission, past_refusal
from tallystick.core.policies.policy import Policy
from tallystick.stores.sql import facts
from tallystick.stores.sql.calls import Calls
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.engine import Database
from tallystick.stores.sql.facts import ATTEMPTS, DAY_US, REFUSALS, SANDBOX, Asked, Place, month_of
from tallystick.stores.sql.policies import PolicySpec, checked
from tallystick.stores.sql.policy_rows import zone_of
from tallystick.stores.sql.sight import EVERYTHING, Sight

PAGE: Final = 500


class PastCalls:
    """One reading. `unjudged`: refused calls whose entries do not say enough, since it was no policy that refused them."""

    def __init__(self, db: Connection, calls: Calls, organization: int, first_day: int, *, page: int = PAGE,
                 sight: Sight = EVERYTHING) -> None:
        """`first_day`: days since 1970, local, of the first calls that are read. `sight`: whose."""
        self.unjudged = 0
        self._db = db
        self._calls = calls
        self._organization = organization
        self._asked = Asked(first_day, kinds=(ATTEMPTS, REFUSALS, SANDBOX), sight=sight, whole=True)
        self._page = page

    def __iter__(self) -> Iterator[PastCall]:
        """Raises LookupError, ValueError or LedgerFault for an entry that cannot be read, RowsPruned where some are gone."""
        facts.all_stand(self._db, self._organization, self._asked, "A dry run judges calls by their entries.")
        behind: Place | None = None
        while rows := list(facts.listed(self._db, self._organization, self._asked, newest_first=False, behind=behind, limit=self._page)):
            for row in rows:
                past = self._past(row["kind"], month_of(row["day"]), row["seq"], row["cost_nanos"])
                if past is None:
                    self.unjudged += 1
                else:
                    yield past
            behind = Place(rows[-1]["at_us"], rows[-1]["seq"])

    def _past(self, kind: int, month: int, seq: int, cost_nanos: int) -> PastCall | None:
        if kind == REFUSALS:
            return past_refusal(self._calls.read_refused(self._db, self._organization, month, seq))
        record = self._calls.read_attempt(self._db, self._organization, month, seq)
        ended = record.settlement
        return past_admission(record.admission, cost_nanos, tokens_of(ended) if ended is not None else 0,
                              ended.at_us if ended is not None else 0)


def try_policies(database: Database, organization: int, policies: Iterable[Policy], days: int, now_us: int,
                 sight: Sight = EVERYTHING) -> tuple[DryRun, PolicyBook, int]:
    """What these policies, enforced and not bypassed, would have done in the last days to calls that are seen; the book that
    was asked, and how many refused calls could not be judged. Raises StoreFault, LookupError, ValueError or LedgerFault."""
    book = policy_book(replace(policy, mode="enforce", starts_us=0, ends_us=None) for policy in policies)
    with database.read() as db:
        past = PastCalls(db, Calls(database), organization, now_us // DAY_US - days, sight=sight)
        return dry_run(book, past), book, past.unjudged


def proposed(spec: PolicySpec) -> Policy:
    """A policy that nobody has set yet, as number 0. Raises Refused for one that cannot stand."""
    checked(spec)
    return Policy(0, spec.name, spec.kind, spec.scope, rule_of(spec.kind, spec.parameters, zone_of), spec.parameters)
