"""The stored credential that carries a call: which one is in hand, what its attempts show of it, and what the answer says
where a policy chose another than the call's own (decisions.md: nobody should find out by the bill which account was charged).
"""

from __future__ import annotations

from tallystick.core.attempt import Admission
from tallystick.core.credential_health import Place, Standings, failure_of
from tallystick.core.errors import Denied, StoreFault
from tallystick.core.secret import Secret
from tallystick.core.settlement import Served
from tallystick.edge import stored
from tallystick.edge.paths import Target
from tallystick.ports import Credentials


class Carrier:
    """Of one call. `secret`, `name`: what is in hand; None and "" where the caller brings a credential, or none is needed."""

    __slots__ = ("_credentials", "_standings", "_target", "_usual", "disclosed", "name", "secret")

    def __init__(self, credentials: Credentials, standings: Standings, target: Target) -> None:
        self.secret: Secret | None = None
        self.name = ""
        self.disclosed: tuple[tuple[bytes, bytes], ...] = ()
        self._usual = ""
        self._credentials = credentials
        self._standings = standings
        self._target = target

    async def take(self, organization: str, name: str) -> Denied | None:
        """Take the organisation's credential of that name in hand; why that cannot be. Raises StoreFault."""
        provider = self._target.provider
        found = await self._credentials.find(organization, provider.id, name)
        if isinstance(found, Denied):
            return found
        if found is not None and (denied := stored.denied_where(self._target) or stored.denied_form(provider, found)):
            return denied
        if found is None and provider.credentials and not provider.free_models:     # a host of one's own may ask for none
            return Denied("provider_credential_missing", f"Neither this call nor the gateway holds a credential for {provider.name}.")
        self.secret, self.name = found, name
        self._usual = self._usual or name
        return None

    async def change(self, admission: Admission) -> Denied | None:
        """Take in hand what this attempt is to go out with."""
        if not self.name or admission.credential == self.name:
            return None
        try:
            return await self.take(admission.attribution.organization, admission.credential)
        except StoreFault:
            return Denied("journal_unavailable", "The credential could not be looked up just now; try again.", retry_after_s=5)

    def goes(self, admission: Admission) -> None:
        """The attempt goes out: what its answer says of it."""
        said = []
        if admission.attempt > 1:
            said.append((b"x-tallystick-attempts", b"%d" % admission.attempt))
        if self.name != self._usual:
            said.append((b"x-tallystick-credential", self.name.encode()))
        self.disclosed = tuple(said)

    def observe(self, admission: Admission, served: Served, wait_us: int | None) -> None:
        """What came of it. `wait_us`: how long the reply says to stay away. What was stopped here shows nothing."""
        if self.secret is None or admission.sandbox or served.fault == "cancelled":
            return
        failure = failure_of(served.status, served.fault, written=served.written, stated_wait=wait_us is not None)
        self._standings.observe(
            Place(admission.attribution.organization, admission.provider, admission.credential),
            admission.model if admission.billable else None, served.status, failure, wait_us, admission.at_us)
