"""What the gateway does for policies: it finds out what they ask about a call, changes the request as they say, discloses
it, finds room in its rates, and cuts running replies for a kill switch. What they decide is core's (core/policies).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from tallystick.core import exchange as line
from tallystick.core.attempt import Admission, Settlement
from tallystick.core.budget import Subject
from tallystick.core.dialect import Route
from tallystick.core.errors import Denied
from tallystick.core.holding import tokens_of
from tallystick.core.jsonbytes import find_member, set_member
from tallystick.core.policies.book import Policies
from tallystick.core.policies.counters import Counters, Part
from tallystick.core.policies.policy import Claimed
from tallystick.core.policies.sharing import Place
from tallystick.core.policies.spellings import limited, spelling_of
from tallystick.edge.doors import Doors
from tallystick.edge.inbound import Inbound
from tallystick.edge.model_list import ModelFilter
from tallystick.edge.paths import Target
from tallystick.edge.relay import Relay

SIGNED: Final = b"AWS4-HMAC-SHA256"          # how an Authorization begins that is a signature (core/signature_v4.py)
KILLED: Final = Denied("killed", "This was stopped by its organisation while it was running.")


def is_sealed(target: Target, lookup: Mapping[bytes, bytes]) -> bool:
    """Whether the caller signed the request for the provider, every byte of it."""
    return target.provider.signing is not None and lookup.get(b"authorization", b"").startswith(SIGNED)


def aimed(target: Target, route: Route, name: str | None) -> Target:
    """Where the request goes once policies named another model: one that the path names is another there."""
    return target if name is None or not route.names_model else replace(target, path=target.provider.path_of(route, target.path, name))


def asked_name(models: Mapping[tuple[str, str], str], command: line.Forward) -> str | None:
    """The name under which the provider knows the model that policies ask for: a deployment of it, where the operator listed
    one. None where they ask for no other."""
    model = command.edit.model if command.edit is not None else None
    named = (deployment for (provider, deployment), known in models.items() if (provider, known) == (command.admission.provider, model))
    return next(named, model) if model is not None else None


def edited(asked: Inbound, command: line.Forward, route: Route, name: str | None) -> Inbound:
    """The request as policies want it to go out: spliced, every other byte as it was. `name`: the model's, as by
    `asked_name`; where the path says it, it is put into the body only in the place of another."""
    edit, admission, body = command.edit, command.admission, asked.body
    if edit is None or not isinstance(body, bytes):
        return asked
    facts = asked.facts
    if edit.model is not None:
        if not route.names_model or (asked.is_json and find_member(body, "model") is not None):
            body = set_member(body, "model", json.dumps(name).encode())
        facts = replace(facts, model=edit.model)
    spelling = spelling_of(admission.dialect, admission.operation, admission.provider)
    if edit.output_limit is not None and spelling is not None:
        body = limited(body, spelling, edit.output_limit)
        facts = replace(facts, output_limit=edit.output_limit)
    return replace(asked, body=body, facts=facts)


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

    def within(self, place: Place) -> bool:
        """Whether no more calls run than the share of an instance in this place."""
        return self._counters.within(place)

    def end(self, claims: Sequence[Claimed], at_us: int, tokens: int) -> None:
        """The call that came at this moment is over."""
        self._counters.end(claims, at_us, tokens)


class Watch:
    """What policies want of one call on its way. `narrows`: what leaves closed models out of a list of them. `settled`: the
    call's settlement, once it has one."""

    __slots__ = ("_at_us", "_claims", "_cut", "_policies", "_sending", "_throttle", "disclosed", "narrows", "settled")

    def __init__(self, policies: Policies, throttle: Throttle, at_us: int) -> None:
        self.disclosed: tuple[tuple[bytes, bytes], ...] = ()
        self.narrows: ModelFilter | None = None
        self.settled: Settlement | None = None
        self._policies = policies
        self._throttle = throttle
        self._at_us = at_us
        self._claims: Sequence[Claimed] = ()
        self._sending: asyncio.Task[Any] | None = None
        self._cut = False

    def told(self, caller: line.Caller | Denied, doors: Doors, scope: dict[str, Any]) -> line.Caller | Denied:
        """The caller with the address it calls from, where a policy of its organisation asks for that."""
        if isinstance(caller, Denied):
            return caller
        book = self._policies.get(caller.principal.organization)
        return replace(caller, address=doors.address(scope)) if book is not None and book.asks_address else caller

    def room(self, command: line.Admit) -> Admission | Denied:
        """The admission, once there is room for the call in every rate."""
        if not command.claims:
            return command.admission
        taken = self._throttle.take(command.claims, command.admission)
        if not isinstance(taken, Denied):
            self._claims = command.claims
        return taken

    def killed_meanwhile(self, admission: Admission, now_us: int, *, running: bool = False) -> Denied | None:
        """The refusal of a kill switch that was pulled since the call was judged. `running`: only of one that cuts."""
        book = self._policies.get(admission.attribution.organization)
        subject = Subject(admission.attribution, admission.provider, admission.model)
        return book.killed(subject, now_us, running=running) if book is not None else None

    def sends(self, asked: Inbound, command: line.Forward, route: Route, name: str | None = None) -> Inbound:
        """The request as it goes out now. `name`: as for `edited`."""
        self._sending = asyncio.current_task()
        admission = command.admission
        book = self._policies.get(admission.attribution.organization) if route.kind == "models" and route.method == "GET" else None
        opens = book.opens(Subject(admission.attribution, admission.provider, None), admission.at_us) if book is not None else None
        self.narrows = ModelFilter(opens) if opens is not None else None
        if command.edit is None and not command.warnings:
            return asked
        self.disclosed = disclosed(command)
        return edited(asked, command, route, name)

    def cut(self, admission: Admission, relay: Relay | None, now_us: int) -> None:
        """Break off the reply, or the wait for it, where a kill switch says so."""
        if self.killed_meanwhile(admission, now_us, running=True) is None:
            return
        self._cut = True
        if relay is not None:
            relay.cut()
        elif self._sending is not None:
            self._sending.cancel()

    def cut_by(self, broken: BaseException | None) -> Denied | None:
        """What the caller is told where a kill switch cut the call; `broken`: what ended the wait for the provider."""
        if not self._cut:
            return None
        if isinstance(broken, asyncio.CancelledError) and self._sending is not None:
            self._sending.uncancel()         # it was this call that was cut, not the process that stops
        return KILLED

    def end(self) -> None:
        """The call is over, however it ended."""
        if self._claims:
            self._throttle.end(self._claims, self._at_us, tokens_of(self.settled) if self.settled is not None else 0)
