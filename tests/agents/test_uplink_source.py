"""Sound that somebody sends while it is heard: nothing of it is missed, whoever is killed."""

import asyncio
from collections.abc import AsyncIterator

import numpy as np
import pytest
from sample_audio import sample_file
from standins.in_memory import System, accepted

from rhapsode.agents import uplink_source
from rhapsode.agents.fetch import Fetch
from rhapsode.agents.kept_loudness import KeptLoudness
from rhapsode.agents.uplink_source import UplinkSource
from rhapsode.codecs.records import UPLINK, Chunk, Control, ObjectAudio, Uplink
from rhapsode.storage.objects.live_source import LIVE

DEADLINE_S = 30.0
RECORDING = sample_file("ogg opus", 4.0)
PIECES = [RECORDING[start : start + 1_500] for start in range(0, len(RECORDING), 1_500)]


def agent(system: System) -> Fetch:
    journal, loudness = system.journal, KeptLoudness(system.store)
    audio, control = journal.of(ObjectAudio), journal.of(Control)
    uplinks = UplinkSource(journal.of(Uplink))
    backlog, decoders = system.no_backlog, system.decoders
    return Fetch(system.objects, audio, control, decoders, backlog, loudness, system.live, uplinks)


def chunk(item: int = 3) -> Chunk:
    return Chunk(session="s", seq=10, index=0, item=item, kind="object", object=UPLINK, etag=LIVE)


async def send(system: System, *numbers: int, item: int = 3) -> None:
    for number in numbers:
        last = number == len(PIECES)
        data = b"" if last else PIECES[number]
        await system.append([Uplink(session="s", item=item, number=number, data=data, last=last)])


async def heard(system: System) -> np.ndarray:
    pieces = await system.records(ObjectAudio, "s/0")
    assert [piece.piece for piece in pieces] == list(range(len(pieces)))
    assert pieces[-1].object_end
    assert pieces[-1].error == ""
    return np.frombuffer(b"".join(piece.pcm for piece in pieces), "<i2")


@pytest.fixture
async def whole() -> np.ndarray:
    """What is heard of a recording that was there before anybody listened."""
    system = await accepted()
    await send(system, *range(len(PIECES) + 1))
    await system.hand(agent(system), "s", [chunk()])
    return await heard(system)


async def test_what_is_sent_is_heard_to_its_end(whole: np.ndarray) -> None:
    assert abs(len(whole) / 48_000 - 4.0) < 0.1


async def test_it_is_heard_while_it_is_sent(whole: np.ndarray) -> None:
    system = await accepted()
    hearing = asyncio.create_task(system.hand(agent(system), "s", [chunk()]))
    half = len(PIECES) // 2
    async with asyncio.timeout(DEADLINE_S):
        await send(system, *range(half))
        while not await system.records(ObjectAudio, "s/0"):
            await asyncio.sleep(0.01)
        await send(system, *range(half, len(PIECES) + 1))
        await hearing
    np.testing.assert_array_equal(await heard(system), whole)


async def test_who_is_killed_goes_on_with_the_same_sample(whole: np.ndarray) -> None:
    system = await accepted()
    await send(system, *range(len(PIECES) + 1))
    session = await system.journal.describe("s")

    async def chunks() -> AsyncIterator[Chunk]:
        yield chunk()

    outputs = agent(system)(session, chunks())
    for _ in range(3):
        await system.append(await anext(outputs))
    await outputs.aclose()
    await system.hand(agent(system), "s", [chunk()])
    np.testing.assert_array_equal(await heard(system), whole)


async def test_items_of_a_session_are_not_mixed() -> None:
    system = await accepted()
    await send(system, *range(len(PIECES) + 1), item=1)
    await system.append([Uplink(session="s", item=2, number=0, data=b"no sound", last=True)])
    await system.hand(agent(system), "s", [chunk(2)])
    (piece,) = await system.records(ObjectAudio, "s/0")
    assert "not an audio file" in piece.error


async def test_a_sender_that_has_gone_ends_it_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(uplink_source, "QUIET_S", 0.05)
    system = await accepted()
    await send(system, *range(len(PIECES) // 2))
    async with asyncio.timeout(DEADLINE_S):
        await system.hand(agent(system), "s", [chunk()])
    pieces = await system.records(ObjectAudio, "s/0")
    assert pieces[-1].object_end
    assert "nothing came for" in pieces[-1].error
    assert any(piece.pcm for piece in pieces)
