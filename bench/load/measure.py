"""What a run costs and how long it takes, from outside: CPU time of a whole process tree out of
/proc, requests and latency out of wrk, time to the first chunk out of a client of our own.

The process under test has one core to itself, load and provider share the other.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles
from urllib.parse import urlsplit

PROXY_CORE, LOAD_CORE = "0", "1"
AFTERWORK_S = 0.5                                # what is done after the reply belongs to the call
REQUEST_BYTES = 1500
STREAM_EVENTS = 103
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}


@dataclass(frozen=True)
class Target:
    """Where to send the load."""

    url: str
    headers: dict[str, str] = field(default_factory=dict)
    pid: int | None = None                       # its tree is measured; None: nothing in between


@dataclass(frozen=True)
class Sample:
    """One run against one peer. Times in ms, CPU in µs per request."""

    requests: int
    per_second: float
    cpu_us: float | None
    p50_ms: float
    p99_ms: float


def chat_request(*, stream: bool) -> bytes:
    """A chat request of exactly 1,500 bytes."""
    document = {
        "model": "gpt-4o-mini", "temperature": 0.2, "max_tokens": 512, "stream": stream,
        "messages": [{"role": "system", "content": "You keep the books."}, {"role": "user", "content": ""}],
    }
    if stream:
        document["stream_options"] = {"include_usage": True}
    missing = REQUEST_BYTES - len(json.dumps(document))
    document["messages"][1]["content"] = ("What did March cost us? " * 100)[:missing]
    return json.dumps(document).encode()


def tree(pid: int) -> list[int]:
    """A process and all that it started."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))) is not None:
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found, todo = [], [pid]
    while todo:
        found.append(todo.pop())
        todo += parents.get(found[-1], [])
    return found


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the state on: state, parent, …"""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def cpu_s(pid: int) -> float:
    """User and system time of the tree."""
    return sum(_TICK_S * (int(fields[11]) + int(fields[12]))
               for one in tree(pid) if (fields := _stat(one)) is not None)


def rss_mb(pid: int) -> float:
    """Resident memory of the tree; pages shared by forks count in each."""
    pages = sum(int(fields[21]) for one in tree(pid) if (fields := _stat(one)) is not None)
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def run_wrk(target: Target, folder: Path, *, connections: int, seconds: float, stream: bool) -> Sample:
    """Load one target. Raises RuntimeError if any request failed: a fast error is not a result."""
    script = folder / f"load-{'stream' if stream else 'buffered'}.lua"
    headers = {"Content-Type": "application/json", **target.headers}
    lines = ['wrk.method = "POST"', f"wrk.body = [==[{chat_request(stream=stream).decode()}]==]"]
    lines += [f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}" for name, value in headers.items()]
    script.write_text("\n".join(lines) + "\n")
    before_s = cpu_s(target.pid) if target.pid is not None else 0.0
    out = subprocess.run(
        ["taskset", "-c", LOAD_CORE, "wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "--timeout", "20s", "--latency",
         "-s", str(script), target.url], capture_output=True, text=True, check=True).stdout
    time.sleep(AFTERWORK_S)
    used_s = cpu_s(target.pid) - before_s if target.pid is not None else None
    if trouble := re.search(r"(Non-2xx.*|Socket errors.*)", out):
        raise RuntimeError(f"{target.url}: {trouble.group(0)}")
    requests = int(_find(r"(\d+) requests in", out))
    if not requests:
        raise RuntimeError(f"{target.url}: no request was answered")
    return Sample(
        requests=requests,
        per_second=float(_find(r"Requests/sec:\s+([\d.]+)", out)),
        cpu_us=used_s / requests * 1e6 if used_s is not None else None,
        p50_ms=_time_ms(_find(r"50%\s+([\d.]+\w+)", out)),
        p99_ms=_time_ms(_find(r"99%\s+([\d.]+\w+)", out)),
    )


def _find(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    if match is None:
        raise RuntimeError(f"wrk said nothing of {pattern}:\n{text}")
    return match.group(1)


def _time_ms(text: str) -> float:
    match = re.fullmatch(r"([\d.]+)([a-z]+)", text)
    assert match is not None
    return float(match.group(1)) * _UNITS[match.group(2)]


def run_counted(target: Target, *, connections: int, seconds: float, stream: bool) -> Sample:
    """Load a slow target with about `seconds` worth of calls, each waited for, so that no call is
    paid for and not counted. Raises RuntimeError if any failed."""
    probe_s = _timed(target, connections, 2 * connections, stream)[1]
    calls = max(2 * connections, int(2 * connections / probe_s * seconds))
    before_s = cpu_s(target.pid) if target.pid is not None else 0.0
    times_ms, wall_s = _timed(target, connections, calls, stream)
    time.sleep(AFTERWORK_S)
    used_s = cpu_s(target.pid) - before_s if target.pid is not None else None
    marks = quantiles(times_ms, n=100)
    return Sample(len(times_ms), len(times_ms) / wall_s, used_s / len(times_ms) * 1e6 if used_s is not None else None,
                  marks[49], marks[98])


def _timed(target: Target, connections: int, calls: int, stream: bool) -> tuple[list[float], float]:
    begun = time.perf_counter()
    times_ms = asyncio.run(_counted(target, connections, calls // connections, stream))
    return times_ms, time.perf_counter() - begun


async def _counted(target: Target, connections: int, calls_each: int, stream: bool) -> list[float]:
    url, request = urlsplit(target.url), _request(target, stream=stream)

    async def caller() -> list[float]:
        reader, writer = await asyncio.open_connection(url.hostname, url.port)
        times = []
        for _ in range(calls_each):
            begun = time.perf_counter()
            writer.write(request)
            body = await _answer(target, reader)
            times.append((time.perf_counter() - begun) * 1e3)
            if stream:
                _whole_stream(target, body)
        writer.close()
        return times

    return [one for times in await asyncio.gather(*(caller() for _ in range(connections))) for one in times]


async def _answer(target: Target, reader: asyncio.StreamReader) -> bytes:
    status, body = await read_reply(reader)
    if status != 200:
        raise RuntimeError(f"{target.url}: {status} {body[:200]!r}")
    return body


async def read_reply(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Status and whole body of a reply on a kept-alive connection."""
    head = await reader.readuntil(b"\r\n\r\n")
    status = int(head.split(b" ", 2)[1])
    if counted := re.search(rb"content-length: (\d+)", head, re.IGNORECASE):
        return status, await reader.readexactly(int(counted.group(1)))
    pieces = []
    while size := int(await reader.readuntil(b"\r\n"), 16):
        pieces.append(await reader.readexactly(size))
        await reader.readexactly(2)
    await reader.readexactly(2)
    return status, b"".join(pieces)


