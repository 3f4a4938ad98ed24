"""The whole: in which language the code is, the code rewritten, and both beside each other line by line.

Without a language given it is the one that the code parses best in. What comes out is parsed again: a rewriting
that the parser understands less well than what came in is not given out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from difflib import SequenceMatcher
from typing import Any, Final, Literal

from tallystick.rewriting import javascript, python, shell
from tallystick.rewriting.sheet import Name, Note, Sheet, Target, faults, parsed, tell_faults

Language = Literal["python", "javascript", "shell"]
Change = Literal["same", "gone", "new"]

# In the order in which they are tried. TypeScript's own grammar has casts that JSX cannot have, and the other way round.
_GRAMMARS: Final[Mapping[Language, tuple[Name, ...]]] = {"python": ("python",), "javascript": ("tsx", "typescript"), "shell": ("bash",)}
_RULES: Final[Mapping[Language, Callable[[Sheet], None]]] = {
    "python": python.rewrite, "javascript": javascript.rewrite, "shell": shell.rewrite}
_NOTES_MAX: Final = 200
_SPOILED: Final = "What came of this would not be code any more, so nothing was changed. Please report it with the code."


@dataclass(frozen=True, slots=True)
class Rewritten:
    """The code as it is now, what was done to it, and the lines of both."""

    language: Language
    code: str
    changed: bool
    notes: tuple[Note, ...]
    diff: tuple[tuple[Change, str], ...]

    def document(self) -> dict[str, Any]:
        """For the wire."""
        return {"language": self.language, "code": self.code, "changed": self.changed, "notes": [asdict(note) for note in self.notes],
                "diff": [{"change": change, "text": text} for change, text in self.diff]}


def rewritten(code: str, target: Target, language: Language | None = None) -> Rewritten:
    """The code, going through the gateway as far as it was understood. `javascript` is TypeScript too."""
    tried = [_tried(code, target, one) for one in ([language] if language else _GRAMMARS)]
    found, sheet = min(tried, key=lambda one: (_faulty(one[1]), not one[1].edits, not one[1].notes))
    tell_faults(sheet)
    text = sheet.text()
    if _faulty(parsed(text, _name(code, target, found), target)) > _faulty(sheet):
        text = code
        sheet.notes[:] = [Note(1, "unclear", _SPOILED)]
    notes = tuple(sorted(sheet.notes, key=lambda note: note.line)[:_NOTES_MAX])
    return Rewritten(found, text, text != code, notes, lines_of(code, text))


def _tried(code: str, target: Target, language: Language) -> tuple[Language, Sheet]:
    sheet = parsed(code, _name(code, target, language), target)
    _RULES[language](sheet)
    return language, sheet


def _name(code: str, target: Target, language: Language) -> Name:
    """The grammar of this language that understands most of the code."""
    return min(_GRAMMARS[language], key=lambda name: _faulty(parsed(code, name, target)))


def _faulty(sheet: Sheet) -> int:
    """How much of it was not understood: bytes, and one for whatever is missing."""
    return sum(max(node.end_byte - node.start_byte, 1) for node in faults(sheet.root))


def lines_of(before: str, after: str) -> tuple[tuple[Change, str], ...]:
    """Both codes line by line: what stayed, what is gone, what is new."""
    old, new = before.splitlines(), after.splitlines()
    begin = _alike(old, new)
    end = _alike(old[begin:][::-1], new[begin:][::-1])
    middle_old, middle_new = old[begin:len(old) - end], new[begin:len(new) - end]
    told: list[tuple[Change, str]] = [("same", line) for line in old[:begin]]
    for what, i, j, k, m in SequenceMatcher(None, middle_old, middle_new).get_opcodes():
        if what == "equal":
            told += [("same", line) for line in middle_old[i:j]]
        else:
            told += [("gone", line) for line in middle_old[i:j]]
            told += [("new", line) for line in middle_new[k:m]]
    return (*told, *(("same", line) for line in old[len(old) - end:]))


def _alike(one: Sequence[str], other: Sequence[str]) -> int:
    """How many lines both begin with."""
    count = 0
    while count < min(len(one), len(other)) and one[count] == other[count]:
        count += 1
    return count
