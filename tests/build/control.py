"""An installation with its API in memory: a real database in a folder, a clock that stands still, and a
client that speaks to the application without a socket. Calls are booked through the ledger's own pen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any, Literal

import httpx
from fastapi import FastAPI

from tallystick.control import Parts, build
from tallystick.control.first_start import setup_path
from tallystick.control.passwords import hash_password
from tallystick.control.roles import RoleName
from tallystick.core.attempt import Admission, Line, Refusal, Settlement
from tallystick.core.call import Facts
from tallystick.core.identity import Attribution
from tallystick.core.membership import OF_TEAMS, Membership, Role
from tallystick.core.usage import usage_of
from tallystick.stores.sql.accounts import add_first_owner, by_id
from tallystick.stores.sql.booking import book_admission, book_attempt, book_later_settlement, book_refusal
from tallystick.stores.sql.directory import Directory, KeySpec
from tallystick.stores.sql.engine import DEFAULT, ensure_organization, ensure_team
from tallystick.stores.sql.journal import Sequencer
from tallystick.stores.sql.members import HOST, Members, Newcomer
from tallystick.stores.sql.live_prices import LivePrices
from tallystick.stores.sql.keyring import SqlKeyring
from tallystick.stores.sql.second_factors import STEP_S, code_of
from tallystick.stores.sql.signing_out import generation_of
from tallystick.stores.sql.stored_credentials import SqlCredentials
from tallystick.stores.sql.vault import Vault
from tallystick.stores.sql.verify import Finding, verify
from tests.build.databases import open_database

EMAIL, PASSWORD = "admin@local", "correct horse battery"
PASSWORD_HASH = hash_password(PASSWORD)
ORIGINS = {"openai": "https://api.openai.com", "anthropic": "https://api.anthropic.com"}
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def us(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000


@dataclass
class Clock:
    """A clock that is set."""

    at_us: int = us(NOON)

    def now_us(self) -> int:
        return self.at_us

    def monotonic_us(self) -> int:
        return self.at_us


class Desk:
    """The installation. `admin=False`: nobody has an account yet."""

    def __init__(self, folder: Path, *, admin: bool = True, scope: Literal["all", "aggregations"] = "all") -> None:
        self.clock = Clock()
        self.database = open_database(folder, 1)
        self.sequencer = Sequencer(self.database)
        draws = count(1)
        self.directory = Directory(
            self.sequencer, b"s" * 32, lambda size: hashlib.shake_256(next(draws).to_bytes(8, "big")).digest(size))
        ids = count(2 if admin else 1)          # acc_1 is the first owner
        self.vault = Vault(self.sequencer, lambda: (b"k" * 32,), ORIGINS, self.directory.entropy)
        self.credentials = SqlCredentials(self.database, lambda: (b"k" * 32,), ORIGINS, {})
        self.parts = Parts(
            self.database, SqlKeyring(self.database, b"s" * 32, self.clock), self.clock, b"s" * 32, lambda: f"acc_{next(ids)}",
            credentials=self.credentials, vault=self.vault, stopping=lambda: True,           # streams end with what there is
            prices=LivePrices(self.database, {}), ledger_key=b"p" * 32)
        self._requests, self._people = count(1), count(1)
        if admin:
            add_first_owner(self.database, "acc_1", EMAIL, PASSWORD_HASH, 1)
        self.setup = setup_path(self.parts, None)
        self.app: FastAPI = build(self.parts, scope=scope)

    def close(self) -> None:
        self.database.close()

    def findings(self) -> list[Finding]:
        """What `verify` finds, save that nobody signs here."""
        return [finding for finding in verify(self.database, b"p" * 32).findings if finding.check != "checkpoint"]

    def client(self, bearer: str | None = None, peer: str = "127.0.0.1") -> httpx.AsyncClient:
        headers = {"authorization": f"Bearer {bearer}"} if bearer else {}
        transport = httpx.ASGITransport(app=self.app, client=(peer, 5))
        return httpx.AsyncClient(transport=transport, base_url="http://tallystick", headers=headers)

    def owner(self, organization: str = "default") -> httpx.AsyncClient:
        """A logged-in owner, without the cost of a password."""
        return self.person(self.owner_of(organization), organization)

    def second_factor(self, account: str) -> str:
        """A second factor of theirs; its secret."""
        factors = self.app.state.login.factors
        secret = factors.begin(account, self.clock.at_us)
        factors.confirm(account, code_of(secret, self.clock.at_us // 1_000_000 // STEP_S), self.clock.at_us, keep=None)
        return str(secret.reveal())

    def owner_of(self, organization: str) -> str:
        """The account of an organisation's first owner."""
        with self.database.read() as db:
            owner: str = db.execute(
                "SELECT a.id FROM account a JOIN membership m ON m.account = a.id JOIN organization o ON o.id = m.organization"
                " WHERE o.slug = ? AND m.role = 'owner' ORDER BY m.joined_us, a.id", (organization,)).fetchone()[0]
            return owner

    def other_organization(self, slug: str = "other") -> int:
        """A second organisation with an owner of its own."""
        with self.database.write() as db:
            number = ensure_organization(db, slug, slug, 1)
        self.member("owner", organization=number, email=f"owner@{slug}")
        return number

    def member(self, role: Role, *teams: str, organization: int = DEFAULT, email: str | None = None) -> str:
        """A person with this role, and the teams they need; their account's id."""
        with self.sequencer.append(self.clock.at_us) as pen:
            for team in teams:
                pen.chain(organization).define("team", team)
                ensure_team(pen.db, organization, team, 1)
        account = f"acc_{role}_{next(self._people)}"
        newcomer = Newcomer(email or f"{account}@house", "", Membership(role, frozenset(teams)), PASSWORD_HASH)
        Members(self.sequencer, lambda: account).add(organization, newcomer, self.clock.at_us, HOST)
        return account

    def bearer_of(self, role: RoleName) -> str | None:
        """What somebody in this role sends: a manager and a member of team `search`, a key of it, or nothing."""
        if role == "anyone":
            return None
        if role == "key":
            return self.key(team="search")[1]
        account = self.member(role, *(("search",) if role in OF_TEAMS else ()))
        return self.login(account, "default")

    def login(self, account: str, organization: str) -> str:
        """A login token, without the cost of a password."""
        with self.database.read() as db:
            generation = generation_of(db, account)
        token: str = self.app.state.tokens.sign(account, organization, self.clock.at_us // 1_000_000, generation)
        return token

    def session_of(self, organization: str) -> str:
        """A session of an organisation's owner, in a browser; its id."""
        with self.sequencer.append(self.clock.at_us) as pen:
            account = by_id(pen.db, self.owner_of(organization), organization)
            assert account is not None
            session, _ = self.app.state.sessions.open(pen, account, "Firefox on Linux")
        return str(session.id)

    def person(self, account: str, organization: str = "default") -> httpx.AsyncClient:
        """Them, logged in, without the cost of a password."""
        return self.client(self.login(account, organization))

    def key(self, organization: int = DEFAULT, owner: str | None = None, **labels: str) -> tuple[str, str]:
        """(id, text) of a new key."""
        row, key = self.directory.create_key(organization, KeySpec(labels=labels, owner=owner), self.clock.at_us)
        return row.id, key.reveal()

    def admission(self, at_us: int | None = None, **more: Any) -> Admission:
        """An admission with defaults that read well."""
        labels: Mapping[str, str] = more.pop("labels", {})
        attribution = more.pop("attribution", None) or Attribution(more.pop("key_id", "key1"), more.pop("organization", "default"), labels)
        given: dict[str, Any] = {
            "provider": "openai", "operation": "chat", "dialect": "openai_chat", "model": "gpt-4o-mini", "facts": Facts(),
            "body_bytes": 100, "input_bound": 2_000, "hold_nanos": 9_000_000, "hold_priced": True, "billable": True, **more,
        }
        request_id = given.pop("request_id", None) or f"req_{next(self._requests):032x}"
        return Admission(request_id, 1, self.clock.at_us if at_us is None else at_us, attribution, **given)

    def book(self, cost_nanos: int = 1_500_000, at_us: int | None = None, settled: Mapping[str, Any] | None = None, **more: Any) -> str:
        """One settled call of so many nanos; its id."""
        admission = self.admission(at_us, **more)
        with self.sequencer.append(self.clock.at_us) as pen:
            book_attempt(pen, admission, self.settlement(admission, cost_nanos, **(settled or {})), describe)
        return admission.request_id

    def settlement(self, admission: Admission, cost_nanos: int, **more: Any) -> Settlement:
        given: dict[str, Any] = {
            "outcome": "completed", "method": "priced", "basis": "usage", "status": 200, "model": "gpt-4o-mini-2024-07-18",
            "usage": usage_of(input_text=1_000, output_text=100), "latency_us": 250_000, "first_byte_us": 90_000,
            "lines": (Line("input_text", 1_000, "openai:gpt-4o-mini:input_text", Decimal(cost_nanos).scaleb(-6), 1_000_000),), **more,
        }
        return Settlement(admission.request_id, admission.attempt, admission.at_us + 250_000, cost_nanos=cost_nanos, **given)

    def admit(self, **more: Any) -> Admission:
        """An admission whose settlement is still to come."""
        admission = self.admission(**more)
        with self.sequencer.append(self.clock.at_us) as pen:
            book_admission(pen, admission)
        return admission

    def settle(self, admission: Admission, cost_nanos: int) -> None:
        with self.sequencer.append(self.clock.at_us) as pen:
            book_later_settlement(pen, self.settlement(admission, cost_nanos), describe)

    def refuse(self, code: str = "outside_key_scope", budget: Mapping[str, str] | None = None, *, policy: int | None = None,
               ago_s: int = 0, organization: str = "default", **labels: str) -> str:
        request_id = f"req_{next(self._requests):032x}"
        refusal = Refusal(request_id, self.clock.at_us - ago_s * 1_000_000, organization, code, 403,
                          Attribution("key1", organization, labels), "openai", "chat", budget=budget or {}, policy=policy)
        with self.sequencer.append(self.clock.at_us) as pen:
            book_refusal(pen, refusal)
        return request_id


def describe(row: str) -> Mapping[str, str]:
    """What a test's price rows say of themselves."""
    return {"source": "a price list", "valid_from": "2026-01-01"} if row else {}
