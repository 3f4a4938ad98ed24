"""The credential in hand: which one it is, what its answer says of it, and what its attempts show."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tallystick.core.attempt import Admission
from tallystick.core.call import Facts
from tallystick.core.credential_health import Place, Standings
from tallystick.core.errors import Denied, StoreFault
from tallystick.core.identity import Attribution
from tallystick.core.secret import Secret
from tallystick.core.settlement import Served
from tallystick.edge.carrying import Carrier
from tallystick.edge.paths import Target, resolve
from tests.build.edge import PROVIDERS, answer

NOW_US = 1_795_000_000_000_000
MODEL = "gpt-4o"
ADMISSION = Admission("req_1", 1, NOW_US, Attribution("key_1", "default", {}), "openai", "chat", None, MODEL, Facts(), 0, 0, 0, True, True,
                      credential="default")


class Held:
    """The organisation's credentials. `away`: they cannot be read."""

    def __init__(self, *names: str) -> None:
        self._names = names
        self.away = False

    async def find(self, _organization: str, _provider: str, name: str) -> Secret | Denied | None:
        if self.away:
            raise StoreFault("the database is away")
        return Secret(f"sk-{name}") if name in self._names else None


@pytest.fixture
def standings() -> Standings:
    return Standings(lambda: NOW_US)


@pytest.fixture
def held() -> Held:
    return Held("default", "second")


@pytest.fixture
def carrier(held: Held, standings: Standings) -> Carrier:
    target = resolve("POST", b"/v1/chat/completions", b"", {}, PROVIDERS)
    assert isinstance(target, Target)
    made = Carrier(held, standings, target)
    assert answer(made.take("default", "default")) is None
    return made


def test_it_changes_for_an_attempt_and_says_so(carrier: Carrier) -> None:
    assert answer(carrier.change(ADMISSION)) is None
    carrier.goes(ADMISSION)
    assert (carrier.name, carrier.disclosed) == ("default", ())
    again = replace(ADMISSION, attempt=2, credential="second")
    assert answer(carrier.change(again)) is None
    carrier.goes(again)
    assert carrier.secret is not None
    assert (carrier.name, carrier.secret.reveal()) == ("second", "sk-second")
    assert carrier.disclosed == ((b"x-tallystick-attempts", b"2"), (b"x-tallystick-credential", b"second"))


def test_one_that_is_not_held_or_cannot_be_read_changes_nothing(carrier: Carrier, held: Held) -> None:
    missing = answer(carrier.change(replace(ADMISSION, credential="third")))
    held.away = True
    away = answer(carrier.change(replace(ADMISSION, credential="second")))
    assert [one.code for one in (missing, away) if one is not None] == ["provider_credential_missing", "journal_unavailable"]
    assert carrier.name == "default"


def test_a_callers_own_is_neither_changed_nor_looked_at(held: Held, standings: Standings, carrier: Carrier) -> None:
    own = Carrier(held, standings, carrier._target)
    assert answer(own.change(replace(ADMISSION, credential="caller"))) is None
    own.observe(ADMISSION, Served(status=429), 5_000_000)
    assert standings.states() == {}


def test_what_an_attempt_shows(carrier: Carrier, standings: Standings) -> None:
    here = Place("default", "openai", "default")
    carrier.observe(ADMISSION, Served(status=200), None)
    for stopped in (Served(fault="cancelled"), Served(status=200, fault="cancelled")):       # by a kill switch, an unfinished upload
        carrier.observe(ADMISSION, stopped, None)
    carrier.observe(replace(ADMISSION, sandbox=True), Served(status=429), 5_000_000)
    assert (standings.health(here).successes, standings.health(here).failures) == (1, 0)
    carrier.observe(replace(ADMISSION, billable=False), Served(status=429), 5_000_000)       # counting tokens has limits of its own
    assert standings.cooling(here, MODEL) is None
    carrier.observe(ADMISSION, Served(status=429), 5_000_000)
    cooling = standings.cooling(here, MODEL)
    assert cooling is not None
    assert (cooling.stated, cooling.until_us) == (True, NOW_US + 5_000_000)
