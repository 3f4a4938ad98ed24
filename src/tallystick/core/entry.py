"""What an entry says of a call: admission, settlement, adjustment and refusal as an entry's fields, and back.

An entry names teams, keys, models, price rows… by number; `define` gives the number of a name, and
at first use chains a DEFINE entry before the one that uses it. Everything the API's document of a
call shows, and everything its cost is computed from, is in these fields and in the DEFINEs they
name; nothing else is kept (decisions.md, rule 7).

Members at their usual value are left out, so most entries stay below 600 bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from tallystick.core import facts as call_facts
from tallystick.core.attempt import Adjustment, Admission, Judged, Line, Refusal, Settlement
from tallystick.core.call import Facts
from tallystick.core.entry_lines import Define, Describe, Named, line_out, quantity_in, quantity_out, read_lines
from tallystick.core.identity import LABELS, Attribution
from tallystick.core.usage import UNIT_RANK, Part, Quantity, Usage

PRIVATE: Final = frozenset(("user", "end_user", "session", "tags"))
"""Kinds whose values are a person's or free text: the ledger holds salted HMACs of them."""

_USUAL_TOKENS_MAX: Final = 1 << 31           # beyond these the packed facts may have cut what it is made of
_USUAL_N_MAX: Final = 128

Fields = dict[str, Any]


# --- writing ---------------------------------------------------------------------------------------

def admission_fields(admission: Admission, define: Define) -> Fields:
    """The members every ADMIT, DEFER and ATTEMPT has; the caller adds `kind`, `org` and `seq`."""
    fields = _names_of(admission, define)
    fields["at"] = admission.at_us
    fields["request"] = request_hex(admission.request_id)
    fields["facts"] = call_facts.pack(admission.facts, admission.body_bytes, admission.input_bound)
    fields["hold_nanos"] = str(admission.hold_nanos)
    usual = _usual_tokens(admission.facts, admission.input_bound, held=admission.billable and not admission.sandbox)
    if admission.hold_tokens != usual or usual > _USUAL_TOKENS_MAX or admission.facts.n > _USUAL_N_MAX:
        fields["hold_tokens"] = admission.hold_tokens
    if admission.attempt != 1:
        fields["attempt"] = admission.attempt
    if admission.budget_nanos is not None:
        fields["budget_nanos"] = str(admission.budget_nanos)
    if not admission.hold_priced:
        fields["unpriced_hold"] = True
    if not admission.billable:
        fields["free"] = True
    if admission.sandbox:
        fields["sandbox"] = True
    if admission.facts.stream:
        fields["stream"] = True
    if admission.judged:
        fields["policies"] = [list(judged) for judged in admission.judged]
    if admission.asked:
        fields["asked"] = dict(admission.asked)
    return fields


def settlement_fields(settlement: Settlement, define: Define, describe: Describe) -> Fields:
    """The members a settlement brings; a SETTLE entry has `request`, `attempt` and `ref` beside them."""
    fields: Fields = {
        "settled": settlement.at_us, "outcome": settlement.outcome, "method": settlement.method,
        "basis": settlement.basis, "cost_nanos": str(settlement.cost_nanos),
    }
    if settlement.status:
        fields["status"] = settlement.status
    if settlement.latency_us:
        fields["latency_us"] = settlement.latency_us
    if settlement.reply_bytes:
        fields["reply_bytes"] = settlement.reply_bytes
    if settlement.stated_nanos is not None:
        fields["stated_nanos"] = str(settlement.stated_nanos)
    if settlement.would_be_nanos is not None:
        fields["would_be_nanos"] = str(settlement.would_be_nanos)
    if settlement.upstream_nanos is not None:
        fields["upstream_nanos"] = str(settlement.upstream_nanos)
    computed = settlement.computed_nanos
    if computed != (settlement.cost_nanos if _is_computed(fields) else None):
        fields["computed_nanos"] = "" if computed is None else str(computed)
    if settlement.list_nanos is not None:
        fields["list_nanos"] = str(settlement.list_nanos)
    if settlement.model is not None:
        fields["served"] = define("model", settlement.model)
    if settlement.usage is not None:
        if not settlement.lines or settlement.usage.counts != _counts_of(settlement.lines):
            fields["usage"] = _usage_out(settlement.usage)
        if settlement.usage.overlap_tokens:
            fields["overlap"] = settlement.usage.overlap_tokens
    if settlement.lines:
        fields["lines"] = [line_out(line, define, describe) for line in settlement.lines]
    if settlement.parts:
        fields["parts"] = [_part_out(part, define) for part in settlement.parts]
    if settlement.traits:
        fields["traits"] = dict(settlement.traits)
    if settlement.context_tokens is not None:
        fields["context"] = settlement.context_tokens
    if settlement.drift:
        fields["drift"] = True
    if settlement.response_id is not None:
        fields["response"] = settlement.response_id
    if settlement.first_byte_us is not None:
        fields["first_byte_us"] = settlement.first_byte_us
    if settlement.code is not None:
        fields["code"] = define("code", settlement.code)
    if settlement.notes:
        fields["notes"] = list(settlement.notes)
    return fields


