"""Streams that go on: heard as they come, connected again, ended with a reason."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from itertools import pairwise

import numpy as np
import pytest
from sample_audio import sample_file
from standins.in_memory import System, accepted
from standins.station import Station, station
from standins.waiting import until

from rhapsode.agents import live_streams
from rhapsode.agents.children import ChildDiedError, Limits
from rhapsode.agents.decoders.isolated import Decoders, Wanted
from rhapsode.agents.decoders.messages import (
    PIECE_SAMPLES,
    RUNNING,
    Open,
    Pieces,
    decode_request,
    encode,
)
from rhapsode.agents.fetch import Fetch
from rhapsode.agents.kept_loudness import KeptLoudness
from rhapsode.agents.live_streams import LiveStreams
from rhapsode.agents.uplink_source import UplinkSource
from rhapsode.codecs.records import Chunk, Control, ObjectAudio, Uplink
from rhapsode.storage.objects import live_source
from rhapsode.storage.objects.live_source import LIVE, WebLiveSource
from rhapsode.storage.objects.memory import MemoryLiveSource
from rhapsode.storage.objects.store import ObjectsRefusedError

RATE_HZ = 48_000
SONG_S = 4.0
SONG = sample_file("mp3", SONG_S)
DEADLINE_S = 50.0


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connect again without a pause."""
    monkeypatch.setattr(live_streams, "FIRST_PAUSE_S", 0.0)
    monkeypatch.setattr(live_streams, "LEAD_S", 60.0)


@pytest.fixture
async def on_air() -> AsyncIterator[Station]:
    async with station(SONG) as found:
        yield found


@pytest.fixture
async def streams(on_air: Station) -> AsyncIterator[LiveStreams]:
    found = LiveStreams(WebLiveSource([f"127.0.0.1:{on_air.port}"]), Decoders(live_streams.AT_ONCE))
    yield found
    await found.close()


async def heard(streams: LiveStreams, name: str, seconds: float) -> np.ndarray:
    async with asyncio.timeout(DEADLINE_S):
        pieces = [pcm async for pcm in streams.pieces(name, RATE_HZ, seconds)]
    return np.frombuffer(b"".join(pieces), "<i2")


async def refusal(streams: LiveStreams, name: str, seconds: float = 60.0) -> str:
    with pytest.raises(ObjectsRefusedError) as raised:
        await heard(streams, name, seconds)
    return str(raised.value)


async def test_a_station_is_heard_for_as_long_as_is_wanted(
    on_air: Station, streams: LiveStreams
) -> None:
    sound = await heard(streams, on_air.name("radio"), 3 * SONG_S)
    assert len(sound) == 3 * SONG_S * RATE_HZ
    assert np.abs(sound.astype(int)).max() > 4_000
    async with asyncio.timeout(DEADLINE_S):
        await until(lambda: on_air.listeners == 0)


async def test_the_first_sound_comes_before_the_stream_has_ended(
    on_air: Station, streams: LiveStreams
) -> None:
    async with (
        asyncio.timeout(DEADLINE_S),
        aclosing(streams.pieces(on_air.name("radio"), RATE_HZ, 3_600.0)) as pieces,
    ):
        assert await anext(pieces)
        assert on_air.listeners == 1


def test_who_sends_as_fast_as_it_can_is_taken_as_it_sounds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_s = 100.0
    monkeypatch.setattr(live_streams, "monotonic", lambda: now_s)
    monkeypatch.setattr(live_streams, "LEAD_S", 10.0)
    one = live_streams._Heard(MemoryLiveSource({}), wanted=60 * RATE_HZ, since_s=now_s)
    second = bytes(2 * RATE_HZ)
    for _ in range(12):
        one.wanted_of(second)
    assert one.early_s(RATE_HZ) == 2.0
    now_s += 5.0
    assert one.early_s(RATE_HZ) == 0.0


async def test_a_broadcast_that_is_no_station_ends_where_it_ends(
    on_air: Station, streams: LiveStreams
) -> None:
    sound = await heard(streams, on_air.name("broadcast"), 600.0)
    assert abs(len(sound) / RATE_HZ - SONG_S) < 0.2
    assert on_air.connections == ["broadcast"]


async def test_a_station_that_breaks_off_is_connected_again(
    on_air: Station, streams: LiveStreams
) -> None:
    on_air.breaks_after_bytes = len(SONG) // 2
    sound = await heard(streams, on_air.name("breaks"), 2 * SONG_S)
    assert len(sound) == 2 * SONG_S * RATE_HZ
    assert len(on_air.connections) >= 4


async def test_a_station_that_stays_away_ends_with_the_reason(
    on_air: Station, streams: LiveStreams
) -> None:
    on_air.breaks_after_bytes = len(SONG) // 2
    pieces = streams.pieces(on_air.name("breaks"), RATE_HZ, 600.0)
    async with asyncio.timeout(DEADLINE_S), aclosing(pieces):
        await anext(pieces)
        on_air.gone = True
        with pytest.raises(ObjectsRefusedError, match="the stream broke off: "):
            async for _ in pieces:
                pass
    # it was tried for a while, and not for ever
    assert len(on_air.connections) == 1 + live_streams.TRIES


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("404", "answers 404"),
        ("503", "answers 503"),
        ("playlist", "sends a playlist"),
        ("page", "not an audio file"),
    ],
)
async def test_what_gives_no_sound_is_refused_in_one_sentence(
    on_air: Station, streams: LiveStreams, path: str, why: str
) -> None:
    assert why in await refusal(streams, on_air.name(path))


