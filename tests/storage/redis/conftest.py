"""A client such as any other program would use, beside ours."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import redis.asyncio

from rhapsode.storage.redis.embedded import EmbeddedValkey


@pytest.fixture
async def foreign(valkey: EmbeddedValkey) -> AsyncIterator[Any]:
    """Give a client such as any other program would use."""
    client = redis.asyncio.Redis.from_url(valkey.url)
    yield client
    await client.aclose()