def refusal_fields(refusal: Refusal, define: Define) -> Fields:
    """The members of a REFUSED entry. Without attribution there is no caller text in them."""
    fields: Fields = {}
    if refusal.attribution is not None:
        fields |= _who(refusal.attribution, define)
        fields |= _what(refusal.provider, refusal.operation, refusal.model, refusal.facts or Facts(), define)
    if refusal.facts is not None:
        fields["facts"] = call_facts.pack(refusal.facts, refusal.body_bytes, 0)
    fields["at"] = refusal.at_us
    fields["request"] = request_hex(refusal.request_id)
    fields["code"] = define("code", refusal.code)
    fields["status"] = refusal.status
    if refusal.budget:
        fields["budget"] = dict(refusal.budget)
    if refusal.policy is not None:
        fields["policy"] = refusal.policy
        if refusal.dialect is not None:
            fields["dialect"] = define("dialect", refusal.dialect)
        if not refusal.billable:
            fields["free"] = True
        if refusal.judged:
            fields["policies"] = [list(judged) for judged in refusal.judged]
    return fields


def adjustment_fields(adjustment: Adjustment, ref: int, define: Define, describe: Describe) -> Fields:
    """The members of an ADJUST entry. `ref`: the entry that holds the attempt's admission."""
    fields: Fields = {
        "kind": "ADJUST", "at": adjustment.at_us, "ref": ref, "request": request_hex(adjustment.request_id),
        "reason": adjustment.reason, "actor": adjustment.actor, "cost_nanos": str(adjustment.cost_nanos),
        "delta_nanos": str(adjustment.delta_nanos), "call_day": adjustment.call_day, "posted_day": adjustment.posted_day,
    }
    if adjustment.attempt != 1:
        fields["attempt"] = adjustment.attempt
    if adjustment.text:
        fields["text"] = adjustment.text
    if adjustment.lines:
        fields["lines"] = [line_out(line, define, describe) for line in adjustment.lines]
    if adjustment.price_version:
        fields["price_version"] = define("price_version", adjustment.price_version)
    if adjustment.approved:
        fields["approved"] = adjustment.approved
    return fields


def request_hex(request_id: str) -> str:
    """The 32 hexadecimal digits of a request id; `req_` is the same in all. Raises ValueError."""
    digits = request_id.removeprefix("req_")
    if len(bytes.fromhex(digits)) != 16:
        raise ValueError(f"not a request id: {request_id}")
    return digits


def _names_of(admission: Admission, define: Define) -> Fields:
    """The members of an admission that stand in an entry by number."""
    fields = _who(admission.attribution, define)
    fields |= _what(admission.provider, admission.operation, admission.model, admission.facts, define)
    if admission.credential != "caller":
        fields["credential"] = define("credential", admission.credential)
    if admission.price_version:
        fields["price_version"] = define("price_version", admission.price_version)
    if admission.dialect is not None:
        fields["dialect"] = define("dialect", admission.dialect)
    if admission.route_name is not None:
        fields["route"] = define("route", admission.route_name)
    return fields


def _usual_tokens(facts: Facts, input_bound: int, *, held: bool) -> int:
    """The bound in tokens where the request says itself how long the answer may be."""
    return input_bound + max(facts.output_limit or 0, 0) * max(facts.n, 1) if held else 0


def _who(attribution: Attribution, define: Define) -> Fields:
    fields: Fields = {"key": define("key", attribution.key_id)}
    for label, value in attribution.labels.items():
        fields[label] = define(label, value)
    if attribution.tags:
        fields["tags"] = define("tags", _pairs_text(attribution.tags))
    if attribution.dimensions:
        fields["dimensions"] = define("dimensions", _pairs_text(sorted(attribution.dimensions.items())))
    if attribution.claimed:
        fields["claimed"] = sorted(attribution.claimed)
    return fields


