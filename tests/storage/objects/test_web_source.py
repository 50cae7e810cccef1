"""Files on the web: read by ranges, resumed where they break off, from public hosts alone."""

from collections.abc import AsyncIterator
from ipaddress import ip_address

import pytest
from s3_server import S3Server
from standins.web_server import WebServer, web_server

import rhapsode.storage.objects.web_source
from rhapsode.storage.objects.s3 import S3Settings
from rhapsode.storage.objects.s3_client import S3Client
from rhapsode.storage.objects.source import ObjectChangedError
from rhapsode.storage.objects.store import ObjectsRefusedError
from rhapsode.storage.objects.web_client import MOST_URL_CHARS
from rhapsode.storage.objects.web_network import is_public
from rhapsode.storage.objects.web_source import WebSource

SONG = bytes(range(256)) * 400
ETAG = '"one"'


@pytest.fixture
async def web() -> AsyncIterator[WebServer]:
    async with web_server(song=SONG, empty=b"") as server:
        yield server


@pytest.fixture
async def source(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[WebSource]:
    monkeypatch.setattr(rhapsode.storage.objects.web_source, "FIRST_PAUSE_S", 0.001)
    source = WebSource(["127.0.0.1"])
    yield source
    await source.close()


async def test_a_file_is_read_by_ranges_and_its_size_is_known(
    source: WebSource, web: WebServer
) -> None:
    url = web.url("files/song?signature=abc%2F")
    info = await source.stat(url)
    assert info is not None
    assert (info.size_bytes, info.etag) == (len(SONG), ETAG)
    assert await source.read(url, 100, 5_000, etag=ETAG) == SONG[100:5_000]
    assert await source.read(url, 102_000, 200_000, etag=ETAG) == SONG[102_000:]
    assert await source.read(url, 7, 7, etag=ETAG) == b""
    assert await source.read(url, len(SONG), len(SONG) + 9, etag=ETAG) == b""
    assert [span for _, span in web.asked] == [
        "0-0",
        "100-4999",
        "102000-199999",
        "7-7",
        f"{len(SONG)}-{len(SONG) + 8}",
    ]


async def test_a_file_that_is_empty_or_missing_is_told_as_such(
    source: WebSource, web: WebServer
) -> None:
    info = await source.stat(web.url("files/empty"))
    assert info is not None
    assert info.size_bytes == 0
    assert await source.stat(web.url("files/nothing")) is None
    with pytest.raises(ObjectChangedError):
        await source.read(web.url("files/nothing"), 0, 1, etag=ETAG)


async def test_an_answer_that_breaks_off_is_gone_on_with_where_it_was(
    source: WebSource, web: WebServer
) -> None:
    web.breaks_after = [1_000, 0]
    assert await source.read(web.url("breaks/song"), 0, 5_000, etag=ETAG) == SONG[:5_000]
    assert [span for _, span in web.asked] == ["0-4999", "1000-4999", "1000-4999"]
    web.breaks_after = [1, 1, 1]
    with pytest.raises(ObjectsRefusedError, match="cannot be read"):
        await source.read(web.url("breaks/song"), 0, 5_000, etag=ETAG)


async def test_a_file_that_changes_while_it_is_read_is_told_without_its_signature(
    source: WebSource, web: WebServer
) -> None:
    await source.read(web.url("files/song"), 0, 5, etag=ETAG)
    web.version = '"two"'
    with pytest.raises(ObjectChangedError) as told:
        await source.read(web.url("files/song?signature=swordfish"), 5, 10, etag=ETAG)
    assert "swordfish" not in str(told.value)


async def test_a_server_without_etags_is_known_by_its_dates(
    source: WebSource, web: WebServer
) -> None:
    info = await source.stat(web.url("dated/song"))
    assert info is not None
    assert "2024" in info.etag
    assert await source.read(web.url("dated/song"), 5, 9, etag=info.etag) == SONG[5:9]


async def test_a_server_without_ranges_is_read_from_the_start_as_long_as_that_is_bearable(
    source: WebSource, web: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = web.url("plain/song")
    assert await source.read(url, 90_000, 90_009, etag=ETAG) == SONG[90_000:90_009]
    monkeypatch.setattr(rhapsode.storage.objects.web_source, "MOST_PASSED_OVER_BYTES", 80_000)
    with pytest.raises(ObjectsRefusedError, match="ranges"):
        await source.read(url, 90_000, 90_009, etag=ETAG)


async def test_redirects_are_followed_and_not_for_ever(source: WebSource, web: WebServer) -> None:
    url = web.url("redirects/redirects/files/song")
    assert await source.read(url, 5, 9, etag=ETAG) == SONG[5:9]
    with pytest.raises(ObjectsRefusedError, match="redirects more than"):
        await source.stat(web.url("around/song"))


@pytest.mark.parametrize(
    ("way", "error", "said"),
    [
        ("403/song", ObjectsRefusedError, "may have expired"),
        ("503/song", ObjectsRefusedError, "503"),
        ("sizeless/song", ObjectsRefusedError, "how large"),
        ("vast/song", ObjectsRefusedError, "how large"),
        ("encoded/song", ObjectsRefusedError, "encoded"),
        ("away/song", ObjectsRefusedError, "RHAPSODE_OBJECT_HOSTS"),
    ],
)
async def test_what_a_server_does_wrong_is_told_without_the_signature(
    source: WebSource, web: WebServer, way: str, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said) as told:
        await source.stat(web.url(f"{way}?signature=swordfish"))
    assert "swordfish" not in str(told.value)


async def test_a_server_that_says_nothing_is_not_waited_for_without_end(
    source: WebSource, web: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rhapsode.storage.objects.web_source, "STAT_S", 0.2)
    with pytest.raises(ObjectsRefusedError, match="longer than"):
        await source.stat(web.url("silent/song"))


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "2130706433",
        "0x7f.1",
        "0.0.0.0",
        "10.1.2.3",
        "169.254.169.254",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[::127.0.0.1]",
        "[fec0::1]",
        "[64:ff9b:1::a00:1]",
        "[fe80::1]",
        "224.0.0.1",
    ],
)
async def test_a_private_address_is_refused_however_it_is_written(
    web: WebServer, host: str
) -> None:
    source = WebSource(["*"])
    with pytest.raises(ObjectsRefusedError) as told:
        await source.stat(f"http://{host}:{web.port}/files/song")
    assert "is no public host" in str(told.value) or "was not found" in str(told.value)
    assert web.asked == []
    await source.close()