def _whole_stream(target: Target, body: bytes) -> None:
    """Raises RuntimeError where a stream was cut short: half the work is not a result."""
    if body.count(b"data: ") < STREAM_EVENTS - 1 or b'"error"' in body or not body.endswith(b"data: [DONE]\n\n"):
        raise RuntimeError(f"{target.url}: a stream of {body.count(b'data: ')} events that ends in {body[-300:]!r}")


def check_stream(target: Target) -> None:
    """One stream, which must come whole."""
    asyncio.run(_counted(target, 1, 1, True))


@dataclass(frozen=True)
class FirstChunk:
    """Paced streams: time from the request's last byte to the body's first, and CPU per event."""

    p50_ms: float
    p99_ms: float
    cpu_us_per_event: float | None


def run_first_chunk(target: Target, *, connections: int, rounds: int) -> FirstChunk:
    """Open `connections` streams at once, `rounds` times over, on kept-alive connections."""
    before_s = cpu_s(target.pid) if target.pid is not None else 0.0
    times_ms = asyncio.run(_first_chunks(target, connections, rounds))
    used_s = cpu_s(target.pid) - before_s if target.pid is not None else None
    marks = quantiles(times_ms, n=100)
    events = connections * rounds * STREAM_EVENTS
    return FirstChunk(marks[49], marks[98], used_s / events * 1e6 if used_s is not None else None)


async def _first_chunks(target: Target, connections: int, rounds: int) -> list[float]:
    url, request = urlsplit(target.url), _request(target, stream=True)

    async def caller(number: int) -> list[float]:
        await asyncio.sleep(number * 0.002)      # callers do not start in step
        reader, writer = await asyncio.open_connection(url.hostname, url.port)
        times = []
        for _ in range(rounds):
            begun = time.perf_counter()
            writer.write(request)
            answer = await reader.readuntil(b"\r\n\r\n")
            if b" 200 " not in answer.split(b"\r\n", 1)[0]:
                raise RuntimeError(f"{target.url}: {answer[:200]!r}")
            await reader.readuntil(b"\n\n")
            times.append((time.perf_counter() - begun) * 1e3)
            await reader.readuntil(b"\r\n0\r\n\r\n")
        writer.close()
        return times

    return [one for times in await asyncio.gather(*(caller(at) for at in range(connections))) for one in times]


def _request(target: Target, *, stream: bool) -> bytes:
    url, body = urlsplit(target.url), chat_request(stream=stream)
    headers = {"Host": url.netloc, "Content-Type": "application/json", "Content-Length": str(len(body)), **target.headers}
    head = f"POST {url.path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n"
    return head.encode() + body
