"""Every view, file and answer of the API comes to what the ledger comes to, to the nano: one mixed history, then whatever shows
money, laid beside rows that are worked out of the exported entries alone (tests/build/truth.py).

A new GET route must be named here, as one that shows money and is added up, or as one that shows none."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from itertools import combinations
from typing import Any, Final
from urllib.parse import quote

import httpx
import pytest

from tallystick.core.identity import Attribution
from tallystick.stores.sql.booking import book_attempt, book_refusal
from tallystick.stores.sql.breakdown_names import NAMES
from tallystick.stores.sql.engine import open_database
from tallystick.stores.sql.journal import Sequencer
from tests.build import chat
from tests.build.gateway import PATIENCE_S, RunningGateway
from tests.build.journal import admission, key_refusal, settlement
from tests.build.truth import Row, added, counts, figures, grouped, rows_of
from tests.mini_upstream import MiniUpstream, reply

NOW: Final = "2026-11-21T12:00:00+00:00"
NOON_US: Final = 1_795_262_400_000_000
DAY_US: Final = 86_400_000_000
FIRST, LAST = "2026-09-20", "2026-11-21"
SPAN: Final = f"start={FIRST}&end={LAST}"
CUSTOM: Final = "dimension.region"
KINDS: Final = ("calls", "refused", "sandbox")


@dataclass
class Scene:
    """The gateway, the rows of its ledger, and the keys that made them."""

    gateway: RunningGateway
    rows: list[Row]
    lines: bytes
    keys: dict[str, tuple[str, str]] = field(default_factory=dict)
    budgets: dict[str, int] = field(default_factory=dict)

    def of(self, kind: str = "calls") -> list[Row]:
        return [row for row in self.rows if row.kind == kind]

    @cached_property
    def client(self) -> httpx.Client:
        """The first admin's, for hundreds of questions."""
        self.gateway.api("/api/organization")            # signs in
        return httpx.Client(base_url=self.gateway.url, headers={"authorization": f"Bearer {self.gateway._token}"}, timeout=PATIENCE_S)

    def text(self, path: str, key: str = "") -> str:
        return self.client.get(path, headers={"authorization": f"Bearer {key}"} if key else {}).raise_for_status().text

    def api(self, path: str) -> Any:
        return json.loads(self.text(path))


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with MiniUpstream(strict=False) as provider, RunningGateway(tmp_path_factory.mktemp("sums"), upstream=provider.url, at=NOW) as gateway:
        made = Scene(gateway, [], b"")
        for name, words in {"search": {"team": "search", "project": "web"}, "hr": {"team": "hr", "project": "bot", "user": "ann"},
                            "wide": {}, "poor": {"user": "poor"}, "crawler": {"team": "search", "project": "api", "agent": "crawler", "environment": "prod",
                                                    "cost_center": "7"}}.items():
            key = gateway.json("keys", "create", *(word for label, value in words.items() for word in (f"--{label.replace('_', '-')}", value)))
            made.keys[name] = str(key["id"]), str(key["key"])
        for name, words in {"org": ("--org", "--window", "month"), "team": ("--team", "*", "--window", "month"),
                            "total": ("--project", "search/web", "--window", "total"), "day": ("--user", "ann", "--window", "day")}.items():
            made.budgets[name] = gateway.json("budgets", "set", *words, "--limit", "500", "--soft")["id"]
        the_past(gateway)
        live_calls(gateway, provider, made)
        corrections(gateway)
        made.lines = gateway.run("export", "ledger-jsonl").stdout.encode()
        with closing(sqlite3.connect(gateway.data / "tallystick.db")) as db:
            private = {(kind, number): value for kind, number, value in db.execute(
                "SELECT kind, id, value FROM dictionary_private WHERE organization = 1")}
        made.rows = rows_of(made.lines, private)
        yield made
        made.client.close()


