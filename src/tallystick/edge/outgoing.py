"""The request of one attempt, as it goes to the provider: the caller's own, less what is ours, with the credential that carries
this attempt in its place. Every attempt of a call is the same request but for that credential.
"""

from __future__ import annotations

from dataclasses import dataclass

from tallystick.core.dialect import Provider
from tallystick.core.secret import Secret
from tallystick.edge import credentials, stored
from tallystick.edge.headers import Bend, to_provider
from tallystick.edge.heads import Head
from tallystick.edge.inbound import Inbound
from tallystick.edge.paths import HeaderLookup, Target
from tallystick.ports import KeptHead, RawHeaders, UpstreamRequest


@dataclass(slots=True)
class Outgoing:
    """`lookup`: the caller's headers by their lower-case names. `origin`: where the provider is, unless the path says."""

    head: Head
    target: Target
    lookup: HeaderLookup
    origin: str

    def request(self, caller: credentials.Caller, asked: Inbound, held: Secret | None, *, identity: bool, at_us: int) -> UpstreamRequest:
        """`held`: the stored credential that carries it, where the caller brings none. `identity`: the reply must come
        uncompressed. Raises Defect for a body that would have to be signed and streams."""
        target, own = self.target, caller.provider_credential
        provider = target.provider
        keys = stored.signing_keys(provider, held) if own is None else None
        if keys is not None:
            held = None                      # what signs goes nowhere
        _, headers, kept = self._sent(provider, Bend(
            withheld=caller.withheld,
            credential=held if own is None else own if caller.insert is not None else None,
            place=(provider.credentials[0] if provider.credentials else None) if own is None else caller.insert,
            stored=own is None,
            json_body=asked.is_json,
            identity=identity,
        ))
        declared = self.lookup.get(b"content-length", b"")
        request = UpstreamRequest(
            origin=target.origin or self.origin,
            method=self.head.method,
            url_path=self.url_path(caller),
            headers=headers,
            body=asked.body,
            body_length=int(declared) if declared.isdigit() and not isinstance(asked.body, bytes) else None,
            kept=kept,
        )
        return request if keys is None else stored.signed(request, provider, keys, at_us)

    def url_path(self, caller: credentials.Caller) -> str:
        """Path and query as the provider sees them."""
        query = caller.query.decode("latin-1")
        return f"{self.target.path}?{query}" if query else self.target.path

    def _sent(self, provider: Provider, bend: Bend) -> tuple[Bend, RawHeaders, KeptHead]:
        head = self.head
        if head.sent is None or head.sent[0] != bend:
            head.sent = bend, to_provider(head.headers, provider, bend), KeptHead()
        return head.sent
