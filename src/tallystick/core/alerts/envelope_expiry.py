"""An envelope of money ends soon: told 14, 7 and 1 days before, with what is left in it, so that its owner asks for the
next in time. Steps that lie before its signing are not told."""

from __future__ import annotations

from typing import Final

from tallystick.core.alerts.alert import Alert, figure, moment, moment_text

KIND: Final = "envelope_expiry"



def alert(envelope: int, scope: str, owner: str, left_nanos: int, ends_us: int, days: int) -> Alert:
    """`scope`: whose money it is, for people; `left_nanos`: what of it is not spent."""
    text = (f"Envelope {envelope} of {scope}{f' (owner {owner})' if owner else ''} ends on {moment(ends_us)} UTC."
            f" {figure('money', left_nanos)} of it is not spent.")
    return Alert(KIND, f"envelope/{envelope}", f"{days}d/{ends_us}", "critical" if days == 1 else "warning",
                 f"Envelope of {scope} ends within {days} {'day' if days == 1 else 'days'}", text,
                 {"envelope_id": envelope, "scope": scope, "owner": owner, "left_nanos": left_nanos, "ends_at": moment_text(ends_us),
                  "days": days}, f"/api/envelopes/{envelope}")
