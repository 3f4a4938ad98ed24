"""Frozen dataclasses that are made as quickly as open ones.

A call makes some thirty nouns with two hundred fields between them, and what `dataclasses` generates
for a frozen class sets each through `object.__setattr__`: 7.8 µs for one of twenty fields where an
open class takes 2.4, which was a fifth of the whole line. `quick` gives the class an `__init__`
during which the object belongs to an open twin with the same slots, and takes 2.6. Whoever gets to
see the object sees the frozen class: nothing else of it changes.
"""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any, TypeVar

_Class = TypeVar("_Class")


def quick(cls: type[_Class]) -> type[_Class]:
    """The same class with a quicker `__init__`. For `@dataclass(frozen=True, slots=True)` whose fields
    are all given at the start and that has neither bases nor a `__post_init__`."""
    twin = type(cls.__name__, (), {"__slots__": cls.__slots__})  # type: ignore[attr-defined]
    names: dict[str, Any] = {"set_class": object.__dict__["__class__"].__set__, "twin": twin, "cls": cls, "unsaid": MISSING}
    takes, sets = ["self"], []
    for one in fields(cls):  # type: ignore[arg-type]
        take = value = one.name
        if one.default is not MISSING:
            names[f"default_{one.name}"] = one.default
            take += f"=default_{one.name}"
        elif one.default_factory is not MISSING:
            names[f"make_{one.name}"] = one.default_factory
            take += "=unsaid"
            value = f"make_{one.name}() if {one.name} is unsaid else {one.name}"
        takes.append(take)
        sets.append(f"    self.{one.name} = {value}\n")
    source = f"def __init__({', '.join(takes)}):\n    set_class(self, twin)\n{''.join(sets)}    set_class(self, cls)\n"
    exec(source, names)  # noqa: S102 - of field names only, as dataclasses does it
    made = names["__init__"]
    made.__qualname__, made.__annotations__ = f"{cls.__qualname__}.__init__", cls.__init__.__annotations__
    cls.__init__ = made  # type: ignore[method-assign]
    return cls
