"""What only objects in S3 have: headers, a bucket to make, rights, endpoints."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from s3_server import ACCESS_KEY_ID, READER_KEY_ID, READER_SECRET

from rhapsode.storage.objects.s3 import S3Objects, S3Settings
from rhapsode.storage.objects.store import ObjectsRefusedError, ObjectsUnreachableError

PLAYLIST = "application/vnd.apple.mpegurl"


@pytest.fixture
async def s3(s3_settings: S3Settings) -> AsyncIterator[S3Objects]:
    store = S3Objects(s3_settings)
    await store.prepare()
    yield store
    await store.close()


@pytest.mark.s3
async def test_an_object_has_its_type_and_cache_headers_in_the_bucket(
    s3: S3Objects, s3_settings: S3Settings, s3_client: Any
) -> None:
    expected = {
        "audio.m3u8": (PLAYLIST, "no-cache"),
        "audio_000.m4s": ("audio/mp4", "public, max-age=31536000, immutable"),
    }
    for name, (kind, cache) in expected.items():
        await s3.put(f"s/{name}", b"x", kind)
        head = s3_client.head_object(Bucket=s3_settings.bucket, Key=f"hls/s/{name}")
        assert (head["ContentType"], head["CacheControl"]) == (kind, cache)
        assert s3.url(f"s/{name}").endswith(f"/{s3_settings.bucket}/hls/s/{name}")


@pytest.mark.s3
async def test_workers_that_start_at_once_make_one_bucket(
    s3_settings: S3Settings, s3_client: Any
) -> None:
    stores = [S3Objects(s3_settings) for _ in range(4)]
    await asyncio.gather(*(store.prepare() for store in stores))
    await asyncio.gather(*(store.prepare() for store in stores))
    for store in stores:
        assert await store.names("") == []
        await store.close()
    names = [bucket["Name"] for bucket in s3_client.list_buckets()["Buckets"]]
    assert names.count(s3_settings.bucket) == 1


@pytest.mark.s3
@pytest.mark.parametrize(
    ("key_id", "secret"),
    [
        (ACCESS_KEY_ID, "not-the-secret-91c4"),
        ("nobody", "not-the-secret-91c4"),
        (READER_KEY_ID, READER_SECRET),
    ],
    ids=["wrong-secret", "unknown-key", "may-only-read"],
)
async def test_a_key_that_may_not_write_is_refused_before_any_session(
    s3: S3Objects, s3_settings: S3Settings, key_id: str, secret: str
) -> None:
    refused = S3Objects(
        S3Settings(
            bucket=s3_settings.bucket,
            endpoint_url=s3_settings.endpoint_url,
            access_key_id=key_id,
            secret_access_key=secret,
        )
    )
    with pytest.raises(ObjectsRefusedError, match="check the access key") as raised:
        await refused.prepare()
    await refused.close()
    assert secret not in str(raised.value)


async def test_a_server_that_does_not_answer_is_named_without_its_password() -> None:
    with socket.socket() as probe:  # bound and not listening: nobody answers there
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        store = S3Objects(
            S3Settings(
                bucket="bucket",
                endpoint_url=f"http://user:hidden@127.0.0.1:{port}",
                access_key_id="key",
                secret_access_key="secret",
            )
        )
        with pytest.raises(ObjectsUnreachableError, match="RHAPSODE_S3_ENDPOINT_URL") as raised:
            await store.prepare()
        await store.close()
    assert f"http://127.0.0.1:{port}" in str(raised.value)
    assert "hidden" not in str(raised.value)


@pytest.mark.parametrize("url", ["nonsense", "http://user:hidden@", "s3://bucket"])
def test_an_invalid_endpoint_is_refused(url: str) -> None:
    with pytest.raises(ObjectsRefusedError, match="no S3 endpoint") as raised:
        S3Objects(S3Settings(bucket="bucket", endpoint_url=url))
    assert "hidden" not in str(raised.value)


async def test_a_bucket_with_an_invalid_name_is_refused() -> None:
    store = S3Objects(
        S3Settings(
            bucket="a bucket",
            endpoint_url="http://127.0.0.1:9",
            access_key_id="key",
            secret_access_key="secret",
        )
    )
    with pytest.raises(ObjectsRefusedError, match="RHAPSODE_S3_"):
        await store.prepare()
    await store.close()


def test_a_secret_is_not_shown_by_the_settings() -> None:
    assert "hidden" not in repr(S3Settings(bucket="b", secret_access_key="hidden"))
