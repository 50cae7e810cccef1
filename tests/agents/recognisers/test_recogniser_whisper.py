"""Whisper in a process of its own: words of real speech, and what kills it."""

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from standins.speech import RATE_HZ as SPEECH_HZ
from standins.speech import speech

from rhapsode.agents.recognisers import isolated
from rhapsode.agents.recognisers.isolated import IsolatedWhisper
from rhapsode.agents.recognisers.recogniser import (
    RATE_HZ,
    RecogniserFailedError,
    RecogniserUnavailableError,
)
from rhapsode.agents.recognisers.whisper import WhisperRecogniser
from rhapsode.codecs.audio.pcm import Samples, resample


@pytest.fixture
async def whisper() -> AsyncIterator[IsolatedWhisper]:
    found = IsolatedWhisper()
    await found.prepare()
    yield found
    await found.close()


def said(text: str) -> Samples:
    return resample(speech(text), SPEECH_HZ, RATE_HZ)


async def test_it_hears_what_is_said_and_nothing_in_silence(whisper: IsolatedWhisper) -> None:
    found = await whisper.recognise(said("Please play twinkle twinkle little star."), "en")
    assert "twinkle twinkle little star" in found.text.lower().replace(",", "")
    assert found.language == "en"
    again = await whisper.recognise(np.zeros(RATE_HZ, np.int16), "xx")
    assert again.language == "en", "the tiny model knows no other"


async def test_one_that_is_killed_is_replaced(whisper: IsolatedWhisper) -> None:
    child = whisper._child
    assert child is not None
    os.kill(child.pid, signal.SIGKILL)
    assert (await whisper.recognise(said("Stop the music, please."), "en")).text
    assert whisper._child is not child


async def test_a_sound_that_takes_too_long_twice_has_no_words(
    whisper: IsolatedWhisper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolated, "WORK_S", 0.0)
    monkeypatch.setattr(isolated, "WORK_PER_S", 0.0)
    with pytest.raises(RecogniserFailedError, match="died of this 2 times"):
        await whisper.recognise(said("A long and winding sentence. " * 4), "en")


async def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    whisper = WhisperRecogniser(str(tmp_path))
    assert str(tmp_path) in whisper.missing()
    with pytest.raises(RecogniserUnavailableError, match=r"model\.bin"):
        await whisper.prepare()
    await whisper.close()
