"""What kills a voice's process is heard by nobody else."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
from standins.frail_voice import FrailVoice
from standins.waiting import until

from rhapsode.agents.children import Limits
from rhapsode.agents.turns import Turns
from rhapsode.agents.voices import isolated
from rhapsode.agents.voices.isolated import IsolatedVoice
from rhapsode.agents.voices.voice import (
    Spoken,
    Utterance,
    VoiceFailedError,
    VoiceUnavailableError,
    VoiceUnreachableError,
)
from rhapsode.codecs.session import VoiceSettings

FACTORY = "standins.frail_voice:FrailVoice"


def frail(**options: Any) -> IsolatedVoice:
    return IsolatedVoice(FrailVoice(), FACTORY, options, turns=Turns(1))


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    """Give the file that the stand-in makes when it hangs, or has died once."""
    return tmp_path / "mark"


@pytest.fixture(autouse=True)
def children_find_the_standin(monkeypatch: pytest.MonkeyPatch, mark: Path) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    monkeypatch.setenv("FRAIL_VOICE_MARK", str(mark))
    monkeypatch.setattr(isolated, "SPARE_AFTER_S", 0.0)


@pytest.fixture
async def voice() -> AsyncIterator[IsolatedVoice]:
    voice = frail()
    await voice.prepare()
    yield voice
    await voice.close()


async def say(voice: IsolatedVoice, text: str = "Hello.") -> Spoken:
    async with asyncio.timeout(60):
        return await voice.speak(Utterance(text, VoiceSettings()))


async def made(mark: Path) -> None:
    """Wait for the mark, and take it away: the next one is another child's."""
    await until(mark.exists)
    mark.unlink()  # noqa: ASYNC240 - a file of the test


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children()}


async def test_speech_comes_as_the_voice_made_it(voice: IsolatedVoice) -> None:
    spoken = await say(voice)
    assert (spoken.rate_hz, spoken.voice, spoken.gain_db) == (16_000, "frail", 1.5)
    assert spoken.samples.shape == (16_000,)
    assert int(spoken.samples[0]) != os.getpid() % 10_000


async def test_what_a_library_prints_is_no_answer(voice: IsolatedVoice) -> None:
    assert len((await say(voice, "print")).samples) == 16_000
    assert len((await say(voice)).samples) == 16_000


@pytest.mark.parametrize("text", ["die", "die now"])
async def test_an_utterance_that_kills_twice_cannot_be_said_and_the_next_one_can(
    voice: IsolatedVoice, text: str
) -> None:
    with pytest.raises(VoiceFailedError, match="died of this twice: it died of SIGSEGV"):
        await say(voice, text)
    assert len((await say(voice)).samples) == 16_000


async def test_an_utterance_that_kills_once_is_said(voice: IsolatedVoice) -> None:
    assert len((await say(voice, "once")).samples) == 16_000


async def test_others_are_heard_while_one_is_in_quarantine(
    voice: IsolatedVoice, mark: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the first child is killed for it, as stuck; in quarantine it hangs as long
    monkeypatch.setattr(isolated, "Limits", partial(Limits, stuck_s=1.0))
    hanging = asyncio.create_task(say(voice, "hang"))
    await made(mark)
    await made(mark)
    assert len((await say(voice)).samples) == 16_000
    assert not hanging.done()
    with pytest.raises(VoiceFailedError, match="did nothing for 1 s and was killed"):
        await hanging


async def test_a_child_that_takes_too_much_memory_is_killed(
    voice: IsolatedVoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolated, "MEMORY_BYTES", 200_000_000)
    with pytest.raises(VoiceFailedError, match="MB of memory and was killed"):
        await say(voice, "eat 5")


async def test_a_child_that_works_too_long_is_killed(
    voice: IsolatedVoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolated, "WORK_S", 0.2)
    with pytest.raises(VoiceFailedError, match="worked for more than 1 s and was killed"):
        await say(voice, "spin")


async def test_a_kill_from_outside_gives_nothing_up(voice: IsolatedVoice, mark: Path) -> None:
    saying = asyncio.create_task(say(voice, "hang"))
    for _ in range(2):
        await made(mark)
        busy = [pid for pid in children() if psutil.Process(pid).status() != "zombie"]
        for pid in busy:
            os.kill(pid, signal.SIGKILL)
    await until(mark.exists)  # it is being said again
    saying.cancel()
    await asyncio.wait([saying])


async def test_what_a_voice_raises_comes_through(voice: IsolatedVoice) -> None:
    with pytest.raises(VoiceFailedError, match="it will not"):
        await say(voice, "refuse")
    with pytest.raises(VoiceFailedError, match=r"it broke down: KeyError\('a bug'\)"):
        await say(voice, "break")
    assert len((await say(voice)).samples) == 16_000


async def test_a_voice_that_is_not_installed_says_what_to_install() -> None:
    voice = frail(missing="install it")
    with pytest.raises(VoiceUnavailableError, match="install it"):
        await voice.prepare()
    await voice.close()
    assert not children()


async def test_a_voice_that_dies_while_it_is_loaded_is_out_of_reach() -> None:
    voice = frail(dies_on_load=True)
    with pytest.raises(VoiceUnreachableError, match="died while it was loaded"):
        await voice.prepare()
    await voice.close()
    assert not children()


async def test_who_gives_up_waiting_leaves_the_voice_whole(
    voice: IsolatedVoice, mark: Path
) -> None:
    saying = asyncio.create_task(say(voice, "hang"))
    await until(mark.exists)
    saying.cancel()
    await asyncio.wait([saying])
    assert len((await say(voice)).samples) == 16_000  # by the spare: the other one still hangs


async def test_a_closed_voice_leaves_no_child(mark: Path) -> None:
    voice = frail()
    await voice.prepare()
    saying = asyncio.create_task(say(voice, "hang"))
    await until(mark.exists)
    await voice.close()
    assert not children()
    assert isinstance((await asyncio.gather(saying, return_exceptions=True))[0], BaseException)
    with pytest.raises(VoiceUnreachableError, match="closed"):
        await say(voice)
    assert not children()
