"""Whether a stored credential works, before an application finds out: asked of its provider by a listing that costs nothing
(transport/key_check.py), and said in words with what to do about it. It is no call: nothing is journaled, booked or counted, and how
the credential stands is left to calls. Nothing of the value is in an answer, nor in what the provider said of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any, Final, Literal

import structlog
from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel

from tallystick.control import Parts
from tallystick.control.callers import CallerOf, PartsOf, account_of
from tallystick.control.figures import answer
from tallystick.control.problems import Problem
from tallystick.control.throttle import Throttle
from tallystick.core.dialect import Provider
from tallystick.core.errors import Denied
from tallystick.core.secret import Secret
from tallystick.ports import Clock, Upstreams
from tallystick.transport.key_check import Checked, check_key

log = structlog.get_logger(__name__)

TESTS_FREE: Final = 12
Name = Annotated[str, Path(max_length=64)]
Outcome = Literal["works", "refused", "open", "limited", "answered", "unreachable", "no_route", "unusable"]

_SAYS: Final[dict[Outcome, tuple[str, str]]] = {
    "works": (
        "{name} takes this key.",
        "Calls with keys of this gateway can use it now. Which models it opens, and what is left on the account, only a call shows."),
    "refused": ("{name} refuses this key ({status}).", "Compare it with the one in your account there, and store it again."),
    "open": (
        "{name} answers, to everybody: its list of models asks for no key, so nothing is known of this one.",
        "Send one small call to a model to see whether it works."),
    "limited": ("{name} limits this key just now (429).", "Try again in a minute; if it stays so, look at the account's limits there."),
    "answered": ("{name} answered with {status}, which says nothing of the key.",
                 "Try again in a minute; if it stays so, check the provider's base_url in the settings."),
    "unreachable": ("{name} cannot be reached from here.",
                    "Check base_url, name server and firewall on the machine of this gateway; calls fail the same way."),
    "no_route": ("{name} has no free route to test a key with.", "Send one small call to a model: a refusal says why."),
    "unusable": ("This credential is not used.", "Store it again."),
}
_REFUSED_DO: Final[Mapping[int, str]] = {
    402: "The key is known, and its account cannot pay: look at the balance there.",
    403: "The key may lack a right, such as listing models, and still open calls: see its rights there, or send one small call to a model."}
_REDIRECT_DO: Final = "Redirects are not followed: the provider's base_url in the settings points past its API."


class TestedCredential(BaseModel):
    """What came of a test. `outcome`: `works`; `refused` by the provider; `open`: it lists to everybody, so the key is not proved;
    `limited` (429); `answered` with something else; `unreachable`; `no_route`: there is none that costs nothing; `unusable`: held, and
    not used. `asked`: what was asked for; `words`: the provider's own, without the key, or why it cannot be reached; `says` and `do` are
    sentences."""

    provider: str
    name: str
    outcome: Outcome
    asked: str | None
    status: int | None
    latency_us: int | None
    words: str | None
    says: str
    do: str


def routes() -> APIRouter:
    """The routes of this resource."""
    router = APIRouter(prefix="/api/credentials", tags=["credentials"])
    router.add_api_route("/{provider}/{name}/test", test_credential, methods=["POST"], response_model=TestedCredential)
    return router


def testing(parts: Parts) -> Throttle:
    """Counts who tests; workers share an account's free tests."""
    return Throttle(max(1, TESTS_FREE // parts.workers))


async def test_credential(request: Request, parts: PartsOf, caller: CallerOf, provider: Name, name: Name) -> Response:
    """Ask the provider whether it takes a stored credential, by a listing that costs nothing."""
    throttle: Throttle = request.app.state.testing
    account, monotonic_us = account_of(caller).id, parts.clock.monotonic_us()
    if wait_s := throttle.wait_s(account, monotonic_us):
        raise Problem(429, "too_many_attempts", f"Many tests in a row: wait {wait_s} seconds.", {"retry-after": str(wait_s)})
    held = await parts.credentials.find(caller.organization, provider, name)
    if held is None:
        raise Problem(404, "not_found", "There is no such credential.")
    if parts.asking is None:
        raise Problem(503, "not_here", "This process asks no provider; ask another, or `tallystick credentials test`.")
    known = parts.providers.get(provider)
    if known is None:
        raise Problem(404, "not_found", "This provider is not configured any more: give it its base_url again, or remove the credential.")
    throttle.failed(account, monotonic_us)
    document = await tested(parts.asking, known, name, held, parts.clock)
    log.info("a credential was tested", provider=provider, name=name, outcome=document["outcome"], by=account)
    return answer(document)


async def tested(asking: Upstreams, provider: Provider, name: str, held: Secret | Denied, clock: Clock) -> dict[str, Any]:
    """The document of a test, for the API and the command."""
    if isinstance(held, Denied):
        return _document(provider, name, "unusable", Checked("no_route", words=held.message))
    checked = await check_key(asking, provider, held, clock)
    return _document(provider, name, checked.outcome, checked)


def _document(provider: Provider, name: str, outcome: Outcome, checked: Checked) -> dict[str, Any]:
    says, do = _SAYS[outcome]
    if outcome == "refused":
        do = _REFUSED_DO.get(checked.status or 0, do)
    elif outcome == "answered" and 300 <= (checked.status or 0) < 400:
        do = _REDIRECT_DO
    return {"provider": provider.id, "name": name, **asdict(checked), "outcome": outcome,
            "says": says.format(name=provider.name, status=checked.status), "do": do}
