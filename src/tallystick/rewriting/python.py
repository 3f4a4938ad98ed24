"""Python: the SDKs' clients (`OpenAI(…)`, `AsyncOpenAI`, `AzureOpenAI`, `Anthropic(…)`), the module style (`openai.api_key = …`,
`openai.ChatCompletion.create(…)`), and addresses in calls of HTTP libraries. Names are followed through imports and their
aliases; a client without an import is taken for the SDK's where its name is.
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
    "openai": {"OpenAI": "openai", "AsyncOpenAI": "openai", "Client": "openai", "AsyncClient": "openai",
               "AzureOpenAI": "azure", "AsyncAzureOpenAI": "azure"},
    "anthropic": {"Anthropic": "anthropic", "AsyncAnthropic": "anthropic", "Client": "anthropic", "AsyncClient": "anthropic",
                  "AnthropicBedrock": "cloud", "AsyncAnthropicBedrock": "cloud", "AnthropicVertex": "cloud",
                  "AsyncAnthropicVertex": "cloud"},
}
_PLAIN: Final = {"OpenAI": "openai", "AsyncOpenAI": "openai", "AzureOpenAI": "azure", "AsyncAzureOpenAI": "azure",
                 "Anthropic": "anthropic", "AsyncAnthropic": "anthropic"}
_OLD: Final = frozenset({"ChatCompletion", "Completion", "Edit", "Embedding", "Moderation", "Image", "Audio"})
_MODULE: Final = frozenset({"chat", "completions", "responses", "embeddings", "images", "audio", "moderations", "files", "batches"})
_SENDS: Final = frozenset({"get", "post", "put", "patch", "delete", "request", "stream", "urlopen", "Request", "Client", "AsyncClient",
                           "ClientSession", "HTTPSConnection"})
_BASE: Final = {"openai": "base_url", "anthropic": "base_url", "azure": "azure_endpoint"}
_PATH: Final = {"openai": "/v1", "anthropic": "", "azure": "/proxy/azure"}
_FROM_ENVIRONMENT: Final = f'os.environ["{KEY_VARIABLE}"]'
_LINE_CHARS: Final = 88


@dataclass(slots=True)
class _Names:
    """What this code calls the SDKs."""

    classes: dict[str, str] = field(default_factory=dict)        # name → openai, anthropic, azure, cloud
    modules: dict[str, str] = field(default_factory=dict)        # name → the module
    statements: list[Node] = field(default_factory=list)         # imports, in order
    has_os: bool = False


def rewrite(sheet: Sheet) -> None:
    """Note every change of this code."""
    names = _names(sheet)
    for node in walk(sheet.root):
        if node.type == "call":
            _call(sheet, names, node)
        elif node.type == "identifier":
            _mention(sheet, names, node)
    _module_style(sheet, names)
    for node in walk(sheet.root):
        if node.type == "string":
            _string(sheet, node)
        elif node.type == "pair":
            _header(sheet, node)
    if any("os.environ[" in text for _, _, text in sheet.edits) and not names.has_os:
        _import_os(sheet, names)


# --- names -----------------------------------------------------------------------------------------------------


def _names(sheet: Sheet) -> _Names:
    names = _Names()
    for node in walk(sheet.root):
        if node.type not in ("import_statement", "import_from_statement", "future_import_statement"):
            continue
        names.statements.append(node)
        if node.type == "import_statement":
            for imported, alias in _imported(node):
                if imported in _CLASSES:
                    names.modules[alias] = imported
                names.has_os |= (imported, alias) == ("os", "os")
        elif (known := _CLASSES.get(word(field_of(node, "module_name")).split(".")[0])) is not None:
            if any(child.type == "wildcard_import" for child in node.children):
                names.classes |= known
            names.classes |= {alias: known[imported] for imported, alias in _imported(node) if imported in known}
    if not names.classes and not names.modules:
        names.classes |= _PLAIN
    return names


def _imported(statement: Node) -> list[tuple[str, str]]:
    """What is imported, and under which name."""
    found = []
    for child in statement.children_by_field_name("name"):
        if child.type == "aliased_import":
            found.append((word(field_of(child, "name")), word(field_of(child, "alias"))))
        else:
            found.append((word(child), word(child)))
    return found


def _sdk(names: _Names, function: Node | None) -> str | None:
    """Which client a callee makes."""
    if function is None:
        return None
    if function.type == "identifier":
        return names.classes.get(word(function))
    if function.type == "attribute":
        module = names.modules.get(word(field_of(function, "object")))
        return _CLASSES[module].get(word(field_of(function, "attribute"))) if module else None
    return None


def _mention(sheet: Sheet, names: _Names, node: Node) -> None:
    """A client's class that is used without being called here: where to is not known."""
    above = node.parent
    if word(node) not in names.classes or above is None:
        return
    if above.type == "call" and field_of(above, "function") == node:
        return
    if inside(node, "import_from_statement", "import_statement", "type", "keyword_argument") and above.type != "argument_list":
        return
    if above.type == "attribute" and field_of(above, "attribute") == node:
        return
    if above.type == "argument_list" and above.parent is not None and word(field_of(above.parent, "function")) == "isinstance":
        return
    sheet.say(node, "unclear", f"{word(node)} is used here without being called; where it ends up is not known, so nothing is changed.")


