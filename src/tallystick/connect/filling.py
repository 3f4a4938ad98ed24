"""A client's text with somebody's address, key and headers in it: each value becomes a literal of the text's language, so
that no value can be more than a value. `web/src/connect.ts` does the same in the browser; both are held to
`tests/connect/filled.json`.

Marks and placeholders are explained at the top of `clients.toml`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

from tallystick.connect.clients import Client, Form

PROMPT: Final = "Say hello"
KEY_SHOWN: Final = "YOUR_KEY"
_PLACEHOLDER: Final = re.compile("«([a-z_]+)(?::([^»|]*))?(?:[|]([^»]*))?»")
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VISIBLE: Final = re.compile(r"[ -~]*")
_ADDRESS: Final = re.compile(r"https?://[!-~]+")
_NUMBER: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")


class Unfit(ValueError):
    """A value that cannot stand where it would have to; the sentence says which and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filling:
    """What goes into a text. `temperature` and `max_tokens` are numbers as text, or None: then the text is without them."""

    gateway: str
    key: str = KEY_SHOWN
    headers: Mapping[str, str] = field(default_factory=dict)
    model: str | None = None
    prompt: str = PROMPT
    max_tokens: str | None = None
    temperature: str | None = None

    def __post_init__(self) -> None:
        if _ADDRESS.fullmatch(self.gateway) is None:
            raise Unfit(f"The gateway's address must begin with http:// or https://, not {self.gateway!r}.")
        if not self.key or _VISIBLE.fullmatch(self.key) is None:
            raise Unfit("A key is printable ASCII.")
        for name, value in self.headers.items():
            if _TOKEN.fullmatch(name) is None:
                raise Unfit(f"{name!r} cannot be a header's name.")
            if not value or value != value.strip() or _VISIBLE.fullmatch(value) is None:
                raise Unfit(f"{name}: clients send printable ASCII only; fix {value!r} on the key instead.")
        for number in (self.max_tokens, self.temperature):
            if number is not None and _NUMBER.fullmatch(number) is None:
                raise Unfit(f"{number!r} is not a number.")

    @property
    def base(self) -> str:
        return self.gateway.rstrip("/")

    @property
    def header_lines(self) -> str:
        return "\n".join(f"{name}: {value}" for name, value in self.headers.items())


def filled(form: Form, filling: Filling) -> str:
    """The form's text, ready to be pasted. Raises Unfit."""
    return "".join(line + "\n" for line in _lines(form, filling))


def environment(client: Client, filling: Filling) -> dict[str, str]:
    """The client's variables; one that would carry headers is left out where there are none."""
    known = {"{gateway}": filling.base, "{key}": filling.key, "{headers}": filling.header_lines}
    return {
        name: re.sub(r"\{\w+\}", lambda found: known[found[0]], template) for name, template in client.environment.items()
        if filling.headers or "{headers}" not in template
    }


def exports(client: Client, filling: Filling) -> str:
    """The client's variables as lines of a POSIX shell."""
    lines = [f"export {name}={in_shell(value)}\n" for name, value in environment(client, filling).items()]
    return "".join(lines + [f"unset {name}\n" for name in client.unset] if lines else [])


def _lines(form: Form, filling: Filling) -> Iterator[str]:
    values = _values(form, filling)
    literal = LITERALS[form.language]
    for line in form.text.splitlines():
        mark, rest = line[:1], line[1:]
        if mark == "*":
            for name, value in filling.headers.items():
                here = {"name": name, "value": value, "header": f"{name}: {value}"}
                yield from _line(rest, values | here, literal)
        elif mark != "?" or filling.headers:
            yield from _line(rest, values, literal)


def _line(line: str, values: Mapping[str, str | None], literal: Callable[[str], str]) -> Iterator[str]:
    """The line with its values, or nothing where one is missing."""
    def put(found: re.Match[str]) -> str:
        name, argument, default = found.groups()
        value = values[name] if values[name] is not None else default
        if value is None:
            raise KeyError(name)
        if name == "url":
            return literal(value + argument.replace("{model}", quote(values["model"] or "", safe="")))
        return value if name in ("max_tokens", "temperature") else literal(value)

    try:
        yield _PLACEHOLDER.sub(put, line)
    except KeyError as missing:
        if missing.args[0] not in values:
            raise


def _values(form: Form, filling: Filling) -> dict[str, str | None]:
    """What the placeholders stand for."""
    model = form.model_prefix + (filling.model or form.model)
    return {
        "base_url": form.address.replace("{gateway}", filling.base), "url": filling.base, "key": filling.key,
        "bearer": f"Bearer {filling.key}", "bearer_header": f"Authorization: Bearer {filling.key}",
        "model": model, "prompt": filling.prompt, "max_tokens": filling.max_tokens, "temperature": filling.temperature,
        "headers": filling.header_lines or None, "body": _body(form.body, model, filling) if form.body else None,
    }


def _body(shape: str, model: str, filling: Filling) -> str:
    """The call as JSON, in the provider's shape."""
    prompt, tokens, heat = in_double_quotes(filling.prompt), filling.max_tokens, filling.temperature
    message = f'"messages": [{{"role": "user", "content": {prompt}}}]'
    named = f'"model": {in_double_quotes(model)}'
    warm = [] if heat is None else [f'"temperature": {heat}']
    if shape == "chat":
        parts = [named, message, *([f'"max_completion_tokens": {tokens}'] if tokens else []), *warm]
    elif shape == "responses":
        parts = [named, f'"input": {prompt}', *([f'"max_output_tokens": {tokens}'] if tokens else []), *warm]
    elif shape == "messages":
        parts = [named, f'"max_tokens": {tokens or 200}', *warm, message]
    else:
        limits = ", ".join([*([f'"maxOutputTokens": {tokens}'] if tokens else []), *warm])
        parts = [f'"contents": [{{"parts": [{{"text": {prompt}}}]}}]', *([f'"generationConfig": {{{limits}}}'] if limits else [])]
    return "{" + ", ".join(parts) + "}"


# --- literals -------------------------------------------------------------------------------------

_SHORT: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_HIDDEN: Final = re.compile("[\"\\\\\x00-\x1f\x7f\x85\u2028\u2029]")


def in_double_quotes(text: str) -> str:
    """A string of JSON, and in this form also of Python, JavaScript, Go, TOML and YAML."""
    return '"' + _HIDDEN.sub(lambda found: _SHORT.get(found[0]) or f"\\u{ord(found[0]):04x}", text) + '"'


def _in_ascii(text: str) -> str:
    """The same without a character beyond ASCII: which ones a Java compiler reads hangs on the machine."""
    units = in_double_quotes(text).encode("utf-16-be", "surrogatepass")
    codes = [units[at] << 8 | units[at + 1] for at in range(0, len(units), 2)]
    return "".join(chr(code) if code < 0x80 else f"\\u{code:04x}" for code in codes)


def in_shell(text: str) -> str:
    """A word of a POSIX shell. Raises Unfit for what no argument can hold."""
    if "\0" in text:
        raise Unfit("A shell's word cannot hold a zero byte.")
    return "'" + text.replace("'", "'\\''") + "'"


def _in_php(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _as_it_is(text: str) -> str:
    return text


LITERALS: Final[Mapping[str, Callable[[str], str]]] = {
    "python": in_double_quotes, "js": in_double_quotes, "java": _in_ascii, "go": in_double_quotes, "json": in_double_quotes,
    "toml": in_double_quotes, "yaml": in_double_quotes, "dotenv": in_double_quotes, "sh": in_shell, "php": _in_php, "text": _as_it_is,
}
