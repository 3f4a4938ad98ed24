"""The invented company that `tallystick demo` shows: what its projects ask for, when, and how that changes over the ninety days.
Figures only; `sample_calls.py` tells them to the real line. The story is what a cost review should find: a team that begins in
the middle, a prompt whose second version carries twice the context, an agent that ran wild one afternoon, quiet weekends, and
a nightly batch that costs more than it looks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Final, Literal

DAYS: Final = 90
DAY_S: Final = 86_400
SLOT_S: Final = 30                           # a call ends before the next slot begins, so records stand in their order
CALLS_A_DAY: Final = 110                     # of the whole company, on an ordinary weekday
_WILD_DAY: Final = DAYS - 19
_WILD_CALLS: Final = 240

Hours = Literal["office", "always", "night"]
_HOURS: Final[dict[Hours, tuple[int, ...]]] = {        # how many of a day's calls fall into each hour of UTC
    "office": (0, 0, 0, 0, 0, 0, 1, 4, 9, 12, 12, 10, 7, 10, 12, 11, 9, 5, 2, 1, 0, 0, 0, 0),
    "always": (3, 2, 2, 2, 2, 3, 4, 6, 8, 9, 9, 8, 8, 9, 9, 9, 8, 7, 7, 7, 6, 5, 4, 3),
    "night": (0, 10, 14, 14, 8, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
}
_WEEKEND: Final[dict[Hours, float]] = {"office": 0.08, "always": 0.7, "night": 1.0}


@dataclass(frozen=True, slots=True)
class Model:
    """Where it is asked for."""

    path: str
    provider: str
    name: str


_CHAT: Final = "/v1/chat/completions"
MINI: Final = Model(_CHAT, "openai", "gpt-4o-mini")
GPT: Final = Model(_CHAT, "openai", "gpt-5.4")
SONNET: Final = Model("/v1/messages", "anthropic", "claude-sonnet-4-5")
OPUS: Final = Model("/v1/messages", "anthropic", "claude-opus-4-6")
HAIKU: Final = Model("/v1/messages", "anthropic", "claude-haiku-4-5")
FLASH: Final = Model("/v1beta/models/gemini-2.5-flash:generateContent", "google", "gemini-2.5-flash")
MISTRAL: Final = Model(_CHAT, "mistral", "mistral-large-2512")


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a prompt, from a day on: its model, and what a call takes and gives on average, in tokens. `cached`: the
    share of what it takes that the provider reads from its cache."""

    name: str
    since: int
    model: Model
    input_tokens: int
    output_tokens: int
    cached: float = 0.0
    note: str = ""


@dataclass(frozen=True, slots=True)
class Prompt:
    """Under which key, how much of its project's calls, and its versions, oldest first."""

    key: str
    share: int
    versions: tuple[Version, ...]

    def on(self, day: int) -> Version | None:
        """The version of that day; None before the first."""
        return next((one for one in reversed(self.versions) if one.since <= day), None)


@dataclass(frozen=True, slots=True)
class Project:
    """`share`: of the company's calls. `growth`: how much more on the last day than on the first."""

    team: str
    name: str
    share: int
    hours: Hours
    users: tuple[str, ...]
    prompts: tuple[Prompt, ...]
    agent: str | None = None
    environment: str = "production"
    cost_center: str = "sample-100"
    since: int = 0
    growth: float = 0.3


