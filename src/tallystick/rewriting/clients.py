"""What becomes of the address and the key that an SDK's client is made with, whatever the language: only how a text and
a variable of the environment are written differs, and the caller knows that.
"""

from __future__ import annotations

from tree_sitter import Node

from tallystick.rewriting.sheet import KEY_SHOWN, KEY_TOLD, KEY_VARIABLE, Sheet, direct, is_key, origin_of, word


def own_address(sheet: Sheet, called: str, base: Node, plain: str | None, address: str, sdk: str) -> bool:
    """An address that the code has itself: whether the client goes through the gateway now. `plain`: its text, None where
    it is no literal; `address`: the gateway's, as this language writes it."""
    if plain is not None and plain.startswith(sheet.target.gateway):
        sheet.say(base, "kept", f"{called} goes through the gateway already.")
        return True
    if plain is not None and (direct(plain) or (sdk == "azure" and ".azure.com" in plain)):
        sheet.replace(base, address)
        sheet.say(base, "changed", f"{called} goes to the gateway.")
        if sdk == "azure":
            sheet.say(base, "warning", f"Name {origin_of(plain)} as the address of [providers.azure] in the gateway's settings.")
        return True
    where = f"to {origin_of(plain)}" if plain and "//" in plain else f"where {word(base)[:60]} says"
    sheet.say(base, "kept", f"{called} goes {where}, not to a provider directly; its address and its key are left as they are.")
    return False


def own_key(sheet: Sheet, called: str, key: Node, plain: str | None, from_environment: str, *, read: bool) -> None:
    """A key that the code has itself; `read`: from the environment, and `from_environment` is how ours is."""
    if plain is not None:
        sheet.say(key, "warning" if is_key(plain) else "changed", KEY_TOLD if is_key(plain) else KEY_SHOWN)
        sheet.replace(key, from_environment)
    elif read:
        if word(key) != from_environment and sheet.replace(key, from_environment):
            sheet.say(key, "changed", f"{called} reads its key from {KEY_VARIABLE}.")
    else:
        sheet.say(key, "kept", f"The key of {called} is {word(key)[:60]}; that must be a key of the gateway now.")
