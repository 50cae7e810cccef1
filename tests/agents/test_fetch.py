"""Objects into audio: piece by piece, the same from anywhere, and an end with a reason."""

import asyncio
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sample_audio import decoded, sample_file
from standins.in_memory import System, accepted
from standins.waiting import until

from rhapsode.agents.decoders.isolated import Decoders
from rhapsode.agents.decoders.messages import PIECE_SAMPLES
from rhapsode.agents.fetch import Fetch
from rhapsode.agents.kept_loudness import KeptLoudness
from rhapsode.agents.uplink_source import UplinkSource
from rhapsode.codecs.encoding import MAX_RECORD_BYTES, encode
from rhapsode.codecs.records import Chunk, Control, ObjectAudio, Uplink
from rhapsode.storage.objects.folder_source import FolderSource
from rhapsode.storage.objects.memory import MemorySource
from rhapsode.storage.objects.store import ObjectsRefusedError, ObjectsUnreachableError

SONG = sample_file("flac", 5.3)
OTHER = sample_file("mp3", 1.2)


@pytest.fixture(autouse=True)
async def decoders() -> AsyncIterator[Decoders]:
    """Decode with the same processes in all systems of a test."""
    shared.append(Decoders())
    yield shared[-1]
    await shared.pop().close()


shared: list[Decoders] = []


def agent(system: System) -> Fetch:
    journal = system.journal
    audio, control = journal.of(ObjectAudio), journal.of(Control)
    loudness = KeptLoudness(system.store)
    live, uplinks = system.live, UplinkSource(journal.of(Uplink))
    backlog = system.no_backlog
    return Fetch(system.objects, audio, control, shared[-1], backlog, loudness, live, uplinks)


def chunk(index: int, name: str = "song", etag: str = "", **fields: object) -> Chunk:
    known = {"session": "s", "seq": 10 + index, "index": index, "kind": "object"}
    return Chunk(**(known | {"object": name, "etag": etag} | fields))  # pyright: ignore[reportArgumentType]  # a mix of types by name


async def with_objects(source: MemorySource | None = None) -> System:
    source = source or MemorySource({"song": SONG, "other": OTHER, "third": SONG})
    return await accepted(system=System(objects=source))


async def pieces_of(system: System, index: int) -> list[ObjectAudio]:
    """Return an object's pieces; those of the chapter follow each other without a gap."""
    everything = await system.records(ObjectAudio, "s/0")
    assert [piece.piece for piece in everything] == list(range(len(everything)))
    pieces = [piece for piece in everything if piece.index == index]
    for before, after in pairwise(pieces):
        assert after.first_sample == before.first_sample + len(before.pcm) // 2
    return pieces


def samples_of(pieces: list[ObjectAudio]) -> np.ndarray:
    return np.frombuffer(b"".join(piece.pcm for piece in pieces), "<i2")


