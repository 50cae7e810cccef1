"""URLs and namespaces: which are taken, and that no message repeats a password."""

import pytest

from rhapsode.storage.log import UnusableServerError
from rhapsode.storage.memory.log import MemoryLog
from rhapsode.storage.opening import open_log
from rhapsode.storage.redis.connection import RedisConnection, RedisSettings
from rhapsode.storage.redis.keys import Keys


@pytest.mark.parametrize("name", ["", "a b", "a:b", "{a}", "-a", "a\n", "a" * 65])
def test_an_invalid_namespace_is_refused(name: str):
    with pytest.raises(ValueError, match="namespace"):
        Keys(name)
    with pytest.raises(ValueError, match="namespace"):
        RedisSettings("redis://localhost", name)


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("redis://user:pass@host:6380/2?password=pass", "redis://host:6380/2"),
        ("rediss://:pass@host", "rediss://host"),
        ("valkey://host", "valkey://host"),
        ("unix://user:pass@/run/a.sock?db=1", "unix:///run/a.sock"),
        (
            "redis+sentinel://user:pass@a:1,[::1]:2,c/log/3?sentinel_password=pass",
            "redis+sentinel://a:1,[::1]:2,c/log/3",
        ),
    ],
)
async def test_a_url_is_shown_without_its_password(url: str, safe: str):
    settings = RedisSettings(url)
    assert settings.safe_url == safe
    assert "pass" not in repr(settings)
    await RedisConnection(settings).close()


def test_sentinels_are_read_from_the_url():
    settings = RedisSettings("rediss+sentinel://user:word@a:1,[::1]:2,c/log/3?sentinel_username=s")
    assert settings.sentinels == (("a", 1), ("::1", 2), ("c", 26379))
    assert settings.service == "log"
    assert settings.client_url == "rediss://user:word@master/3?sentinel_username=s"


@pytest.mark.parametrize(
    "url",
    [
        "secret",
        "http://secret",
        "redis://x:secret@h:port",
        "redis://[",
        "redis+sentinel://x:secret@h:1,h2:port/log",
        "redis+sentinel://x:secret@h:1",
        "redis+sentinel://x:secret@/log",
        "unix+sentinel://x:secret@h:1/log",
    ],
)
def test_an_invalid_url_is_refused_and_not_repeated(url: str):
    with pytest.raises(UnusableServerError, match="redis://") as caught:
        open_log(url, "rhapsode")
    assert "secret" not in str(caught.value)


def test_a_memory_url_opens_a_log_in_memory():
    log, _ = open_log("memory://", "rhapsode")
    assert isinstance(log, MemoryLog)
