"""What a call takes of a budget: an amount of a *node*, which is one budget, for one subject, in one window.
These two nouns stand in the records of the spool, so that a hold survives the process that took it.
"""

from __future__ import annotations

from typing import NamedTuple


class NodeKey(NamedTuple):
    """What is counted: a budget, for one subject (`""` unless the budget is a template), in the window that
    begins at `start_us` (UTC)."""

    budget: int
    subject: str
    start_us: int


class Draw(NamedTuple):
    """An amount of a node, in its budget's unit: nano-USD, tokens or calls."""

    node: NodeKey
    amount: int
