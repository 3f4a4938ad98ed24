"""What an install brings: everything the code reads at run time, and nothing that is only for us."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "tallystick"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with wheel and source archive, built as pip would, without a network: the console as it stands, built or not."""
    folder = tmp_path_factory.mktemp("dist")
    run = subprocess.run([sys.executable, "-m", "hatchling", "build", "-d", str(folder)], cwd=ROOT, capture_output=True, text=True,
                         check=False, env={**os.environ, "TALLYSTICK_SKIP_UI": "1"})
    assert run.returncode == 0, run.stderr
    return folder


def sources() -> set[str]:
    """Every file of the package: code, SQL, prices, the typing marker."""
    return {
        path.relative_to(SOURCE.parent).as_posix() for path in SOURCE.rglob("*")
        if path.is_file() and not {"__pycache__", ".ruff_cache"} & set(path.parts)
    }


def test_the_wheel_holds_the_whole_package_and_nothing_else(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert names == sources()
    assert any(name.endswith(".sql") for name in names)
    assert any("/prices/" in name and name.endswith(".jsonl") for name in names)


def test_the_wheel_has_the_command_and_the_licence(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        extras = {name.partition(".dist-info/")[2]: name for name in archive.namelist() if ".dist-info/" in name}
        assert "tallystick = tallystick.__main__:main" in archive.read(extras["entry_points.txt"]).decode()
        assert "licenses/LICENSE" in extras


def test_the_source_archive_can_be_built_from(built: Path) -> None:
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as files:
        names = {name.partition("/")[2] for name in files.getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE"} <= names
    assert {f"src/{name}" for name in sources() if not name.startswith("tallystick/console/ui/")} <= names
    assert {"hatch_build.py", "docs/reference/openapi.json", "docs/reference/clients.json", "web/package-lock.json", "web/.npmrc", "web/src/main.tsx"} <= names
    assert not any(name.startswith(("web/node_modules/", "web/src/api/", "src/tallystick/console/ui/")) for name in names)
    assert not any(name.startswith(("tests/", "bench/")) for name in names)


@pytest.mark.parametrize("script", ["serve", "check", ".ci/run", "scripts/venv.sh"])
def test_the_scripts_are_plain_shell(script: str) -> None:
    shell = "bash" if script == ".ci/run" else "sh"
    assert subprocess.run([shell, "-n", str(ROOT / script)], capture_output=True, check=False).returncode == 0
