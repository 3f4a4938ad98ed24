"""The clients that can be pointed at the gateway, as `clients.toml` has them. What is unknown or missing there is an error
when it is read, so that a test of the shipped file is a test of its form.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib.resources import files
from typing import Any, Final, Literal

Group = Literal["http", "library", "framework", "tool"]
Tested = Literal["run", "read", "documented"]
Write = Literal["json", "toml", "dotenv"]
GROUPS: Final[Mapping[Group, str]] = {"library": "Libraries", "framework": "Frameworks", "http": "HTTP", "tool": "Tools"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """One text: a program, a settings file or steps. Its fields are explained at the top of `clients.toml`."""

    title: str
    language: str
    provider: str
    address: str
    model: str
    tested: Tested
    text: str
    model_prefix: str = ""
    body: str = ""
    file: str | None = None
    write: Write | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """One client: what it takes, and what to look out for."""

    id: str
    name: str
    group: Group
    attribution: str
    caveats: tuple[str, ...]
    page: str
    forms: tuple[Form, ...]
    install: str | None = None
    command: str | None = None
    environment: Mapping[str, str]
    unset: tuple[str, ...] = ()
    https_only: bool = False


def shipped() -> tuple[Client, ...]:
    """The clients of this release."""
    return read(files(__name__.rpartition(".")[0]).joinpath("clients.toml").read_text(encoding="utf-8"))


def read(text: str) -> tuple[Client, ...]:
    """Clients from the file's text, in its order. Raises ValueError (TOML), TypeError (a field unknown or missing)."""
    return tuple(_client(dict(entry)) for entry in tomllib.loads(text)["client"])


def _client(entry: dict[str, Any]) -> Client:
    forms = tuple(Form(**form) for form in entry.pop("form"))
    caveats, unset = tuple(entry.pop("caveats")), tuple(entry.pop("unset", ()))
    return Client(forms=forms, caveats=caveats, unset=unset, environment=dict(entry.pop("environment", {})), **entry)


def found(clients: tuple[Client, ...], name: str) -> Client | None:
    """The client of this id, or of this name in any case."""
    wanted = name.casefold()
    return next((client for client in clients if wanted in (client.id, client.name.casefold())), None)


def document(clients: tuple[Client, ...]) -> list[dict[str, Any]]:
    """The same as JSON has it, for the console."""
    return [_plain(client) | {"forms": [_plain(form) for form in client.forms]} for client in clients]


def _plain(noun: Client | Form) -> dict[str, Any]:
    values = {field.name: getattr(noun, field.name) for field in fields(noun)}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
