"""Prompts: what calls named, and what somebody registered beforehand; their versions, which one is active, and what each
costs. A prompt that calls name is there without being registered; registering adds versions with what they stand for,
and one of them may be active: calls that name the prompt alone are booked on it, and say that it was assumed.

What a prompt or a version cost is what `/api/aggregations/by-prompt` and `/version-comparison` say of it, to the nano.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from tallystick.control.call_document import moment
from tallystick.control.callers import Caller, CallerOf, PartsOf, actor_of
from tallystick.control.explore_document import days_asked, measures
from tallystick.control.figures import Day, answer, local
from tallystick.control.pages import LIMIT, Cursor, Limit, cursor_of, place_of
from tallystick.control.problems import Problem
from tallystick.core.identity import NAME_CHARS_MAX, VALUE_CHARS_MAX
from tallystick.stores.sql.breakdown import Question, Total, broken_down
from tallystick.stores.sql.breakdown_names import Filter
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.directory import Organization, organization
from tallystick.stores.sql.library import list_approved
from tallystick.stores.sql.prompts import (
    Prompt, PromptVersion, VersionSpec, Words, activate, add_version, find_prompt, list_prompts, register, unregister,
)

TREND_POINTS_MAX: Final = 20
TAGS_MAX: Final = 20
Start = Annotated[Day | None, Query(description="First day, YYYY-MM-DD; without both the last 30.")]
End = Annotated[Day | None, Query(description="Last day, included.")]
Name = Annotated[str, Field(min_length=1, max_length=VALUE_CHARS_MAX, pattern=r"^[^\x00-\x1f\x7f]+$")]
Named = Annotated[str, Query(alias="prompt_key", min_length=1, max_length=VALUE_CHARS_MAX)]


Tag = Annotated[str, Field(min_length=1, max_length=NAME_CHARS_MAX, pattern=r"^[^\x00-\x1f\x7f]+$")]


class Registered(BaseModel):
    """A prompt to register, or all that is said of it from now on. `owner`: whom to ask about it."""

    model_config = ConfigDict(extra="forbid")

    prompt_key: Name
    note: Annotated[str, Field(max_length=2_000)] = ""
    owner: Annotated[str, Field(max_length=VALUE_CHARS_MAX)] = ""
    tags: Annotated[list[Tag], Field(max_length=TAGS_MAX)] = []


class NewVersion(BaseModel):
    """A version. Without a name it gets the next number."""

    model_config = ConfigDict(extra="forbid")

    prompt_key: Name
    version: Name | None = None
    model: Annotated[str | None, Field(max_length=VALUE_CHARS_MAX)] = None
    temperature: Annotated[str | None, Field(pattern=r"^\d{1,3}(\.\d{1,6})?$")] = None
    max_tokens: Annotated[int | None, Field(ge=1, le=10_000_000)] = None
    note: Annotated[str, Field(max_length=2_000)] = ""
    active: bool = False


class Activated(BaseModel):
    """The version to book calls on that name none; null: they stay without."""

    model_config = ConfigDict(extra="forbid")

    prompt_key: Name
    version: Name | None


class CallFigures(BaseModel):
    """What some calls came to; the mean latency is of attempts, in microseconds."""

    model_config = ConfigDict(extra="allow")

    requests: int
    attempts: int
    errors: int
    input_tokens: int
    output_tokens: int
    cost_nanos: int
    cost_usd: str
    cost_per_request_nanos: int | None
    latency_mean_us: int | None


class PromptShown(CallFigures):
    """A prompt and what its calls came to. `registered`: by somebody, not only named by calls. `approved`: its versions that are in
    the library."""

    prompt_key: str
    registered: bool
    active_version: str | None
    versions: int
    owner: str
    tags: list[str]
    approved: list[str]


class PromptListed(PromptShown):
    """`before_nanos`: what as many days before came to. `trend`: the range in up to 20 stretches, what each cost in nanos."""

    before_nanos: int
    trend: list[int]


class Prompts(BaseModel):
    """A page of prompts, dearest first. `unnamed`: the calls that name none; `matching`: how many prompts there are in all."""

    items: list[PromptListed]
    matching: int
    unnamed: CallFigures
    next_cursor: str | None


class VersionShown(CallFigures):
    """A version, registered or only named by calls (null: calls that name none), and what its calls came to."""

    version: str | None
    registered: bool
    active: bool
    model: str | None
    temperature: str | None
    max_tokens: int | None
    note: str
    created_at: datetime | None
    created_by: str | None
    activated_at: datetime | None


class OnePrompt(PromptShown):
    """A prompt with its versions, newest first."""

    note: str
    created_at: datetime | None
    created_by: str | None
    version_list: list[VersionShown]


def routes() -> APIRouter:
    """The routes of this resource."""
    router = APIRouter(prefix="/api/prompts", tags=["prompts"])
    router.add_api_route("", list_all, methods=["GET"], response_model=Prompts)
    router.add_api_route("", register_one, methods=["PUT"], response_model=OnePrompt)
    router.add_api_route("", forget, methods=["DELETE"], status_code=204)
    router.add_api_route("/one", read_one, methods=["GET"], response_model=OnePrompt)
    router.add_api_route("/versions", new_version, methods=["POST"], response_model=OnePrompt, status_code=201)
    router.add_api_route("/active", set_active, methods=["PUT"], response_model=OnePrompt)
    return router


def list_all(
    parts: PartsOf, caller: CallerOf, start: Start = None, end: End = None,
    contains: Annotated[str, Query(max_length=VALUE_CHARS_MAX, description="In the key, the owner or a tag, in any case.")] = "",
    limit: Limit = LIMIT, cursor: Cursor = None,
) -> Response:
    """Prompts with what their calls came to, dearest first, the registered ones without calls at the end."""
    here, days = _days(parts, caller, start, end)
    sought = contains.casefold()
    with parts.database.read() as db:
        books = _Books(db, here.id, caller)
        used = books.totals(days)
        known = {prompt.name: prompt for prompt in list_prompts(db, here.id)}
        approved = _approved(db, here.id)
        named = [name for name in {*used, *known} if name is not None and _has(sought, name, known.get(name))]
        ranks = sorted((-used.get(name, Total()).cost_nanos, name) for name in named)
        if cursor:
            cost_nanos, last = place_of(cursor)
            ranks = [rank for rank in ranks if rank > (-cost_nanos, last)]
        shown = [name for _, name in ranks[:limit]]
        before, trends = books.before(days, shown), books.trends(days, shown)
    items = [{**_summary(name, known.get(name), used.get(name, Total()), approved), "before_nanos": before.get(name, Total()).cost_nanos,
              "trend": [stretch.get(name, Total()).cost_nanos for stretch in trends]} for name in shown]
    return answer({
        "items": items, "matching": len(named), "unnamed": _figures(used.get(None, Total())),
        "next_cursor": cursor_of(-ranks[limit - 1][0], shown[-1]) if len(ranks) > limit else None,
    })


class _Books:
    """What prompts' calls come to, as far as the caller sees them."""

    def __init__(self, db: Connection, organization_id: int, caller: Caller) -> None:
        self._db = db
        self._organization = organization_id
        self._sight = caller.sight

    def totals(self, days: tuple[int, int], names: list[str] | None = None) -> dict[str | None, Total]:
        """By prompt: all of them, or those named."""
        filters = (Filter("prompt_key", "is", tuple(names)),) if names is not None else ()
        question = Question(*days, ("prompt_key",), filters=filters, sight=self._sight)
        return {group[0]: total for (_, group), total in broken_down(self._db, self._organization, question).items()}

    def before(self, days: tuple[int, int], names: list[str]) -> dict[str | None, Total]:
        """Of as many days right before."""
        first, last = days
        return self.totals((2 * first - last - 1, first - 1), names)

    def trends(self, days: tuple[int, int], names: list[str]) -> list[dict[str | None, Total]]:
        """The days in stretches of one length, the last one maybe shorter."""
        first, last = days
        length = -(-(last - first + 1) // TREND_POINTS_MAX)
        return [self.totals((begin, min(begin + length - 1, last)), names) for begin in range(first, last + 1, length)]


def read_one(parts: PartsOf, caller: CallerOf, name: Named, start: Start = None, end: End = None) -> Response:
    """One prompt with its versions. 404 where nobody registered it and no call one may see named it in these days."""
    here, days = _days(parts, caller, start, end)
    with parts.database.read() as db:
        return answer(_whole(db, here, caller, name, days))


def register_one(parts: PartsOf, caller: CallerOf, asked: Registered) -> Response:
    """Register a prompt, or change what is said of it."""
    here, days = _days(parts, caller, None, None)
    words = Words(asked.note, asked.owner, tuple(dict.fromkeys(asked.tags)))
    with parts.database.write() as db:
        register(db, here.id, asked.prompt_key, words, parts.clock.now_us(), actor_of(caller))
        return answer(_whole(db, here, caller, asked.prompt_key, days))


def new_version(parts: PartsOf, caller: CallerOf, asked: NewVersion) -> Response:
    """Add a version; 409 where there is one of that name."""
    here, days = _days(parts, caller, None, None)
    with parts.database.write() as db:
        version = asked.version or _next(find_prompt(db, here.id, asked.prompt_key))
        spec = VersionSpec(version, asked.model, asked.temperature, asked.max_tokens, asked.note)
        add_version(db, here.id, asked.prompt_key, spec, parts.clock.now_us(), actor_of(caller))
        if asked.active:
            activate(db, here.id, asked.prompt_key, version, parts.clock.now_us())
        reply = answer(_whole(db, here, caller, asked.prompt_key, days))
    reply.status_code = 201
    return reply


def set_active(parts: PartsOf, caller: CallerOf, asked: Activated) -> Response:
    """Choose what calls are booked on that name the prompt and no version."""
    here, days = _days(parts, caller, None, None)
    with parts.database.write() as db:
        activate(db, here.id, asked.prompt_key, asked.version, parts.clock.now_us())
        return answer(_whole(db, here, caller, asked.prompt_key, days))


def forget(parts: PartsOf, caller: CallerOf, name: Named) -> Response:
    """Forget what was registered of a prompt. Its calls stay what they are."""
    here = organization(parts.database, caller.organization)
    with parts.database.write() as db:
        unregister(db, here.id, name)
    return Response(status_code=204)


def _days(parts: PartsOf, caller: Caller, start: date | None, end: date | None) -> tuple[Organization, tuple[int, int]]:
    here = organization(parts.database, caller.organization)
    return here, days_asked(start, end, local(parts.clock.now_us(), here.zone).date())


def _whole(db: Connection, here: Organization, caller: Caller, name: str, days: tuple[int, int]) -> dict[str, Any]:
    known = find_prompt(db, here.id, name)
    question = Question(*days, ("prompt_version",), filters=(Filter("prompt_key", "is", (name,)),), sight=caller.sight)
    used = {group[0]: total for (_, group), total in broken_down(db, here.id, question).items()}
    if known is None and not used:
        raise Problem(404, "not_found", "There is no such prompt.")
    whole = Total()
    for total in used.values():
        whole.merge(total)
    registered = {one.spec.version: one for one in known.versions} if known else {}
    versions = sorted({*used, *registered}, key=_newest_first)
    return {**_summary(name, known, whole, _approved(db, here.id)), "versions": len(versions), "note": known.words.note if known else "",
            "created_at": moment(known.created_us) if known else None, "created_by": known.created_by if known else None,
            "version_list": [_version(version, registered.get(version or ""), used.get(version, Total())) for version in versions]}


def _approved(db: Connection, organization_id: int) -> dict[str, list[str]]:
    """The versions that are in the library, by prompt."""
    found: dict[str, list[str]] = {}
    for one in list_approved(db, organization_id):
        found.setdefault(one.prompt, []).append(one.version)
    return found


def _summary(name: str, known: Prompt | None, total: Total, approved: dict[str, list[str]]) -> dict[str, Any]:
    return {"prompt_key": name, "registered": known is not None, "active_version": known.active if known else None,
            "versions": len(known.versions) if known else 0, "owner": known.words.owner if known else "",
            "tags": known.words.tags if known else (), "approved": approved.get(name, []), **_figures(total)}


def _has(sought: str, name: str, known: Prompt | None) -> bool:
    """Whether this text (case folded) is in the key, the owner or a tag."""
    words = (name, known.words.owner, *known.words.tags) if known else (name,)
    return any(sought in word.casefold() for word in words)


def _version(version: str | None, known: PromptVersion | None, total: Total) -> dict[str, Any]:
    spec = known.spec if known else VersionSpec("")
    return {"version": version, "registered": known is not None, "active": known is not None and known.active,
            "model": spec.model, "temperature": spec.temperature, "max_tokens": spec.max_tokens, "note": spec.note,
            "created_at": moment(known.created_us) if known else None, "created_by": known.created_by if known else None,
            "activated_at": moment(known.activated_us) if known else None, **_figures(total)}


def _figures(total: Total) -> dict[str, Any]:
    figures = measures(total, (), "cost_per_request")
    return {**{name: figures[name] for name in figures if name not in ("value", "values")}, "cost_per_request_nanos": figures["value"]}


def _next(known: Prompt | None) -> str:
    """The number after the largest."""
    numbers = [int(one.spec.version) for one in known.versions if _is_number(one.spec.version)] if known else []
    return str(max(numbers, default=0) + 1)


def _newest_first(version: str | None) -> tuple[int, int, str]:
    """Numbers from the largest down, then words, then none."""
    if version is None:
        return 2, 0, ""
    return (0, -int(version), "") if _is_number(version) else (1, 0, version)


def _is_number(version: str) -> bool:
    return version.isascii() and version.isdigit() and len(version) < 10