PROJECTS: Final = (
    Project("sample-support", "chatbot", 34, "always", ("sample-web", "sample-app"), (
        Prompt("support/answer", 7, (
            Version("1", 0, SONNET, 3_200, 380, 0.5, "Answers from the help pages."),
            Version("2", 54, SONNET, 6_900, 410, 0.2, "Carries the last twenty messages along."))),
        Prompt("support/classify", 3, (Version("1", 0, MINI, 700, 12),))), growth=0.5),
    Project("sample-support", "agent-assist", 12, "office", ("sample-agent-1", "sample-agent-2", "sample-agent-3", "sample-agent-4"), (
        Prompt("support/draft-reply", 1, (
            Version("1", 0, GPT, 4_100, 620, 0.3), Version("2", 31, HAIKU, 4_000, 560, 0.3, "A smaller model, judged as good."))),)),
    Project("sample-search", "ranking", 22, "always", ("sample-web",), (
        Prompt("search/rewrite-query", 4, (Version("1", 0, FLASH, 420, 40), Version("2", 40, FLASH, 480, 36))),
        Prompt("search/summarise-results", 1, (Version("3", 0, MINI, 5_200, 240, 0.4),))), cost_center="sample-200"),
    Project("sample-research", "papers", 8, "night", ("sample-batch",), (
        Prompt("research/extract", 3, (Version("1", 0, OPUS, 41_000, 1_900, 0.1),)),
        Prompt("research/compare", 1, (Version("1", 0, OPUS, 88_000, 2_600, 0.1),))),
        agent="sample-paper-reader", cost_center="sample-300", growth=0.1),
    Project("sample-growth", "campaigns", 12, "office", ("sample-marketing-1", "sample-marketing-2"), (
        Prompt("growth/copy", 2, (Version("1", 0, MISTRAL, 1_300, 900),)),
        Prompt("growth/translate", 1, (Version("1", 0, MISTRAL, 1_900, 1_700),))), cost_center="sample-400", since=33, growth=1.2),
    Project("sample-platform", "code-review", 12, "office", ("sample-engineer-1", "sample-engineer-2", "sample-engineer-3"), (
        Prompt("platform/review", 1, (Version("1", 0, SONNET, 18_000, 1_300, 0.6),)),), agent="sample-reviewer",
        environment="ci", cost_center="sample-200"),
)
_REVIEWER: Final = PROJECTS[-1]


@dataclass(frozen=True, slots=True)
class Asked:
    """One call of the story. `second`: since the first day began. `session`: of an agent's run."""

    second: int
    project: Project
    prompt: Prompt
    version: Version
    user: str
    session: str | None
    outcome: Literal["completed", "refused", "failed", "cut"]
    input_tokens: int
    output_tokens: int


def story(first_weekday: int, seconds: int, chance: Random) -> Iterator[Asked]:
    """The calls in their order, each in a slot of its own. `first_weekday`: of the first day, Monday is 0. `seconds`: when the
    story ends, at most ninety days after it begins."""
    planned: dict[int, tuple[Project, str | None]] = {}
    for day in range(DAYS + 1):                  # the last one as far as it has come
        for project in PROJECTS:
            if project.since <= day:
                for _ in range(_calls(project, day, (first_weekday + day) % 7, chance)):
                    hour = chance.choices(range(24), _HOURS[project.hours])[0]
                    _plan(planned, day * DAY_S + hour * 3_600 + chance.randrange(3_600), project, None)
    for turn in range(_WILD_CALLS):              # the afternoon on which an agent did not stop
        _plan(planned, _WILD_DAY * DAY_S + 14 * 3_600 + turn * SLOT_S, _REVIEWER, "sample-run-wild")
    for slot in sorted(planned):
        if (slot + 1) * SLOT_S <= seconds:
            project, session = planned[slot]
            yield _asked(slot * SLOT_S, project, session, chance)


def _plan(planned: dict[int, tuple[Project, str | None]], second: int, project: Project, session: str | None) -> None:
    slot = second // SLOT_S
    while slot in planned:
        slot += 1
    planned[slot] = (project, session)


def _calls(project: Project, day: int, weekday: int, chance: Random) -> int:
    grown = 1 + project.growth * (day - project.since) / DAYS
    usual = CALLS_A_DAY * project.share / 100 * grown * (_WEEKEND[project.hours] if weekday >= 5 else 1)
    return round(usual * chance.uniform(0.8, 1.2))


def _asked(second: int, project: Project, session: str | None, chance: Random) -> Asked:
    day = second // DAY_S
    prompt = chance.choices(project.prompts, [one.share for one in project.prompts])[0]
    version = prompt.on(day)
    assert version is not None, "a prompt is there from its project's first day"
    if session is None and project.agent is not None:
        session = f"sample-run-{day}-{chance.randrange(4)}"
    outcome = chance.choices(("completed", "refused", "failed", "cut"), (94, 1, 4, 1))[0]
    return Asked(second, project, prompt, version, chance.choice(project.users), session, outcome,  # type: ignore[arg-type]
                 round(version.input_tokens * chance.uniform(0.6, 1.5)), max(4, round(version.output_tokens * chance.uniform(0.4, 1.6))))
