"""Shell: calls of `curl`. Their address, the header with the key, and the headers that say what a call is for."""

from __future__ import annotations

from tree_sitter import Node

from tallystick.rewriting.sheet import (
    AUTH_HEADERS, DIRECT, KEY_SHOWN, KEY_TOLD, KEY_VARIABLE, NAMED, Sheet, direct, field_of, is_key, origin_of, walk, word,
)


def rewrite(sheet: Sheet) -> None:
    """Note every change of this code."""
    for node in walk(sheet.root):
        if node.type == "command" and word(field_of(node, "name")).rsplit("/", 1)[-1] == "curl":
            _curl(sheet, node)
        elif node.type == "variable_assignment" and is_key(_text(field_of(node, "value"))):
            sheet.say(node, "warning", f"A provider's key is set here. End it, and set {KEY_VARIABLE} to a key of the gateway.")
        elif node.type == "command" and any(host in word(node) for host in DIRECT):
            sheet.say(node, "unclear", f"{word(field_of(node, 'name'))[:40]} calls a provider in a way that is not understood; it is left.")


def _curl(sheet: Sheet, command: Node) -> None:
    arguments = command.children_by_field_name("argument")
    address = next((one for one in arguments if direct(_text(one))), None)
    if address is None:
        if any(host in word(command) for host in DIRECT):
            sheet.say(command, "unclear", "The address of this curl is not understood; it is left.")
        return
    origin = origin_of(_text(address))
    begin = sheet.code.index(origin.encode(), address.start_byte)
    sheet.write(begin, begin + len(origin.encode()), sheet.target.gateway)
    sheet.say(address, "changed", f"What went to {origin} goes to the gateway.")
    keyed = False
    for place, one in enumerate(arguments):
        if word(one) in ("-H", "--header") and place + 1 < len(arguments):
            keyed |= _header(sheet, arguments[place + 1])
        elif one.type == "concatenation" and word(one).startswith(("-H", "--header=")):
            keyed |= _header(sheet, one.named_children[-1])
        elif word(one) in ("-u", "--user"):
            sheet.say(one, "unclear", "-u signs in another way; the gateway takes its key in a header.")
    new = [f"-H {_quoted(f'{name}: {value}')}" for name, value in sheet.target.headers.items()]
    if not keyed:
        new.insert(0, f'-H "Authorization: Bearer ${KEY_VARIABLE}"')
        sheet.say(command, "changed", f"The key comes from {KEY_VARIABLE}.")
    if sheet.target.headers:
        sheet.say(command, "changed", NAMED)
    between = " \\\n  " if "\\\n" in word(command) else " "
    sheet.write(address.end_byte, address.end_byte, "".join(between + one for one in new))


def _header(sheet: Sheet, node: Node) -> bool:
    """Whether this header carries the key; then it comes from the environment."""
    name, colon, value = _text(node).partition(":")
    if not colon or name.strip().lower() not in AUTH_HEADERS:
        return False
    holes = [child for child in node.children if child.type in ("simple_expansion", "expansion", "command_substitution")]
    scheme, key = _split(value.strip())
    if holes:
        if len(holes) == 1 and holes[0].type != "command_substitution":
            if word(holes[0]).strip("${}") != KEY_VARIABLE:
                sheet.replace(holes[0], f"${{{KEY_VARIABLE}}}" if holes[0].type == "expansion" else f"${KEY_VARIABLE}")
                sheet.say(node, "changed", f"The key comes from {KEY_VARIABLE}.")
        else:
            sheet.say(node, "kept", f"The key comes from {word(holes[0])[:60]}; that must be a key of the gateway now.")
    elif sheet.replace(node, f'"{name}: {scheme}${KEY_VARIABLE}"'):
        sheet.say(node, "warning" if is_key(key) else "changed", KEY_TOLD if is_key(key) else KEY_SHOWN)
    return True


def _split(value: str) -> tuple[str, str]:
    """`Bearer ` and the key."""
    scheme, space, key = value.partition(" ")
    return (scheme + space, key) if space else ("", value)


def _text(node: Node | None) -> str:
    """What a word of the shell says, its expansions left out."""
    if node is None:
        return ""
    if node.type == "string":
        return "".join(word(child) for child in node.children if child.type == "string_content")
    if node.type == "raw_string":
        return word(node)[1:-1]
    return "".join(map(_text, node.named_children)) if node.type == "concatenation" else word(node)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