async def test_a_host_with_its_port_is_trusted_at_that_port_alone(web: WebServer) -> None:
    async with web_server(song=SONG) as other:
        source = WebSource(["*", f"127.0.0.1:{web.port}"])
        assert await source.stat(web.url("files/song"))
        with pytest.raises(ObjectsRefusedError, match="no public host"):
            await source.stat(other.url("files/song"))
        await source.close()


async def test_hosts_that_are_not_named_are_not_asked(web: WebServer) -> None:
    for hosts in ([], ["cdn.example"]):
        source = WebSource(hosts)
        with pytest.raises(ObjectsRefusedError, match="RHAPSODE_OBJECT_HOSTS does not name it"):
            await source.stat(web.url("files/song"))
        await source.close()
    assert web.asked == []


@pytest.mark.parametrize(
    "url",
    [
        "http://",
        "https:///path",
        "http://host:port/",
        "http://host:99999/",
        "http://user:password@127.0.0.1/",
        "http://127.0.0.1/a b",
        "http://127.0.0.1/a\r\nHost: evil",
        "http://127.0.0.1/лес",
        "http://[::1/",
        "http://127.0.0.1/" + "a" * MOST_URL_CHARS,
    ],
)
async def test_what_is_no_url_is_said_to_be_none(source: WebSource, url: str) -> None:
    with pytest.raises(ValueError, match=r"URL|characters"):
        await source.stat(url)


@pytest.mark.parametrize("public", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_public_addresses_are_public(public: str) -> None:
    assert is_public(ip_address(public))


async def test_a_presigned_url_of_a_bucket_is_played_and_no_other(
    s3_settings: S3Settings, server: S3Server
) -> None:
    client = S3Client(s3_settings)
    client.boto.create_bucket(Bucket=s3_settings.bucket)
    client.boto.put_object(Bucket=s3_settings.bucket, Key="a song.mp3", Body=SONG)
    url = client.boto.generate_presigned_url(
        "get_object", Params={"Bucket": s3_settings.bucket, "Key": "a song.mp3"}, ExpiresIn=60
    )
    source = WebSource([server.url.removeprefix("http://")])
    info = await source.stat(url)
    assert info is not None
    assert info.size_bytes == len(SONG)
    assert await source.read(url, 9, 900, etag=info.etag) == SONG[9:900]
    with pytest.raises(ObjectsRefusedError, match="403"):
        await source.stat(url.partition("?")[0])
    await source.close()
    await client.close()
