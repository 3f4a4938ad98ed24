"""A sheet of code: its tree, the changes noted on it, and what there is to say of each. Changes are places and texts, made all
at once at the end; the first who claims a place has it, so no rule can undo another's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import urlsplit

import tree_sitter_bash
import tree_sitter_python
import tree_sitter_typescript
from tree_sitter import Language, Node, Parser

Name = Literal["python", "typescript", "tsx", "bash"]
Kind = Literal["changed", "kept", "warning", "unclear"]

KEY_VARIABLE: Final = "TALLYSTICK_KEY"
DIRECT: Final[Mapping[str, str]] = {"api.openai.com": "openai", "api.anthropic.com": "anthropic"}
AUTH_HEADERS: Final = frozenset({"authorization", "x-api-key", "api-key"})
_FAULTS_TOLD: Final = 5
_KEY_PREFIXES: Final = ("sk-proj-", "sk-svcacct-", "sk-admin-", "sk-ant-")


@dataclass(frozen=True, slots=True)
class Target:
    """Where calls are to go, and the headers that say what they are for."""

    gateway: str                             # without a slash at its end
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Note:
    """What was done, left, or not understood, and on which line of the code that came in."""

    line: int
    kind: Kind
    text: str


@dataclass(slots=True)
class Sheet:
    """Code being rewritten."""

    code: bytes
    root: Node
    target: Target
    notes: list[Note] = field(default_factory=list)
    edits: list[tuple[int, int, str]] = field(default_factory=list)
    left: list[tuple[int, int]] = field(default_factory=list)    # places that stay as they are

    def leave(self, node: Node) -> None:
        """Nothing in it is to be changed."""
        self.left.append((node.start_byte, node.end_byte))

    def say(self, node: Node, kind: Kind, text: str) -> None:
        """Note something of the line that a node begins on; the same only once."""
        note = Note(node.start_point.row + 1, kind, text)
        if note not in self.notes:
            self.notes.append(note)

    def replace(self, node: Node, text: str) -> bool:
        """Write something else in a node's place; False where somebody has changed it already."""
        return self.write(node.start_byte, node.end_byte, text)

    def write(self, begin: int, end: int, text: str) -> bool:
        """Write a text in the place of these bytes; an empty span inserts."""
        if any(begin < there[1] and there[0] < end for there in self.edits) or (begin, end, text) in self.edits:
            return False
        if any(there[0] <= begin and end <= there[1] for there in self.left):
            return False
        self.edits.append((begin, end, text))
        return True

    def text(self) -> str:
        """The code with all changes made."""
        code, done = b"", 0
        for begin, end, text in sorted(self.edits, key=lambda edit: edit[:2]):
            code += self.code[done:begin] + text.encode()
            done = end
        return (code + self.code[done:]).decode()

    def indent(self, node: Node) -> str:
        """The blanks before the line on which a node begins."""
        line = self.code[self.code.rfind(b"\n", 0, node.start_byte) + 1:node.start_byte].decode()
        return line[:len(line) - len(line.lstrip())]

    def begins_line(self, node: Node) -> bool:
        """Whether there is nothing but blanks before it."""
        return not self.code[self.code.rfind(b"\n", 0, node.start_byte) + 1:node.start_byte].strip()

    def blanks_before(self, node: Node) -> str:
        """What stands before it on its line."""
        return self.code[self.code.rfind(b"\n", 0, node.start_byte) + 1:node.start_byte].decode()


def parsed(code: str, name: Name, target: Target) -> Sheet:
    """The code's tree. Whatever the code is, there is one; what is no code is an error in it."""
    grammar = {
        "python": tree_sitter_python.language, "typescript": tree_sitter_typescript.language_typescript,
        "tsx": tree_sitter_typescript.language_tsx, "bash": tree_sitter_bash.language,
    }[name]
    data = code.encode()
    return Sheet(data, Parser(Language(grammar())).parse(data).root_node, target)


def walk(root: Node) -> Iterator[Node]:
    """Every node in the order of the text; deep code is no deeper here."""
    cursor = root.walk()
    while True:
        node = cursor.node
        assert node is not None
        yield node
        if cursor.goto_first_child():
            continue
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return


def faults(root: Node) -> list[Node]:
    """Where the parser did not understand the code."""
    return [node for node in walk(root) if node.is_error or node.is_missing] if root.has_error else []


def tell_faults(sheet: Sheet) -> None:
    """Note the first of them."""
    for node in faults(sheet.root)[:_FAULTS_TOLD]:
        sheet.say(node, "unclear", "From here on this is not understood as code; nothing in it is changed.")


def word(node: Node | None) -> str:
    """A node's text."""
    return node.text.decode() if node is not None and node.text is not None else ""


def field_of(node: Node, name: str) -> Node | None:
    """A part of a node by its name in the grammar."""
    return node.child_by_field_name(name)


def inside(node: Node, *types: str) -> bool:
    """Whether it stands in a node of one of these types."""
    above = node.parent
    while above is not None:
        if above.type in types:
            return True
        above = above.parent
    return False


def direct(address: str) -> str | None:
    """The provider that an address goes to directly."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    return DIRECT.get(parts.hostname or "") if parts.scheme in ("http", "https") else None


def origin_of(address: str) -> str:
    """Scheme, host and port as they stand in an address."""
    begin = address.index("//") + 2
    ends = [end for sign in "/?#" if (end := address.find(sign, begin)) >= 0]
    return address[:min(ends, default=len(address))]


def is_key(text: str) -> bool:
    """Whether a text looks like a provider's key."""
    if not (text.startswith("sk-") and text.isascii() and all(sign.isalnum() or sign in "-_" for sign in text)):
        return False
    return len(text) >= 12 if text.startswith(_KEY_PREFIXES) else len(text) >= 20 and any(map(str.isdigit, text))


KEY_TOLD: Final = ("A provider's key stood in the code. It is taken out here, but whoever saw the code has seen it: "
                   "end it at the provider and store its successor in the gateway.")
KEY_SHOWN: Final = "A key stood in the code; it now comes from the environment."
CLOUDS_TOLD: Final = "signs its calls for a cloud; it is left as it is. docs/clouds.md says how such calls go through."
NAMED: Final = "Every call says what it is for, in its headers."
