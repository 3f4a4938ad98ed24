"""The command as people and scripts run it: a process of its own with a data directory. `said`: its standard input."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).parents[2] / "src"


def tallystick(*arguments: str, data: Path, said: str = "") -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TALLYSTICK_")}
    return subprocess.run(
        [sys.executable, "-m", "tallystick", *arguments, "--data", str(data)], text=True, input=said, capture_output=True, timeout=60,
        env={**environment, "PYTHONPATH": str(SOURCE), "COLUMNS": "200"}, check=False,
    )


def document(*arguments: str, data: Path, said: str = "") -> Any:
    done = tallystick(*arguments, "--json", data=data, said=said)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
