"""Fixtures for everyone: none, on purpose. Builders stand beside their noun in `tests/build/`.

Sockets to anything but loopback are refused by pytest-socket (`--allow-hosts` in pyproject.toml).
"""