def the_past(gateway: RunningGateway) -> None:
    """Two months of calls that ended before this server began: teams, users, prompts, tags, retries, sandbox, refusals."""
    database = open_database(gateway.data, 1)
    with Sequencer(database).append(NOON_US) as pen:
        for number in range(1, 121):
            at_us = NOON_US - DAY_US - (number * 7_919 % 60) * DAY_US - number * 1_777_777_777
            labels = {"team": ("search", "hr", "")[number % 3], "project": ("web", "bot", "")[number % 3], "user": f"user-{number % 5}",
                      "agent": ("crawler", "")[number % 2], "environment": ("prod", "", "test")[number % 3], "session": f"s{number % 11}",
                      "cost_center": ("", "7")[number % 2], "prompt_key": ("summary", "", "draft")[number // 2 % 3],
                      "prompt_version": ("1", "2", "")[number % 3]}
            said = {label: value for label, value in labels.items() if value}
            tags = ((), (("feature", "a"),), (("feature", "a"), ("beta", "")))[number % 3]
            who = Attribution(("k1", "k2", "k3")[number % 3], "default", said, tags, {"region": ("eu", "us")[number % 2]} if number % 4 else {})
            sandbox, failed = number % 10 == 0, number % 7 == 0
            asked = admission(10_000 + number, at_us=at_us, attribution=who, sandbox=sandbox, model=("gpt-4o", "gpt-4o-mini")[number % 2],
                              provider=("openai", "azure")[number % 5 == 0], billable=number % 13 != 0)
            cost = number ** 5 % 10**11 + number
            ended = settlement(10_000 + number, at_us=at_us + 900_000, method="sandbox" if sandbox else "stated", stated_nanos=cost, lines=(),
                               traits={}, cost_nanos=0 if sandbox else cost, would_be_nanos=cost if sandbox else None, computed_nanos=None)
            if number % 12 == 0:
                book_refusal(pen, replace(key_refusal(10_000 + number), at_us=at_us, attribution=who))
                continue
            if failed:                               # and tried again, elsewhere and an instant later
                book_attempt(pen, asked, replace(ended, outcome="failed", status=500, method="estimated", basis="zero_proven", cost_nanos=0,
                                                 stated_nanos=None, would_be_nanos=None, usage=None, code="upstream_error"), lambda _: {})
                asked, ended = replace(asked, attempt=2, at_us=at_us + 1_000_000), replace(ended, attempt=2, at_us=at_us + 2_000_000)
            book_attempt(pen, asked, ended, lambda _: {})
    database.close()


def live_calls(gateway: RunningGateway, provider: MiniUpstream, made: Scene) -> None:
    """Through the line: whole and streamed, named and not, in the sandbox, refused, failed, lost."""
    headers = (
        {}, {"x-tallystick-user": "bob", "x-tallystick-tags": "feature=a,urgent"}, {"x-tallystick-prompt-key": "summary", "x-tallystick-prompt-version": "3"},
        {"x-tallystick-session": "live", "x-tallystick-dimension-region": "eu"}, {"x-tallystick-sandbox": "true", "x-tallystick-prompt-key": "draft"})
    number, sent_ids = 0, list[str]()
    client = httpx.Client(base_url=gateway.url, timeout=PATIENCE_S)
    for key in (key for name, (_, key) in made.keys.items() if name != "poor"):
        for more in headers:
            number += 1
            if "x-tallystick-sandbox" not in more:
                provider.expect("POST", chat.PATH, chat.answers(number)[number % 2])
            sent = client.post(chat.PATH, json=chat.asked(stream=bool(number % 2)), headers={**chat.headers(key), **more})
            assert sent.status_code == 200, sent.text
            sent_ids.append(sent.headers["x-tallystick-request-id"])
    for status in (500, 504):
        provider.expect("POST", chat.PATH, reply(status, [(b"Content-Type", b"text/plain")], b""))
        sent = client.post(chat.PATH, json=chat.asked(), headers=chat.headers(made.keys["hr"][1]))
        sent_ids.append(sent.headers["x-tallystick-request-id"])
    gateway.json("budgets", "set", "--user", "poor", "--limit", "0.000000001", "--window", "day")
    for _ in range(3):
        refused = client.post(chat.PATH, json=chat.asked(), headers=chat.headers(made.keys["poor"][1]))
        assert refused.status_code == 402, refused.text
        sent_ids.append(refused.headers["x-tallystick-request-id"])
    for request in sent_ids:                             # each is in the ledger, and at its end
        assert made.api(f"/api/requests/{request}")["state"] != "open"
    client.close()


def corrections(gateway: RunningGateway) -> None:
    items = gateway.api(f"/api/requests?limit=200&kind=calls&{SPAN}")["items"]
    for place, item in enumerate(items[:90:30]):
        done = gateway.run("adjust", item["id"], "--attempt", str(item["attempts"]), "--cost", f"0.{place:03d}000007", "--evidence", "invoice 9")
        assert done.returncode == 0, done.stderr


# --- what shows money, and what it must come to -------------------------------------------------------------


def explored(scene: Scene, query: str) -> Any:
    return scene.api(f"/api/explore?{query}")


def check_explore(scene: Scene) -> None:
    """Every dimension in every grain, every pair of them, with what is left beside the dearest."""
    for kind in KINDS:
        rows, whole = scene.of(kind), counts(added(scene.of(kind)))
        for dimension in (*NAMES, CUSTOM):
            truth = {group: totals for (_, group), totals in grouped(rows, (dimension,)).items()}
            answer = explored(scene, f"{SPAN}&kind={kind}&group={dimension}&top=50&grain=day")
            assert figures(answer["total"]) == whole
            assert {tuple(one["names"]): figures(one) for one in answer["series"]} == {group: counts(totals) for group, totals in truth.items()}
            assert answer["groups"] == len(truth)
            assert (answer["other"], answer["overlapping"]) == (None, dimension == "tag")
            few = explored(scene, f"{SPAN}&kind={kind}&group={dimension}&top=1")
            if few["other"] is not None:
                assert Counter(figures(few["other"])) + Counter(figures(few["series"][0])) == Counter(whole)
    for pair in combinations((*NAMES, CUSTOM), 2):
        check_pair(scene, scene.of(), pair)
    check_grains(scene)
    check_hours(scene)


def days_of_hours() -> Iterator[tuple[datetime, datetime]]:
    """The last 24 hours, and as many long ago, from the middle of a day on."""
    now = datetime.fromtimestamp(NOON_US // 10**6, UTC)
    for since in (now - timedelta(hours=16), now - timedelta(days=9, hours=7), now - timedelta(days=21, hours=1)):
        yield since, since + timedelta(hours=24)


def check_hours(scene: Scene) -> None:
    """From an hour on: by dimensions of the cube and of the rows, hour by hour, in files, and beside the 24 hours before."""
    for since, until in days_of_hours():
        asked = f"since={since:%Y-%m-%dT%H}:00:00Z"
        rows = [row for row in scene.of() if since <= row.at < until]
        before = [row for row in scene.of() if since <= row.at + timedelta(hours=24) < until]
        assert rows, "no call to count"
        for groups in ((), ("team",), ("user",), ("tag",), ("team", "prompt_key")):
            query = "&".join((asked, *(f"group={group}" for group in groups)))
            answer = explored(scene, f"{query}&top=50&grain=hour&compare=previous")
            truth = {group: counts(totals) for (_, group), totals in grouped(rows, groups).items()}
            assert (figures(answer["total"]), figures(answer["before"])) == (counts(added(rows)), counts(added(before)))
            assert (len(answer["buckets"]), sum(answer["total"]["values"])) == (24, added(rows)["cost_nanos"])
            if groups:
                assert {tuple(one["names"]): figures(one) for one in answer["series"]} == truth
            for grain in ("none", "hour"):
                lines = list(csv.DictReader(io.StringIO(scene.text(f"/api/explore/rows.csv?{query}&grain={grain}"))))
                if "tag" not in groups:
                    assert sum(int(line["cost_nanos"]) for line in lines) == added(rows)["cost_nanos"]
        assert scene.api(f"/api/exports/totals?{asked}&kind=calls")["cost_nanos"] == added(rows)["cost_nanos"]


def check_pair(scene: Scene, rows: list[Row], pair: tuple[str, str]) -> None:
    truth = {group: counts(totals) for (_, group), totals in grouped(rows, pair).items()}
    answer = explored(scene, f"{SPAN}&group={pair[0]}&group={pair[1]}&top=50")
    told = {tuple(one["names"]): figures(one) for one in answer["series"]}
    assert told == {group: truth[group] for group in told}, pair
    assert answer["groups"] == len(truth)
    if answer["other"] is not None:
        left = Counter(figures(answer["total"]))
        for figure in told.values():
            left.subtract(figure)
        assert figures(answer["other"]) == {name: left[name] for name in figures(answer["other"])}, pair


def check_grains(scene: Scene) -> None:
    places = {
        "hour": lambda at: at.replace(minute=0, second=0, microsecond=0).isoformat(), "day": lambda at: at.date().isoformat(),
        "week": lambda at: (at.date() - timedelta(days=at.weekday())).isoformat(), "month": lambda at: at.date().replace(day=1).isoformat()}
    for grain, place in places.items():
        start = "2026-11-15" if grain == "hour" else FIRST
        rows = [row for row in scene.of() if row.at.date().isoformat() >= start]
        for dimension in ("team", "user", "model", "session"):
            truth = grouped(rows, (dimension,), lambda row, name=place: name(row.at))          # type: ignore[misc]
            answer = explored(scene, f"start={start}&end={LAST}&group={dimension}&top=50&grain={grain}")
            for one in answer["series"]:
                expected = [truth.get((bucket, tuple(one["names"])), Counter())["cost_nanos"] for bucket in answer["buckets"]]
                assert one["values"] == expected, (grain, dimension)
            assert sum(answer["total"]["values"]) == added(rows)["cost_nanos"]


def check_rows_csv(scene: Scene) -> None:
    for groups, grain in ((("team",), "none"), (("model", "user"), "month"), (("prompt_key",), "day"), (("session", CUSTOM), "week")):
        query = "&".join(f"group={group}" for group in groups)
        lines = list(csv.DictReader(io.StringIO(scene.text(f"/api/explore/rows.csv?{SPAN}&{query}&grain={grain}"))))
        assert sum(int(line["cost_nanos"]) for line in lines) == added(scene.of())["cost_nanos"]
        assert sum(Decimal(line["cost_usd"]) for line in lines) == Decimal(added(scene.of())["cost_nanos"]) / 10**9
        assert sum(int(line["requests"]) for line in lines) == added(scene.of())["requests"]


def pages(scene: Scene, path: str, member: str = "items") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = scene.api(path + (f"&cursor={quote(cursor)}" if cursor else ""))
        found += page[member]
        cursor = page["next_cursor"]
        if not cursor:
            return found


def check_requests(scene: Scene) -> None:
    """All pages together, and those of every team, prompt and key."""
    for kind in KINDS:
        found = pages(scene, f"/api/requests?{SPAN}&kind={kind}&limit=37")
        truth = by_request(scene.of(kind))
        assert {item["id"]: item["cost_nanos"] for item in found} == truth
        assert len(found) == len(truth)
        assert sum(item["would_be_cost_nanos"] or 0 for item in found) == added(scene.of(kind))["would_be_nanos"]
    ended = {row.request: row.at for row in sorted(scene.of(), key=lambda row: row.at)}        # a call stands at its last attempt
    for since, until in days_of_hours():
        found = pages(scene, f"/api/requests?since={since:%Y-%m-%dT%H}:00:00Z&kind=calls&limit=37")
        assert {item["id"]: item["cost_nanos"] for item in found} == {
            request: cost for request, cost in by_request(scene.of()).items() if since <= ended[request] < until}
    for filter_ in ("team", "prompt_key", "session", "served_model"):
        named = "model" if filter_ == "served_model" else filter_
        for (value,), in {(group,) for _, group in grouped(scene.of(), (named,))}:
            if value is not None and filter_ != "served_model":
                found = pages(scene, f"/api/requests?{SPAN}&kind=calls&limit=50&{filter_}={quote(value)}")
                assert sum(item["cost_nanos"] for item in found) == added(row for row in scene.of() if row.names[named] == value)["cost_nanos"]


def by_request(rows: list[Row]) -> dict[str, int]:
    found: defaultdict[str, int] = defaultdict(int)
    for row in rows:
        found[row.request] += row.totals["cost_nanos"]
    return dict(found)


def check_one_request(scene: Scene) -> None:
    for request, cost in list(by_request(scene.of()).items())[::9]:
        call = scene.api(f"/api/requests/{request}")
        assert call["cost_nanos"] == cost
        assert sum(one["cost_nanos"] for one in call["attempts"]) == cost


def dollars(scene: Scene, path: str, key: str = "") -> Any:
    """The answer, its numbers as the digits that stand there."""
    return json.loads(scene.text(path, key), parse_float=Decimal, parse_int=Decimal)


def in_dollars(rows: Iterable[Row]) -> Decimal:
    return Decimal(added(rows)["cost_nanos"]) / 10**9


def check_aggregations(scene: Scene) -> None:
    """Dollars as JSON numbers, exactly; the same for a virtual key, of its team."""
    def told(rows: list[Row], dimension: str) -> dict[str, tuple[Decimal, int]]:
        return {label or "unknown": (Decimal(totals["cost_nanos"]) / 10**9, totals["requests"])
                for (_, (label,)), totals in grouped(rows, (dimension,)).items()}

    of_search = [row for row in scene.of() if row.names["team"] == "search"]
    for rows, key in ((scene.of(), ""), (of_search, scene.keys["search"][1])):
        assert dollars(scene, f"/api/aggregations/monthly?{SPAN}", key)["total_cost"] == Decimal(added(rows)["cost_nanos"]) / 10**9
        prompts = dollars(scene, f"/api/aggregations/by-prompt?{SPAN}", key)["prompts"]
        assert {one["prompt_key"]: (one["total_cost"], one["request_count"]) for one in prompts} == told(rows, "prompt_key")
        teams = dollars(scene, f"/api/aggregations/by-team?{SPAN}", key)["teams"]
        assert {one["team_name"]: (one["total_cost"], one["request_count"]) for one in teams} == told(rows, "team")
        for prompt in ("summary", "draft"):
            versions = dollars(scene, f"/api/aggregations/version-comparison?{SPAN}&prompt_key={prompt}", key)["versions"]
            found = {str(one["version_number"] or "unknown"): (one["total_cost"], one["request_count"]) for one in versions}
            assert found == told([row for row in rows if row.names["prompt_key"] == prompt], "prompt_version")


def check_key_info(scene: Scene) -> None:
    for number, _ in scene.keys.values():
        info = dollars(scene, f"/key/info?key={number}")["info"]
        assert info["spend"] == in_dollars(row for row in scene.of() if row.names["key"] == number)


def check_spend_logs(scene: Scene) -> None:
    """Call by call, and day by day."""
    days = f"start_date={FIRST}&end_date={LAST}"
    logs = dollars(scene, f"/spend/logs?{days}&summarize=false")
    assert {one["request_id"]: one["spend"] for one in logs} == {request: Decimal(cost) / 10**9 for request, cost in by_request(scene.of()).items()}
    summed = dollars(scene, f"/spend/logs?{days}")
    for one in summed:
        rows = [row for row in scene.of() if row.at.date().isoformat() == one["startTime"]]
        assert (one["spend"], sum(one["users"].values()), sum(one["models"].values())) == (in_dollars(rows),) * 3
    assert sum(one["spend"] for one in summed) == in_dollars(scene.of())


def check_daily_activity(scene: Scene) -> None:
    answer = dollars(scene, f"/user/daily/activity?start_date={FIRST}&end_date={LAST}&page_size=366")
    assert answer["metadata"]["total_spend"] == in_dollars(scene.of())
    for one in answer["results"]:
        rows = [row for row in scene.of() if row.at.date().isoformat() == one["date"]]
        assert one["metrics"]["spend"] == in_dollars(rows)
        for told in one["breakdown"].values():
            assert sum(part["metrics"]["spend"] for part in told.values()) == in_dollars(rows)


def check_overview(scene: Scene) -> None:
    answer = scene.api("/api/metrics/overview")
    today = [row for row in scene.rows if row.at.date().isoformat() == LAST]
    month = added(row for row in scene.of() if row.at.date().isoformat() >= "2026-11-01")
    calls = [row for row in today if row.kind == "calls"]
    assert (answer["today"]["cost_nanos"], answer["today"]["requests"]) == (added(calls)["cost_nanos"], added(calls)["requests"])
    assert answer["today"]["blocked"] == sum(row.kind == "refused" for row in today)
    models = {label: totals["cost_nanos"] for (_, (label,)), totals in grouped(calls, ("model",)).items()}
    assert {one["model"]: one["cost_nanos"] for one in answer["today"]["top_models"]} == models
    assert (answer["month_to_date"]["cost_nanos"], answer["month_to_date"]["requests"]) == (month["cost_nanos"], month["requests"])
    thirty = [row for row in scene.of() if row.at.date().isoformat() >= "2026-10-23"]
    for member, dimension in (("top_users_30d", "user"), ("top_projects_30d", "project")):
        truth = {label: totals["cost_nanos"] for (_, (label,)), totals in grouped(thirty, (dimension,)).items()}
        assert answer[member]
        assert {one["name"]: one["cost_nanos"] for one in answer[member]} == {one["name"]: truth[one["name"]] for one in answer[member]}


def check_spenders(scene: Scene) -> None:
    for kind in ("team", "project", "user", "agent"):
        answer = scene.api(f"/api/spenders?kind={kind}&{SPAN}&limit=200")
        assert answer["total"]["cost_nanos"] == added(scene.of())["cost_nanos"]
        nobody = [row for row in scene.of() if row.names[kind] is None]
        assert answer["unattributed"]["cost_nanos"] == added(nobody)["cost_nanos"]
        truth: Counter[tuple[str, str | None]] = Counter()
        for row in scene.of():
            if (name := row.names[kind]) is not None:
                truth[name, row.names["team"] or "default" if kind == "project" else None] += row.totals["cost_nanos"]
        assert {(one["name"], one["team"]): one["cost_nanos"] for one in answer["items"] if one["requests"]} == dict(truth)


def check_one_spender(scene: Scene) -> None:
    """One team, with what each key spent on it."""
    answer = scene.api(f"/api/spenders/one?kind=team&name=search&{SPAN}")
    rows = [row for row in scene.of() if row.names["team"] == "search"]
    assert answer["cost_nanos"] == added(rows)["cost_nanos"]
    by_key = {label: totals["cost_nanos"] for (_, (label,)), totals in grouped(rows, ("key",)).items()}
    listed = {one["id"]: one["cost_nanos"] for one in answer["keys_listed"]}
    assert {key: cost for key, cost in listed.items() if cost} == {key: cost for key, cost in by_key.items() if key in listed}
    assert {scene.keys["search"][0], scene.keys["crawler"][0]} <= listed.keys()


def check_dimensions(scene: Scene) -> None:
    answer = scene.api(f"/api/dimensions?{SPAN}")
    assert answer["total"]["cost_nanos"] == added(scene.of())["cost_nanos"]
    for one in answer["items"]:
        covered = [row for row in scene.of() if row.labels(one["group"]) != (None,)]
        assert (one["covered"]["cost_nanos"], one["covered"]["requests"]) == (added(covered)["cost_nanos"], added(covered)["requests"]), one["name"]


def check_one_dimension(scene: Scene) -> None:
    for name, group in (("cost_center", "cost_center"), ("dimension:region", CUSTOM)):
        answer = scene.api(f"/api/dimensions/one?name={quote(name)}&{SPAN}")
        truth = {label: totals["cost_nanos"] for (_, (label,)), totals in grouped(scene.of(), (group,)).items()}
        assert {one["value"]: one["cost_nanos"] for one in answer["top_values"]} == {label: cost for label, cost in truth.items() if label is not None}
        assert answer["unattributed"]["cost_nanos"] == truth[None]
        assert sum(one["cost_nanos"] for one in answer["lacking_keys"]) == truth[None]


def check_prompts(scene: Scene) -> None:
    answer = scene.api(f"/api/prompts?{SPAN}&limit=100")
    truth = {label: totals for (_, (label,)), totals in grouped(scene.of(), ("prompt_key",)).items()}
    assert answer["unnamed"]["cost_nanos"] == truth[None]["cost_nanos"]
    assert {one["prompt_key"]: (one["cost_nanos"], one["requests"]) for one in answer["items"]} == {
        label: (totals["cost_nanos"], totals["requests"]) for label, totals in truth.items() if label is not None}
    assert all(sum(one["trend"]) == one["cost_nanos"] for one in answer["items"])


def check_one_prompt(scene: Scene) -> None:
    answer = scene.api(f"/api/prompts/one?prompt_key=summary&{SPAN}")
    rows = [row for row in scene.of() if row.names["prompt_key"] == "summary"]
    assert answer["cost_nanos"] == added(rows)["cost_nanos"]
    assert {one["version"]: one["cost_nanos"] for one in answer["version_list"]} == {
        label: totals["cost_nanos"] for (_, (label,)), totals in grouped(rows, ("prompt_version",)).items()}


def check_library(scene: Scene) -> None:
    """What an approved version's calls came to."""
    for path, said in (("/api/prompts/versions", {"prompt_key": "summary", "version": "3"}),
                       ("/api/library", {"prompt_key": "summary", "version": "3", "owner": "ann"})):
        scene.client.post(path, json=said).raise_for_status()
    (one,) = scene.api(f"/api/library?{SPAN}")["items"]
    rows = [row for row in scene.of() if (row.names["prompt_key"], row.names["prompt_version"]) == ("summary", "3")]
    assert (one["cost_nanos"], one["requests"]) == (added(rows)["cost_nanos"], added(rows)["requests"])


def check_providers(scene: Scene) -> None:
    answer = scene.api(f"/api/providers?{SPAN}")
    truth = {label: totals["cost_nanos"] for (_, (label,)), totals in grouped(scene.of(), ("provider",)).items()}
    assert {one["id"]: one["cost_nanos"] for one in answer["items"] if one["attempts"]} == truth


def check_one_provider(scene: Scene) -> None:
    for provider in ("openai", "azure"):
        answer, rows = scene.api(f"/api/providers/{provider}?{SPAN}"), [row for row in scene.of() if row.names["provider"] == provider]
        assert answer["cost_nanos"] == added(rows)["cost_nanos"]
        for member, dimension in (("models", "model"), ("operations", "operation")):
            assert {one[dimension]: one["cost_nanos"] for one in answer[member]} == {
                label: totals["cost_nanos"] for (_, (label,)), totals in grouped(rows, (dimension,)).items()}


def in_budget(rows: list[Row], since: str) -> int:
    """What budgets in money count: what is billed here and elsewhere, of settled calls."""
    counted = [row for row in rows if row.kind == "calls" and not row.free and row.settled and row.at.date().isoformat() >= since]
    totals = added(counted)
    return totals["cost_nanos"] + totals["upstream_nanos"]


def check_budgets(scene: Scene) -> None:
    """How each stands in the list and by itself: a month, each team's month, all that ever was, a day."""
    listed = {one["id"]: one for one in pages(scene, "/api/budgets?limit=100")}
    for name, number in scene.budgets.items():
        shown = scene.api(f"/api/budgets/{number}")
        for nodes in (listed[number]["nodes"], shown["nodes"]):
            assert {one["subject"]: one["spent_nanos"] for one in nodes} == standing_of(scene, name)
            assert all(one["held_nanos"] == 0 for one in nodes)


def standing_of(scene: Scene, name: str) -> dict[str, int]:
    month = "2026-11-01"
    if name == "team":
        teams = {row.names["team"] for row in scene.of() if row.names["team"] and row.at.date().isoformat() >= month}
        spent = {team: in_budget([row for row in scene.rows if row.names["team"] == team], month) for team in teams if team}
        return {team: amount for team, amount in spent.items() if amount}
    rows = {"org": scene.rows, "total": [row for row in scene.rows if (row.names["team"], row.names["project"]) == ("search", "web")],
            "day": [row for row in scene.rows if row.names["user"] == "ann"]}[name]
    return {"": in_budget(rows, {"org": month, "total": FIRST, "day": LAST}[name])}


def check_export_totals(scene: Scene) -> None:
    for kind in KINDS:
        answer = scene.api(f"/api/exports/totals?{SPAN}&kind={kind}")
        totals = added(scene.of(kind))
        assert (answer["calls"], answer["attempts"], answer["cost_nanos"]) == (totals["requests"], totals["attempts"], totals["cost_nanos"])


def check_calls_csv(scene: Scene) -> None:
    for text in (scene.text(f"/api/exports/calls.csv?{SPAN}&kind=all"), scene.gateway.run("export", "calls-csv").stdout):
        lines = list(csv.DictReader(io.StringIO(text)))
        assert {line["id"]: int(line["cost_nanos"]) for line in lines} == by_request(scene.rows)
        assert all(int(line["booked_cost_nanos"]) + int(line["adjusted_nanos"]) == int(line["cost_nanos"]) for line in lines)


def check_calls_jsonl(scene: Scene) -> None:
    for text in (scene.text(f"/api/exports/calls.jsonl?{SPAN}&kind=all"), scene.gateway.run("export", "calls-jsonl").stdout):
        assert {line["id"]: line["cost_nanos"] for line in map(json.loads, text.splitlines())} == by_request(scene.rows)


def check_ledger_file(scene: Scene) -> None:
    assert [line for line in scene.text("/api/exports/ledger.jsonl").splitlines() if '"seq"' in line] == [
        line for line in scene.lines.decode().splitlines() if '"seq"' in line]


def check_entries(scene: Scene) -> None:
    found = pages(scene, "/api/ledger/entries?limit=200&kind=ATTEMPT&kind=SETTLE&kind=ADJUST")
    assert sum(one["cost_nanos"] or 0 for one in found) == added(scene.rows)["cost_nanos"]


def check_one_entry(scene: Scene) -> None:
    for entry in [one for one in map(json.loads, scene.lines.splitlines()) if one.get("kind") == "ATTEMPT"][::17]:
        shown = scene.api(f"/api/ledger/entries/{entry['seq']}")
        spent = sum(leg["amount_nanos"] for leg in shown["postings"] if leg["account"] == "spent")
        assert (shown["cost_nanos"], spent) == (int(entry["cost_nanos"]), int(entry["cost_nanos"]))
        assert sum(leg["amount_nanos"] for leg in shown["postings"]) == 0


def check_live(scene: Scene) -> None:
    """From the first entry on: each attempt as it stands now."""
    attempts: Counter[tuple[str, int]] = Counter()
    with scene.client.stream("GET", "/api/live?after=0") as stream:
        for line in stream.iter_lines():
            if line.startswith("data: ") and "cost_nanos" in line:
                item = json.loads(line.removeprefix("data: "))
                attempts[item["id"], item["cost_nanos"]] += 1
            if attempts.total() >= len(scene.rows):
                break
    assert attempts == Counter((row.request, row.totals["cost_nanos"]) for row in scene.rows)


def check_spend(scene: Scene) -> None:
    """The terminal says what the explorer says."""
    for by in (("team",), ("model", "user"), ("tag",)):
        answer = scene.gateway.json("spend", "--from", FIRST, "--to", LAST, "--top", "500", *(word for name in by for word in ("--by", name)))
        assert answer["total"]["cost_nanos"] == added(scene.of())["cost_nanos"]
        assert {tuple(one["names"]): one["cost_nanos"] for one in answer["groups"]} == {
            group: totals["cost_nanos"] for (_, group), totals in grouped(scene.of(), by).items()}


ADDED_UP: Final = {
    "/api/explore": check_explore, "/api/explore/rows.csv": check_rows_csv, "/api/requests": check_requests,
    "/api/requests/{request_id}": check_one_request, "/api/aggregations/monthly": check_aggregations,
    "/api/aggregations/by-prompt": check_aggregations, "/api/aggregations/by-team": check_aggregations,
    "/api/aggregations/version-comparison": check_aggregations, "/api/metrics/overview": check_overview,
    "/api/spenders": check_spenders, "/api/spenders/one": check_one_spender, "/api/dimensions": check_dimensions,
    "/api/dimensions/one": check_one_dimension, "/api/prompts": check_prompts, "/api/prompts/one": check_one_prompt,
    "/api/budgets": check_budgets, "/api/budgets/{budget_id}": check_budgets, "/api/exports/totals": check_export_totals,
    "/api/exports/calls.csv": check_calls_csv, "/api/exports/calls.jsonl": check_calls_jsonl, "/api/exports/ledger.jsonl": check_ledger_file,
    "/api/library": check_library, "/api/providers": check_providers, "/api/providers/{provider}": check_one_provider,
    "/key/info": check_key_info, "/spend/logs": check_spend_logs, "/user/daily/activity": check_daily_activity,
    "/api/ledger/entries": check_entries, "/api/ledger/entries/{seq}": check_one_entry, "/api/live": check_live,
}
"""Routes that show what calls came to, and who adds that up."""

WOULD_COST: Final = frozenset(("/api/prices/calculation", "/api/prompts/estimate"))
"""Routes that say what something would cost, not what calls came to."""

SHOW_NONE: Final = frozenset((
    "/api/budgets/{budget_id}/history", "/api/ledger/verifications", "/api/ledger/verifications/{run_id}", "/api/prices", "/api/prices/model",
    "/api/prices/unpriced", "/api/alerts", "/api/alerts/mutes", "/api/alerts/{alert_id}", "/api/auth/me", "/api/auth/session", "/api/auth/sessions",
    "/api/auth/totp", "/api/budgets/lint", "/api/channels", "/api/credentials", "/api/envelopes", "/api/envelopes/headroom",
    "/api/envelopes/{envelope_id}", "/api/explore/values", "/api/freshness", "/api/invitations", "/api/keys", "/api/keys/self", "/api/keys/{key_id}",
    "/api/ledger/entries/{seq}/proof", "/api/members", "/api/organization", "/api/organization/sign-in", "/api/policies",
    "/api/policies/activity", "/api/policies/lint", "/api/policies/{policy_id}", "/api/prices/overrides", "/api/projects", "/api/proposals",
    "/api/retention", "/api/teams", "/api/tokens", "/api/views"))
"""Routes that show nothing that calls came to. Envelopes stand on budgets, alerts repeat what those said at a moment, and a key's
own budgets are the same nodes."""


@pytest.mark.parametrize("check", [*dict.fromkeys(ADDED_UP.values()), check_spend], ids=lambda check: check.__name__.removeprefix("check_"))
def test_it_comes_to_what_the_ledger_comes_to(scene: Scene, check: Any) -> None:
    check(scene)


def test_the_history_has_something_of_everything(scene: Scene) -> None:
    """Else the sums above would prove little."""
    assert {row.kind for row in scene.rows} == set(KINDS)
    assert all(len(grouped(scene.of(), (dimension,))) > 1 for dimension in ("team", "project", "user", "model", "tag", "outcome", "method", CUSTOM))
    assert len({row.request for row in scene.of()}) < len(scene.of()), "some calls were tried twice"
    assert any('"ADJUST"' in line for line in scene.lines.decode().splitlines())
    assert scene.gateway.run("verify").returncode == 0


def test_every_route_that_reads_is_added_up_or_shows_no_money(scene: Scene) -> None:
    document = scene.api("/api/openapi.json")
    read = {path for path, methods in document["paths"].items() if "get" in methods}
    assert read - ADDED_UP.keys() - SHOW_NONE - WOULD_COST == set(), "add the new route to ADDED_UP with a check, or to SHOW_NONE"
    assert (ADDED_UP.keys() | SHOW_NONE | WOULD_COST) - read == set()
    schemas = document["components"]["schemas"]
    for path in SHOW_NONE:
        assert not (money := members(document["paths"][path]["get"]["responses"], schemas, frozenset())), (path, money)


def members(shape: Any, schemas: Any, seen: frozenset[str]) -> set[str]:
    """The members of an answer that are what calls came to."""
    if isinstance(shape, list):
        return {name for one in shape for name in members(one, schemas, seen)}
    if not isinstance(shape, dict):
        return set()
    if (name := shape.get("$ref", "").rpartition("/")[2]) and name not in seen:
        return members(schemas[name], schemas, seen | {name})
    own = {name for name in shape.get("properties", {}) if name.endswith(("_nanos", "cost_usd", "total_cost"))}
    return own | {found for one in shape.values() for found in members(one, schemas, seen)}
