"""One's own second factor: begun with the password, confirmed with a first code, ended with password and code; and what an
organisation asks of whoever signs in: a second factor of everybody, and sessions that last no longer than so. Who belongs to
one that asks for a second factor, and has none, may do nothing there but set it up (`roles.WITHOUT_FACTOR`).
"""

from __future__ import annotations

from typing import Annotated, Final
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, SecretStr
from starlette.concurrency import run_in_threadpool

from tallystick.control.auth import LoginOf
from tallystick.control.callers import CallerOf, PartsOf, account_of, actor_of, peer_of
from tallystick.control.figures import answer
from tallystick.control.passwords import CHARS_MAX
from tallystick.control.problems import Problem
from tallystick.stores.sql.directory import organization
from tallystick.stores.sql.second_factors import DIGITS, STEP_S, is_required, recovery_codes_left, stands
from tallystick.stores.sql.sessions import lifetime_rule, set_lifetime_rule

CODE_CHARS_MAX: Final = 40
SESSION_S_MIN: Final = 300
SESSION_S_MAX: Final = 31_622_400
Password = Annotated[SecretStr, Field(max_length=CHARS_MAX)]
Code = Annotated[SecretStr, Field(min_length=1, max_length=CODE_CHARS_MAX)]


class Begun(BaseModel):
    """What an authenticator is told, as text and as the address that a QR code holds. Shown this once."""

    secret: str
    uri: str


class RecoveryCodes(BaseModel):
    """Each opens once what a code of the authenticator opens. Shown this once."""

    recovery_codes: list[str]


class Standing(BaseModel):
    """`set`: codes are asked for. `required`: the organisation asks for them."""

    set: bool
    required: bool
    recovery_codes_left: int


class Rule(BaseModel):
    """What an organisation asks of whoever signs in. `session_lifetime_s`: how long a session lasts at the latest, null for as
    long as the installation lets it; left out, it stays."""

    model_config = ConfigDict(extra="forbid")

    second_factor_required: bool
    session_lifetime_s: Annotated[int | None, Field(ge=SESSION_S_MIN, le=SESSION_S_MAX)] = None


class RuleShown(BaseModel):
    """What an organisation asks of whoever signs in; `session_lifetime_s_max`: how long the installation lets sessions last."""

    second_factor_required: bool
    session_lifetime_s: int | None
    session_lifetime_s_max: int


class WithPassword(BaseModel):
    """Proof that it is still the same person who sits there."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    password: Password


class WithCode(BaseModel):
    """A code of the authenticator."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    code: Code


class WithBoth(WithPassword):
    """Password and code, or a recovery code."""

    code: Code


def routes() -> APIRouter:
    """The routes of this resource."""
    router = APIRouter(tags=["auth"])
    router.add_api_route("/api/auth/totp", read, methods=["GET"], response_model=Standing)
    router.add_api_route("/api/auth/totp", begin, methods=["POST"], response_model=Begun)
    router.add_api_route("/api/auth/totp/confirm", confirm, methods=["POST"], response_model=RecoveryCodes)
    router.add_api_route("/api/auth/totp/remove", remove, methods=["POST"], response_model=Standing)
    router.add_api_route("/api/auth/totp/recovery-codes", renew, methods=["POST"], response_model=RecoveryCodes)
    router.add_api_route("/api/organization/sign-in", read_rule, methods=["GET"], response_model=RuleShown)
    router.add_api_route("/api/organization/sign-in", set_rule, methods=["PUT"], response_model=RuleShown)
    return router


def read(parts: PartsOf, caller: CallerOf) -> Response:
    """How one's own second factor stands."""
    here = organization(parts.database, caller.organization)
    with parts.database.read() as db:
        account = account_of(caller).id
        return answer({"set": stands(db, account), "required": is_required(db, here.id),
                       "recovery_codes_left": recovery_codes_left(db, account)})


async def begin(request: Request, parts: PartsOf, caller: CallerOf, login: LoginOf, proof: WithPassword) -> Response:
    """A secret for an authenticator. Codes are asked for once one of it was confirmed; 409 where they are already."""
    account = account_of(caller)
    if await run_in_threadpool(_stands, parts, account.id):
        raise Problem(409, "exists", "There is a second factor already; remove it first.")
    await login.check(account.email, proof.password.get_secret_value(), peer_of(request))
    secret = await run_in_threadpool(login.factors.begin, account.id, parts.clock.now_us())
    label = quote(f"Tallystick:{account.email}")
    asked = urlencode({"secret": secret.reveal(), "issuer": "Tallystick", "digits": DIGITS, "period": STEP_S})
    return answer({"secret": secret.reveal(), "uri": f"otpauth://totp/{label}?{asked}"})


def confirm(parts: PartsOf, caller: CallerOf, login: LoginOf, proof: WithCode) -> Response:
    """Ask for codes from now on. One's other sessions and login tokens end, for they were opened without."""
    session = caller.session.id if caller.session else None
    codes = login.factors.confirm(account_of(caller).id, proof.code.get_secret_value(), parts.clock.now_us(), keep=session)
    return answer({"recovery_codes": codes})


async def remove(request: Request, parts: PartsOf, caller: CallerOf, login: LoginOf, proof: WithBoth) -> Response:
    """Ask for no codes any more."""
    account = account_of(caller)
    await login.check(account.email, proof.password.get_secret_value(), peer_of(request), proof.code.get_secret_value())
    await run_in_threadpool(login.factors.remove, account.id, parts.clock.now_us(), account.id)
    return await run_in_threadpool(read, parts, caller)


async def renew(request: Request, parts: PartsOf, caller: CallerOf, login: LoginOf, proof: WithBoth) -> Response:
    """Ten other recovery codes; the old ones open nothing any more. The authenticator stays."""
    account = account_of(caller)
    if not await run_in_threadpool(_stands, parts, account.id):
        raise Problem(404, "not_found", "There is no second factor, so there is nothing to recover.")
    await login.check(account.email, proof.password.get_secret_value(), peer_of(request), proof.code.get_secret_value())
    codes = await run_in_threadpool(login.factors.renew_recovery_codes, account.id, parts.clock.now_us())
    return answer({"recovery_codes": codes})


def read_rule(parts: PartsOf, caller: CallerOf) -> Response:
    """What the organisation asks of whoever signs in."""
    here = organization(parts.database, caller.organization)
    with parts.database.read() as db:
        return answer({"second_factor_required": is_required(db, here.id), "session_lifetime_s": lifetime_rule(db, here.id) or None,
                       "session_lifetime_s_max": parts.session_lifetime_s})


def set_rule(parts: PartsOf, caller: CallerOf, login: LoginOf, rule: Rule) -> Response:
    """Ask every member for a second factor, at once, or no more; 409 for who asks it of others and has none. A shorter lifetime
    holds for the sessions that are open, too."""
    here = organization(parts.database, caller.organization)
    if rule.second_factor_required and not _stands(parts, account_of(caller).id):
        raise Problem(409, "no_second_factor", "Set up your own second factor first.")
    login.factors.require(here.id, required=rule.second_factor_required, now_us=parts.clock.now_us(), by=actor_of(caller))
    if "session_lifetime_s" in rule.model_fields_set:
        set_lifetime_rule(login.factors.sequencer, here.id, rule.session_lifetime_s or 0, parts.clock.now_us(), actor_of(caller))
    return read_rule(parts, caller)


def _stands(parts: PartsOf, account: str) -> bool:
    with parts.database.read() as db:
        return stands(db, account)