def _what(provider: str | None, operation: str | None, model: str | None, facts: Facts, define: Define) -> Fields:
    fields: Fields = {}
    if provider is not None:
        fields["provider"] = define("provider", provider)
    if operation is not None:
        fields["operation"] = define("operation", operation)
    if model is not None:
        fields["model"] = define("model", model)
    if facts.end_user is not None:
        fields["end_user"] = define("end_user", facts.end_user)
    return fields


def _pairs_text(pairs: Sequence[tuple[str, str]]) -> str:
    """Pairs as one line of text: tab between name and value, newline between pairs; neither may stand
    in a name or value (core/identity.py refuses control characters)."""
    return "\n".join(f"{name}\t{value}" for name, value in pairs)


def _is_computed(fields: Mapping[str, Any]) -> bool:
    """Whether the cost is the lines' sum, so that it says `computed_nanos` as well."""
    return fields["method"] in ("priced", "estimated") and fields["basis"] in ("usage", "counted")


def _counts_of(lines: Sequence[Line]) -> dict[str, Quantity]:
    """The reply's own usage as its lines have it; an entry leaves `usage` out where that is all."""
    return {line.unit: line.quantity for line in lines if not line.part}


def _usage_out(usage: Usage) -> dict[str, int | str]:
    return {unit: quantity_out(quantity) for unit, quantity in usage.counts.items()}


def _part_out(part: Part, define: Define) -> list[Any]:
    return [part.role, define("model", part.model), _usage_out(part.usage), int(part.splits), part.usage.overlap_tokens]


# --- reading ---------------------------------------------------------------------------------------

def read_admission(fields: Mapping[str, Any], named: Named) -> Admission:
    """The admission of an ADMIT, DEFER or ATTEMPT. Equal to the one written, save that facts are as
    `facts.pack` keeps them. Raises LookupError or ValueError for an entry that does not say enough."""
    asked = call_facts.unpack(fields["facts"])
    model = _name(fields, "model", named)
    return Admission(
        request_id="req_" + fields["request"],
        attempt=fields.get("attempt", 1),
        at_us=fields["at"],
        attribution=read_attribution(fields, named),
        provider=named("provider", fields["provider"])[0],
        operation=named("operation", fields["operation"])[0],
        dialect=_name(fields, "dialect", named),
        model=model,
        facts=_with_names(asked.facts, model, _name(fields, "end_user", named)),
        body_bytes=asked.body_bytes,
        input_bound=asked.input_bound,
        hold_nanos=int(fields["hold_nanos"]),
        hold_priced="unpriced_hold" not in fields,
        billable="free" not in fields,
        credential=_name(fields, "credential", named) or "caller",
        sandbox="sandbox" in fields,
        budget_nanos=_amount(fields, "budget_nanos"),
        route_name=_name(fields, "route", named),
        price_version=_name(fields, "price_version", named) or "",
        judged=_judged(fields),
        asked=fields.get("asked", {}),
        hold_tokens=_held_tokens(fields, asked),
    )


def worst_tokens(fields: Mapping[str, Any]) -> int:
    """What an attempt counts in budgets of tokens beside its usage: where its end is a worst case, the bound in tokens.
    `fields`: of its ATTEMPT, or of admission and settlement together. Raises ValueError for one that does not say enough."""
    return _held_tokens(fields, call_facts.unpack(fields["facts"])) if fields.get("basis") == "worst_case" else 0


def _held_tokens(fields: Mapping[str, Any], asked: call_facts.Asked) -> int:
    said = fields.get("hold_tokens")
    held = "free" not in fields and "sandbox" not in fields
    return _usual_tokens(asked.facts, asked.input_bound, held=held) if said is None else int(said)


def read_settlement(fields: Mapping[str, Any], named: Named) -> Settlement:
    """The settlement of an ATTEMPT, DEFER or SETTLE, equal to the one written.

    Raises LookupError or ValueError for an entry that does not say enough.
    """
    lines = read_lines(fields, named)
    cost_nanos, computed = int(fields["cost_nanos"]), fields.get("computed_nanos")
    if computed is None and _is_computed(fields):
        computed = cost_nanos
    return Settlement(
        request_id="req_" + fields["request"],
        attempt=fields.get("attempt", 1),
        at_us=fields["settled"],
        outcome=fields["outcome"],
        method=fields["method"],
        basis=fields["basis"],
        cost_nanos=cost_nanos,
        status=fields.get("status", 0),
        model=_name(fields, "served", named, "model"),
        usage=_usage_of(fields, lines),
        lines=lines,
        parts=tuple(
            Part(role, named("model", model)[0], _usage_in(counts, overlap), bool(splits))
            for role, model, counts, splits, overlap in fields.get("parts", ())
        ),
        traits=fields.get("traits", {}),
        context_tokens=fields.get("context"),
        stated_nanos=_amount(fields, "stated_nanos"),
        computed_nanos=int(computed) if computed not in (None, "") else None,
        list_nanos=_amount(fields, "list_nanos"),
        would_be_nanos=_amount(fields, "would_be_nanos"),
        upstream_nanos=_amount(fields, "upstream_nanos"),
        drift="drift" in fields,
        response_id=fields.get("response"),
        first_byte_us=fields.get("first_byte_us"),
        latency_us=fields.get("latency_us", 0),
        reply_bytes=fields.get("reply_bytes", 0),
        code=_name(fields, "code", named),
        notes=tuple(fields.get("notes", ())),
    )


