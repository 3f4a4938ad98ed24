"""Amazon Bedrock's runtime: Converse, InvokeModel and guardrails, JSON and binary event streams.

A call without a region goes to the configured base_url; `/{region}/model/…` to that region's own host.
The caller's credential is a bearer token, or a signature made for the host that the call ends at
(its other headers, `x-amz-date` and the like, pass as they are); a stored one is a token, or a pair of
keys that the gateway signs with. Model names may be ARNs, whose
slashes stand encoded. Asynchronous jobs are billed by what they write to the caller's own store, which
no reply shows: `unpriced`. Two-way streams (speech) are not served.
"""

from __future__ import annotations

from typing import Final

from tallystick.core.dialect import CredentialPlace, Provider, Route, Signing
from tallystick.providers.dialects.bedrock_converse import ApplyGuardrail, BedrockConverse
from tallystick.providers.dialects.bedrock_counts import BedrockCounts
from tallystick.providers.dialects.bedrock_invoke import BedrockInvoke

REGIONS: Final = (
    "us-east-1", "us-east-2", "us-west-1", "us-west-2", "us-gov-east-1", "us-gov-west-1", "ca-central-1", "ca-west-1", "mx-central-1",
    "sa-east-1", "eu-central-1", "eu-central-2", "eu-north-1", "eu-south-1", "eu-south-2", "eu-west-1", "eu-west-2", "eu-west-3",
    "ap-east-2", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-south-2", "ap-southeast-1",
    "ap-southeast-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5", "ap-southeast-7", "af-south-1", "il-central-1",
    "me-central-1", "me-south-1",
)

BEDROCK: Final = Provider(
    id="bedrock",
    name="Amazon Bedrock",
    base_url="https://bedrock-runtime.us-east-1.amazonaws.com",
    regions={region: f"https://bedrock-runtime.{region}.amazonaws.com" for region in REGIONS},
    slashes_after="model",
    routes=(
        Route("POST", "/model/{model}/converse", "converse", dialect=BedrockConverse(), model_slashes=True),
        Route("POST", "/model/{model}/converse-stream", "converse", dialect=BedrockConverse(streams=True), model_slashes=True),
        Route("POST", "/model/{model}/invoke", "invoke", dialect=BedrockInvoke(), model_slashes=True),
        Route("POST", "/model/{model}/invoke-with-response-stream", "invoke", dialect=BedrockInvoke(streams=True), model_slashes=True),
        Route("POST", "/model/{model}/count-tokens", "count_tokens", kind="count", dialect=BedrockCounts(), free=True, model_slashes=True),
        Route("POST", "/guardrail/{guardrail}/version/{version}/apply", "guardrails", kind="object", dialect=ApplyGuardrail()),
        Route("POST", "/async-invoke", "async_invoke", kind="object"),
        Route("GET", "/async-invoke", "async_invoke", kind="object", free=True),
        Route("GET", "/async-invoke/{job}", "async_invoke", kind="object", free=True, poll=True),
    ),
    credentials=(CredentialPlace("authorization", "Bearer "),),
    signing=Signing("bedrock", "us-east-1"),
    error_shape="bedrock",
    prefix="",
    docs_url="https://docs.aws.amazon.com/bedrock/latest/APIReference/API_Operations_Amazon_Bedrock_Runtime.html",
)
