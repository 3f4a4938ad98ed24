"""The first administrator, before anything listens: named by the environment, or else whoever opens
the setup link. There are no default credentials.
"""

from __future__ import annotations

from tallystick.config import FirstAdmin
from tallystick.config_sources import BadSettings
from tallystick.control import Parts
from tallystick.control.passwords import fault_of, hash_password
from tallystick.control.tokens import Tokens
from tallystick.stores.sql import accounts


def setup_path(parts: Parts, admin: FirstAdmin | None) -> str | None:
    """Make the administrator the environment names, if nobody has an account. Without one: the path
    of the setup link to print. None when somebody has an account.

    Raises BadSettings for an address or password that cannot be taken.
    """
    with parts.database.read() as db:
        if accounts.exist(db):
            return None
    if admin is None:
        return f"/setup?code={Tokens.of(parts.secret).setup_code}"
    email = accounts.canonical_email(admin.email)
    if email is None:
        raise BadSettings("TALLYSTICK_ADMIN_EMAIL is not an address.")
    if fault := fault_of(admin.password):
        raise BadSettings(f"TALLYSTICK_ADMIN_PASSWORD: {fault}")
    accounts.add_first_owner(parts.database, parts.new_id(), email, hash_password(admin.password), parts.clock.now_us())
    return None
