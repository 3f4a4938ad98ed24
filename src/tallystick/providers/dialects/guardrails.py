"""Text units that guardrails charge beside a model: one per policy and up to 1,000 characters.

They stand as `invocationMetrics.usage` of every assessment in a reply's trace, under names that
differ between the two ways of asking; so the trace is searched. They are billed at rates of their
own, whatever the model: a part of the reply. Word filters and the free units of pattern filters
cost nothing. A reply shows them only where the request asked for a trace.
Source: the provider's price page and API reference, "GuardrailUsage".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tallystick.core.usage import Part, Usage, usage_of
from tallystick.providers.dialects.wire import count, mapping

MODEL: Final = "guardrail"
"""The name under which the price book knows the rates."""

UNITS: Final[Mapping[str, str]] = {
    "contentPolicyUnits": "guardrail_content_units",
    "contentPolicyImageUnits": "guardrail_images",
    "topicPolicyUnits": "guardrail_topic_units",
    "sensitiveInformationPolicyUnits": "guardrail_pii_units",
    "contextualGroundingPolicyUnits": "guardrail_grounding_units",
    "automatedReasoningPolicyUnits": "guardrail_reasoning_units",
}
_ASSESSMENTS_MAX: Final = 1000               # objects looked at: a trace is a few dozen


def guardrail_usage(stated: Mapping[str, Any], notes: list[str]) -> Usage:
    """The units of one `GuardrailUsage` object."""
    return usage_of(**{unit: count(stated, name, notes) or 0 for name, unit in UNITS.items()})


def guardrail_part(trace: object, notes: list[str]) -> tuple[Part, ...]:
    """All units of a trace, as at most one part."""
    usage = Usage()
    waiting: list[Any] = [mapping(trace).get("guardrail")]
    for _ in range(_ASSESSMENTS_MAX):
        if not waiting:
            break
        found = waiting.pop()
        if isinstance(found, list):
            waiting += found
        elif isinstance(found, dict):
            if "invocationMetrics" in found:
                usage = usage.plus(guardrail_usage(mapping(mapping(found["invocationMetrics"]).get("usage")), notes))
            else:
                waiting += [value for value in found.values() if isinstance(value, dict | list)]
    return (Part("guardrail", MODEL, usage),) if usage.counts else ()
