"""How long the console waits for its figures, and whether that grows with the ledger: the questions of its screens asked of a
running server over HTTP, on ledgers of different length.

    python -m bench.reads [--calls 10000,10000000] [--rounds 20] [--keep FOLDER] [--write]

Calls are spread over ninety days of one organisation: 20 teams, 60 projects, 400 keys, 5,000 users (few make most of the calls),
2,000 prompts, 24 models of six providers. A key belongs to a team and uses three models; people and prompts belong to teams. The
narrow rows are written straight into the embedded database and the roll-ups derived from them by `rollups rebuild`; the chain's
entries are left out, as no list and no sum opens one. Each question is asked with other names every time; the first asking, which
also warms caches, is told apart. Time is what an HTTP client waits; CPU is the server's. A ledger in `--keep` is used again, with
questions about the days that it has: ten million calls take a quarter of an hour to make.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from bench.load.measure import PROXY_CORE, cpu_s, rss_mb
from bench.load.peers import free_port, started
from bench.load.run import RESULTS, title
from tallystick.cli import installation
from tallystick.config import load
from tallystick.control.passwords import hash_password
from tallystick.core.entry import PRIVATE
from tallystick.stores.sql import accounts
from tallystick.stores.sql.callfact import COLUMNS, FACT_INSERT, OUTCOMES
from tallystick.stores.sql.engine import DEFAULT, Database, ensure_month, month_sql
from tallystick.stores.sql.facts import DAY_US, month_of
from tallystick.stores.sql.rollup_days import rebuild

DAYS: Final = 90
TEAMS, PROJECTS, KEYS, USERS, PROMPTS = 20, 60, 400, 5_000, 2_000
PROVIDERS: Final = ("openai", "anthropic", "google", "mistral", "groq", "cohere")
MODELS: Final = tuple((place, f"{name}-{size}") for place, name in enumerate(PROVIDERS, start=1) for size in ("xl", "l", "m", "s"))
ENVIRONMENTS: Final = ("production", "staging", "development")
OUTCOME_SHARES: Final = (("completed", 200, 95), ("failed", 429, 3), ("failed", 500, 1), ("client_gone", 200, 1))
TURN: Final = 50_000
KINDS_OF_CALL: Final = 100_000               # rows differ in moment and number; the rest is one of so many
LOGIN: Final = ("bench@example.com", "bench of the console's reads")
GOALS_MS: Final = {"default view": 300, "one dimension": 300, "arbitrary filters, 30 days": 3_000, "list": 300}


Ask = Callable[[random.Random, date], str]


@dataclass(frozen=True, slots=True)
class Asking:
    """A question of a screen: under which goal it falls, and its address, other names each time."""

    goal: str
    name: str
    path: Ask


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", default="10000,1000000")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--keep", type=Path, help="a folder for the ledgers, which stay there")
    parser.add_argument("--write", action="store_true", help="append to bench/RESULTS.md")
    chosen = parser.parse_args()
    load_before = os.getloadavg()[0]
    measured = []
    for count in map(int, chosen.calls.split(",")):
        with tempfile.TemporaryDirectory(prefix="bench-") as name:
            folder = Path(name) if chosen.keep is None else chosen.keep / str(count)
            measured.append(_measured(count, folder, chosen.rounds))
    text = "\n".join([title(), f"`python -m bench.reads --calls {chosen.calls} --rounds {chosen.rounds}`; load average "
                      f"{load_before:.1f} before.\n", *table(measured)]) + "\n"
    print(text)
    if chosen.write:
        with RESULTS.open("a") as file:
            file.write("\n" + text)


@dataclass(slots=True)
class Measured:
    """Per question: what was waited in milliseconds, asking by asking, and the server's CPU per asking."""

    calls: int
    filled_s: float
    rebuilt_s: float
    file_mb: float
    rss: float
    waits_ms: dict[str, list[float]]
    cpu_ms: dict[str, float]


