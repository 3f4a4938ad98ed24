"""A class made quick is the same frozen class: it says the same, refuses the same, compares the same."""

from __future__ import annotations

import dataclasses
from dataclasses import FrozenInstanceError, dataclass, field, replace

import msgspec
import pytest

from tallystick.core.quick import quick


@quick
@dataclass(frozen=True, slots=True)
class Stay:
    guest: str
    nights: int = 1
    extras: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PlainStay:
    guest: str
    nights: int = 1
    extras: dict[str, int] = field(default_factory=dict)


def test_it_takes_and_says_what_a_plain_one_does() -> None:
    stay, plain = Stay("Ada", extras={"tea": 2}), PlainStay("Ada", extras={"tea": 2})
    assert dataclasses.asdict(stay) == dataclasses.asdict(plain)
    assert repr(stay) == repr(plain).replace("PlainStay", "Stay")
    assert type(stay) is Stay
    assert stay == Stay("Ada", 1, {"tea": 2}) != Stay("Ada")
    assert replace(stay, nights=3) == Stay("Ada", 3, {"tea": 2})


def test_each_has_its_own_default() -> None:
    assert Stay("Ada").extras is not Stay("Ada").extras


def test_it_is_frozen() -> None:
    stay = Stay("Ada")
    with pytest.raises(FrozenInstanceError):
        stay.nights = 2  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        del stay.guest


def test_it_refuses_what_does_not_fit() -> None:
    with pytest.raises(TypeError, match="guest"):
        Stay()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="stars"):
        Stay("Ada", stars=5)  # type: ignore[call-arg]


def test_it_goes_through_a_record_and_back() -> None:
    stay = Stay("Ada", 2, {"tea": 1})
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(stay), type=Stay) == stay