# --- clients ---------------------------------------------------------------------------------------------------


def _call(sheet: Sheet, names: _Names, call: Node) -> None:
    sdk, arguments = _sdk(names, field_of(call, "function")), field_of(call, "arguments")
    if sdk is None:
        return
    called = word(field_of(call, "function"))
    if sdk == "cloud":
        sheet.say(call, "unclear", f"{called} {CLOUDS_TOLD}")
    elif arguments is None or arguments.type != "argument_list" or arguments.has_error or inside(call, "interpolation"):
        sheet.say(call, "unclear", f"{called} is called in a way that is not understood; it is left as it is.")
    else:
        _client(sheet, sdk, called, arguments)


def _client(sheet: Sheet, sdk: str, called: str, arguments: Node) -> None:
    parts = [child for child in arguments.named_children if child.type != "comment"]
    given = {word(field_of(part, "name")): field_of(part, "value") for part in parts if part.type == "keyword_argument"}
    if any(part.type != "keyword_argument" for part in parts):
        sheet.say(arguments, "unclear", f"{called} is given what does not stand here; give it {_BASE[sdk]} and api_key there.")
        return
    address = sheet.target.gateway + _PATH[sdk]
    new: list[tuple[str, str]] = []
    base = given.get(_BASE[sdk]) or given.get("base_url")
    if base is not None:
        if not own_address(sheet, called, base, _plain(base), json.dumps(address), sdk):
            sheet.leave(arguments)
            return
    else:
        new.append((_BASE[sdk], json.dumps(address)))
        sheet.say(arguments, "changed", f"{called} goes to the gateway.")
    key = given.get("api_key") or given.get("auth_token")
    if key is not None:
        _own_key(sheet, called, key)
    elif "azure_ad_token" in given or "azure_ad_token_provider" in given:
        sheet.say(arguments, "unclear", f"{called} signs in with a token of Entra; the gateway takes api_key={_FROM_ENVIRONMENT} instead.")
    else:
        new.append(("api_key", _FROM_ENVIRONMENT))
    new += _headers_argument(sheet, called, arguments, given.get("default_headers"))
    _insert(sheet, arguments, parts, new)


def _own_key(sheet: Sheet, called: str, key: Node) -> None:
    own_key(sheet, called, key, _plain(key), _FROM_ENVIRONMENT, read=_reads_environment(key))


def _headers_argument(sheet: Sheet, called: str, arguments: Node, there: Node | None) -> list[tuple[str, str]]:
    """The attribution: an argument more, or pairs more in the one there is."""
    headers = sheet.target.headers
    if headers and there is None:
        sheet.say(arguments, "changed", NAMED)
        return [("default_headers", _dict(headers))]
    if headers and there is not None:
        if there.type == "dictionary":
            _add_pairs(sheet, there)
        else:
            sheet.say(there, "unclear", f"{called} takes its headers from {word(there)[:60]}; add {', '.join(headers)} there.")
    return []


def _add_pairs(sheet: Sheet, dictionary: Node) -> None:
    """Headers more at the beginning of a dict, those that are not there."""
    pairs = [child for child in dictionary.named_children if child.type == "pair"]
    there = {(_plain(field_of(pair, "key")) or "").lower() for pair in pairs}
    new = [f"{json.dumps(name, ensure_ascii=False)}: {json.dumps(value, ensure_ascii=False)}"
           for name, value in sheet.target.headers.items() if name.lower() not in there]
    if not new:
        return
    entries = [child for child in dictionary.named_children if child.type != "comment"]
    if entries:
        between = ",\n" + sheet.blanks_before(entries[0]) if sheet.begins_line(entries[0]) else ", "
        done = sheet.write(entries[0].start_byte, entries[0].start_byte, between.join(new) + between)
    else:
        done = sheet.replace(dictionary, "{" + ", ".join(new) + "}")
    if done:
        sheet.say(dictionary, "changed", NAMED)


