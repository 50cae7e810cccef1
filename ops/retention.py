"""From settings to how much is kept, and how long."""

from ..agents.retention import Retention
from .settings import Settings


def retention_from(settings: Settings) -> Retention:
    """Return the bounds of log, media and archive."""
    return Retention(
        log_bytes=settings.keep_log_mb * 1_000_000,
        log_age_s=settings.keep_log_hours * 3600,
        media_bytes=settings.keep_media_mb * 1_000_000,
        media_age_s=settings.keep_media_days * 86_400,
        archive_bytes=settings.keep_archive_mb * 1_000_000,
        archive_age_s=settings.keep_archive_days * 86_400,
        sessions=settings.keep_sessions,
    )
