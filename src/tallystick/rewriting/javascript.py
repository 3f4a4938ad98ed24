"""JavaScript and TypeScript: `new OpenAI({…})`, `new AzureOpenAI`, `new Anthropic()`, `new Configuration({…})` of the package's third
version, and addresses in `fetch` and its like. Names are followed through `import` and `require`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Final

from tree_sitter import Node

from tallystick.rewriting.clients import own_address, own_key
from tallystick.rewriting.sheet import (
    AUTH_HEADERS, CLOUDS_TOLD, KEY_SHOWN, KEY_TOLD, KEY_VARIABLE, NAMED, Sheet, direct, field_of, inside, is_key, origin_of, walk, word,
)

_CLASSES: Final = {
    "openai": {"default": "openai", "OpenAI": "openai", "AzureOpenAI": "azure", "Configuration": "old"},
    "@anthropic-ai/sdk": {"default": "anthropic", "Anthropic": "anthropic"},
}
_CLOUDS: Final = ("@anthropic-ai/bedrock-sdk", "@anthropic-ai/vertex-sdk")
_PLAIN: Final = {"OpenAI": "openai", "AzureOpenAI": "azure", "Anthropic": "anthropic"}
_BASE: Final = {"openai": "baseURL", "anthropic": "baseURL", "azure": "endpoint", "old": "basePath"}
_PATH: Final = {"openai": "/v1", "anthropic": "", "azure": "/proxy/azure", "old": "/v1"}
_SENDS: Final = frozenset({"fetch", "axios", "got", "ky", "request", "get", "post", "put", "patch", "delete", "URL", "Request", "create"})
_MENTIONS: Final = frozenset({"new_expression", "member_expression", "variable_declarator", "nested_identifier", "type_query",
                              "nested_type_identifier"})
_FROM_ENVIRONMENT: Final = f"process.env.{KEY_VARIABLE}"
_LINE_CHARS: Final = 88


@dataclass(slots=True)
class _Names:
    """What this code calls the SDKs. A module's name stands for its default class as well."""

    classes: dict[str, str] = field(default_factory=dict)
    modules: dict[str, str] = field(default_factory=dict)
    quote: str = '"'


def rewrite(sheet: Sheet) -> None:
    """Note every change of this code."""
    names = _names(sheet)
    for node in walk(sheet.root):
        if node.type == "new_expression":
            _new(sheet, names, node)
        elif node.type == "identifier":
            _mention(sheet, names, node)
        elif node.type == "pair" and _key_of(node) == "dangerouslyAllowBrowser" and word(field_of(node, "value")) == "true":
            sheet.say(node, "warning", "This runs in a browser, where everybody can read its key. Call the gateway from a server.")
    for node in walk(sheet.root):
        if node.type in ("string", "template_string"):
            _string(sheet, node)
        elif node.type == "pair":
            _header(sheet, names, node)


# --- names -----------------------------------------------------------------------------------------------------


def _names(sheet: Sheet) -> _Names:
    names = _Names()
    singles = sum(node.type == "'" for node in walk(sheet.root))
    doubles = sum(node.type == '"' for node in walk(sheet.root))
    names.quote = "'" if singles > doubles else '"'
    for node in walk(sheet.root):
        if node.type == "import_statement" and (module := _plain(field_of(node, "source"))) is not None:
            for child in walk(node):
                _imported(sheet, names, module, child)
        elif node.type == "variable_declarator":
            _required(names, node)
    if not names.classes and not names.modules:
        names.classes |= _PLAIN
    return names


def _imported(sheet: Sheet, names: _Names, module: str, node: Node) -> None:
    if module in _CLOUDS and node.type == "import_statement":
        sheet.say(node, "unclear", f"{module} {CLOUDS_TOLD}")
    if (known := _CLASSES.get(module)) is None:
        return
    if node.type == "import_clause":
        names.classes |= {word(child): known["default"] for child in node.named_children if child.type == "identifier"}
    if node.type in ("import_clause", "namespace_import"):
        names.modules |= {word(child): module for child in node.named_children if child.type == "identifier"}
    elif node.type == "import_specifier" and (name := word(field_of(node, "name"))) in known:
        names.classes[word(field_of(node, "alias")) or name] = known[name]