async def test_a_station_that_sends_nothing_is_not_waited_for_without_end(
    on_air: Station, streams: LiveStreams, monkeypatch: pytest.MonkeyPatch
) -> None:
    times_out_s = live_source.TIMES_OUT_S | {"read": 0.05}
    monkeypatch.setattr(live_source, "TIMES_OUT_S", times_out_s)
    assert "broke off" in await refusal(streams, on_air.name("dumb"))
    assert on_air.connections == ["dumb"] * live_streams.TRIES


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/radio", "http://10.0.0.1/", "http://[::1]/"])
async def test_hosts_that_are_not_allowed_are_not_listened_to(
    streams: LiveStreams, url: str
) -> None:
    assert "RHAPSODE_OBJECT_HOSTS" in await refusal(streams, f"live+{url}")


async def test_a_decoder_that_is_killed_from_outside_leaves_out_nothing_of_what_comes() -> None:
    opened: list[int] = []

    class Mortal:
        """A decoder that gives one piece; the first one is killed behind it."""

        async def ask(self, request: bytes, limits: Limits) -> bytes:
            asked = decode_request(request)
            if isinstance(asked, Open):
                opened.append(asked.skip_samples)
                return encode(Pieces([bytes(2 * RATE_HZ)], end=len(opened) == 2))
            raise ChildDiedError("killed", from_outside=True)

        def memory_bytes(self) -> int:
            return 0

        async def close(self) -> None:
            pass

    async def start() -> Mortal:
        return Mortal()

    async def read(_start: int, _end: int) -> bytes:
        return b""

    wanted = Wanted(RUNNING, RATE_HZ, 60.0, PIECE_SAMPLES, 0)
    async for _ in Decoders(start=start).decode("live+http://radio.example/", wanted, read):
        pass
    assert opened == [0, 0]  # as many as were heard would be silence for as long


async def test_more_streams_than_there_is_room_for_are_refused(
    on_air: Station, streams: LiveStreams, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_streams, "AT_ONCE", 1)
    few = LiveStreams(WebLiveSource([f"127.0.0.1:{on_air.port}"]))
    async with asyncio.timeout(DEADLINE_S):
        one = few.pieces(on_air.name("radio"), RATE_HZ, 600.0)
        await anext(one)
        assert "heard here already" in await refusal(few, on_air.name("radio"))
        await one.aclose()
        assert len(await heard(few, on_air.name("radio"), 1.0)) == RATE_HZ
    await few.close()


# -- as an item of a session


def agent(system: System, streams: LiveStreams) -> Fetch:
    audio, control = system.journal.of(ObjectAudio), system.journal.of(Control)
    loudness = KeptLoudness(system.store)
    uplinks = UplinkSource(system.journal.of(Uplink))
    objects, decoders, backlog = system.objects, system.decoders, system.no_backlog
    return Fetch(objects, audio, control, decoders, backlog, loudness, streams, uplinks)


def chunk(name: str) -> Chunk:
    return Chunk(session="s", seq=10, index=0, kind="object", object=name, etag=LIVE)


async def test_a_stream_is_in_the_log_piece_by_piece_and_ends(
    on_air: Station, streams: LiveStreams
) -> None:
    system = await accepted()
    await system.hand(agent(system, streams), "s", [chunk(on_air.name("broadcast"))])
    pieces = await system.records(ObjectAudio, "s/0")
    assert [piece.object_end for piece in pieces] == [False] * (len(pieces) - 1) + [True]
    assert pieces[-1].first_sample / RATE_HZ > SONG_S - 0.2
    assert {(piece.etag, piece.error) for piece in pieces} == {(LIVE, "")}


async def test_a_stream_that_was_cut_short_by_a_crash_goes_on_with_what_comes_now(
    on_air: Station, streams: LiveStreams
) -> None:
    system = await accepted()
    fetch, session = agent(system, streams), await system.journal.describe("s")

    async def chunks() -> AsyncIterator[Chunk]:
        yield chunk(on_air.name("broadcast"))

    outputs = fetch(session, chunks())
    for _ in range(3):
        await system.append(await anext(outputs))
    await outputs.aclose()
    await system.hand(agent(system, streams), "s", [chunk(on_air.name("broadcast"))])
    pieces = await system.records(ObjectAudio, "s/0")
    assert [piece.piece for piece in pieces] == list(range(len(pieces)))
    assert pieces[-1].object_end
    assert pieces[-1].first_sample > (SONG_S + 1.0) * RATE_HZ
    for before, after in pairwise(pieces):
        assert after.first_sample == before.first_sample + len(before.pcm) // 2


async def test_a_stream_is_left_when_its_session_is_cancelled(
    on_air: Station, streams: LiveStreams
) -> None:
    system = await accepted()
    fetch, session = agent(system, streams), await system.journal.describe("s")

    async def chunks() -> AsyncIterator[Chunk]:
        yield chunk(on_air.name("radio"))

    async with asyncio.timeout(DEADLINE_S):
        count = 0
        async for _ in fetch(session, chunks()):
            count += 1
            if count == 2:
                await system.append([Control(session="s", seq=0, verb="cancel", last=True)])
        await until(lambda: on_air.listeners == 0)


async def test_a_stream_that_breaks_off_ends_with_its_reason_and_the_session_goes_on(
    on_air: Station, streams: LiveStreams
) -> None:
    system = await accepted()
    await system.hand(agent(system, streams), "s", [chunk(on_air.name("page"))])
    (piece,) = await system.records(ObjectAudio, "s/0")
    assert piece.object_end
    assert "not an audio file" in piece.error
