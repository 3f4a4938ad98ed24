"""Every metric name, once. The data plane adds to plain integers here; the text form is built only
when somebody asks. No user, key, prompt or tenant is ever a label (teams only where the operator
says so), and distinct models are capped: the rest are counted as `other`.

Counters start with the process; the money that must survive a restart is in the ledger.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from tallystick.core.attempt import Refusal, Settlement

MODELS_MAX = 200
BUCKETS_S = (0.005, 0.025, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
_STATUS_CLASSES = ("none", *(f"{hundreds}xx" for hundreds in range(1, 10)))
_BUCKETS_US = tuple(round(bound_s * 1_000_000) for bound_s in BUCKETS_S)


@dataclass(slots=True)
class _Histogram:
    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS_S) + 1))
    total_us: int = 0

    def add(self, value_us: int) -> None:
        self.total_us += value_us
        self.counts[bisect_left(_BUCKETS_US, value_us)] += 1


@dataclass(frozen=True, slots=True)
class BudgetGauge:
    """How one budget stands, in dollars, tokens or calls. `scope` and `value` are empty unless tenants may be labels."""

    budget: str
    unit: str
    scope: str
    value: str
    remaining: float
    held: float
    stranded: float


class Telemetry:
    """Counts of one process. `observe_*` are called on the hot path and only add."""

    def __init__(self, version: str) -> None:
        self._version = version
        self._models: set[str] = set()
        self._requests: dict[tuple[str, str, str], int] = defaultdict(int)
        self._tokens: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])         # input, output
        self._cost_nanos: dict[tuple[str, str], int] = defaultdict(int)
        self._methods: dict[str, int] = defaultdict(int)
        self._deferred: dict[str, int] = defaultdict(int)
        self._given_up = self._given_up_nanos = 0
        self._sandbox: dict[str, int] = defaultdict(int)
        self._blocked: dict[str, int] = defaultdict(int)
        self._drift: dict[str, int] = defaultdict(int)
        self._upstream = _Histogram()
        self._first_byte = _Histogram()
        self.gauges: dict[str, Callable[[], float]] = {}
        self.budgets: tuple[BudgetGauge, ...] = ()       # as they were drawn last
        self.credentials: Callable[[], Mapping[tuple[str, str], int]] = dict   # by provider and state

    def observe_settlement(self, provider: str, settlement: Settlement) -> None:
        """Count a settled attempt. One that only opened a job is counted as such, and as an attempt when the job
        settles; a sandbox call is none, for nobody was asked."""
        if settlement.method == "sandbox":
            self._sandbox[provider] += 1
            return
        if settlement.outcome == "deferred":
            self._deferred[provider] += 1
            return
        model = self._model(settlement.model)
        self._requests[provider, model, _STATUS_CLASSES[settlement.status // 100]] += 1
        self._methods[settlement.method] += 1
        if settlement.cost_nanos:
            self._cost_nanos[provider, model] += settlement.cost_nanos
        if settlement.drift:
            self._drift[provider] += 1
        usage = settlement.usage
        if usage is not None and settlement.basis != "zero_proven":      # a poll repeats the usage of the call that made the job
            tokens = self._tokens[provider, model]
            tokens[0] += usage.input_tokens
            tokens[1] += usage.output_tokens
        self._upstream.add(settlement.latency_us)
        if settlement.first_byte_us is not None:
            self._first_byte.add(settlement.first_byte_us)

    def observe_given_up(self, settlement: Settlement) -> None:
        """Count a job that was settled because nobody fetched its result in time. Called by the shipper alone, from
        its thread, hence counted apart."""
        self._given_up += 1
        self._given_up_nanos += settlement.cost_nanos

    def observe_refusal(self, refusal: Refusal) -> None:
        """Count a call that we answered ourselves."""
        self._blocked[refusal.code] += 1

    def _model(self, model: str | None) -> str:
        name = model or "none"
        if name in self._models:
            return name
        if len(self._models) >= MODELS_MAX:
            return "other"
        self._models.add(name)
        return name

    def exposition(self) -> bytes:
        """The Prometheus text form (version 0.0.4)."""
        # Imported here: only a scrape needs it, and it costs more to import than the data plane may take.
        from prometheus_client import CollectorRegistry, generate_latest  # noqa: PLC0415

        registry = CollectorRegistry()
        registry.register(self)  # type: ignore[arg-type]  # a collector is anything with collect()
        return generate_latest(registry)

    def collect(self) -> Iterator[object]:
        """The metric families, for prometheus_client."""
        from prometheus_client.core import (  # noqa: PLC0415
            CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily,
        )

        def counter(name: str, text: str, labels: tuple[str, ...], rows: Iterator[tuple[tuple[str, ...], float]]) -> object:
            family = CounterMetricFamily(name, text, labels=labels)
            for values, number in rows:
                family.add_metric(values, number)
            return family

        yield counter("tallystick_requests", "Settled attempts.", ("provider", "model", "status_class"),
                      ((k, v) for k, v in self._requests.items()))
        yield counter("tallystick_tokens", "Tokens, inclusive totals.", ("provider", "model", "kind"),
                      ((k + kind, v) for k, both in self._tokens.items() for kind, v in zip((("input",), ("output",)), both, strict=True)))
        yield counter("tallystick_cost_dollars", "Booked cost in US dollars.", ("provider", "model"),
                      ((k, v / 1e9) for k, v in self._cost_nanos.items()))
        yield counter("tallystick_settlements", "Settled attempts by where their cost comes from.", ("method",),
                      (((k,), v) for k, v in self._methods.items()))
        yield counter("tallystick_deferred", "Attempts that opened a job; they count as attempts once it settles.", ("provider",),
                      (((k,), v) for k, v in self._deferred.items()))
        yield counter("tallystick_deferred_given_up", "Jobs settled at their hold because nobody fetched their result in time.", (),
                      iter([((), self._given_up)]))
        yield counter("tallystick_deferred_given_up_cost_dollars", "What those were booked at, in US dollars.", (),
                      iter([((), self._given_up_nanos / 1e9)]))
        yield counter("tallystick_sandbox", "Sandbox calls, in none of the other figures.", ("provider",),
                      (((k,), v) for k, v in self._sandbox.items()))
        yield counter("tallystick_blocked", "Calls answered by the gateway itself.", ("reason",),
                      (((k,), v) for k, v in self._blocked.items()))
        yield counter("tallystick_price_drift", "Attempts whose stated cost and book price disagree.", ("provider",),
                      (((k,), v) for k, v in self._drift.items()))
        for name, text, histogram in (
            ("tallystick_upstream_seconds", "Whole attempts, admission to settlement.", self._upstream),
            ("tallystick_time_to_first_token_seconds", "Admission to the first byte of the reply.", self._first_byte),
        ):
            yield _histogram(HistogramMetricFamily, name, text, histogram)
        for name, read in self.gauges.items():
            gauge = GaugeMetricFamily(name, "See docs/operations.md.")
            gauge.add_metric((), read())
            yield gauge
        for part, text in (("remaining", "What is left of a budget in its window; of a template, for whom least is left."),
                           ("held", "What open calls and gateways hold of it."),
                           ("stranded", "What gateways hold of it that are gone.")):
            family = GaugeMetricFamily(f"tallystick_budget_{part}", text, labels=("budget", "unit", "scope", "value"))
            for budget in self.budgets:
                family.add_metric((budget.budget, budget.unit, budget.scope, budget.value), getattr(budget, part))
            yield family
        standing = GaugeMetricFamily("tallystick_credentials", "Stored credentials that this process used, by how they stand.",
                                     labels=("provider", "state"))
        for values, number in self.credentials().items():
            standing.add_metric(values, number)
        yield standing
        build = GaugeMetricFamily("tallystick_build_info", "The running version.", labels=("version",))
        build.add_metric((self._version,), 1)
        yield build


def _histogram(family: Callable[..., object], name: str, text: str, histogram: _Histogram) -> object:
    buckets, running = [], 0
    for bound_s, number in zip((*BUCKETS_S, float("inf")), histogram.counts, strict=True):
        running += number
        buckets.append(("+Inf" if bound_s == float("inf") else str(bound_s), running))
    made = family(name, text)
    made.add_metric((), buckets, histogram.total_us / 1e6)  # type: ignore[attr-defined]
    return made