def _required(names: _Names, declarator: Node) -> None:
    """`const X = require("openai")`, `const { X } = …`, `await import("openai")`, and `.default` or a class of it."""
    value, name = field_of(declarator, "value"), field_of(declarator, "name")
    member = ""
    if value is not None and value.type == "member_expression":
        member = word(field_of(value, "property"))
        value = field_of(value, "object")
    if value is not None and value.type == "await_expression":
        value = value.named_children[0] if value.named_children else None
    if value is None or name is None or value.type != "call_expression" or word(field_of(value, "function")) not in ("require", "import"):
        return
    arguments = field_of(value, "arguments")
    module = _plain(arguments.named_children[0]) if arguments is not None and arguments.named_children else None
    if module is None or (known := _CLASSES.get(module)) is None:
        return
    if name.type == "identifier":
        names.classes[word(name)] = known.get(member or "default", known["default"])
        names.modules[word(name)] = module
    for part in name.named_children if name.type == "object_pattern" else ():
        imported = word(field_of(part, "key")) if part.type == "pair_pattern" else word(part)
        if imported in known:
            names.classes[word(field_of(part, "value")) if part.type == "pair_pattern" else imported] = known[imported]


def _sdk(names: _Names, constructor: Node | None) -> str | None:
    if constructor is None:
        return None
    if constructor.type == "identifier":
        return names.classes.get(word(constructor))
    if constructor.type == "member_expression":
        module = names.modules.get(word(field_of(constructor, "object")))
        return _CLASSES[module].get(word(field_of(constructor, "property"))) if module else None
    return None


def _mention(sheet: Sheet, names: _Names, node: Node) -> None:
    """A client's class that is used without being made here."""
    above = node.parent
    if word(node) not in names.classes or above is None or inside(node, "import_statement", "object_pattern"):
        return
    if above.type in _MENTIONS:
        return
    if above.type == "binary_expression" and word(above.children[1]) == "instanceof":
        return
    sheet.say(node, "unclear", f"{word(node)} is used here without being made; where it ends up is not known, so nothing is changed.")


# --- clients ---------------------------------------------------------------------------------------------------


def _new(sheet: Sheet, names: _Names, new: Node) -> None:
    sdk, arguments = _sdk(names, field_of(new, "constructor")), field_of(new, "arguments")
    if sdk is None:
        return
    called = f"new {word(field_of(new, 'constructor'))}"
    parts = [child for child in arguments.named_children if child.type != "comment"] if arguments is not None else []
    if new.has_error or inside(new, "template_substitution") or len(parts) > 1:
        sheet.say(new, "unclear", f"{called} is called in a way that is not understood; it is left as it is.")
        return
    if parts and parts[0].type == "object":
        _client(sheet, names, sdk, called, parts[0])
        return
    address = _text(names, sheet.target.gateway + _PATH[sdk])
    said = [f"{name}: {value}" for name, value in (
        (_BASE[sdk], address), ("apiKey", _FROM_ENVIRONMENT), *_headers_pair(sheet, names, sdk, new))]
    if parts:
        said.insert(0, f"...{word(parts[0])}")
        sheet.say(new, "kept", f"What else {called} is given comes from {word(parts[0])[:60]}; address and key stand over it.")
    indent = sheet.indent(new)
    inner = indent + _step(sheet)
    text = "({\n" + "".join(f"{inner}{one},\n" for one in said) + f"{indent}}})"
    if arguments is None:
        sheet.write(new.end_byte, new.end_byte, text)
    else:
        sheet.replace(arguments, text)
    sheet.say(new, "changed", f"{called} goes to the gateway.")


