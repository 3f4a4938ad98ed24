"""The application: its resources in one list, one guard before all of them, one form for errors."""

from __future__ import annotations

import secrets
from typing import Literal

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse

from tallystick import __version__
from tallystick.control import (
    Parts, adjustments, aggregations, alerts, auth, budget_lint, budgets, call_estimate, channels, code_import, credential_check,
    credentials, dimensions, envelopes, explore, exports, freshness, invitations, key_sets, keys, ledger, library, litellm_shims, live,
    lost_password, members, metrics, organization, own_password, personal_tokens, policies, policy_bench, price_effects,
    price_overrides, prices, problems, projects, prompts, proposals, providers, requests, retention, second_factor, self_check,
    sessions, setup, spenders, teams, verifications, views,
)
from tallystick.control.bounds import Bounds
from tallystick.control.callers import admit
from tallystick.control.guessing import Guessing
from tallystick.control.login import Login
from tallystick.control.tokens import INVITATION, Tokens, derived
from tallystick.stores.sql.calls import Calls
from tallystick.stores.sql.directory import Directory
from tallystick.stores.sql.invitations import Invitations
from tallystick.stores.sql.journal import Sequencer
from tallystick.stores.sql.members import Members
from tallystick.stores.sql.password_resets import PasswordResets
from tallystick.stores.sql.personal_tokens import PersonalTokens
from tallystick.stores.sql.proofs import Blocks
from tallystick.stores.sql.proposals import Proposals
from tallystick.stores.sql.second_factors import SecondFactors
from tallystick.stores.sql.sessions import Sessions


def build(parts: Parts, scope: Literal["all", "aggregations"]) -> FastAPI:
    """The application. Its state holds what handlers need: parts, tokens and the login."""
    app = FastAPI(
        title="Tallystick", version=__version__, summary="What calls cost, who made them, and the keys they are made with.",
        openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False, dependencies=[Depends(admit)],
    )
    app.state.parts = parts
    app.state.directory = Directory(Sequencer(parts.database), parts.secret, secrets.token_bytes)
    app.state.members = Members(Sequencer(parts.database), parts.new_id)
    app.state.invitations = Invitations(app.state.members, derived(parts.secret, INVITATION), secrets.token_bytes)
    app.state.password_resets = PasswordResets(Sequencer(parts.database), derived(parts.secret, b"password reset"), secrets.token_bytes)
    app.state.checking = self_check.checking(parts)
    app.state.testing = credential_check.testing(parts)
    app.state.guessing = Guessing(max(1, parts.wrong_keys_per_minute_max // parts.workers))
    app.state.asking = lost_password.asking(parts)
    app.state.proposals = Proposals(Sequencer(parts.database), secrets.token_bytes)
    app.state.calls = Calls(parts.database)
    app.state.streams = live.Streams()
    app.state.blocks = Blocks()
    app.state.writing = exports.Writing()
    app.state.tokens = Tokens.of(parts.secret)
    factors = SecondFactors(Sequencer(parts.database), parts.vault.keks, secrets.token_bytes, derived(parts.secret, b"recovery code"))
    app.state.personal_tokens = PersonalTokens(Sequencer(parts.database), derived(parts.secret, b"personal token"), secrets.token_bytes)
    app.state.login = Login.of(parts, factors)
    app.state.sessions = Sessions(Sequencer(parts.database), derived(parts.secret, b"session"), secrets.token_bytes,
                                  parts.session_idle_s * 1_000_000, parts.session_lifetime_s * 1_000_000)
    problems.install(app)
    app.add_middleware(Bounds)
    resources = [aggregations.routes()]
    if scope == "all":
        # A key's own path stands before the path of any key.
        resources += [auth.routes(), sessions.routes(), second_factor.routes(), own_password.routes(), lost_password.routes(),
                      personal_tokens.routes(), setup.routes(),
                      members.routes(), invitations.routes(), requests.routes(), adjustments.routes(), keys.own_routes(),
                      key_sets.routes(), keys.routes(), credentials.routes(), credential_check.routes(),
                      budget_lint.routes(), budgets.routes(), envelopes.routes(), price_overrides.routes(), price_effects.routes(),
                      prices.routes(), providers.routes(), proposals.routes(), teams.routes(), projects.routes(),
                      spenders.routes(), dimensions.routes(),
                      policy_bench.routes(), policies.routes(), metrics.routes(), explore.routes(), live.routes(), prompts.routes(),
                      code_import.routes(), call_estimate.routes(), library.routes(), views.routes(), organization.routes(),
                      freshness.routes(), retention.routes(), exports.routes(), ledger.routes(), verifications.routes(), alerts.routes(),
                      channels.routes(), litellm_shims.routes(), self_check.routes()]
        app.add_api_route("/api/openapi.json", openapi, methods=["GET"], include_in_schema=False)
    for resource in resources:
        app.include_router(resource)
    return app


async def openapi(request: Request) -> JSONResponse:
    """The description of this API, OpenAPI 3.1."""
    application: FastAPI = request.app
    return JSONResponse(application.openapi())
