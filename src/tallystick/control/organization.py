"""The organisation one is signed in to: its name, and the zone whose days all its figures are of."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from tallystick.control import Parts
from tallystick.control.callers import CallerOf, PartsOf
from tallystick.control.lost_password import sends_mail
from tallystick.core.identity import VALUE_CHARS_MAX
from tallystick.stores.sql.directory import organization
from tallystick.stores.sql.organizations import rename_organization

CURRENCY: Final = "USD"                      # of every amount; a budget may be set in another one


class OrganizationShown(BaseModel):
    """An organisation. `organization` is what addresses and commands call it; `currency`: what amounts are in; `mails`: whether
    the installation can send mail, so that invitations and lost passwords go by it."""

    organization: str
    name: str
    zone: str
    currency: str
    mails: bool


class OrganizationName(BaseModel):
    """What people see it called."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=VALUE_CHARS_MAX)]


def routes() -> APIRouter:
    """The routes of this resource."""
    router = APIRouter(prefix="/api/organization", tags=["organization"])
    router.add_api_route("", read, methods=["GET"])
    router.add_api_route("", rename, methods=["PATCH"])
    return router


def read(parts: PartsOf, caller: CallerOf) -> OrganizationShown:
    """The caller's organisation."""
    return _shown(parts, caller.organization)


def rename(parts: PartsOf, caller: CallerOf, asked: OrganizationName) -> OrganizationShown:
    """Call the organisation otherwise. Its short name and its zone stay: addresses hold the one, days and months the other."""
    rename_organization(parts.database, organization(parts.database, caller.organization).id, asked.name.strip())
    return _shown(parts, caller.organization)


def _shown(parts: Parts, slug: str) -> OrganizationShown:
    here = organization(parts.database, slug)
    return OrganizationShown(organization=here.slug, name=here.name, zone=here.zone, currency=CURRENCY, mails=sends_mail(parts))
