"""Predictions that are jobs: a POST opens one, and its object is what every later GET repeats. Its
`metrics` say what is billed once its status is final: seconds of a machine, or tokens and pictures
where a model is billed by its output. A POST that was told to wait may answer with the finished job.

Which kind a model is stands in no reply. A job that counts tokens is billed by them and not by its
seconds; of seconds and pictures both are counted, and the price book has the one that is not billed
at nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from tallystick.core.call import Facts, JsonObject, Meter, ReplyHead
from tallystick.core.usage import Quantity, Reading, Usage
from tallystick.providers.dialects.bodies import JsonMeter
from tallystick.providers.dialects.wire import count, decoder_of, mapping, measure, read, text

_OPEN: Final = frozenset({"starting", "processing", "queued"})
_PICTURES: Final = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".svg")
_TOKENS: Final[Mapping[str, str]] = {"input_token_count": "input_text", "output_token_count": "output_text"}


@dataclass(frozen=True, slots=True)
class PredictionJobs:
    """The wire form."""

    name: str = "prediction_jobs"
    keeps_files_at: str = ""
    """Addresses that begin so name files that the provider keeps for its account."""

    def facts(self, body: JsonObject, path_model: str | None) -> Facts:
        """Read a request. A model is named in the path, or as a version with or without its owner."""
        version = text(body.get("version"))
        addresses = _addresses(body.get("input"))
        inline = [place for place in addresses if place.startswith("data:")]
        return Facts(
            model=path_model or (version.partition(":")[0] if version else None),
            media=len(inline),
            media_bytes=sum(len(place) for place in inline),
            references=len(addresses) - len(inline),
            objects=tuple(place for place in addresses if self.keeps_files_at and place.startswith(self.keeps_files_at)),
            background=True,
        )

    def meter(self, facts: Facts, head: ReplyHead) -> Meter:  # noqa: ARG002 - there is one form of reply
        """A meter for one reply."""
        return JsonMeter(_read_whole)


class _Job(msgspec.Struct, gc=False):
    id: Any = None
    model: Any = None
    status: Any = None
    started_at: Any = None
    metrics: Any = None
    output: msgspec.Raw = msgspec.Raw(b"")


_JOB: Final = decoder_of(_Job)
_ANY: Final = decoder_of(object)


def _read_whole(body: bytes) -> Reading:
    job = read(_JOB, body)
    if job is None:
        return Reading(opaque=True, notes=("the reply is not the JSON it should be",))
    notes: list[str] = []
    is_open = job.status in _OPEN if isinstance(job.status, str) else False
    usage = None if is_open else _usage(job, notes)
    return Reading(
        usage=usage, model=text(job.model), response_id=text(job.id), ended=True, failed=job.status == "failed",
        deferred=is_open, opaque=usage is None and not is_open, notes=tuple(notes),
    )


def _usage(job: _Job, notes: list[str]) -> Usage | None:
    """What a finished job used; nothing where it never started; None where it does not say."""
    metrics = mapping(job.metrics)
    counts: dict[str, Quantity] = {unit: count(metrics, name, notes) or 0 for name, unit in _TOKENS.items()}
    seconds = measure(metrics.get("predict_time"))
    if seconds is None and not any(counts.values()):
        never_ran = isinstance(job.status, str) and job.started_at is None
        return Usage() if never_ran else None
    if not any(counts.values()):
        counts["predict_seconds"] = seconds or 0
    counts["images"] = count(metrics, "image_count", notes) or _pictures(job.output)
    return Usage({unit: quantity for unit, quantity in counts.items() if quantity})


def _addresses(asked: object) -> list[str]:
    """What an input brings in by address or inline, by itself or in lists."""
    values = [value for held in mapping(asked).values() for value in (held if isinstance(held, list) else [held])]
    return [value for value in values if isinstance(value, str) and value.startswith(("http:", "https:", "data:"))]


def _pictures(output: msgspec.Raw) -> int:
    """Addresses of pictures in an output of any shape."""
    if b"http" not in bytes(output):
        return 0
    found = read(_ANY, output)
    places = found if isinstance(found, list) else [found]
    return sum(isinstance(place, str) and place.startswith("http") and place.lower().endswith(_PICTURES) for place in places)
