"""Sessions that fail: each with its reason, an end, and what was said before; no other is hurt."""

import asyncio
from collections.abc import Mapping

import pytest
from standins.rooms import PARTITIONS, Room

from rhapsode.agents.models.reciter import Reciter
from rhapsode.agents.voices.tone import ToneVoice, audible
from rhapsode.codecs.hls.m3u8 import parse
from rhapsode.codecs.records import DeadLetter, DeviceFrames
from rhapsode.ops.progress import load_progress
from rhapsode.storage.log import Entry, TopicPartition, UnreachableError
from rhapsode.storage.memory.log import MemoryLog
from rhapsode.topologies.in_memory import running
from rhapsode.topologies.speech import SPEECH

STORY = """# The first chapter

Long ago, at the edge of a quiet forest, there lived a fox who collected maps. Every evening she
spread one out, and chose a road.

Nobody knew why.

# The second chapter

Winter came early; snow covered all paths. "Where to?" asked her brother. She laughed, folded
everything up, and stayed home.
"""
SHORT = "Hello there, listener. This is all there is."


async def test_a_model_that_fails_in_the_middle_leaves_what_it_wrote_to_be_heard() -> None:
    room = Room(model=Reciter(SHORT, fails_at=30))
    async with room.flowing():
        await room.sessions.start("Say hello.", mode="expand", session="s")
        await room.finished("s")
    frames, _ = await room.whole("s")
    assert [word.text for frame in frames for word in frame.words] == SHORT[:30].split()
    await failed(room, "the model lost the thread")


async def test_a_voice_that_fails_in_the_middle_leaves_what_it_said_to_be_heard() -> None:
    room = Room(voice=ToneVoice(fails_at="Winter"))
    await room.narrated(STORY)
    frames, _ = await room.whole("s")
    said = [word.text for frame in frames for word in frame.words]
    assert said == audible(STORY[: STORY.index("Winter")].replace("#", ""))
    await failed(room, "the voice does not say 'Winter'")


@pytest.mark.parametrize("text", [SHORT, "One."])
async def test_a_session_that_fails_before_its_first_sound_ends_too(text: str) -> None:
    room = Room(voice=ToneVoice(fails_at=text.split(maxsplit=1)[0]))
    await room.narrated(text)
    await failed(room, "the voice does not say")
    assert parse(room.store.of("s")["audio.m3u8"].decode()).segments == ()


async def failed(room: Room, reason: str) -> None:
    """Hold a failed session to what it owes: its reason, an end, and the audio so far."""
    progress = await load_progress(room.log, PARTITIONS, "s")
    assert progress is not None
    assert progress.state == "FAILURE"
    assert reason in progress.error
    assert parse(room.store.of("s")["audio.m3u8"].decode()).ended
    await room.clean("s")
    runs: list[DeviceFrames] = await room.records(DeviceFrames, "s")
    assert runs[-1].last
    assert not await dead_letters(room)
    assert not room.counts.troubles


async def dead_letters(room: Room) -> int:
    spans = [await room.log.span(DeadLetter.TOPIC, number) for number in range(PARTITIONS)]
    return sum(span.next for span in spans)


async def test_one_session_that_fails_does_not_touch_another() -> None:
    room = Room(voice=ToneVoice(fails_at="Winter"))
    async with room.flowing():
        await room.sessions.start(STORY, session="bad")
        await room.sessions.start(SHORT, session="s")
        await room.finished("bad", "s")
    frames, _ = await room.whole("s")
    assert [word.text for frame in frames for word in frame.words] == SHORT.split()
    await room.clean("s")


async def test_a_log_that_cannot_be_read_stops_the_topology_aloud() -> None:
    class Broken(MemoryLog):
        async def read(
            self,
            positions: Mapping[TopicPartition, int],
            *,
            limit: int = 500,
            timeout_s: float = 0.0,
        ) -> dict[TopicPartition, list[Entry]]:
            raise UnreachableError("nobody answers")

    room = Room(log=Broken())
    async with running(SPEECH, room.parts, room.counts) as failed:
        with pytest.raises(UnreachableError, match="nobody answers"):
            async with asyncio.timeout(10):
                await failed
