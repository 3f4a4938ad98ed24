"""Whatever way an attempt ends, `verify` finds the cost to be what the entry says it rests on: the settlement's
rules and the verifier's were written apart, and hold each other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

import pytest

from tallystick.core.attempt import Admission
from tallystick.core.settlement import Served, settle
from tallystick.core.usage import Part, Reading, StatedCost, usage_of
from tallystick.stores.price_files import open_book
from tallystick.stores.sql.calls import Calls
from tallystick.stores.sql.verify import verify
from tests.build.databases import both_engines
from tests.build.journal import KEY, admission, open_journal, run

pytestmark = both_engines

USAGE = usage_of(input_text=1_234, cached_text=500, output_text=77, output_reasoning=20)
STATED = StatedCost(Decimal("0.0123456789"))
SILENT = StatedCost(Decimal(0))
BYOK = StatedCost(Decimal(0), byok=True, upstream_usd=Decimal("0.002"))


@dataclass(frozen=True)
class Terms:
    states_cost: bool = True
    free_models: bool = False
    price_book: str | None = None


def reading(**more: object) -> Reading:
    return replace(Reading(usage=USAGE, model="gpt-4o", response_id="id-1", ended=True, output_bytes=400), **more)


ENDS = {
    "usage": Served(200, reading()),
    "stated": Served(200, reading(stated=STATED)),
    "stated, no usage": Served(200, reading(stated=STATED, usage=None)),
    "a silent zero": Served(200, reading(stated=SILENT)),
    "a silent zero, no usage": Served(200, reading(stated=SILENT, usage=None)),
    "byok": Served(200, reading(stated=BYOK)),
    "no usage": Served(200, reading(usage=None)),
    "no usage of an unknown model": Served(200, reading(usage=None, model="never-heard-of")),
    "an unknown model": Served(200, reading(model="never-heard-of")),
    "parts": Served(200, reading(parts=(Part("advisor", "gpt-4o-mini", usage_of(input_text=10, output_text=5)),))),
    "parts that split": Served(200, reading(parts=(Part("model", "gpt-4o-mini", USAGE, splits=True),))),
    "an unpriced unit": Served(200, reading(usage=USAGE.plus(usage_of(web_searches=2)))),
    "its own error": Served(400, own_error=True),
    "an edge's error": Served(502),
    "never reached": Served(0, fault="connect", written=False),
    "silence": Served(0, fault="timeout"),
    "cut": Served(200, reading(usage=None, ended=False), fault="reset"),
    "client gone": Served(200, reading(), client_gone=True),
    "a job": Served(200, reading(usage=None, deferred=True)),
}


@pytest.mark.parametrize("sandbox", [False, True])
def test_every_end_of_an_attempt_verifies(tmp_path: Path, sandbox: bool) -> None:
    journal, book = open_journal(tmp_path), open_book()
    written: dict[str, tuple[str, Admission]] = {}
    for number, (name, served) in enumerate(ENDS.items(), start=1):
        model = "never-heard-of" if "unknown" in name else "gpt-4o"
        asked = admission(number, model=model, sandbox=sandbox)
        run(journal.spool.admit(asked))
        run(journal.spool.settle(settle(asked, served, book, Terms(), asked.at_us + 1)))
        written[asked.request_id] = name, asked
    free = admission(90)
    run(journal.spool.admit(free))
    run(journal.spool.settle(settle(free, Served(200, reading()), book, Terms(free_models=True), free.at_us + 1)))
    journal.ship()
    assert journal.alarms == []
    result = verify(journal.database, KEY.public_key)
    assert result.findings == ()
    calls = Calls(journal.database)
    for request, (name, asked) in written.items():
        record = calls.read_call(request)
        assert record is not None
        (attempt,) = record.attempts
        assert (attempt.settlement or attempt.deferred) == settle(asked, ENDS[name], book, Terms(), asked.at_us + 1), name
    journal.spool.close()
