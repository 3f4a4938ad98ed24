"""`tallystick connect CLIENT`: what a client needs to come to this gateway, with your address and key in it; with `--write`
put into the tool's own settings file, after showing what would change. One data file, shared with the console.
"""

from __future__ import annotations

import difflib
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from tallystick.cli.answers import AsJson, Config, Data, fail, print_json, print_table
from tallystick.cli.client_options import (
    Agent, CostCenter, Environment, Gateway, Key, NewKey, Project, Prompt, Sandbox, Session, Tags, Team, Token, User, address_of,
    filling_of, headers_of, made_key,
)
from tallystick.connect.clients import Client, Form, found, shipped
from tallystick.connect.filling import KEY_SHOWN, Filling, Unfit, environment, exports, filled
from tallystick.connect.merging import merged

TESTED = {
    "run": "run by our tests", "read": "file read by our tests, tool not run", "documented": "documented, not run",
}
_NAMES = "curl, openai-python, claude-code …"


def connect(
    client: Annotated[str | None, typer.Argument(metavar="CLIENT", help=_NAMES)] = None,
    listed: Annotated[bool, typer.Option("--list", help="List the clients.")] = False,
    write: Annotated[bool, typer.Option("--write", help="Put it into the tool's settings file, after showing what would change.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="With --write: do not ask.")] = False,
    model: Annotated[str | None, typer.Option(help="The model in the example.")] = None,
    gateway: Gateway = None, key: Key = None, new_key: NewKey = False, token: Token = None,
    team: Team = None, project: Project = None, user: User = None, agent: Agent = None, env: Environment = None,
    cost_center: CostCenter = None, prompt: Prompt = None, session: Session = None, tags: Tags = None, sandbox: Sandbox = False,
    as_json: AsJson = False, data: Data = None, config: Config = None,
) -> None:
    """Show what a client needs to use this gateway: code, variables, settings file. Without a key, YOUR_KEY stands there."""
    clients = shipped()
    if listed or client is None:
        _list(clients, as_json=as_json)
        return
    which = found(clients, client)
    if which is None:
        close = difflib.get_close_matches(client, [one.id for one in clients], 1)
        fail(f"There is no client {client!r}; {f'did you mean {close[0]}? ' if close else ''}`tallystick connect --list` shows them.")
    labels = {"team": team, "project": project, "user": user, "agent": agent, "environment": env, "cost_center": cost_center}
    address = address_of(gateway, data, config)
    headers = headers_of(labels, session, prompt, tags or [], sandbox=sandbox)
    filling = filling_of(address, key or KEY_SHOWN, headers, model)
    if new_key:
        filling = filling_of(address, made_key(address, token, labels, f"connect {which.id}", ends=False), headers, model)
    if write:
        _write(which, filling, yes=yes)
    elif as_json:
        print_json(_document(which, filling))
    else:
        sys.stdout.write(_page(which, filling))


def _list(clients: tuple[Client, ...], *, as_json: bool) -> None:
    rows = [{"id": one.id, "name": one.name, "group": one.group, "tested": min((form.tested for form in one.forms), key=list(TESTED).index)}
            for one in clients]
    if as_json:
        print_json(rows)
        return
    print_table("", ("client", "name", "group", "tested"), [(row["id"], row["name"], row["group"], TESTED[row["tested"]]) for row in rows])
    print("tallystick connect CLIENT shows what one needs.")


def _document(client: Client, filling: Filling) -> dict[str, object]:
    return {
        "id": client.id, "name": client.name, "install": client.install, "environment": environment(client, filling),
        "unset": list(client.unset), "attribution": client.attribution, "caveats": list(client.caveats),
        "forms": [{"title": form.title, "language": form.language, "file": form.file, "tested": form.tested, "text": filled(form, filling)}
                  for form in client.forms],
    }


def _page(client: Client, filling: Filling) -> str:
    """The client for a person who copies from a terminal."""
    parts = [f"# {client.name}\n"]
    if client.install:
        parts.append(f"{client.install}\n")
    for form in client.forms:
        where = f", {form.file}" if form.file else ""
        parts.append(f"## {form.title}{where} ({TESTED[form.tested]})\n\n{filled(form, filling)}")
    if variables := exports(client, filling):
        note = " (over HTTPS only)" if client.https_only else ""
        parts.append(f"## From the environment{note}\n\n{variables}")
    parts.append(f"## What a call is for\n\n{client.attribution}\n")
    parts.append("## Look out\n\n" + "".join(f"- {caveat}\n" for caveat in client.caveats))
    return "\n".join(parts)


def _write(client: Client, filling: Filling, *, yes: bool) -> None:
    form = next((form for form in client.forms if form.write), None)
    if form is None or form.file is None or form.write is None:
        fail(f"{client.name} has no settings file that we know how to write; without --write it is shown.")
    if "«key»" in form.text and filling.key == KEY_SHOWN:
        fail("It wants a key: --key, TALLYSTICK_KEY, or --new-key with a personal access token.")
    path = Path(form.file).expanduser()
    try:
        old = path.read_text(encoding="utf-8") if path.exists() else ""
        new = merged(old, _ours(form, filling, old), form.write)
    except (OSError, UnicodeDecodeError, Unfit) as reason:
        fail(f"{path} was left alone. {reason}")
    if new == old:
        print(f"{path} says so already.")
        return
    shown = difflib.unified_diff(_masked(old, filling), _masked(new, filling), str(path), str(path), lineterm="")
    print("\n".join(shown))
    if not yes and not (sys.stdin.isatty() and typer.confirm(f"Write {path}?")):
        fail(f"{path} was left alone; --yes writes it without asking.")
    _put(path, new)
    print(f"Written: {path}")
    if client.environment and "«key»" not in form.text:
        print(f"The key is read from the environment:\n{exports(client, filling)}", end="")


def _ours(form: Form, filling: Filling, old: str) -> str:
    """Our text; a model that the file names already stays, unless one was asked for."""
    text = filled(form, filling)
    if form.write == "toml" and old.strip() and filling.model is None:
        text = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("model = "))
    return text


def _masked(text: str, filling: Filling) -> list[str]:
    return text.replace(filling.key, f"{filling.key[:4]}…{filling.key[-4:]}" if filling.key != KEY_SHOWN else KEY_SHOWN).splitlines()


def _put(path: Path, text: str) -> None:
    """The file whole or as it was; it may hold a key, so it is its owner's alone."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    target = path.resolve()
    beside = target.with_name(f"{target.name}.tallystick-new")
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        beside.replace(target)
    except OSError as reason:
        fail(f"{path} was left alone: {reason}")
