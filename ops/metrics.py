"""Every metric, by name, in one place."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from ..agents.trimming import Trimmer
from ..storage.admissions import Admissions
from ..storage.session_index import SessionIndex

REGISTRY = CollectorRegistry()

RECORDS = Counter(
    "rhapsode_stage_records", "Records a stage has done", ["stage"], registry=REGISTRY
)
SECONDS = Histogram(
    "rhapsode_stage_seconds",
    "Seconds from handing a record to an agent until it was done",
    ["stage"],
    buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
    registry=REGISTRY,
)
WRITTEN = Counter(
    "rhapsode_stage_written",
    "Records a stage brought into the log",
    ["stage", "topic"],
    registry=REGISTRY,
)
TROUBLE = Counter(
    "rhapsode_stage_trouble",
    "Retries, reloads, dead letters, fences and bugs of a stage",
    ["stage", "kind"],
    registry=REGISTRY,
)
LAG = Gauge(
    "rhapsode_stage_lag",
    "Records a stage has yet to commit, by partition",
    ["stage", "topic", "partition"],
    registry=REGISTRY,
)
FIRST_AUDIO = Histogram(
    "rhapsode_session_first_audio_seconds",
    "Seconds from acceptance of a text until its first segment was published",
    buckets=(0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10),
    registry=REGISTRY,
)
SECONDS_AHEAD = Gauge(
    "rhapsode_session_seconds_ahead",
    "Published audio minus the time since its first segment, of sessions being made",
    ["session"],
    registry=REGISTRY,
)
STARTED = Counter("rhapsode_sessions_started", "Sessions accepted", registry=REGISTRY)
FINISHED = Counter(
    "rhapsode_sessions_finished", "Sessions that ended", ["outcome"], registry=REGISTRY
)
DEVICE_FRAMES = Counter(
    "rhapsode_device_frames", "Opus frames sent to devices", ["timing"], registry=REGISTRY
)
DEVICES = Gauge("rhapsode_devices", "Voice devices connected", registry=REGISTRY)

PRODUCING = Gauge(
    "rhapsode_sessions_producing", "Sessions in production, over all workers", registry=REGISTRY
)
WAITING = Gauge(
    "rhapsode_sessions_waiting", "Sessions that wait for a place in production", registry=REGISTRY
)
LIMIT = Gauge(
    "rhapsode_sessions_limit", "Sessions that may be in production at once", registry=REGISTRY
)
SPEED = Gauge(
    "rhapsode_production_speed",
    "Seconds of audio made in a second by all workers together, 0 until measured",
    registry=REGISTRY,
)

LOG_BYTES = Gauge("rhapsode_log_bytes", "Memory that the log's records take", registry=REGISTRY)
SESSIONS = Gauge("rhapsode_sessions_kept", "Sessions that are kept", registry=REGISTRY)
MEDIA_BYTES = Gauge(
    "rhapsode_media_bytes", "Segments of the sessions that are archived", registry=REGISTRY
)
ARCHIVE_BYTES = Gauge("rhapsode_archive_bytes", "Bytes of archive", registry=REGISTRY)


async def measure_what_is_kept(trimmer: Trimmer, index: SessionIndex) -> None:
    """Set the gauges of what is kept, which are the same in every process."""
    try:
        sizes, totals = await trimmer.sizes(), await index.totals()
    except OSError:
        return  # the other metrics are worth having where the log is out of reach
    LOG_BYTES.set(sum(sizes.values()))
    SESSIONS.set(totals.sessions)
    MEDIA_BYTES.set(totals.media_bytes)
    ARCHIVE_BYTES.set(totals.archive_bytes)


async def measure_admission(admissions: Admissions) -> None:
    """Set the gauges of admission, which are the same in every process."""
    try:
        places, waiting = await admissions.places(), await admissions.waiting()
    except OSError:
        return  # the other metrics are worth having where the log is out of reach
    WAITING.set(waiting)
    if places is not None:
        PRODUCING.set(places.producing)
        LIMIT.set(places.limit)
        SPEED.set(places.speed)


class PrometheusObserver:
    """Counts what stages do (`topologies.delivery.Observer`)."""

    def handled(self, stage: str, records: int, seconds: float) -> None:
        RECORDS.labels(stage).inc(records)
        SECONDS.labels(stage).observe(seconds)

    def wrote(self, stage: str, topic: str, records: int) -> None:
        WRITTEN.labels(stage, topic).inc(records)

    def troubled(self, stage: str, kind: str) -> None:
        TROUBLE.labels(stage, kind).inc()
