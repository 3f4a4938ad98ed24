"""Where a stored credential may go, and that a pair of keys signs and never leaves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tallystick.core.dialect import Provider
from tallystick.core.errors import Defect, Denied
from tallystick.core.secret import Secret
from tallystick.edge.paths import Target, resolve
from tallystick.edge.stored import denied_form, denied_where, signed, signing_keys
from tallystick.ports import UpstreamRequest
from tallystick.providers import PROVIDERS

KNOWN = {provider.id: provider for provider in PROVIDERS}
BEDROCK, VERTEX = KNOWN["bedrock"], KNOWN["vertex"]
PROXIED = replace(BEDROCK, base_url="https://bedrock.corp.example")
PAIR = Secret("AKIAIOSFODNN7EXAMPLE:wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY:session-token-of-16+")
AT_US = 1_795_000_000_000_000


def target_of(provider: Provider, path: bytes) -> Target:
    target = resolve("POST", path, b"", {}, KNOWN | {provider.id: provider})
    assert isinstance(target, Target)
    return target


@pytest.mark.parametrize("region", BEDROCK.regions)
def test_on_the_providers_own_hosts_a_path_may_choose_among_them(region: str) -> None:
    target = target_of(BEDROCK, f"/proxy/bedrock/{region}/model/m/converse".encode())
    assert target.origin == f"https://bedrock-runtime.{region}.amazonaws.com"
    assert denied_where(target) is None


def test_a_location_of_google_is_google() -> None:
    path = b"/proxy/vertex/v1/projects/p/locations/europe-west4/publishers/google/models/m:generateContent"
    assert denied_where(target_of(VERTEX, path)) is None


def test_a_path_never_takes_it_past_an_address_of_the_operators() -> None:
    assert denied_where(target_of(PROXIED, b"/proxy/bedrock/model/m/converse")) is None
    refused = denied_where(target_of(PROXIED, b"/proxy/bedrock/eu-west-1/model/m/converse"))
    assert isinstance(refused, Denied)
    assert refused.code == "route_not_open"


def test_a_region_that_is_not_on_the_list_is_no_host() -> None:
    for name in (b"eu-west-1.evil.example", b"evil", b"eu-west-1@evil.example"):
        target = resolve("POST", b"/proxy/bedrock/" + name + b"/model/m/converse", b"", {}, KNOWN)
        assert isinstance(target, Target)
        assert target.origin is None         # a path like any other, to the configured address


def test_a_pair_that_is_none_is_refused_and_not_repeated() -> None:
    refused = denied_form(BEDROCK, Secret("AKIAIOSFODNN7EXAMPLE:shh"))
    assert refused is not None
    assert refused.code == "provider_credential_unusable"
    assert "shh" not in refused.message
    assert denied_form(BEDROCK, PAIR) is denied_form(BEDROCK, Secret("ABSKtoken")) is denied_form(KNOWN["openai"], Secret("a:b")) is None


def test_only_where_signatures_are_taken_is_a_pair_a_pair() -> None:
    assert signing_keys(BEDROCK, PAIR) is not None
    assert signing_keys(BEDROCK, Secret("ABSKtoken")) is signing_keys(BEDROCK, None) is signing_keys(KNOWN["openai"], PAIR) is None


def request(origin: str, *headers: tuple[bytes, bytes]) -> UpstreamRequest:
    return UpstreamRequest(origin, "POST", "/model/m/converse", headers, b"{}")


def signature_of(asked: UpstreamRequest, provider: Provider = BEDROCK) -> dict[bytes, bytes]:
    keys = signing_keys(provider, PAIR)
    assert keys is not None
    done = signed(asked, provider, keys, AT_US)
    assert len({name for name, _ in done.headers}) == len(done.headers)
    return dict(done.headers)


def test_what_the_caller_signed_with_is_gone_and_the_rest_passes() -> None:
    theirs = ((b"authorization", b"AWS4-HMAC-SHA256 theirs"), (b"x-amz-date", b"20200101T000000Z"), (b"x-amz-security-token", b"theirs"),
              (b"x-amz-content-sha256", b"theirs"), (b"content-type", b"application/json"), (b"accept", b"*/*"), (b"x-amzn-trace-id", b"t"))
    sent = signature_of(request("https://bedrock-runtime.eu-west-1.amazonaws.com", *theirs))
    assert (sent[b"x-amz-date"], sent[b"x-amz-security-token"], sent[b"accept"]) == (b"20261118T110640Z", b"session-token-of-16+", b"*/*")
    assert b"x-amz-content-sha256" not in sent
    assert sent[b"authorization"].startswith(
        b"AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20261118/eu-west-1/bedrock/aws4_request, "
        b"SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, Signature=")


def test_the_region_is_the_hosts_else_the_configured_one() -> None:
    moved = replace(PROXIED, signing=replace(BEDROCK.signing, region="eu-central-1"))  # type: ignore[type-var]
    assert b"/ap-south-1/bedrock/" in signature_of(request(BEDROCK.regions["ap-south-1"]), moved)[b"authorization"]
    assert b"/eu-central-1/bedrock/" in signature_of(request("https://bedrock.corp.example/base"), moved)[b"authorization"]


def test_a_body_that_is_not_known_is_not_signed() -> None:
    async def pieces():  # type: ignore[no-untyped-def]
        yield b""

    keys = signing_keys(BEDROCK, PAIR)
    assert keys is not None
    with pytest.raises(Defect):
        signed(replace(request("https://h"), body=pieces()), BEDROCK, keys, AT_US)
