"""A directory of price files is a book; its version names its bytes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tallystick.core.price_rows import PriceFault, instant_us
from tallystick.core.usage import usage_of
from tallystick.stores.price_files import open_book

NOON = instant_us("2026-11-20T12:00Z")


def write(directory: Path, price: str) -> None:
    lines = [{"provider": "acme", "checked_on": "2026-11-21"}, {"model": "anvil"}, {"model": "anvil", "unit": "input_text", "price": price}]
    (directory / "acme.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_a_directory_opens_as_a_book(tmp_path: Path) -> None:
    write(tmp_path, "2")
    book = open_book(tmp_path)
    assert book.price("acme", "anvil", usage_of(input_text=1), NOON, {}).nanos == 2_000
    assert book.price("other", "anvil", usage_of(input_text=1), NOON, {}).unpriced == ("input_text",)
    version = book.version
    write(tmp_path, "3")
    assert open_book(tmp_path).version != version
    assert version.startswith("2026-11-21.")


def test_a_file_is_read_when_it_is_first_asked_for(tmp_path: Path) -> None:
    write(tmp_path, "2")
    (tmp_path / "broken.jsonl").write_text('{"provider":"broken"}\nnot json\n')
    book = open_book(tmp_path)
    assert book.price("acme", "anvil", usage_of(input_text=1), NOON, {}).nanos == 2_000
    with pytest.raises(PriceFault, match="broken prices, line 2"):
        book.warm(["broken"])