def table(measured: list[Measured]) -> list[str]:
    """One row per question, one group of columns per ledger; how the median grew from the first to the last."""
    lines = [f"{one.calls:,} calls: rows written in {one.filled_s:,.0f} s, roll-ups derived in {one.rebuilt_s:,.0f} s, "
             f"{one.file_mb:,.0f} MB on disk, server's RSS {one.rss:.0f} MB after the questions." for one in measured]
    heads = "".join(f" {one.calls:,}: first ms | p50 | p95 | CPU |" for one in measured)
    lines += ["", f"| question | goal, p95 ms |{heads} p50 grew |", "|---|---:|" + "---:|---:|---:|---:|" * len(measured) + "---:|"]
    for asking in ASKED:
        cells = ""
        for one in measured:
            first, *later = one.waits_ms[asking.name]
            cells += f" {first:.0f} | {statistics.median(later):.0f} | {_p95(later):.0f} | {one.cpu_ms[asking.name]:.0f} |"
        grew = statistics.median(measured[-1].waits_ms[asking.name][1:]) / statistics.median(measured[0].waits_ms[asking.name][1:])
        lines.append(f"| {asking.name} | {GOALS_MS[asking.goal]:,} |{cells} {grew:.1f}× |")
    return lines


def _p95(waits: list[float]) -> float:
    return sorted(waits)[max(0, -(-len(waits) * 95 // 100) - 1)]


def _measured(count: int, folder: Path, rounds: int) -> Measured:
    data, made = folder / "data", folder / "made.json"
    if not made.exists():
        folder.mkdir(parents=True, exist_ok=True)
        today = datetime.now(UTC).date()
        made.write_text(json.dumps((str(today), *_made(count, data, today))))
    day, filled_s, rebuilt_s = json.loads(made.read_text())
    today = date.fromisoformat(day)
    size_mb = sum(path.stat().st_size for path in data.glob("tallystick.db*")) / 1e6
    with _served(data, folder / "log") as (pid, ask):
        waits, cpu = {}, {}
        for asking in ASKED:
            chance, before_s = random.Random(asking.name), cpu_s(pid)
            waits[asking.name] = [ask(asking.path(chance, today)) for _ in range(rounds + 1)]
            cpu[asking.name] = (cpu_s(pid) - before_s) * 1e3 / (rounds + 1)
            print(f"  {asking.name}: {statistics.median(waits[asking.name]):.0f} ms", file=sys.stderr, flush=True)
        return Measured(count, filled_s, rebuilt_s, size_mb, rss_mb(pid), waits, cpu)


def _made(count: int, data: Path, today: date) -> tuple[float, float]:
    """A ledger; the seconds for its rows and for its roll-ups."""
    with installation.opened(load(data=data, config=None)) as here:
        begun = time.perf_counter()
        accounts.add_first_owner(here.database, "first", LOGIN[0], hash_password(LOGIN[1]), here.now_us())
        fill(here.database, count, today)
        filled = time.perf_counter()
        rebuild(here.database)
        took = filled - begun, time.perf_counter() - filled
    print(f"{count:,} calls: {took[0]:.0f} s, roll-ups {took[1]:.0f} s", file=sys.stderr, flush=True)
    return took


# --- the questions ------------------------------------------------------------------------------------


Said = tuple[str, str, Callable[[random.Random], str]]        # dimension, test, and what of


def _explore(days: int, *filters: Said, group: tuple[str, ...] = (), **asked: Any) -> Ask:
    def path(chance: random.Random, today: date) -> str:
        said = [{"dimension": dimension, "test": test, "values": [of(chance)]} for dimension, test, of in filters]
        words = {"start": str(today - timedelta(days=days - 1)), "end": str(today), "group": group, **asked}
        return "/api/explore?" + urlencode({**words, "filters": json.dumps(said)}, doseq=True)
    return path


def _requests(**filters: Callable[[random.Random], str]) -> Ask:
    def path(chance: random.Random, today: date) -> str:
        days = {"start": str(today - timedelta(days=29)), "end": str(today)}
        return "/api/requests?" + urlencode({**days, "limit": 50, **{name: of(chance) for name, of in filters.items()}})
    return path


def _team(chance: random.Random) -> str:
    return f"team-{chance.randrange(TEAMS)}"


def _user(chance: random.Random) -> str:
    return f"user-{_seldom(chance, USERS)}"


DEFAULT_VIEW, ONE, ANY, LIST = GOALS_MS
OF_A_TEAM: Final[Said] = ("team", "is", _team)
OF_A_USER: Final[Said] = ("user", "is", _user)
NOT_A_TEAM: Final[Said] = ("team", "is_not", _team)
USER_LIKE: Final[Said] = ("user", "contains", lambda chance: f"{chance.randrange(10)}")
OF_A_SESSION: Final[Said] = ("session", "is", lambda chance: f"session-{chance.randrange(1_000)}")
ASKED: Final = (
    Asking(DEFAULT_VIEW, "overview: figures", lambda _chance, _today: "/api/metrics/overview"),
    Asking(DEFAULT_VIEW, "overview: 30 days by model, compared", _explore(30, group=("model",), grain="day", top=4, compare="previous")),
    Asking(DEFAULT_VIEW, "explore: 30 days by team and day", _explore(30, group=("team",), grain="day")),
    Asking(DEFAULT_VIEW, "explore: 90 days by team and day, compared", _explore(90, group=("team",), grain="day", compare="previous")),
    *(Asking(ONE, f"90 days by {name}", _explore(90, group=(name,), grain="none"))
      for name in ("project", "key", "user", "prompt_key", "provider", "agent", "environment", "tag")),
    Asking(ONE, "90 days of a user by day", _explore(90, OF_A_USER, grain="day")),
    Asking(ANY, "30 days of a team by model and day", _explore(30, OF_A_TEAM, group=("model",), grain="day")),
    Asking(ANY, "30 days by team and model", _explore(30, group=("team", "model"), grain="none")),
    Asking(ANY, "30 days of a user by model and day", _explore(30, OF_A_USER, group=("model",), grain="day")),
    Asking(ANY, "30 days of a team by user", _explore(30, OF_A_TEAM, group=("user",), grain="none")),
    Asking(ANY, "30 days by team and prompt", _explore(30, group=("team", "prompt_key"), grain="none")),
    Asking(ANY, "30 days, user contains, not a team, by prompt and day",
           _explore(30, USER_LIKE, NOT_A_TEAM, group=("prompt_key",), grain="day")),
    Asking(ANY, "30 days of a session by day", _explore(30, OF_A_SESSION, grain="day")),
    Asking(LIST, "requests: newest", _requests()),
    Asking(ANY, "requests: newest of a user", _requests(user=_user)),
    Asking(ANY, "requests: newest failed of a team", _requests(team=_team, outcome=lambda _: "failed")),
)


@contextmanager
def _served(data: Path, log: Path) -> Iterator[tuple[int, Callable[[str], float]]]:
    """A server over the data: its process, and what asks it an address and says how many milliseconds that took."""
    port = free_port()
    command = [sys.executable, "-m", "tallystick", "serve", "--host", "127.0.0.1", "--port", str(port), "--data", str(data)]
    with started(command, PROXY_CORE, log) as pid:
        token = _signed_in(port, log)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)

        def ask(path: str) -> float:
            begun = time.perf_counter()
            connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
            reply = connection.getresponse()
            body = reply.read()
            took_ms = (time.perf_counter() - begun) * 1e3
            if reply.status != 200:
                raise RuntimeError(f"{path}: {reply.status} {body[:300]!r}")
            return took_ms

        yield pid, ask
        connection.close()


def _signed_in(port: int, log: Path) -> str:
    """A token, as soon as the server answers."""
    for _ in range(600):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request("POST", "/api/auth/token", urlencode({"username": LOGIN[0], "password": LOGIN[1]}),
                               {"Content-Type": "application/x-www-form-urlencoded"})
            return str(json.loads(connection.getresponse().read())["access_token"])
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("the server does not answer: " + log.read_text()[-2000:])


# --- the ledger's rows --------------------------------------------------------------------------------


def fill(database: Database, count: int, today: date) -> None:
    """So many calls over the ninety days that end today."""
    chance = random.Random(17)
    last_day = (today - date(1970, 1, 1)).days
    first_us, span_us = (last_day - DAYS + 1) * DAY_US, DAYS * DAY_US
    with database.write() as db:
        _define(db)
        for day in range(last_day - DAYS + 1, last_day + 1):
            ensure_month(db, month_of(day), 1)
    made = [_one(chance) for _ in range(min(count, KINDS_OF_CALL))]
    for start in range(0, count, TURN):
        by_month: dict[int, list[tuple[Any, ...]]] = {}
        for number in range(start, min(start + TURN, count)):
            at_us = first_us + number * span_us // count
            day = at_us // DAY_US
            head = (DEFAULT, at_us, number + 1, 1, day, at_us // 3_600_000_000, number.to_bytes(16), 1)
            by_month.setdefault(month_of(day), []).append(head + made[number * 7_919 % len(made)])
        with database.write() as db:
            for month, rows in by_month.items():
                db.executemany(month_sql(FACT_INSERT, month), rows)


def _define(db: Any) -> None:
    named = {
        "team": [f"team-{number}" for number in range(TEAMS)], "project": [f"project-{number}" for number in range(PROJECTS)],
        "key": [f"key-{number}" for number in range(KEYS)], "user": [f"user-{number}" for number in range(USERS)],
        "prompt_key": [f"prompt-{number}" for number in range(PROMPTS)], "prompt_version": [str(number) for number in range(1, 6)],
        "agent": [f"agent-{number}" for number in range(10)], "environment": list(ENVIRONMENTS),
        "cost_center": [f"cc-{number}" for number in range(12)], "session": [f"session-{number}" for number in range(1_000)],
        "tags": [json.dumps([["feature", f"f{number}"]]) for number in range(30)], "provider": list(PROVIDERS),
        "operation": ["chat"], "model": [name for _, name in MODELS],
    }
    for kind, names in named.items():
        private = kind in PRIVATE
        rows = [(DEFAULT, kind, number, *((b"0" * 16, name) if private else (name, number))) for number, name in enumerate(names, start=1)]
        query = ("INSERT INTO dictionary_private (organization, kind, id, salt, value) VALUES (?, ?, ?, ?, ?)" if private
                 else "INSERT INTO dictionary (organization, kind, id, name, seq) VALUES (?, ?, ?, ?, ?)")
        db.executemany(query, rows)


def _seldom(chance: random.Random, count: int) -> int:
    """A number below `count`, small ones much more often."""
    return min(int(chance.expovariate(8 / count)), count - 1)


def _one(chance: random.Random) -> tuple[Any, ...]:
    """Everything of a row behind its moment and its number, in the order of `COLUMNS`."""
    key = _seldom(chance, KEYS)
    team = key % TEAMS
    prompt = _seldom(chance, PROMPTS // TEAMS) * TEAMS + team            # a team's people use the team's prompts
    model = (key * 7 + chance.choice((0, 0, 0, 0, 0, 0, 1, 2))) % len(MODELS)          # and a key mostly one model
    (outcome, status, _), = chance.choices(OUTCOME_SHARES, [share for _, _, share in OUTCOME_SHARES])
    row = dict.fromkeys(COLUMNS[8:], 0)
    row |= {
        "key_id": key + 1, "team_id": team + 1, "project_id": key % PROJECTS + 1,
        "user_id": _seldom(chance, USERS // TEAMS) * TEAMS + team + 1,
        "agent_id": chance.choice((0, 0, 0, 1 + key % 10)), "environment_id": 1 + key % 3, "cost_center_id": 1 + key % 12,
        "prompt_key_id": prompt + 1, "prompt_version_id": 1 + prompt % 5, "session_id": chance.randrange(1_001),
        "tags_id": chance.randrange(31), "provider_id": MODELS[model][0], "operation_id": 1, "model_id": model + 1, "served_id": model + 1,
        "status": status, "outcome": OUTCOMES.index(outcome) + 1, "method": 1, "basis": 1,
        "input_tokens": chance.randrange(50, 20_000), "output_tokens": chance.randrange(5, 2_000),
        "cost_nanos": chance.randrange(1_000, 200_000_000), "latency_us": chance.randrange(200_000, 30_000_000), "flags": 0,
    }
    row["upstream_nanos"] = row["cost_nanos"]
    return tuple(row.values())


if __name__ == "__main__":
    main()
