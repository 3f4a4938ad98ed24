"""A call on the test bench: what all policies together say of it, and what each that it falls under says of it alone. It is
the live decision (`book.judge`) asked of a call that nobody makes, so nothing is counted and no room is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tallystick.core.policies.book import Judgement, PolicyBook, judge, policy_book
from tallystick.core.policies.policy import Case, Policy


@dataclass(frozen=True, slots=True)
class Alone:
    """One policy, as if it were the only one and enforced. `bypassed`: somebody broke the glass for such calls."""

    policy: Policy
    judgement: Judgement
    bypassed: bool


@dataclass(frozen=True, slots=True)
class Tried:
    """`together`: as the call would be judged now."""

    case: Case
    together: Judgement
    alone: Sequence[Alone]


def tried(book: PolicyBook, case: Case) -> Tried:
    """Ask the policies in force for such a call, in the order in which they are asked."""
    subject, at_us = case.subject, case.call.at_us
    alone = [Alone(policy, judge(policy_book([replace(policy, mode="enforce")]), case), book.bypassed(policy, subject, at_us))
             for policy in book.matching(subject, at_us)]
    return Tried(case, judge(book, case), alone)
