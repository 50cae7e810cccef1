"""Pieces are encoded beside the worker: the same bytes, whatever becomes of the process."""

import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

import numpy as np
import psutil
import pytest

from rhapsode.agents import piece_encoder
from rhapsode.agents.piece_encoder import PROGRAM, PieceEncoder, in_thread
from rhapsode.agents.piece_encoder_child import NICENESS
from rhapsode.codecs.archive import ArchivedEntry, Contents
from rhapsode.codecs.encoding import encode
from rhapsode.codecs.records import AudioFrame

WaitUntil = Callable[..., Awaitable[None]]
PCM = np.random.default_rng(3).integers(-9000, 9000, 24_000).astype("<i2").tobytes()
CONTENTS = Contents(
    session="s",
    partition=2,
    number=0,
    earlier=(),
    below={"audio-frame": 7},
    entries=(
        ArchivedEntry(
            "audio-frame",
            "s",
            0,
            24_000,
            6,
            1_700_000_000_000,
            b"s",
            encode(AudioFrame(session="s", first_sample=0, samples=24_000, pcm=PCM)),
        ),
    ),
)


@pytest.fixture
async def encoder() -> AsyncIterator[PieceEncoder]:
    encoder = PieceEncoder()
    yield encoder
    await encoder.close()


def children() -> list[psutil.Process]:
    found: list[psutil.Process] = []
    for one in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):  # a zombie is none, too
            if PROGRAM in one.cmdline():
                found.append(one)
    return found


async def test_a_piece_is_the_same_and_its_process_gives_way_to_all_others(
    encoder: PieceEncoder,
) -> None:
    assert await encoder(CONTENTS) == await in_thread(CONTENTS)
    (child,) = children()
    assert child.nice() == NICENESS


async def test_a_process_that_was_killed_is_replaced(encoder: PieceEncoder) -> None:
    await encoder(CONTENTS)
    (child,) = children()
    os.kill(child.pid, signal.SIGKILL)
    assert await encoder(CONTENTS) == await in_thread(CONTENTS)


async def test_without_work_the_process_ends(
    encoder: PieceEncoder,
    monkeypatch: pytest.MonkeyPatch,
    wait_until: WaitUntil,
) -> None:
    monkeypatch.setattr(piece_encoder, "IDLE_S", 0.05)
    await encoder(CONTENTS)
    await wait_until(lambda: not children())
    assert await encoder(CONTENTS) == await in_thread(CONTENTS)
