"""What is wrong with a key: somebody who cannot get through pastes it, and is told what it is and what to do. It is looked up
as the gateway would, by its keyed hash, written nowhere and repeated nowhere. Only keys that the asker's role sees are
named; another organisation's are as unknown as none.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from tallystick.control import Parts
from tallystick.control.callers import CallerOf, PartsOf, account_of
from tallystick.control.figures import answer
from tallystick.control.key_document import key_document
from tallystick.control.keys import Key
from tallystick.control.problems import Problem
from tallystick.control.throttle import Throttle
from tallystick.core import keyformat
from tallystick.stores.sql.directory import find_key_by_digest, organization
from tallystick.stores.sql.keyring import PRESENTED_CHARS_MAX, digest_of

CHECKS_FREE: Final = 30
Verdict = Literal["valid", "expired", "revoked", "unknown", "mistyped", "personal_token", "provider_key", "no_key"]

_PROVIDERS: Final = (
    ("sk-ant-", "Anthropic"), ("sk-or-", "OpenRouter"), ("sk-proj-", "OpenAI"), ("sk-", "OpenAI, or another with its form"),
    ("AIza", "Google"), ("gsk_", "Groq"), ("xai-", "xAI"), ("pplx-", "Perplexity"), ("hf_", "Hugging Face"), ("r8_", "Replicate"))
_SAYS: Final[dict[Verdict, tuple[str, str]]] = {
    "valid": ("This key works.", "If calls with it fail, look at what they are told: paste the error."),
    "expired": ("This key has expired.", "Make another, or rotate before the end next time."),
    "revoked": ("This key was revoked, which is final.", "Make another; who revoked it stands in the audit."),
    "unknown": (
        "No key that you may see has this text.",
        "It was issued elsewhere, in another organisation, or for others than you; or under another pepper or data directory."),
    "mistyped": (
        "It begins like one of our keys, and its length or its check sum is wrong.",
        "Copy it again, whole and without spaces. Keys taken over from another system have no check sum."),
    "personal_token": (
        "This is a personal access token: it opens the API, never a call.", "Send a key where the provider's key would stand."),
    "provider_key": (
        "This is a provider's own key.",
        "Keep it where it is and send one of ours beside it as X-Tallystick-Key, or have it stored: `tallystick credentials set`."),
    "no_key": ("This is in no form of ours.", "Our keys begin with " + ", ".join(form.prefix for form in keyformat.FORMATS) + "."),
}


class Presented(BaseModel):
    """A key as somebody has it."""

    model_config = ConfigDict(extra="forbid")

    key: Annotated[str, Field(min_length=1, max_length=PRESENTED_CHARS_MAX)]


class Judged(BaseModel):
    """What the text is. `says` and `do` are sentences; `provider` names whose key it is, `key` is ours where you may see it."""

    verdict: Verdict
    says: str
    do: str
    provider: str | None
    key: Key | None


def routes() -> APIRouter:
    """The routes of this resource."""
    router = APIRouter(prefix="/api/help", tags=["help"])
    router.add_api_route("/key", judge, methods=["POST"], response_model=Judged)
    return router


def checking(parts: Parts) -> Throttle:
    """Counts who checks; workers share an account's free checks."""
    return Throttle(max(1, CHECKS_FREE // parts.workers))


def judge(request: Request, parts: PartsOf, caller: CallerOf, said: Presented) -> Response:
    """What a key is, and what to do about it. The text is neither kept nor repeated."""
    throttle: Throttle = request.app.state.checking
    name, monotonic_us = account_of(caller).id, parts.clock.monotonic_us()
    if wait_s := throttle.wait_s(name, monotonic_us):
        raise Problem(429, "too_many_attempts", "Too many keys were checked; wait.", {"retry-after": str(wait_s)})
    throttle.failed(name, monotonic_us)
    text = said.key.strip()
    here, now_us = organization(parts.database, caller.organization), parts.clock.now_us()
    row = find_key_by_digest(parts.database, here.id, digest_of(parts.secret, text), caller.sight)
    verdict, provider = _judged(text) if row is None else (_STANDS[row.status(now_us)], None)
    says, do = _SAYS[verdict]
    return answer({"verdict": verdict, "says": says, "do": do, "provider": provider, "key": key_document(row, now_us) if row else None})


_STANDS: Final[dict[str, Verdict]] = {"active": "valid", "expired": "expired", "revoked": "revoked"}


def _judged(text: str) -> tuple[Verdict, str | None]:
    """What a text is that is no key of the asker's."""
    if text.startswith(keyformat.PERSONAL.prefix):
        return "personal_token", None
    if keyformat.recognises(text):
        return "unknown" if keyformat.well_formed(text) else "mistyped", None
    provider = next((name for start, name in _PROVIDERS if text.startswith(start)), None)
    return ("provider_key", provider) if provider else ("no_key", None)
