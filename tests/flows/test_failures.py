"""Sessions that fail: each with its reason, an end, and what was said before; no other is hurt."""

import asyncio
from collections.abc import Mapping

import pytest
from standins.in_memory import System

from rhapsode.agents.models.reciter import Reciter
from rhapsode.agents.voices.tone import ToneVoice, audible
from rhapsode.agents.voices.voice import Spoken, Utterance, VoiceFailedError
from rhapsode.codecs.hls.m3u8 import parse
from rhapsode.codecs.records import DeviceFrames
from rhapsode.ops.progress import load_progress
from rhapsode.storage.log import Entry, TopicPartition, UnreachableError
from rhapsode.storage.memory.log import MemoryLog
from rhapsode.topologies.in_memory import running
from rhapsode.topologies.registry import STAGES

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
    system = System(model=Reciter(SHORT, fails_at=30))
    async with system.running():
        await system.narrate("Say hello.", mode="expand")
        await system.finished("s")
    frames, _ = await system.whole("s")
    assert [word.text for frame in frames for word in frame.words] == SHORT[:30].split()
    await failed(system, "the model lost the thread")


async def test_what_a_voice_cannot_say_is_silent_and_the_story_goes_on() -> None:
    system = System(voice=ToneVoice(fails_at="Winter"))
    await system.narrated(STORY)
    frames, _ = await system.whole("s")
    said = [word.text for frame in frames for word in frame.words]
    unsaid = next(frame.text for frame in frames if "Winter" in frame.text)
    assert said == audible(STORY.replace("\n", " ").replace(unsaid, "").replace("#", ""))
    progress = await load_progress(system.journal, "s")
    assert progress is not None
    assert (progress.state, progress.degraded, progress.failed_chunks) == ("SUCCESS", True, 1)


@pytest.mark.parametrize("text", [SHORT, "One."])
async def test_a_session_of_which_nothing_can_be_said_ends_too(text: str) -> None:
    class Mute(ToneVoice):
        async def speak(self, utterance: Utterance) -> Spoken:
            raise VoiceFailedError("the voice does not say anything")

    system = System(voice=Mute())
    await system.narrated(text)
    await failed(system, "the voice does not say")
    assert parse(system.recorded.of("s")["audio.m3u8"].decode()).segments == ()


async def failed(system: System, reason: str) -> None:
    """Hold a failed session to what it owes: its reason, an end, and the audio so far."""
    progress = await load_progress(system.journal, "s")
    assert progress is not None
    assert progress.state == "FAILURE"
    assert reason in progress.error
    assert parse(system.recorded.of("s")["audio.m3u8"].decode()).ended
    await system.check("s")
    runs: list[DeviceFrames] = await system.records(DeviceFrames, "s")
    assert runs[-1].last
    assert await system.dead_letters() == []
    assert not system.counts.troubles


async def test_one_session_that_fails_does_not_touch_another() -> None:
    system = System(voice=ToneVoice(fails_at="Winter"))
    async with system.running():
        await system.narrate(STORY, "bad")
        await system.narrate(SHORT)
        await system.finished("bad", "s")
    frames, _ = await system.whole("s")
    assert [word.text for frame in frames for word in frame.words] == SHORT.split()
    await system.check("s")


async def test_a_log_that_cannot_be_read_stops_the_topology_aloud() -> None:
    class Broken(MemoryLog):
        async def read(
            self,
            positions: Mapping[TopicPartition, int],
            *,
            limit: int = 500,
            timeout_s: float = 0.0,
            epoch: int | None = None,
        ) -> dict[TopicPartition, list[Entry]]:
            raise UnreachableError("nobody answers")

    system = System(log=Broken())
    async with running(STAGES, system, system.counts) as failed:
        with pytest.raises(UnreachableError, match="nobody answers"):
            async with asyncio.timeout(10):
                await failed
