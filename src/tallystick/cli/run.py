"""`tallystick run -- CMD`: one command whose clients all come to this gateway, by their variables. The command takes this
process's place, so that its exit code, its signals and its terminal are its own. The key goes into its environment and
nowhere else.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Annotated, Final

import typer

from tallystick import config as settings_file
from tallystick.cli.answers import Config, Data, fail
from tallystick.cli.client_options import (
    Agent, CostCenter, Environment, Gateway, Key, NewKey, Project, Prompt, Sandbox, Session, Tags, Team, Token, User, address_of,
    filling_of, headers_of, made_key,
)
from tallystick.connect.clients import Client, found, shipped
from tallystick.connect.filling import Filling, environment

_CANNOT_RUN: Final = 126                     # as shells say it
_NOT_FOUND: Final = 127


def run(
    command: Annotated[list[str], typer.Argument(metavar="CMD", help="The command and its arguments, after --.")],
    client: Annotated[list[str] | None, typer.Option(
        "--client", metavar="CLIENT", help="Only this client's variables [all; a tool's own].")] = None,
    gateway: Gateway = None, key: Key = None, new_key: NewKey = False, token: Token = None,
    team: Team = None, project: Project = None, user: User = None, agent: Agent = None, env: Environment = None,
    cost_center: CostCenter = None, prompt: Prompt = None, session: Session = None, tags: Tags = None, sandbox: Sandbox = False,
    data: Data = None, config: Config = None,
) -> None:
    """Run one command with every client's variables pointing here. It exits as the command does."""
    program = shutil.which(command[0])
    if program is None:
        fail(f"{command[0]}: there is no such command.", _NOT_FOUND)
    chosen = _chosen(client or [], Path(command[0]).name)
    labels = {"team": team, "project": project, "user": user, "agent": agent, "environment": env, "cost_center": cost_center}
    address = address_of(gateway, data, config)
    headers = headers_of(labels, session, prompt, tags or [], sandbox=sandbox)
    filling_of(address, key or "-", headers)
    if new_key:
        key = made_key(address, token, labels, f"run {Path(command[0]).name}", ends=True)
    if key is None:
        fail("Whose key? --key, TALLYSTICK_KEY, or --new-key with a personal access token.")
    try:
        os.execve(program, command, _variables(chosen, filling_of(address, key, headers)))  # noqa: S606 (the person's own command)
    except OSError as reason:
        fail(f"{command[0]}: {reason.strerror}.", _CANNOT_RUN)


def _chosen(names: list[str], program: str) -> tuple[Client, ...]:
    """The clients whose variables are set: those named, else the one that this program is, else all."""
    clients = shipped()
    for name in names:
        if found(clients, name) is None:
            fail(f"There is no client {name!r}; `tallystick connect --list` shows them.")
    if names:
        return tuple(client for name in names if (client := found(clients, name)) is not None)
    return tuple(client for client in clients if client.command == program) or clients


def _variables(clients: tuple[Client, ...], filling: Filling) -> dict[str, str]:
    """This process's environment, with the clients' variables in it: where two of them say one differently, the first's."""
    over_tls = filling.gateway.startswith("https://")
    ours: dict[str, str] = {}
    gone: set[str] = set()
    for client in clients:
        if over_tls or not client.https_only:
            ours = environment(client, filling) | ours
            gone |= set(client.unset)
    inherited = {name: value for name, value in settings_file.own_environment().items() if name not in gone and name not in OWN}
    return inherited | ours


OWN: Final = frozenset({"TALLYSTICK_KEY", "TALLYSTICK_TOKEN"})
"""What a command does not inherit: the key comes to it in its clients' variables, the token not at all."""