def _insert(sheet: Sheet, arguments: Node, parts: list[Node], new: list[tuple[str, str]]) -> None:
    """Arguments more, before those there are: what stands behind them, comments too, is not touched."""
    if not new:
        return
    said = [f"{name}={value}" for name, value in new]
    if parts and sheet.begins_line(parts[0]):
        blanks = sheet.blanks_before(parts[0])
        sheet.write(parts[0].start_byte, parts[0].start_byte, "".join(f"{one},\n{blanks}" for one in said))
        return
    outer = sheet.indent(arguments)
    inner = outer + ("\t" if outer.startswith("\t") else "    ")
    if parts and len(sheet.blanks_before(parts[0])) + sum(map(len, said)) + len(word(arguments)) < _LINE_CHARS:
        sheet.write(parts[0].start_byte, parts[0].start_byte, "".join(f"{one}, " for one in said))
    elif parts:
        sheet.write(parts[0].start_byte, parts[0].start_byte, "".join(f"\n{inner}{one}," for one in said) + f"\n{inner}")
        last = arguments.children[-2]
        if parts[-1].end_point.row == arguments.end_point.row:
            sheet.write(arguments.end_byte - 1, arguments.end_byte - 1, f"\n{outer}" if last.type == "," else f",\n{outer}")
    elif any(child.type == "comment" for child in arguments.children):
        sheet.write(arguments.end_byte - 1, arguments.end_byte - 1, "".join(f"    {one},\n{outer}" for one in said))
    else:
        sheet.replace(arguments, "(\n" + "".join(f"{inner}{one},\n" for one in said) + f"{outer})")


# --- the module style --------------------------------------------------------------------------------------------


def _module_style(sheet: Sheet, names: _Names) -> None:
    """`openai.api_key = …` and calls of the module itself: 0.28's `ChatCompletion`, and the default client since 1.0."""
    uses: dict[str, set[str]] = {}
    assigned: dict[tuple[str, str], Node] = {}
    old_calls: list[Node] = []
    for node in walk(sheet.root):
        if node.type == "assignment" and (left := field_of(node, "left")) is not None and left.type == "attribute":
            value = field_of(node, "right")
            if names.modules.get(word(field_of(left, "object"))) == "openai" and value is not None:
                assigned[word(field_of(left, "object")), word(field_of(left, "attribute"))] = value
        elif node.type == "attribute" and names.modules.get(word(field_of(node, "object"))) == "openai":
            module, member = word(field_of(node, "object")), word(field_of(node, "attribute"))
            kind = "api_base" if member in _OLD else "base_url" if member in _MODULE else None
            if kind:
                uses.setdefault(module, set()).add(kind)
            call = node.parent.parent if node.parent is not None else None
            if member in _OLD and call is not None and call.type == "call":
                old_calls.append(call)
    for module, kinds in uses.items():
        _module(sheet, names, module, kinds, assigned)
    for call in old_calls:
        _old_call(sheet, call)


def _module(sheet: Sheet, names: _Names, module: str, kinds: set[str], assigned: dict[tuple[str, str], Node]) -> None:
    lines = []
    for attribute in sorted(kinds):
        address = f"{sheet.target.gateway}/v1" + ("/" if attribute == "base_url" else "")
        base = assigned.get((module, attribute))
        if base is None:
            lines.append(f"{module}.{attribute} = {json.dumps(address)}")
        elif not own_address(sheet, module, base, _plain(base), json.dumps(address), "openai"):
            return
    if (key := assigned.get((module, "api_key"))) is None:
        lines.append(f"{module}.api_key = {_FROM_ENVIRONMENT}")
    else:
        _own_key(sheet, module, key)
    if "base_url" in kinds and sheet.target.headers and (module, "default_headers") not in assigned:
        lines.append(f"{module}.default_headers = {_dict(sheet.target.headers)}")
    statement = next((one for one in names.statements if one.type == "import_statement" and any(
        alias == module for _, alias in _imported(one))), None)
    if not lines or statement is None:
        return
    blanks = sheet.indent(statement)
    sheet.write(statement.end_byte, statement.end_byte, "".join(f"\n{blanks}{line}" for line in lines))
    sheet.say(statement, "changed", f"Calls of the module {module} go to the gateway.")
    if "api_base" in kinds:
        sheet.say(statement, "kept", "This is the style of openai before 1.0, and stays it; newer versions of the package refuse it.")


def _old_call(sheet: Sheet, call: Node) -> None:
    """A call of 0.28 takes its headers itself."""
    arguments = field_of(call, "arguments")
    if not sheet.target.headers or arguments is None or arguments.type != "argument_list":
        return
    parts = [child for child in arguments.named_children if child.type != "comment"]
    if any(part.type not in ("keyword_argument", "dictionary_splat") for part in parts) or not parts:
        sheet.say(call, "unclear", "Its arguments are not understood; add headers= that say what the call is for.")
        return
    there = next((field_of(part, "value") for part in parts if word(field_of(part, "name")) == "headers"), None)
    if there is None:
        _insert(sheet, arguments, parts, [("headers", _dict(sheet.target.headers))])
    elif there.type == "dictionary":
        _add_pairs(sheet, there)


# --- addresses, keys and headers in the rest of the code ---------------------------------------------------------


