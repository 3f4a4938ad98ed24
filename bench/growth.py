"""Does a call cost more when there are more keys? Ten, ten thousand and a hundred thousand of them,
each used in turn, with the gateway on one core and load and provider on the other.

    python -m bench.growth [--keys 10,10000,100000] [--seconds 5] [--write]

Each number of keys is measured twice: while every key is met for the first time (it is read from the
database once), and afterwards. The first has as many calls as there are keys.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.keys import make_keys
from bench.load.measure import AFTERWORK_S, LOAD_CORE, PROXY_CORE, Target, chat_request, cpu_s, rss_mb
from bench.load.peers import CHAT, buffered_provider, first_call, free_port, started
from bench.load.run import RESULTS, title

CONNECTIONS = 16
_SCRIPT = """\
local keys = {{}}
for line in io.lines("{keys}") do keys[#keys + 1] = line end
local at = 0
wrk.method = "POST"
wrk.body = [==[{body}]==]
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer sk-bench"
function request()
  at = at % #keys + 1
  wrk.headers["X-Tallystick-Key"] = keys[at]
  return wrk.format()
end
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", default="10,10000,100000")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="append to bench/RESULTS.md")
    chosen = parser.parse_args()
    lines = ["| keys | made in s | first meeting, CPU µs per request | known, CPU µs per request | requests | RSS MB |",
             "|---:|---:|---:|---:|---:|---:|"]
    load_before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="bench-") as name, buffered_provider(Path(name) / "provider") as url:
        for count in map(int, chosen.keys.split(",")):
            lines.append(_measured(count, Path(name) / str(count), url, chosen.seconds, chosen.rounds))
            print(lines[-1], file=sys.stderr, flush=True)
    text = "\n".join([title(), f"`{' '.join(['python -m bench.growth', *sys.argv[1:]])}`, c={CONNECTIONS}, best of {chosen.rounds} rounds; "
                      f"load average {load_before:.1f} before.\n", *lines]) + "\n"
    print(text)
    if chosen.write:
        with RESULTS.open("a") as file:
            file.write("\n" + text)


def _measured(count: int, folder: Path, provider_url: str, seconds: float, rounds: int) -> str:
    folder.mkdir()
    begun = time.perf_counter()
    keys = make_keys(folder / "data", count)
    made_s = time.perf_counter() - begun
    (folder / "keys").write_text("\n".join(keys) + "\n")
    (folder / "load.lua").write_text(_SCRIPT.format(keys=folder / "keys", body=chat_request(stream=False).decode()))
    config, port = folder / "tallystick.toml", free_port()
    config.write_text(f'[providers.openai]\nbase_url = "{provider_url}"\n')
    command = [sys.executable, "-m", "tallystick", "serve", "--host", "127.0.0.1", "--port", str(port), "--data", str(folder / "data"),
               "--config", str(config)]
    with started(command, PROXY_CORE, folder / "log") as pid:
        headers = {"X-Tallystick-Key": keys[0], "Authorization": "Bearer sk-bench"}
        target = Target(f"http://127.0.0.1:{port}/proxy/openai{CHAT}", headers, pid)
        first_call(target, folder / "log")
        met = total = 0
        met_s = 0.0
        while total < count:                     # until each key was met
            calls, used_s = _load(target, folder, seconds)
            met, met_s, total = met + calls, met_s + used_s, total + calls
        known = [_load(target, folder, seconds) for _ in range(rounds)]
        best = min(used_s / calls for calls, used_s in known) * 1e6
        total += sum(calls for calls, _ in known)
        return (f"| {count:,} | {made_s:.0f} | {met_s / met * 1e6:.0f} | {best:.0f} | {total:,} | {rss_mb(pid):.0f} |")


def _load(target: Target, folder: Path, seconds: float) -> tuple[int, float]:
    """Requests answered, and CPU seconds of the gateway's tree."""
    assert target.pid is not None
    before_s = cpu_s(target.pid)
    out = subprocess.run(
        ["taskset", "-c", LOAD_CORE, "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds:g}s", "--timeout", "20s",
         "-s", str(folder / "load.lua"), target.url], capture_output=True, text=True, check=True).stdout
    time.sleep(AFTERWORK_S)
    found = re.search(r"(\d+) requests in", out)
    if found is None or "Non-2xx" in out or "Socket errors" in out:
        raise RuntimeError(json.dumps(out))
    return int(found.group(1)), cpu_s(target.pid) - before_s


if __name__ == "__main__":
    main()