def _client(sheet: Sheet, names: _Names, sdk: str, called: str, options: Node) -> None:
    given = {_key_of(part): field_of(part, "value") or part for part in options.named_children if part.type != "comment"}
    address = sheet.target.gateway + _PATH[sdk]
    new: list[tuple[str, str]] = []
    base = given.get(_BASE[sdk]) or given.get("baseURL")
    if base is not None:
        if not own_address(sheet, called, base, _plain(base), _text(names, address), sdk):
            sheet.leave(options)
            return
    else:
        new.append((_BASE[sdk], _text(names, address)))
        sheet.say(options, "changed", f"{called} goes to the gateway.")
        if any(part.type == "spread_element" for part in options.named_children):
            sheet.say(options, "unclear", f"{called} is given more from elsewhere; it must not hold a {_BASE[sdk]} or an apiKey.")
    key = given.get("apiKey") or given.get("authToken")
    if key is not None:
        own_key(sheet, called, key, _plain(key), _FROM_ENVIRONMENT, read=_reads_environment(key))
    elif "azureADTokenProvider" in given:
        sheet.say(options, "unclear", f"{called} signs in with a token of Entra; the gateway takes apiKey: {_FROM_ENVIRONMENT} instead.")
    else:
        new.append(("apiKey", _FROM_ENVIRONMENT))
    there = given.get("defaultHeaders")
    if there is None:
        new += _headers_pair(sheet, names, sdk, options)
    elif there.type == "object":
        _add_pairs(sheet, names, there)
    elif sheet.target.headers:
        sheet.say(there, "unclear", f"{called} takes its headers from {word(there)[:60]}; add {', '.join(sheet.target.headers)} there.")
    _insert(sheet, options, new)


def _headers_pair(sheet: Sheet, names: _Names, sdk: str, node: Node) -> list[tuple[str, str]]:
    headers = sheet.target.headers
    if not headers:
        return []
    sheet.say(node, "changed", NAMED)
    said = "{ " + ", ".join(f"{_text(names, name)}: {_text(names, value)}" for name, value in headers.items()) + " }"
    return [("baseOptions", f"{{ headers: {said} }}")] if sdk == "old" else [("defaultHeaders", said)]


def _add_pairs(sheet: Sheet, names: _Names, options: Node) -> None:
    there = {_key_of(part).lower() for part in options.named_children}
    new = [(_text(names, name), _text(names, value)) for name, value in sheet.target.headers.items() if name.lower() not in there]
    if new and _insert(sheet, options, new):
        sheet.say(options, "changed", NAMED)


def _insert(sheet: Sheet, options: Node, new: list[tuple[str, str]]) -> bool:
    """Pairs more, before those there are: what stands behind them, comments too, is not touched."""
    parts = [child for child in options.named_children if child.type != "comment"]
    said = [f"{name}: {value}" for name, value in new]
    if not said:
        return False
    if parts and parts[0].type == "spread_element":      # what is spread must not stand over them
        last = parts[-1]
        between = ",\n" + sheet.blanks_before(last) if sheet.begins_line(last) else ", "
        return sheet.write(last.end_byte, last.end_byte, "".join(between + one for one in said))
    if parts and sheet.begins_line(parts[0]):
        blanks = sheet.blanks_before(parts[0])
        return sheet.write(parts[0].start_byte, parts[0].start_byte, "".join(f"{one},\n{blanks}" for one in said))
    outer = sheet.indent(options)
    inner = outer + _step(sheet)
    if parts and len(sheet.blanks_before(parts[0])) + sum(map(len, said)) + len(word(options)) < _LINE_CHARS:
        return sheet.write(parts[0].start_byte, parts[0].start_byte, "".join(f"{one}, " for one in said))
    lines = "".join(f"\n{inner}{one}," for one in said)
    if parts:
        rest = sheet.code[parts[-1].end_byte:options.end_byte - 1]
        if rest.strip() in (b"", b",") and b"\n" not in rest:
            sheet.write(parts[-1].end_byte, options.end_byte - 1, f",\n{outer}")
        return sheet.write(options.start_byte + 1, parts[0].start_byte, f"{lines}\n{inner}")
    if any(child.type == "comment" for child in options.children):
        return sheet.write(options.start_byte + 1, options.start_byte + 1, lines)
    return sheet.replace(options, "{" + lines + f"\n{outer}}}")


# --- addresses, keys and headers in the rest of the code ---------------------------------------------------------