def _string(sheet: Sheet, node: Node) -> None:
    """An address of a provider in a call or an assignment; a key anywhere."""
    above = node.parent
    content = next((child for child in node.children if child.type == "string_content"), None)
    if above is None or content is None or above.type in ("expression_statement", "concatenated_string"):
        return
    text = word(content)
    plain = _plain(node)
    if plain is not None and is_key(plain):
        if sheet.replace(node, _FROM_ENVIRONMENT):
            sheet.say(node, "warning", KEY_TOLD)
    elif direct(text.split("{")[0]):
        sends = above.type == "argument_list" and above.parent is not None and _last(field_of(above.parent, "function")) in _SENDS
        keyed = above.type == "keyword_argument" and word(field_of(above, "name")) in ("url", "base_url")
        if not (sends or keyed or above.type == "assignment" or inside(node, "interpolation")):
            sheet.say(node, "unclear", f"An address of {origin_of(text)} stands here; what it is for is not known, so it is left.")
        elif sheet.write(content.start_byte, content.start_byte + len(origin_of(text).encode()), sheet.target.gateway):
            sheet.say(node, "changed", f"What went to {origin_of(text)} goes to the gateway.")


def _header(sheet: Sheet, pair: Node) -> None:
    """A pair of a dict that carries a key, where an address in the code was changed."""
    name, value, dictionary = (_plain(field_of(pair, "key")) or "").lower(), field_of(pair, "value"), pair.parent
    if name not in AUTH_HEADERS or value is None or dictionary is None or dictionary.type != "dictionary":
        return
    if not any(text == sheet.target.gateway for _, _, text in sheet.edits):
        return
    plain = _plain(value)
    if plain is not None:
        scheme, _, key = plain.rpartition(" ")
        if sheet.replace(value, f"f\"{scheme} {{os.environ['{KEY_VARIABLE}']}}\"" if scheme else _FROM_ENVIRONMENT):
            sheet.say(value, "warning" if is_key(key) else "changed", KEY_TOLD if is_key(key) else KEY_SHOWN)
    elif _reads_environment(value):
        if sheet.replace(value, _FROM_ENVIRONMENT):
            sheet.say(value, "changed", f"The key comes from {KEY_VARIABLE}.")
    elif (within := _interpolated(value)) is not None and _reads_environment(within):
        quote = "'" if '"' in word(value.children[0]) else '"'
        if sheet.replace(within, f"os.environ[{quote}{KEY_VARIABLE}{quote}]"):
            sheet.say(value, "changed", f"The key comes from {KEY_VARIABLE}.")
    else:
        sheet.say(value, "kept", f"The key is {word(within or value)[:60]}; that must be a key of the gateway now.")
    if sheet.target.headers:
        _add_pairs(sheet, dictionary)


def _interpolated(node: Node) -> Node | None:
    """The one expression of an f-string."""
    holes = [child for child in node.children if child.type == "interpolation"]
    return field_of(holes[0], "expression") if node.type == "string" and len(holes) == 1 else None


def _reads_environment(node: Node) -> bool:
    if node.type == "subscript":
        return _last(field_of(node, "value")) == "environ"
    called = field_of(node, "function")
    return node.type == "call" and (_last(called) == "getenv" or word(called).endswith("environ.get"))


def _last(node: Node | None) -> str:
    """The last name of `a.b.c`."""
    return word(field_of(node, "attribute")) if node is not None and node.type == "attribute" else word(node)


def _plain(node: Node | None) -> str | None:
    """What a string says, where it is one of plain text."""
    if node is None or node.type != "string" or any(child.type == "interpolation" for child in node.children):
        return None
    if "b" in word(node.children[0]).lower():
        return None
    contents = [child for child in node.children if child.type == "string_content"]
    if any(content.children for content in contents):    # escapes
        return None
    return "".join(map(word, contents))


def _dict(headers: object) -> str:
    return json.dumps(headers, ensure_ascii=False)


def _import_os(sheet: Sheet, names: _Names) -> None:
    """Before the first import that is none of the future's; else at the top, behind what must stand there."""
    first = next((one for one in names.statements if one.type != "future_import_statement"), None)
    if first is not None and not inside(first, "function_definition", "class_definition", "if_statement", "try_statement"):
        sheet.write(first.start_byte, first.start_byte, f"import os\n{sheet.indent(first)}")
        return
    heads = [child for child in sheet.root.named_children if child.type == "future_import_statement"]
    statements = [child for child in sheet.root.named_children if child.type != "comment"]
    if not heads and statements and statements[0].type == "expression_statement" and statements[0].named_children[0].type == "string":
        heads = statements[:1]
    if heads:
        sheet.write(heads[-1].end_byte, heads[-1].end_byte, "\nimport os")
    elif statements:
        sheet.write(statements[0].start_byte, statements[0].start_byte, "import os\n")
