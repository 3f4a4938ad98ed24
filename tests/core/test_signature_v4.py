"""Our signatures are AWS's: whatever request is signed, the signer of its own SDK comes to the same."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.core.signature_v4 import SigningKeys, Unsigned, is_pair, keys_of, sign

awsrequest = pytest.importorskip("botocore.awsrequest", reason="the AWS SDK is not installed")
auth = pytest.importorskip("botocore.auth", reason="the AWS SDK is not installed")
Credentials = pytest.importorskip("botocore.credentials").Credentials

KEY_ID, SECRET, TOKEN = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "FwoGZXIvYXdzEJr//////////wEaDH=="
HOST = "bedrock-runtime.eu-west-1.amazonaws.com"
ARN = "arn:aws:bedrock:us-east-1:012345678901:inference-profile/us.anthropic.claude-sonnet-4-5-20250929-v1:0"

segments = st.lists(st.text(st.sampled_from("abzAZ09-._~:!$'()*,@+= é/"), min_size=1, max_size=12).map(lambda text: "m" + quote(text, safe=":!'~")),
                    min_size=1, max_size=4).map(lambda found: "/" + "/".join(found))
words = st.text(st.sampled_from("abcXYZ019-_.~"), max_size=6)
queries = st.lists(st.tuples(words.filter(bool), words), max_size=4).map(lambda found: "&".join(f"{name}={value}" for name, value in found))
headers = st.dictionaries(
    st.sampled_from(["content-type", "x-amzn-bedrock-trace", "x-amzn-bedrock-guardrailidentifier", "x-amz-custom"]),
    st.text(st.sampled_from("abc/; =09"), min_size=1, max_size=20).filter(str.strip), max_size=4)
moments = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1)).map(lambda at: at.replace(microsecond=0, tzinfo=UTC))


def theirs(method: str, url: str, sent: dict[str, str], body: bytes, keys: SigningKeys, region: str, at: datetime) -> dict[str, str]:
    """The headers of a request after AWS's SDK signed it at that moment."""
    request: Any = awsrequest.AWSRequest(method=method, url=url, headers=sent, data=body)
    token = keys.session_token.reveal() if keys.session_token else None
    with patch.object(auth, "get_current_datetime", lambda: at):
        auth.SigV4Auth(Credentials(keys.access_key_id, keys.secret_access_key.reveal(), token), "bedrock", region).add_auth(request)
    return {name.lower(): value for name, value in request.headers.items()}


@given(segments, queries, headers, st.binary(max_size=40), st.booleans(), st.sampled_from(["us-east-1", "ap-southeast-4"]), moments)
def test_any_request_is_signed_as_the_sdk_signs_it(
    path: str, query: str, sent: dict[str, str], body: bytes, temporary: bool, region: str, at: datetime,
) -> None:
    keys = keys_of(f"{KEY_ID}:{SECRET}:{TOKEN}" if temporary else f"{KEY_ID}:{SECRET}")
    assert keys is not None
    ours = [(b"host", HOST.encode()), *((name.encode(), value.encode()) for name, value in sent.items())]
    added = sign(Unsigned("POST", path, query, ours, body), keys, "bedrock", region, int(at.timestamp()) * 1_000_000 + 999_999)
    expected = theirs("POST", f"https://{HOST}{path}" + (f"?{query}" if query else ""), sent, body, keys, region, at)
    assert {name.decode(): value.decode() for name, value in added} == {
        name: value for name, value in expected.items() if name in ("authorization", "x-amz-date", "x-amz-security-token")}


def test_an_arn_whose_slashes_are_encoded() -> None:
    keys, at = keys_of(f"{KEY_ID}:{SECRET}"), datetime(2026, 11, 21, 12, tzinfo=UTC)
    assert keys is not None
    path = f"/model/{quote(ARN, safe='')}/converse-stream"
    added = dict(sign(Unsigned("POST", path, "", [(b"host", HOST.encode())], b"{}"), keys, "bedrock", "eu-west-1", int(at.timestamp()) * 1_000_000))
    assert added[b"authorization"].decode() == theirs("POST", f"https://{HOST}{path}", {}, b"{}", keys, "eu-west-1", at)["authorization"]


def test_a_pair_is_told_from_a_bearer_token_by_its_colon() -> None:
    assert is_pair(f"{KEY_ID}:{SECRET}")
    assert not is_pair("ABSKQmVkcm9ja0FQSUtleS1leGFtcGxl=")
    found = keys_of(f"{KEY_ID}:{SECRET}:{TOKEN}")
    assert found is not None
    assert found.session_token is not None
    assert (found.access_key_id, found.secret_access_key.reveal(), found.session_token.reveal()) == (KEY_ID, SECRET, TOKEN)
    assert SECRET not in repr(found)
    assert TOKEN not in repr(found)


@pytest.mark.parametrize("text", ["", ":", "AKIA:short", f"{KEY_ID}:{SECRET}:", f"{KEY_ID}::{TOKEN}", f" {KEY_ID}:{SECRET}", f"{KEY_ID}:{SECRET}\n"])
def test_what_is_not_in_the_form_is_no_pair(text: str) -> None:
    assert keys_of(text) is None