def read_adjustment(fields: Mapping[str, Any], named: Named) -> Adjustment:
    """The adjustment of an ADJUST entry, equal to the one written. Raises LookupError or ValueError when it does
    not say enough."""
    return Adjustment(
        request_id="req_" + fields["request"],
        attempt=fields.get("attempt", 1),
        at_us=fields["at"],
        reason=fields["reason"],
        cost_nanos=int(fields["cost_nanos"]),
        delta_nanos=int(fields["delta_nanos"]),
        actor=fields["actor"],
        text=fields.get("text", ""),
        call_day=fields["call_day"],
        posted_day=fields["posted_day"],
        lines=read_lines(fields, named),
        price_version=_name(fields, "price_version", named) or "",
        approved=fields.get("approved", ""),
    )


def read_refusal(fields: Mapping[str, Any], named: Named) -> Refusal:
    """The refusal of a REFUSED entry. Raises LookupError or ValueError when it does not say enough."""
    asked = call_facts.unpack(fields["facts"]) if "facts" in fields else None
    model = _name(fields, "model", named)
    return Refusal(
        request_id="req_" + fields["request"],
        at_us=fields["at"],
        organization=fields["org"],
        code=named("code", fields["code"])[0],
        status=fields["status"],
        attribution=read_attribution(fields, named) if "key" in fields else None,
        provider=_name(fields, "provider", named),
        operation=_name(fields, "operation", named),
        model=model,
        facts=_with_names(asked.facts, model, _name(fields, "end_user", named)) if asked else None,
        body_bytes=asked.body_bytes if asked else 0,
        policy=fields.get("policy"),
        dialect=_name(fields, "dialect", named),
        billable="free" not in fields,
        judged=_judged(fields),
        budget=fields.get("budget", {}),
    )


def read_attribution(fields: Mapping[str, Any], named: Named) -> Attribution:
    """Who the entry is booked on."""
    tags, dimensions = _name(fields, "tags", named), _name(fields, "dimensions", named)
    return Attribution(
        key_id=named("key", fields["key"])[0],
        organization=fields["org"],
        labels={label: named(label, fields[label])[0] for label in LABELS if label in fields},
        tags=read_pairs(tags) if tags is not None else (),
        dimensions=dict(read_pairs(dimensions)) if dimensions is not None else {},
        claimed=frozenset(fields.get("claimed", ())),
    )


def _judged(fields: Mapping[str, Any]) -> tuple[Judged, ...]:
    return tuple(Judged(policy, how) for policy, how in fields.get("policies", ()))


def _name(fields: Mapping[str, Any], member: str, named: Named, kind: str | None = None) -> str | None:
    number = fields.get(member)
    return None if number is None else named(kind or member, number)[0]


def _with_names(facts: Facts, model: str | None, end_user: str | None) -> Facts:
    return replace(facts, model=model, end_user=end_user)


def _amount(fields: Mapping[str, Any], member: str) -> int | None:
    text = fields.get(member)
    return None if text is None else int(text)


def _usage_of(fields: Mapping[str, Any], lines: Sequence[Line]) -> Usage | None:
    if "usage" in fields:
        return _usage_in(fields["usage"], fields.get("overlap", 0))
    return Usage(_counts_of(lines), fields.get("overlap", 0)) if lines else None


def _usage_in(counts: Mapping[str, int | str], overlap_tokens: int) -> Usage:
    ordered = sorted(counts.items(), key=lambda item: UNIT_RANK[item[0]])
    return Usage({unit: quantity_in(quantity) for unit, quantity in ordered}, overlap_tokens)


def read_pairs(text: str) -> tuple[tuple[str, str], ...]:
    """Tags or dimensions from the text that a DEFINE gives a number to."""
    return tuple((name, value) for name, _, value in (pair.partition("\t") for pair in text.split("\n")))
