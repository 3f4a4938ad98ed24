"""Who is measured, in one literal tuple. A peer starts on a free port in a folder of its own, pinned
to the proxy's core, in front of the provider it is given; adding one is one function and one row.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bench.load import installs
from bench.load.measure import LOAD_CORE, PROXY_CORE, Target, chat_request
from tests.mini_upstream import bench_reply

CHAT = "/v1/chat/completions"
ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 180.0                               # LiteLLM takes a quarter of a minute to start alone


@dataclass(frozen=True)
class Peer:
    """`command`: folder, port, provider URL → what to run and where to send the load. `slow`: under a
    thousand calls a second, so it gets a counted number of calls, all of which are waited for."""

    name: str
    what: str
    command: Callable[[Path, int, str], tuple[list[str], Target]]
    streams: bool = True
    slow: bool = False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(peer: Peer, folder: Path, provider_url: str) -> Iterator[tuple[Target, float]]:
    """The peer, once it has served a call, and the seconds that took; ended with its group."""
    folder.mkdir(parents=True)
    port = free_port()
    command, target = peer.command(folder, port, provider_url)
    if not command:
        yield target, 0.0
        return
    begun = time.perf_counter()
    with started(command, PROXY_CORE, folder / "log") as pid:
        ready = Target(target.url, target.headers, pid)
        first_call(ready, folder / "log")
        yield ready, time.perf_counter() - begun


@contextmanager
def started(command: list[str], core: str, log: Path) -> Iterator[int]:
    """A process group on one core, its output in a file."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}/src:{ROOT}"}
    with log.open("wb") as out:
        process = subprocess.Popen(["taskset", "-c", core, *command], stdout=out, stderr=out, cwd=ROOT, env=environment,
                                   start_new_session=True)
    try:
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        with suppress(ProcessLookupError):       # workers that outlived it
            os.killpg(process.pid, signal.SIGKILL)


def first_call(target: Target, log: Path) -> None:
    """Wait until a call is answered. Raises RuntimeError with the end of the log."""
    ends_at = time.monotonic() + PATIENCE_S
    answered = ""
    while time.monotonic() < ends_at:
        request = urllib.request.Request(target.url, chat_request(stream=False),
                                         {"Content-Type": "application/json", **target.headers})
        try:
            with urllib.request.urlopen(request, timeout=5) as reply:
                if reply.status == 200 and _text(reply.read()) == _text(bench_reply()):
                    return
        except urllib.error.HTTPError as error:
            answered = f"{error.code} {error.read()[:300]!r}"
        except OSError:
            pass
        time.sleep(0.01)
    raise RuntimeError(f"{target.url} did not serve a call. {answered}\n{log.read_text()[-2000:]}")


def _text(body: bytes) -> str:
    """What the model said. Some peers write the rest of a reply anew."""
    return str(json.loads(body)["choices"][0]["message"]["content"])


# --- providers -----------------------------------------------------------------------------------

_NGINX = """\
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; default_type application/json; keepalive_requests 1000000000; keepalive_timeout 600s;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi; client_max_body_size 64m; client_body_buffer_size 1m;
  {inside}
}}
"""


def _nginx(folder: Path, inside: str) -> list[str]:
    if shutil.which("nginx") is None:
        raise SystemExit("nginx is missing: apt-get install -y nginx-light wrk")
    (folder / "nginx.conf").write_text(_NGINX.format(folder=folder, inside=inside))
    return ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")]


@contextmanager
def buffered_provider(folder: Path) -> Iterator[str]:
    """A 700-byte chat reply from nginx: it must never be what limits a run."""
    folder.mkdir(parents=True)
    port = free_port()
    answer = bench_reply().decode()
    assert "'" not in answer
    command = _nginx(folder, f"server {{ listen 127.0.0.1:{port}; location / {{ return 200 '{answer}'; }} }}")
    with started(command, LOAD_CORE, folder / "log"):
        first_call(Target(f"http://127.0.0.1:{port}{CHAT}"), folder / "log")
        yield f"http://127.0.0.1:{port}"


@contextmanager
def streaming_provider(folder: Path, pace_ms: float) -> Iterator[str]:
    """103 events, in one write or paced."""
    folder.mkdir(parents=True)
    port = free_port()
    command = [sys.executable, "-m", "tests.mini_upstream", "--port", str(port), "--pace-ms", str(pace_ms)]
    with started(command, LOAD_CORE, folder / "log"):
        first_call(Target(f"http://127.0.0.1:{port}{CHAT}"), folder / "log")
        yield f"http://127.0.0.1:{port}"


