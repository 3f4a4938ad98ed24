"""Stored provider credentials: list, set, remove. Their values come in and never go out: no answer, error
or log holds one, nor a part of one.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from tallystick.control.callers import CallerOf, PartsOf, actor_of
from tallystick.control.credential_document import credential_document, credential_documents
from tallystick.control.figures import answer
from tallystick.control.problems import Problem
from tallystick.control.roles import CREDENTIAL_NAMES
from tallystick.core.secret import Secret
from tallystick.stores.sql.directory import organization
from tallystick.stores.sql.vault import VALUE_CHARS_MAX

ProviderId = Annotated[str, Path(max_length=64)]
Name = Annotated[str, Path(max_length=64)]


class NewCredential(BaseModel):
    """A provider's key to seal."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    value: Annotated[SecretStr, Field(min_length=1, max_length=VALUE_CHARS_MAX)]


class CredentialName(BaseModel):
    """That a credential is held: what an auditor sees of it."""

    provider: str
    name: str


class Cooling(BaseModel):
    """Until when calls are not sent with it. `model` null: whatever they ask for; `stated`: the provider said so, else it is
    a guess that only makes another credential go first."""

    model: str | None
    until: datetime
    why: str
    stated: bool


class CredentialHealth(BaseModel):
    """How a credential stands by what its calls showed, as of some seconds ago. `state`: `healthy`, `cooling` (rate limit),
    `refused` (401, 402, 403) or `failing` (the last three calls got no proper answer)."""

    state: str
    answers: int
    failures: int
    last_answer_at: datetime | None
    last_failure_at: datetime | None
    last_failure_status: int | None
    cooling: list[Cooling]


class Credential(CredentialName):
    """A stored credential, without its value. `status`: `origin_changed` where the provider's address is
    another than when it was set; it is then not used. `health`: in lists."""

    origin: str
    version: int
    status: str
    set_at: datetime
    set_by: str
    health: CredentialHealth | None = None


class Credentials(BaseModel):
    """All credentials of the organisation; there is only one page."""

    items: list[Credential | CredentialName]
    next_cursor: str | None


def routes() -> APIRouter:
    """The routes of this resource."""
    router = APIRouter(prefix="/api/credentials", tags=["credentials"])
    router.add_api_route("", list_credentials, methods=["GET"], response_model=Credentials)
    router.add_api_route("/{provider}/{name}", set_credential, methods=["PUT"], response_model=Credential)
    router.add_api_route("/{provider}/{name}", remove_credential, methods=["DELETE"], response_model=Credential)
    return router


def list_credentials(parts: PartsOf, caller: CallerOf) -> Response:
    """All sealed credentials by provider and name."""
    here = organization(parts.database, caller.organization)
    documents = credential_documents(parts.vault, here.id, parts.clock.now_us())
    if caller.cell == "names":
        documents = [{name: document[name] for name in CREDENTIAL_NAMES} for document in documents]
    return answer({"items": documents, "next_cursor": None})


def set_credential(parts: PartsOf, caller: CallerOf, provider: ProviderId, name: Name, new: NewCredential) -> Response:
    """Seal a credential for the provider's present address; one of that name is replaced."""
    here = organization(parts.database, caller.organization)
    value = Secret(new.value.get_secret_value())
    stored = parts.vault.set(here.id, provider, name, value, parts.clock.now_us(), actor_of(caller))
    parts.credentials.poll()
    return answer(credential_document(parts.vault, stored))


def remove_credential(parts: PartsOf, caller: CallerOf, provider: ProviderId, name: Name) -> Response:
    """Remove a credential for good."""
    here = organization(parts.database, caller.organization)
    stored = parts.vault.remove(here.id, provider, name, parts.clock.now_us(), actor_of(caller))
    if stored is None:
        raise Problem(404, "not_found", "There is no such credential.")
    parts.credentials.poll()
    return answer(credential_document(parts.vault, stored))
