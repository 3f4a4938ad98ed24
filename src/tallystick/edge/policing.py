"""What the gateway does for policies: it finds out what they ask about a call, changes the request as they say, discloses
it, and knows which running reply a kill switch cuts. What they decide is core's (core/policies).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from tallystick.core import exchange as line
from tallystick.core.attempt import Admission
from tallystick.core.budget import Subject
from tallystick.core.dialect import Route
from tallystick.core.errors import Denied
from tallystick.core.identity import Principal
from tallystick.core.jsonbytes import set_member
from tallystick.core.policies.book import Policies
from tallystick.core.policies.counters import Counters, Part
from tallystick.core.policies.policy import Claimed
from tallystick.core.policies.spellings import limited, spelling_of
from tallystick.edge.inbound import Inbound
from tallystick.edge.model_list import ModelFilter

KILLED: Final = Denied("killed", "This was stopped by its organisation while it was running.")


def asks_address(principal: Principal, policies: Policies) -> bool:
    """Whether a policy of the caller's organisation judges where calls come from."""
    book = policies.get(principal.organization)
    return book is not None and book.asks_address


def killed(admission: Admission, policies: Policies, now_us: int, *, running: bool = False) -> Denied | None:
    """The refusal of a kill switch that was pulled after a call was judged. `running`: only of one that cuts replies."""
    book = policies.get(admission.attribution.organization)
    subject = Subject(admission.attribution, admission.provider, admission.model)
    return book.killed(subject, now_us, running=running) if book is not None else None


def edited(asked: Inbound, command: line.Forward) -> Inbound:
    """The request as policies want it to go out: spliced, every other byte as it was."""
    edit, admission, body = command.edit, command.admission, asked.body
    if edit is None or not isinstance(body, bytes):
        return asked
    facts = asked.facts
    if edit.model is not None:
        body = set_member(body, "model", json.dumps(edit.model).encode())
        facts = replace(facts, model=edit.model)
    spelling = spelling_of(admission.dialect, admission.operation, admission.provider)
    if edit.output_limit is not None and spelling is not None:
        body = limited(body, spelling, edit.output_limit)
        facts = replace(facts, output_limit=edit.output_limit)
    return replace(asked, body=body, facts=facts)


def narrowing(admission: Admission, route: Route, policies: Policies) -> ModelFilter | None:
    """What narrows a list of models to those open to who asks; None for everything else."""
    book = policies.get(admission.attribution.organization) if route.kind == "models" and route.method == "GET" else None
    opens = book.opens(Subject(admission.attribution, admission.provider, None), admission.at_us) if book is not None else None
    return ModelFilter(opens) if opens is not None else None


class Throttle:
    """The rates of one instance's policies. `part`: its part of them."""

    def __init__(self, part: Callable[[], Part]) -> None:
        self._part = part
        self._counters = Counters()

    def take(self, claims: Sequence[Claimed], admission: Admission) -> Admission | Denied:
        """Make room for a call in every rate, or say which has none; the admission with what only observes."""
        denied, observed = self._counters.take(claims, admission.at_us, self._part())
        if denied is not None:
            return denied
        return replace(admission, judged=(*admission.judged, *observed)) if observed else admission

    def end(self, claims: Sequence[Claimed], at_us: int, tokens: int) -> None:
        """The call that came at this moment is over."""
        self._counters.end(claims, at_us, tokens)


def disclosed(command: line.Forward) -> tuple[tuple[bytes, bytes], ...]:
    """What the answer says of it: the model and the limit that were set, and the warnings."""
    edit, model = command.edit, command.admission.model
    said: list[tuple[bytes, bytes]] = []
    if edit is not None and model is not None and model.isascii() and model.isprintable():
        said.append((b"x-tallystick-model", model.encode()))
    if edit is not None and edit.output_limit is not None:
        said.append((b"x-tallystick-warning", b"output_limit=%d" % edit.output_limit))
    said += [(b"x-tallystick-warning", warning.encode("ascii", "replace")) for warning in command.warnings]
    return tuple(said)
