"""The grammar of entries: exact bytes, the chain through `prev`, postings, and signed checkpoints."""

import json
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.core.errors import Defect
from tallystick.core.ledger import (
    GENESIS,
    Checkpoint,
    LedgerFault,
    body_of,
    leaf_of,
    open_checkpoint,
    postings,
    read_body,
    sealed,
    sign_checkpoint,
)
from tallystick.stores.secrets import LedgerKey, signature_holds

KEY = LedgerKey(bytes(range(32)))
ROOT = bytes(range(32))


def holds(signature: bytes, text: bytes) -> bool:
    return signature_holds(KEY.public_key, signature, text)


def test_an_entry_is_sorted_json_without_spaces_and_links_to_the_one_before() -> None:
    body = body_of({"seq": 7, "kind": "KEY", "org": "default", "actor": "Zoë"})
    assert body == '{"actor":"Zoë","kind":"KEY","org":"default","prev":"","seq":7}'.encode()
    exact = sealed(body, ROOT)
    assert json.loads(exact) == {"actor": "Zoë", "kind": "KEY", "org": "default", "prev": ROOT.hex(), "seq": 7}
    assert leaf_of(body, ROOT) == sha256(b"\0" + exact).digest()
    assert leaf_of(body, ROOT) != leaf_of(body, GENESIS)


@given(st.text())
def test_no_text_can_pass_for_the_link(text: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    fields = {"kind": "KEY", "actor": f'"prev":""{text}', "notes": ['"prev":""', text]}
    body = body_of(fields)
    assert json.loads(sealed(body, ROOT)) == {**fields, "prev": ROOT.hex()}
    assert read_body(body) == {**fields, "prev": ""}


@pytest.mark.parametrize("body", [
    b"", b"[]", b"{}", b'{"kind":"GIFT","prev":""}', b'{"kind":"KEY"}', b'{"kind":"KEY","prev":"ab"}', b"\xff",
    b'{"cost":0.5,"kind":"KEY","prev":""}', b'{"cost":NaN,"kind":"KEY","prev":""}'])
def test_what_is_no_entry_is_not_read_as_one(body: bytes) -> None:
    with pytest.raises(LedgerFault):
        read_body(body)


@given(st.integers(0, 10**18), st.integers(0, 10**18))
def test_postings_of_every_kind_sum_to_zero_and_a_hold_ends_where_it_began(hold: int, cost: int) -> None:
    admitted = postings({"kind": "ADMIT", "hold_nanos": str(hold)})
    settled = postings({"kind": "SETTLE", "cost_nanos": str(cost)}, hold)
    at_once = postings({"kind": "ATTEMPT", "hold_nanos": str(hold), "cost_nanos": str(cost)})
    for legs in (admitted, settled, at_once):
        assert sum(leg.amount_nanos for leg in legs) == 0
    for legs in ((*admitted, *settled), at_once):
        balance = {name: sum(leg.amount_nanos for leg in legs if leg.account == name) for name in ("free", "held", "spent")}
        assert balance == {"free": -cost, "held": 0, "spent": cost}


def test_a_settlement_needs_its_hold_and_other_kinds_move_nothing() -> None:
    with pytest.raises(Defect):
        postings({"kind": "SETTLE", "cost_nanos": "1"})
    assert postings({"kind": "REFUSED"}) == ()
    assert postings({"kind": "DEFER", "ref": 3}) == ()


def test_a_checkpoint_is_a_signed_note() -> None:
    note = sign_checkpoint(Checkpoint("tallystick/x/default", 42, ROOT), KEY.public_key, KEY.sign)
    assert note.split("\n")[:4] == ["tallystick/x/default", "42", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", ""]
    assert note.split("\n")[4].startswith("\u2014 tallystick/x/default ")
    assert open_checkpoint(note, KEY.public_key, holds) == Checkpoint("tallystick/x/default", 42, ROOT)


def test_no_character_of_a_checkpoint_can_be_changed() -> None:
    note = sign_checkpoint(Checkpoint("t", 42, ROOT), KEY.public_key, KEY.sign)
    for place in range(len(note) - 1):
        changed = note[:place] + ("B" if note[place] != "B" else "C") + note[place + 1:]
        try:
            found = open_checkpoint(changed, KEY.public_key, holds)
        except LedgerFault:
            continue
        assert found == Checkpoint("t", 42, ROOT), "base64's spare bits may differ, what is said may not"


def test_another_keys_checkpoint_is_refused() -> None:
    other = LedgerKey(bytes(31) + b"x")
    note = sign_checkpoint(Checkpoint("t", 1, ROOT), other.public_key, other.sign)
    with pytest.raises(LedgerFault, match="another key"):
        open_checkpoint(note, KEY.public_key, holds)