async def test_an_object_is_decoded_at_the_sessions_rate_in_pieces_that_fit_a_record() -> None:
    system = await with_objects()
    await system.hand(agent(system), "s", [chunk(0), chunk(1, "other")])
    for index, data in ((0, SONG), (1, OTHER)):
        pieces = await pieces_of(system, index)
        assert np.array_equal(samples_of(pieces), decoded(data))
        assert [piece.object_end for piece in pieces] == [False] * (len(pieces) - 1) + [True]
        assert [piece.error for piece in pieces] == [""] * len(pieces)
        assert {piece.seq for piece in pieces} == {10 + index}
        assert all(len(encode(piece)) <= MAX_RECORD_BYTES for piece in pieces)
        assert {len(piece.pcm) // 2 for piece in pieces[:-1]} == {PIECE_SAMPLES}


async def test_more_objects_than_decoders_are_all_decoded(tmp_path: Path) -> None:
    (tmp_path / "song").write_bytes(SONG)
    system = await accepted(system=System(objects=FolderSource(tmp_path)))
    decoders = Decoders(at_once=2)
    fetch = replace(agent(system), decoders=decoders)
    await asyncio.gather(
        *(system.hand(fetch, "s", [chunk(0, chapter=chapter)]) for chapter in range(5))
    )
    await decoders.close()
    for chapter in range(5):
        pieces = await system.records(ObjectAudio, f"s/{chapter}")
        assert np.array_equal(samples_of(pieces), decoded(SONG))


async def test_chunks_of_other_kinds_have_no_audio_here() -> None:
    system = await with_objects()
    chunks = [
        Chunk(session="s", seq=0, index=0, text="Hello."),
        Chunk(session="s", seq=1, index=1, kind="silence", seconds=1.0),
        Chunk(session="s", seq=2, index=2, kind="mark", boundary="end", last=True),
    ]
    assert await system.hand(agent(system), "s", chunks) == []


@settings(max_examples=10, deadline=None)
@given(stops=st.lists(st.integers(1, 3), min_size=1, max_size=4), again=st.booleans())
async def test_a_restart_in_the_middle_goes_on_with_the_very_next_sample(
    stops: list[int], again: bool
) -> None:
    chunks = [chunk(0), chunk(1, "other"), chunk(2, "third")]
    whole = await with_objects()
    await whole.hand(agent(whole), "s", chunks)
    system = await with_objects()
    for stop in stops:
        done = await system.records(ObjectAudio, "s/0")
        first = 0 if again or not done else done[-1].index  # the chunk in hand comes again
        await system.hand(agent(system), "s", chunks[first:], stop_after=stop)
    await system.hand(agent(system), "s", chunks)
    assert await system.records(ObjectAudio, "s/0") == await whole.records(ObjectAudio, "s/0")
    assert await system.hand(agent(system), "s", chunks) == []


async def ended_early(system: System, reason: str, *chunks: Chunk) -> list[ObjectAudio]:
    """Hold objects to their ends, whatever was wrong, and to the next object's sound."""
    following = chunk(len(chunks), "other")
    await system.hand(agent(system), "s", [*chunks, following])
    pieces = await pieces_of(system, 0)
    assert pieces[-1].object_end
    assert reason in pieces[-1].error
    assert not any(piece.error or piece.object_end for piece in pieces[:-1])
    assert np.array_equal(samples_of(await pieces_of(system, len(chunks))), decoded(OTHER))
    return pieces


async def test_an_object_that_is_missing_ends_with_its_reason_and_the_session_goes_on() -> None:
    pieces = await ended_early(await with_objects(), "no object 'gone'", chunk(0, "gone"))
    assert len(pieces) == 1


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", ""])
async def test_a_name_that_is_none_ends_the_object(name: str) -> None:
    system = await with_objects()
    await system.hand(agent(system), "s", [chunk(0, name), chunk(1, "other")])
    pieces = await pieces_of(system, 0)
    assert [piece.object_end for piece in pieces] == [True]
    assert pieces[0].error


async def test_another_version_than_was_asked_for_is_not_played() -> None:
    await ended_early(await with_objects(), "has changed", chunk(0, etag='"another"'))


async def test_an_object_that_changed_while_its_worker_was_away_is_not_spliced() -> None:
    source = MemorySource({"song": SONG, "other": OTHER, "third": SONG})
    system = await with_objects(source)
    await system.hand(agent(system), "s", [chunk(0)], stop_after=1)
    before = len(await pieces_of(system, 0))
    source.files["song"] = sample_file("flac", 4.0)
    pieces = await ended_early(system, "has changed", chunk(0))
    assert len(pieces) == before + 1
    assert np.array_equal(samples_of(pieces), decoded(SONG)[: before * PIECE_SAMPLES])


async def test_what_is_no_audio_ends_with_its_reason() -> None:
    source = MemorySource({"song": b"<html>not a song</html>" * 100, "other": OTHER})
    pieces = await ended_early(await with_objects(source), "not an audio file", chunk(0))
    assert len(pieces) == 1


def damaged() -> bytes:
    """Return an MP3 of 9 s, of which 3 s are sound and the rest is noise."""
    song = sample_file("mp3", 30.0)
    rest = np.random.default_rng(1).integers(0, 256, 2 * len(song) // 3, np.uint8).tobytes()
    return song[: len(song) // 3] + rest


async def test_the_sound_before_the_damage_is_heard_the_same_from_wherever_it_is_resumed() -> None:
    source = MemorySource({"song": damaged(), "other": OTHER})
    whole = await ended_early(await with_objects(source), "", chunk(0))
    assert len(whole) > 10
    for stop_after in range(1, 4):
        system = await with_objects(source)
        await system.hand(agent(system), "s", [chunk(0)], stop_after=stop_after)
        assert await ended_early(system, "", chunk(0)) == whole


class Failing(MemorySource):
    """A source that fails from some byte on."""

    def __init__(self, error: Exception, from_byte: int) -> None:
        super().__init__({"song": sample_file("wav", 30.0), "other": OTHER})
        self.error: Exception | None = error
        self.from_byte = from_byte

    async def read(self, name: str, start: int, end: int, *, etag: str) -> bytes:
        if self.error is not None and name == "song" and start >= self.from_byte:
            raise self.error
        return await super().read(name, start, end, etag=etag)


async def test_a_source_out_of_reach_is_left_to_be_tried_again() -> None:
    source = Failing(ObjectsUnreachableError("nobody answers"), 300_000)
    system = await with_objects(source)
    with pytest.raises(OSError, match="nobody answers"):
        await system.hand(agent(system), "s", [chunk(0)])
    assert not any(piece.object_end for piece in await pieces_of(system, 0))
    source.error = None
    await system.hand(agent(system), "s", [chunk(0)])
    pieces = await pieces_of(system, 0)
    assert np.array_equal(samples_of(pieces), decoded(sample_file("wav", 30.0)))


async def test_a_source_that_refuses_ends_the_object_and_not_the_stage() -> None:
    source = Failing(ObjectsRefusedError("this key may not read it"), 0)
    await ended_early(await with_objects(source), "may not read it", chunk(0))


async def test_a_change_while_it_is_read_keeps_what_was_decoded_before() -> None:
    class Changing(MemorySource):
        async def read(self, name: str, start: int, end: int, *, etag: str) -> bytes:
            if name == "song" and start > 500_000:
                self.files["song"] = OTHER
            return await super().read(name, start, end, etag=etag)

    source = Changing({"song": sample_file("wav", 30.0), "other": OTHER})
    pieces = await ended_early(await with_objects(source), "replaced or removed", chunk(0))
    heard = samples_of(pieces)
    assert len(heard) > 5 * 48_000
    assert np.array_equal(heard, decoded(sample_file("wav", 30.0))[: len(heard)])


async def test_a_cancelled_session_is_not_decoded_to_its_end() -> None:
    system = await with_objects(MemorySource({"song": sample_file("wav", 30.0)}))
    await system.append([Control(session="s", seq=0, verb="cancel", last=True)])
    await system.hand(agent(system), "s", [chunk(0)])
    pieces = await system.records(ObjectAudio, "s/0")
    assert len(pieces) < 10
    assert not any(piece.object_end for piece in pieces)


def decoding() -> list[psutil.Process]:
    """Return the processes of ours that decode."""
    children = psutil.Process().children()
    return [child for child in children if "rhapsode.agents.decoders.child" in child.cmdline()]


class Killing(MemorySource):
    """Kills the process that decodes whenever it reads behind some byte."""

    def __init__(self, signals: list[int]) -> None:
        super().__init__({"song": sample_file("wav", 30.0), "other": OTHER})
        self.signals = signals

    async def read(self, name: str, start: int, end: int, *, etag: str) -> bytes:
        if name == "song" and start >= 1_000_000 and self.signals:
            for child in decoding():
                child.send_signal(self.signals[0])
            del self.signals[0]
        return await super().read(name, start, end, etag=etag)


@pytest.mark.parametrize(
    "signals", [[signal.SIGSEGV], [signal.SIGKILL] * 4], ids=["dies once", "killed from outside"]
)
async def test_an_object_goes_on_with_the_next_sample_where_its_decoder_died(
    signals: list[int],
) -> None:
    source = Killing(list(signals))
    system = await with_objects(source)
    await system.hand(agent(system), "s", [chunk(0)])
    assert not source.signals
    pieces = await pieces_of(system, 0)
    assert pieces[-1].object_end
    assert not pieces[-1].error
    assert np.array_equal(samples_of(pieces), decoded(source.files["song"]))


async def test_an_object_that_kills_its_decoder_twice_ends_and_the_session_goes_on() -> None:
    source = Killing([signal.SIGSEGV] * 2)
    pieces = await ended_early(
        await with_objects(source), "killed its decoder twice: it died of SIGSEGV", chunk(0)
    )
    assert np.array_equal(
        samples_of(pieces), decoded(source.files["song"])[: len(samples_of(pieces))]
    )


async def test_a_decoder_that_takes_too_much_memory_is_killed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rhapsode.agents.decoders.isolated.MEMORY_BYTES", 1_000_000)
    monkeypatch.setattr("rhapsode.agents.children.WATCH_S", 0.001)
    system = await with_objects()
    (pieces,) = await system.hand(agent(system), "s", [chunk(0)])
    (piece,) = pieces
    assert isinstance(piece, ObjectAudio)
    assert piece.object_end
    assert "MB of memory and was killed" in piece.error


async def test_a_worker_that_is_stopped_ends_the_process_that_decodes() -> None:
    class Held(MemorySource):
        """Gives nothing, with a decoder waiting for it."""

        def __init__(self) -> None:
            super().__init__({"song": SONG})
            self.waiting = asyncio.Event()

        async def read(self, name: str, start: int, end: int, *, etag: str) -> bytes:
            self.waiting.set()
            await asyncio.Event().wait()
            raise AssertionError("nobody lets it go")

    source = Held()
    system = await with_objects(source)
    running = asyncio.create_task(system.hand(agent(system), "s", [chunk(0)]))
    await source.waiting.wait()
    (child,) = decoding()
    running.cancel()
    await until(running.done)
    assert running.cancelled()
    assert not child.is_running()
