"""From settings to the stores: of segments and playlists, of the archive, of people's files."""

from dataclasses import replace

from ..storage.objects.block_folder import BlockFolder
from ..storage.objects.cached_source import CachedSource
from ..storage.objects.either_source import EitherSource
from ..storage.objects.folder import FolderObjects
from ..storage.objects.folder_source import FolderSource
from ..storage.objects.live_source import LiveSource, WebLiveSource
from ..storage.objects.mirrored_source import MirroredSource
from ..storage.objects.s3 import S3Objects, S3Settings
from ..storage.objects.s3_source import S3Source
from ..storage.objects.source import ObjectSource
from ..storage.objects.store import Objects
from ..storage.objects.uploads import FolderUploads, S3Uploads, Uploads
from ..storage.objects.web_source import WebSource
from .setting_kinds import bucket_of, listed
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
    web: ObjectSource = WebSource(listed(settings.object_hosts))
    live = WebLiveSource(listed(settings.object_hosts))
    if settings.objects_bucket:
        own = _cached(_mirrored(settings), settings)
        return EitherSource(own, _cached(web, settings), live)
    return EitherSource(FolderSource(settings.objects_folder), _cached(web, settings), live)


def open_live(settings: Settings) -> LiveSource:
    """Return where streams are listened to."""
    return WebLiveSource(listed(settings.object_hosts))


def open_uploads(settings: Settings) -> Uploads:
    """Return how files are brought to where audio objects are read from."""
    if settings.objects_bucket:
        return S3Uploads(_s3(settings, settings.objects_bucket))
    return FolderUploads(settings.objects_folder)


def _mirrored(settings: Settings) -> ObjectSource:
    """Return the bucket of audio files, and behind it its copies."""
    bucket = S3Source(_s3(settings, settings.objects_bucket))
    copies: list[tuple[str, ObjectSource]] = []
    for url in listed(settings.objects_mirrors):
        endpoint, name, region = bucket_of(url)
        place = replace(
            _s3(settings, name), endpoint_url=endpoint, region=region or settings.s3_region
        )
        copies.append((url, S3Source(place)))
    return MirroredSource([(settings.objects_bucket, bucket), *copies]) if copies else bucket


def _cached(source: ObjectSource, settings: Settings) -> ObjectSource:
    if not settings.objects_cache_mb:
        return source
    blocks = BlockFolder(settings.objects_cache_folder, settings.objects_cache_mb * 1_000_000)
    return CachedSource(source, blocks)


def _s3(settings: Settings, bucket: str) -> S3Settings:
    return S3Settings(
        bucket=bucket,
        endpoint_url=settings.s3_endpoint_url or None,
        region=settings.s3_region,
        access_key_id=settings.s3_access_key_id or None,
        secret_access_key=settings.s3_secret_access_key or None,
    )
