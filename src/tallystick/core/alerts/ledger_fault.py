"""The ledger is not as it was written: a walk round it found an entry, a signature or an end that is wrong. Told once,
until a whole round finds nothing."""

from __future__ import annotations

from typing import Final

from tallystick.core.alerts.alert import Alert

KIND: Final = "ledger_fault"


def alert(slug: str, seq: int, message: str, now_us: int) -> Alert:
    """`slug`: whose chain it is; `seq`: the entry that is wrong, or after which the chain is."""
    text = f"Entry {seq} of {slug}: {message}. Keep the database and its backups as they are; `tallystick verify` names all that is wrong."
    return Alert(KIND, thread_of(slug), f"{seq}/{now_us}", "critical", f"The ledger of {slug} is not as it was written", text,
                 {"chain": slug, "seq": seq, "found": message})


def thread_of(slug: str) -> str:
    """What all alerts of one chain are about."""
    return f"ledger/{slug}"
