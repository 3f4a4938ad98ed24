"""Many keys in a data directory, made as `tallystick keys create` makes them, in one process."""

from __future__ import annotations

from pathlib import Path

from tallystick.cli import installation
from tallystick.config import load
from tallystick.stores.sql.directory import KeySpec


def make_keys(data: Path, count: int) -> list[str]:
    """Their texts; forty teams with five projects each."""
    with installation.opened(load(data=data, config=None, flags={})) as here:
        made = []
        for number in range(count):
            spec = KeySpec(labels={"team": f"team-{number % 40}", "project": f"project-{number % 5}"}, created_by="bench")
            made.append(here.directory.create_key(here.organization, spec, here.now_us())[1].reveal())
    return made
