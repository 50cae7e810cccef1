"""From settings to the stores: of segments and playlists, of the archive, of people's files."""

from ..storage.objects.either_source import EitherSource
from ..storage.objects.folder import FolderObjects
from ..storage.objects.folder_source import FolderSource
from ..storage.objects.s3 import S3Objects, S3Settings
from ..storage.objects.s3_source import S3Source
from ..storage.objects.source import ObjectSource
from ..storage.objects.store import Objects
from ..storage.objects.web_source import WebSource
from .setting_kinds import listed
from .settings import Settings


def open_store(settings: Settings) -> Objects:
    """Return where segments and playlists are stored."""
    if not settings.s3_bucket:
        return FolderObjects(settings.media_folder)
    return S3Objects(_s3(settings, settings.s3_bucket))


def open_archive_store(settings: Settings) -> Objects:
    """Return where the archive's objects are."""
    bucket = settings.archive_bucket or settings.s3_bucket
    if bucket:
        return S3Objects(_s3(settings, bucket))
    return FolderObjects(settings.archive_folder, synced=True)


def open_objects(settings: Settings) -> ObjectSource:
    """Return where audio objects, and the catalogue, are read from."""
    own: ObjectSource = FolderSource(settings.objects_folder)
    if settings.objects_bucket:
        own = S3Source(_s3(settings, settings.objects_bucket))
    return EitherSource(own, WebSource(listed(settings.object_hosts)))


def _s3(settings: Settings, bucket: str) -> S3Settings:
    return S3Settings(
        bucket=bucket,
        endpoint_url=settings.s3_endpoint_url or None,
        region=settings.s3_region,
        access_key_id=settings.s3_access_key_id or None,
        secret_access_key=settings.s3_secret_access_key or None,
    )
