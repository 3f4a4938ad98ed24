"""`tallystick demo`: a gateway to look at, on a directory that is gone when it stops. Every provider's address is
a closed door on this machine, so that only sandbox calls are answered and nothing can be billed; the
ninety days it shows are invented and marked (`sample_company.py`). It listens on loopback only.
"""

from __future__ import annotations

import shutil
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from tallystick.cli.answers import fail

if TYPE_CHECKING:
    from tallystick.config import Settings

HOST: Final = "127.0.0.1"
EMAIL: Final = "admin@local"
_CLOSED: Final = "http://127.0.0.1:9"        # port 9 (discard): nothing listens
_WELCOME: Final = """
Tallystick demo: {calls:,} invented calls of the past 90 days, each with the tag and dimension `sample`. Providers are the sandbox only.

  Address   {url}
  Sign in   {url}/login?email={email}
  Login     {email}
  Password  {password}          (made for this run)
  Data      {data}          (removed when the demo stops)

  curl -s {url}/api/auth/token -d 'username={email}&password={password}'
  curl -i {url}/v1/chat/completions -H 'X-Tallystick-Key: {key}' -H 'X-Tallystick-Sandbox: true' \\
    -H 'Content-Type: application/json' -d '{{"model":"gpt-4o-mini","messages":[{{"role":"user","content":"Hello"}}]}}'
  tallystick export calls-csv --data {data}
"""


def demo(port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8000) -> None:
    """Serve on a throw-away directory with a sandbox and ninety days of invented, marked calls."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))            # until the server takes over: clean up here too
    port = _free(port)
    print("Making ninety days of sample calls …", file=sys.stderr, flush=True)
    folder = Path(tempfile.mkdtemp(prefix="tallystick-demo-"))
    try:
        settings = _settings(folder, port)
        key, password, calls = _furnish(settings)
        print(_WELCOME.format(url=f"http://{HOST}:{port}", email=EMAIL, password=password, key=key, data=folder, calls=calls), flush=True)
        from tallystick import app

        code = app.serve(settings)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if code:
        raise typer.Exit(code)


def _free(port: int) -> int:
    """The port, or a free one for 0; ends the command where it is taken."""
    try:
        with socket.create_server((HOST, port)) as tried:
            return int(tried.getsockname()[1])
    except OSError as reason:
        fail(f"port {port} cannot be had ({reason.strerror}); try --port 0.")


def _settings(folder: Path, port: int) -> Settings:
    """Made here, not read: no file or variable of the machine may bring in a real provider."""
    from tallystick.config import ProviderSettings, Server, Settings
    from tallystick.providers import PROVIDERS

    return Settings(
        server=Server(host=HOST, port=port), data=folder,
        providers={provider.id: ProviderSettings(base_url=_CLOSED) for provider in PROVIDERS})


def _furnish(settings: Settings) -> tuple[str, str, int]:
    """An administrator, a key for each sample project, their ninety days and the rules over them. Returns a key's text for trying, the
    password, and how many calls there are."""
    from secrets import token_bytes, token_urlsafe

    from tallystick.cli import sample_calls, sample_rules
    from tallystick.cli.sample_company import PROJECTS
    from tallystick.control.passwords import hash_password
    from tallystick.core.identity import Principal
    from tallystick.stores.price_files import open_book
    from tallystick.stores.secrets import open_secrets
    from tallystick.stores.sql import accounts
    from tallystick.stores.sql.directory import Directory, KeySpec
    from tallystick.stores.sql.engine import DEFAULT, open_database
    from tallystick.stores.sql.journal import Sequencer

    clock = sample_calls.HandClock(time.time_ns() // 1000 - sample_calls.SPAN_US)
    secrets = open_secrets(settings.data)
    database = open_database(settings.data, clock.now_us())
    password = token_urlsafe(12)
    try:
        accounts.add_first_owner(database, token_urlsafe(12), EMAIL, hash_password(password), clock.now_us())
        sequencer = Sequencer(database, secrets.ledger_key)
        directory, text, callers, start_us = Directory(sequencer, secrets.pepper, token_bytes), "", {}, clock.now_us()
        for project in PROJECTS:
            labels = {"team": project.team, "project": project.name}
            spec = KeySpec(labels=labels, dimensions=sample_calls.DIMENSIONS, name=f"{project.team} {project.name}")
            row, key = directory.create_key(DEFAULT, spec, start_us)
            callers[project.team, project.name] = Principal(row.id, "default", labels, spec.dimensions)
            text = key.reveal()
        calls = sample_calls.write(settings.data, sequencer, open_book(), callers, clock)
        sample_rules.set_rules(database, sequencer, start_us, clock.now_us())
    finally:
        database.close()
    return text, password, calls
