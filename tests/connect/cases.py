"""What every client's texts come to for a few fillings, as `filled.json` keeps it: the commands (`tallystick.connect`) and
the console (`web/src/connect.test.ts`) are both held to it. `python -m tests.connect.cases` writes it anew.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tallystick.connect.clients import shipped
from tallystick.connect.filling import Filling, exports, filled

FILE = Path(__file__).with_name("filled.json")

HOSTILE = "'; rm -rf ~ #\" + `x` $HOME ${x} \\ «key» {key} %s \n\t\u2028 ünïcode 🧾"
"""A prompt, or what stands for one, that is none of a program's business."""

CASES: dict[str, Filling] = {
    "nothing but an address": Filling(gateway="http://127.0.0.1:8000"),
    "a key, headers and limits": Filling(
        gateway="https://gateway.example/", key="tsk_abc", headers={"X-Tallystick-Team": "growth", "X-Tallystick-Tags": "nightly,tier=gold"},
        max_tokens="50", temperature="0.2", model="a model/of (mine)!"),
    "values that mean to be more": Filling(
        gateway="http://127.0.0.1:8000", key="tsk_'\"\\$(x)`", headers={"X-Tallystick-User": "O'Brien \"x\" \\ $(id)"}, prompt=HOSTILE, model=HOSTILE),
}


def computed() -> list[dict[str, Any]]:
    """The document of `filled.json`."""
    return [{"name": name, "filling": _said(filling), "texts": [
        {"id": client.id, "exports": exports(client, filling), "forms": [filled(form, filling) for form in client.forms]}
        for client in shipped()]} for name, filling in CASES.items()]


def _said(filling: Filling) -> dict[str, Any]:
    names = {"gateway": "gateway", "key": "key", "headers": "headers", "model": "model", "prompt": "prompt", "max_tokens": "maxTokens",
             "temperature": "temperature"}
    values = {there: getattr(filling, here) for here, there in names.items()}
    return {name: value for name, value in values.items() if value is not None}


if __name__ == "__main__":
    FILE.write_text(json.dumps(computed(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
