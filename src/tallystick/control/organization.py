"""The organisation one is signed in to: its name, and the zone whose days all its figures are of."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel

from tallystick.control.callers import CallerOf, PartsOf
from tallystick.stores.sql.directory import organization


class OrganizationShown(BaseModel):
    """An organisation. `organization` is what addresses and commands call it."""

    organization: str
    name: str
    zone: str


def routes() -> APIRouter:
    """The routes of this resource."""
    router = APIRouter(prefix="/api/organization", tags=["organization"])
    router.add_api_route("", read, methods=["GET"])
    return router


def read(parts: PartsOf, caller: CallerOf) -> OrganizationShown:
    """The caller's organisation."""
    here = organization(parts.database, caller.organization)
    return OrganizationShown(organization=here.slug, name=here.name, zone=here.zone)
