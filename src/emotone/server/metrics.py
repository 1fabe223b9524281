"""Figures of the running service, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

import emotone

CONTENT_TYPE = CONTENT_TYPE_LATEST

# It adds a line beside each figure that says since when it is counted, which nobody asks.
disable_created_metrics()  # type: ignore[no-untyped-call]

_ANSWER_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_LIVE_S = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5)
_FACTOR = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0)


class Metrics:
    """What is counted, in a registry of its own.

    No label has a value that a client chooses: routes are those that there are, and owners are
    nobody's business here.

    Parameters
    ----------
    states
        How many analyses there are in each state, asked when the figures are.
    """

    def __init__(self, *, states: Callable[[], Mapping[str, int]]) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.requests = Counter(
            "emotone_requests",
            "Requests answered.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self.request_s = Histogram(
            "emotone_request_seconds",
            "From the headers of a request to the beginning of its answer.",
            ["method", "route"],
            buckets=_ANSWER_S,
            registry=self.registry,
        )
        self.requests_open = Gauge(
            "emotone_requests_open", "Requests being answered.", registry=self.registry
        )
        self.analyses = Counter(
            "emotone_analyses",
            "Analyses that came to an end.",
            ["state"],
            registry=self.registry,
        )
        self.heard_s = Counter(
            "emotone_heard_audio_seconds",
            "Audio that was heard.",
            ["kind"],
            registry=self.registry,
        )
        self.factor = Histogram(
            "emotone_real_time_factor",
            "Seconds of work for a second of audio.",
            ["kind"],
            buckets=_FACTOR,
            registry=self.registry,
        )
        self.live_now = Gauge("emotone_live_sessions", "Live sessions now.", registry=self.registry)
        self.live_sessions = Counter(
            "emotone_live_sessions_ended",
            "Live sessions that came to an end.",
            ["reason"],
            registry=self.registry,
        )
        self.live_s = Histogram(
            "emotone_live_latency_seconds",
            "From the last sample of a window to its measurement.",
            buckets=_LIVE_S,
            registry=self.registry,
        )
        about = Gauge("emotone_info", "What runs.", ["version"], registry=self.registry)
        about.labels(emotone.__version__).set(1)
        self.registry.register(_Queue(states))

    def exposition(self) -> bytes:
        """All figures as Prometheus reads them."""
        return generate_latest(self.registry)


class _Queue(Collector):
    """How long the queue is, looked up when it is asked for."""

    def __init__(self, states: Callable[[], Mapping[str, int]]) -> None:
        self._states = states

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """The figures, now."""
        family = GaugeMetricFamily(
            "emotone_queue_analyses", "Analyses that wait or run.", labels=["state"]
        )
        counts = self._states()
        for state in ("queued", "running"):
            family.add_metric([state], counts.get(state, 0))
        yield family
