"""A real S3 server for the tests of objects: SeaweedFS, started once."""

from collections.abc import Iterator
from contextlib import closing
from itertools import count
from typing import Any

import pytest
from s3_server import ACCESS_KEY_ID, SECRET_ACCESS_KEY, S3Server

from rhapsode.storage.objects.s3 import S3Settings

_buckets = count()


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    server = S3Server(tmp_path_factory.mktemp("s3"))
    try:
        server.start()
        yield server
    finally:
        server.kill()


@pytest.fixture
def s3_settings(server: S3Server) -> S3Settings:
    """Give a bucket of the test's own that does not exist yet."""
    return S3Settings(
        bucket=f"bucket-{next(_buckets)}",
        endpoint_url=server.url,
        access_key_id=ACCESS_KEY_ID,
        secret_access_key=SECRET_ACCESS_KEY,
    )


@pytest.fixture
def s3_client(server: S3Server) -> Iterator[Any]:
    """Give a plain S3 client, to see what any other program would see."""
    with closing(server.client()) as client:
        yield client
