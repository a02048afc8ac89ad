"""The gateway's metrics in the text format of Prometheus. No label holds what a client sends."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from imageflow_edge.work import Work

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_OTHER = "other"
_SECONDS = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class RequestMetrics:
    """Counts what one gateway answers, and measures its process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = Counter(
            "imageflow_requests", "Requests that were answered.", ("method", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "imageflow_request_seconds",
            "From a request until its answer begins.",
            buckets=_SECONDS,
            registry=self._registry,
        )

    def answered(self, method: str, status: int, seconds: float) -> None:
        """Count a request.

        Args:
            method: As the client sent it; unknown ones count as one.
            status: Of the answer.
            seconds: Until the answer began.
        """
        self._requests.labels(method if method in _METHODS else _OTHER, str(status)).inc()
        self._seconds.observe(seconds)

    def text(self) -> bytes:
        """Return the metrics of this process."""
        return generate_latest(self._registry)


def work_text(work: Work | None, pool_slots: Mapping[str, int]) -> bytes:
    """Return the metrics of the whole deployment, which every gateway gives alike.

    Args:
        work: `None` where the database does not answer.
        pool_slots: How many slots each pool has.
    """
    registry = CollectorRegistry()

    def gauge(name: str, what: str, *labels: str) -> Gauge:
        return Gauge(f"imageflow_{name}", what, labels, registry=registry)

    gauge("database_up", "Whether the database answers.").set(work is not None)
    slots = gauge("pool_slots", "How much a pool does at once.", "pool")
    for pool, count in pool_slots.items():
        slots.labels(pool).set(count)
    if work is not None:
        units = gauge("waiting_units", "Blocks of surveys, or batches, that wait or are being worked on.", "pool")
        images = gauge("waiting_images", "Images of waiting batches.", "pool")
        oldest = gauge("waiting_oldest_seconds", "For how long the oldest unit has waited.", "pool")
        for pool, waiting in work.waiting.items():
            units.labels(pool).set(waiting.units)
            oldest.labels(pool).set(waiting.oldest_s)
            if pool == "inspection":
                images.labels(pool).set(waiting.images)
        age = gauge("backup_age_seconds", "Since the last backup was finished; absent where there was none.", "kind")
        for kind, seconds in work.backup_ages_s.items():
            age.labels(kind).set(seconds)
    return generate_latest(registry)