# --- peers ---------------------------------------------------------------------------------------

def _direct(folder: Path, port: int, provider_url: str) -> tuple[list[str], Target]:
    return [], Target(provider_url + CHAT)


def _nginx_proxy(folder: Path, port: int, provider_url: str) -> tuple[list[str], Target]:
    inside = (
        f"upstream provider {{ server {provider_url.removeprefix('http://')}; keepalive 256; "
        "keepalive_requests 1000000000; }} "
        f"server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://provider; proxy_http_version 1.1; "
        "proxy_set_header Connection ''; proxy_buffering off; } }"
    ).replace("}} server", "} server")
    return _nginx(folder, inside), Target(f"http://127.0.0.1:{port}{CHAT}")


def _tallystick(folder: Path, port: int, provider_url: str) -> tuple[list[str], Target]:
    """Everything on: a key, attribution, metering, pricing, the journal on disk. The caller brings the
    provider's credential, as a client that changed its base URL does."""
    config = folder / "tallystick.toml"
    config.write_text(f'[providers.openai]\nbase_url = "{provider_url}"\n')
    tallystick = [sys.executable, "-m", "tallystick"]
    made = subprocess.run(
        [*tallystick, "keys", "create", "--team", "bench", "--project", "load", "--data", str(folder / "data"),
         "--config", str(config), "--json"],
        stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": f"{ROOT}/src"})
    headers = {"X-Tallystick-Key": json.loads(made.stdout)["key"], "Authorization": "Bearer sk-bench"}
    command = [*tallystick, "serve", "--host", "127.0.0.1", "--port", str(port), "--data", str(folder / "data"),
               "--config", str(config)]
    return command, Target(f"http://127.0.0.1:{port}/proxy/openai{CHAT}", headers)


_LITELLM = """\
model_list:
  - model_name: gpt-4o-mini
    litellm_params: {{model: openai/gpt-4o-mini, api_base: "{provider_url}/v1", api_key: sk-bench}}
general_settings:
  dangerously_permit_weak_or_unset_master_key: true
"""
# Its own price map instead of a download; and its guard against a model that repeats itself would end
# the bench's stream, whose events are all alike, after a hundred of them.
LITELLM_ENVIRONMENT = ("LITELLM_LOCAL_MODEL_COST_MAP=True", "REPEATED_STREAMING_CHUNK_LIMIT=1000000000")


def _litellm(folder: Path, port: int, provider_url: str, *more: str) -> tuple[list[str], Target]:
    """As it comes: no database, no master key, so neither keys nor budgets nor spend records to keep."""
    config = folder / "litellm.yaml"
    config.write_text(_LITELLM.format(provider_url=provider_url))
    command = ["env", "-u", "PYTHONPATH", *LITELLM_ENVIRONMENT, str(installs.litellm()), "--config", str(config),
               "--host", "127.0.0.1", "--port", str(port), "--telemetry", "False", *more]
    return command, Target(f"http://127.0.0.1:{port}{CHAT}", {"Authorization": "Bearer sk-none"})


def _litellm_granian(folder: Path, port: int, provider_url: str) -> tuple[list[str], Target]:
    return _litellm(folder, port, provider_url, "--run_granian")


def _portkey(folder: Path, port: int, provider_url: str) -> tuple[list[str], Target]:
    headers = {"Authorization": "Bearer sk-bench", "x-portkey-provider": "openai", "x-portkey-custom-host": f"{provider_url}/v1"}
    return [*installs.portkey(), "--headless", f"--port={port}"], Target(f"http://127.0.0.1:{port}{CHAT}", headers)


PEERS: tuple[Peer, ...] = (
    Peer("direct", "nothing in between", _direct),
    Peer("nginx", "nginx proxy_pass, one worker, kept-alive upstream, no log", _nginx_proxy),
    Peer("litellm", f"LiteLLM proxy {installs.LITELLM}, one worker (uvicorn), no database, no key", _litellm, slow=True),
    Peer("litellm-granian", f"the same {installs.LITELLM} with `--run_granian`", _litellm_granian, slow=True),
    Peer("portkey", f"Portkey gateway {installs.PORTKEY} on Node; its streams end in HTTP 500", _portkey, streams=False, slow=True),
    Peer("tallystick", "tallystick serve, one worker, journal durability `process`", _tallystick),
)
