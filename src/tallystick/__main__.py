"""`python -m tallystick` and the `tallystick` command."""

from __future__ import annotations

from tallystick.cli import build


def main() -> None:
    """Run one command and end with its exit code."""
    build()(prog_name="tallystick")


if __name__ == "__main__":
    main()