def _string(sheet: Sheet, node: Node) -> None:
    above = node.parent
    content = next((child for child in node.children if child.type == "string_fragment"), None)
    if above is None or content is None or content != node.children[1] or inside(node, "import_statement", "jsx_attribute"):
        return
    text, plain = word(content), _plain(node)
    if plain is not None and is_key(plain) and above.type not in ("expression_statement", "literal_type"):
        if sheet.replace(node, _FROM_ENVIRONMENT):
            sheet.say(node, "warning", KEY_TOLD)
    elif direct(text):
        call = above.parent
        called = field_of(call, "function") or field_of(call, "constructor") if call is not None and above.type == "arguments" else None
        sends = called is not None and (word(field_of(called, "property")) or word(called)) in _SENDS
        keyed = above.type == "pair" and _key_of(above) in ("url", "baseURL")
        if not (sends or keyed or above.type in ("variable_declarator", "assignment_expression", "binary_expression")):
            sheet.say(node, "unclear", f"An address of {origin_of(text)} stands here; what it is for is not known, so it is left.")
        elif sheet.write(content.start_byte, content.start_byte + len(origin_of(text).encode()), sheet.target.gateway):
            sheet.say(node, "changed", f"What went to {origin_of(text)} goes to the gateway.")


def _header(sheet: Sheet, names: _Names, pair: Node) -> None:
    """A pair that carries a key, where an address in the code was changed."""
    value, options = field_of(pair, "value"), pair.parent
    if _key_of(pair).lower() not in AUTH_HEADERS or value is None or options is None or options.type != "object":
        return
    if not any(text == sheet.target.gateway for _, _, text in sheet.edits):
        return
    plain = _plain(value)
    if plain is not None:
        scheme, _, key = plain.rpartition(" ")
        if sheet.replace(value, f"`{scheme} ${{{_FROM_ENVIRONMENT}}}`" if scheme else _FROM_ENVIRONMENT):
            sheet.say(value, "warning" if is_key(key) else "changed", KEY_TOLD if is_key(key) else KEY_SHOWN)
    else:
        within = _within(value)
        if _reads_environment(within):
            if word(within) != _FROM_ENVIRONMENT and sheet.replace(within, _FROM_ENVIRONMENT):
                sheet.say(value, "changed", f"The key comes from {KEY_VARIABLE}.")
        else:
            sheet.say(value, "kept", f"The key is {word(within)[:60]}; that must be a key of the gateway now.")
    if sheet.target.headers:
        _add_pairs(sheet, names, options)


def _within(value: Node) -> Node:
    """The one expression of a template, the other side of `"Bearer " + x`, or the value itself."""
    holes = [child for child in value.children if child.type == "template_substitution"]
    if value.type == "template_string" and len(holes) == 1 and holes[0].named_children:
        return holes[0].named_children[0]
    right = field_of(value, "right")
    return right if value.type == "binary_expression" and right is not None else value


def _reads_environment(node: Node) -> bool:
    """`process.env.X`, `process.env["X"]`, with `!` or `?? ""` behind it; `import.meta.env.X`; `Deno.env.get("X")`."""
    if node.type in ("non_null_expression", "as_expression", "parenthesized_expression") and node.named_children:
        return _reads_environment(node.named_children[0])
    if node.type == "binary_expression":
        left = field_of(node, "left")
        return left is not None and word(node.children[1]) in ("??", "||") and _reads_environment(left)
    if node.type == "call_expression":
        return word(field_of(node, "function")) == "Deno.env.get"
    return node.type in ("member_expression", "subscript_expression") and word(field_of(node, "object")) in (
        "process.env", "import.meta.env", "Bun.env")


def _key_of(part: Node) -> str:
    """The name of a pair, of a shorthand, or nothing."""
    key = field_of(part, "key")
    if key is None:
        return word(part) if part.type == "shorthand_property_identifier" else ""
    return _plain(key) or word(key)


def _plain(node: Node | None) -> str | None:
    """What a string says, where it is one of plain text."""
    if node is None or node.type not in ("string", "template_string"):
        return None
    parts = node.children[1:-1]
    return "".join(map(word, parts)) if all(part.type == "string_fragment" for part in parts) else None


def _text(names: _Names, text: str) -> str:
    said = json.dumps(text, ensure_ascii=False)
    return said if names.quote == '"' or "'" in said or "\\" in said else f"'{said[1:-1]}'"


def _step(sheet: Sheet) -> str:
    """What this code is indented by."""
    for line in sheet.code.splitlines():
        if line[:1] == b"\t":
            return "\t"
        if line[:2] == b"  " and line.strip() and not line.strip().startswith(b"*"):
            return "    " if line[:4] == b"    " else "  "
    return "  "
