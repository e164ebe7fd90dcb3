"""Figures for Prometheus: requests, seconds of audio, who waits, and how long answers took. Needs the extra `unmask[serve]`.

Knows numbers. Knows no endpoint.
"""

from collections import deque
from collections.abc import Callable

import numpy as np
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

LAST = 1000  # requests whose seconds the quantiles are of
BUCKETS_S = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class Metrics:
    """Counts one server. Figures that others hold are read when they are asked for."""

    def __init__(self, audio_s: Callable[[], float], waiting: Callable[[], int], clients: Callable[[], int]) -> None:
        """audio_s: seconds of recordings captioned so far. waiting: open requests. clients: open live captions."""
        self._registry, self._seconds = CollectorRegistry(), deque[float](maxlen=LAST)
        self._audio_s = audio_s
        to = self._registry
        self._requests = Counter("unmask_requests", "Requests that were answered", ["path", "status"], registry=to)
        self._audio = Counter("unmask_audio_seconds", "Seconds of recordings that were captioned", registry=to)
        self._took = Histogram("unmask_request_seconds", "Seconds from a request to its answer", buckets=BUCKETS_S, registry=to)
        Gauge("unmask_queue", "Requests that are read, wait or are computed", registry=to).set_function(waiting)
        Gauge("unmask_live_clients", "Live captions that are open", registry=to).set_function(clients)
        last = f"Seconds of the last {LAST} requests"
        quantiles = Gauge("unmask_request_seconds_quantile", last, ["quantile"], registry=to)
        quantiles.labels("0.5").set_function(lambda: self._quantile(0.5))
        quantiles.labels("0.9").set_function(lambda: self._quantile(0.9))
        self._told_s = 0.0

    def _quantile(self, share: float) -> float:
        return float(np.quantile(list(self._seconds), share)) if self._seconds else float("nan")

    def answered(self, path: str, status: int, seconds: float) -> None:
        self._requests.labels(path, str(status)).inc()
        self._took.observe(seconds)
        self._seconds.append(seconds)

    def text(self) -> tuple[bytes, str]:
        """All figures in Prometheus' text format, and its media type."""
        now = self._audio_s()
        self._audio.inc(now - self._told_s)
        self._told_s = now
        return generate_latest(self._registry), CONTENT_TYPE_LATEST
