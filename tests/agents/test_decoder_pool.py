"""Decoders of many objects: each goes on with its next sample, whatever becomes of the others."""

import asyncio
import signal
from collections.abc import AsyncGenerator
from contextlib import aclosing

import numpy as np
import psutil
import pytest
from sample_audio import decoded, sample_file

from rhapsode.agents.decoders import pool
from rhapsode.agents.decoders.isolated import DecoderDiedError, Decoders, Wanted
from rhapsode.agents.decoders.messages import PIECE_SAMPLES, Pieces

SONG = sample_file("mp3", 4.2)
RATE_HZ = 48_000


def children() -> list[psutil.Process]:
    found = psutil.Process().children()
    return [one for one in found if "rhapsode.agents.decoders.child" in one.cmdline()]


def decoding(decoders: Decoders, data: bytes = SONG) -> AsyncGenerator[Pieces]:
    async def read(start: int, end: int) -> bytes:
        return data[start:end]

    wanted = Wanted(len(data), RATE_HZ, 60.0, PIECE_SAMPLES)
    return decoders.decode("song", wanted, read)


async def interleaved(runs: list[AsyncGenerator[Pieces]]) -> list[np.ndarray]:
    """Return what all of them give, asked in turn."""
    found = [b"" for _ in runs]
    left = dict(enumerate(runs))
    while left:
        for number, run in list(left.items()):
            pieces = await anext(run, None)
            if pieces is None:
                del left[number]
            else:
                found[number] += b"".join(pieces.pcm)
    return [np.frombuffer(pcm, "<i2") for pcm in found]


@pytest.mark.parametrize("most_open", [16, 2], ids=["all are open", "most are closed meanwhile"])
async def test_many_objects_are_decoded_in_turn_by_one_child(
    monkeypatch: pytest.MonkeyPatch, most_open: int
) -> None:
    monkeypatch.setattr(pool, "MOST_OPEN", most_open)
    decoders = Decoders(at_once=1)
    runs = [decoding(decoders) for _ in range(6)]
    first = await interleaved(runs[:1])
    assert len(children()) == 1
    for samples in first + await interleaved(runs[1:]):
        assert np.array_equal(samples, decoded(SONG))
    assert len(children()) == 1
    await decoders.close()
    assert not children()


async def test_an_object_that_kills_their_child_costs_the_others_nothing() -> None:
    decoders = Decoders(at_once=1)
    others = [decoding(decoders) for _ in range(3)]
    begun = [await anext(other) for other in others]

    async def kill(_start: int, _end: int) -> bytes:
        for child in children():
            child.send_signal(signal.SIGSEGV)
        return b""

    wanted = Wanted(len(SONG), RATE_HZ, 60.0, PIECE_SAMPLES)
    with pytest.raises(DecoderDiedError, match="killed its decoder twice: it died of SIGSEGV"):
        await anext(decoders.decode("bad", wanted, kill))
    for pieces, rest in zip(begun, await interleaved(others), strict=True):
        heard = np.concatenate([np.frombuffer(b"".join(pieces.pcm), "<i2"), rest])
        assert np.array_equal(heard, decoded(SONG))
    await decoders.close()


async def test_an_object_that_makes_their_child_grow_is_decoded_to_its_end_in_one_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decoders = Decoders(at_once=1)
    other = decoding(decoders)
    begun = await anext(other)
    monkeypatch.setattr(pool, "KEPT_BYTES", 1)  # as if it had
    (samples,) = await interleaved([decoding(decoders)])
    assert np.array_equal(samples, decoded(SONG))
    monkeypatch.undo()
    (rest,) = await interleaved([other])
    heard = np.concatenate([np.frombuffer(b"".join(begun.pcm), "<i2"), rest])
    assert np.array_equal(heard, decoded(SONG))
    await decoders.close()
    assert not children()


async def test_a_host_that_is_slow_holds_up_no_file_of_ours() -> None:
    decoders = Decoders(at_once=2)
    asked = asyncio.Event()

    async def never(_start: int, _end: int) -> bytes:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError("nobody lets it go")

    wanted = Wanted(len(SONG), RATE_HZ, 60.0, PIECE_SAMPLES)
    slow = [decoders.decode("https://slow.example/song", wanted, never) for _ in range(5)]
    waiting = [asyncio.ensure_future(anext(one)) for one in slow]
    await asked.wait()
    (samples,) = await interleaved([decoding(decoders)])
    assert np.array_equal(samples, decoded(SONG))
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)
    assert len(children()) == 1, "the one that is kept for our own files"
    await decoders.close()
    assert not children()


async def test_who_stops_in_the_middle_leaves_nothing_open() -> None:
    decoders = Decoders(at_once=2)
    async with aclosing(decoding(decoders)) as one:
        await anext(one)
    (samples,) = await interleaved([decoding(decoders)])
    assert np.array_equal(samples, decoded(SONG))
    assert len(children()) == 1
    assert not any(shared.objects for shared in decoders._own._children)
    await decoders.close()
