"""What the books look like outside: each format is one file that turns rows into bytes and does nothing
else. Stores read the rows, the command writes the bytes. A format of calls is one more file and its name here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from tallystick.exports import calls_csv, calls_jsonl, ledger_jsonl
from tallystick.exports.call_row import CallRow

CALL_EXPORTS: Final[Mapping[str, Callable[[Iterable[CallRow]], Iterator[bytes]]]] = {
    module.NAME: module.render for module in (calls_csv, calls_jsonl)
}
FORMATS: Final = (*CALL_EXPORTS, ledger_jsonl.NAME)
