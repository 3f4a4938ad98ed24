"""A change is in force when the command that made it returns: the one place where commands wait for the running gateways, show
what was done, and name those that do not follow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tallystick.cli.answers import FOUND_WRONG, fail, print_facts, print_json

if TYPE_CHECKING:
    from tallystick.cli.installation import Installation


def followed(here: Installation) -> list[str]:
    """The running gateways that do not follow the last change within a second."""
    from tallystick.stores.sql.standing import not_in_force

    return list(not_in_force(here.database, here.database.change_count(), here.now_us))


def fail_behind(behind: list[str]) -> None:
    """End the command where a gateway does not follow."""
    if behind:
        fail(f"Not in force yet on {', '.join(behind)}: it did not answer within a second.", FOUND_WRONG)


def answer_in_force(here: Installation, document: Callable[[], Mapping[str, Any]], *, as_json: bool,
                    shown: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict) -> None:
    """Wait, then show what was changed as it stands. `shown`: what of it people want to see."""
    behind, said = followed(here), document()
    if as_json:
        print_json({**said, "not_in_force_on": behind})
    else:
        print_facts(shown(said))
    fail_behind(behind)
