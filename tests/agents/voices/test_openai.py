"""OpenAI's speech protocol against its stand-in: right requests, bounded answers, a secret key."""

import numpy as np
import pytest
from standins.openai_server import openai_standin
from standins.speech import RATE_HZ, speech

from rhapsode.agents.voices.openai import OpenAIVoice
from rhapsode.agents.voices.voice import (
    Utterance,
    VoiceFailedError,
    VoiceUnavailableError,
    VoiceUnreachableError,
)
from rhapsode.codecs.audio import pcm
from rhapsode.codecs.session import VoiceSettings

pytest.importorskip("espeakng_loader", reason="the stand-in speaks with espeak-ng")

TALE = "Every evening she climbed the hundred steps of the tower."


@pytest.fixture
async def standin(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    async with openai_standin() as server:
        yield server


@pytest.fixture
async def voice(standin):
    made = OpenAIVoice(standin.url, standin.key, model="tts-1", voice="nova")
    yield made
    await made.close()


def utterance(text: str, **settings) -> Utterance:
    return Utterance(text, VoiceSettings(**settings))


async def test_the_request_follows_from_the_settings(voice, standin):
    assert voice.name == "openai:nova"
    await voice.speak(utterance(TALE, speed=1.5))
    assert standin.spoken == [
        {
            "model": "tts-1",
            "voice": "nova",
            "response_format": "pcm",
            "input": TALE,
            "speed": 1.5,
        }
    ]


async def test_samples_come_as_they_were_sent(voice):
    spoken = await voice.speak(utterance(TALE))
    assert spoken.rate_hz == RATE_HZ
    # espeak-ng's noise runs on, so the lengths differ by some samples
    assert len(spoken.samples) == pytest.approx(len(speech(TALE)), rel=0.01)
    assert np.any(spoken.samples)


@pytest.mark.parametrize("container", ["wav", "mp3"])
async def test_a_server_may_answer_in_a_format_of_its_own(voice, standin, container):
    standin.container = container
    spoken = await voice.speak(utterance(TALE))
    assert spoken.rate_hz == RATE_HZ
    assert len(spoken.samples) == pytest.approx(len(speech(TALE)), rel=0.06)
    loudness_lufs = pcm.loudness_lufs(spoken.samples, RATE_HZ)
    assert loudness_lufs == pytest.approx(pcm.loudness_lufs(speech(TALE), RATE_HZ), abs=1)


async def test_wav_can_be_asked_for(standin):
    voice = OpenAIVoice(standin.url, standin.key, response_format="wav")
    spoken = await voice.speak(utterance(TALE))
    assert standin.spoken[0]["response_format"] == "wav"
    assert len(spoken.samples) == pytest.approx(len(speech(TALE)), rel=0.01)
    await voice.close()


@pytest.mark.parametrize("fault", ["429", "500", "503", "reset", "truncated"])
async def test_a_passing_fault_is_tried_again(voice, standin, fault):
    standin.faults.coming.append(fault)
    assert np.any((await voice.speak(utterance(TALE))).samples)
    assert len(standin.spoken) == 2


@pytest.mark.parametrize("fault", ["429", "500", "reset", "truncated"])
async def test_a_lasting_fault_is_unreachable(voice, standin, fault):
    standin.faults.coming.extend([fault] * 2)
    with pytest.raises(VoiceUnreachableError, match="does not answer now"):
        await voice.speak(utterance(TALE))


async def test_an_answer_without_sound_is_worth_another_try(voice, standin):
    standin.faults.coming.append("empty")
    with pytest.raises(VoiceUnreachableError, match="without audio"):
        await voice.speak(utterance(TALE))


async def test_a_silent_server_is_unreachable(standin):
    voice = OpenAIVoice(standin.url, standin.key, timeout_s=0.2, tries=1)
    standin.faults.coming.append("slow")
    with pytest.raises(VoiceUnreachableError, match="ReadTimeout"):
        await voice.speak(utterance(TALE))
    await voice.close()


@pytest.mark.parametrize(
    ("fault", "says"), [("400", "refuses: status 400"), ("broken", "application/json")]
)
async def test_a_refusal_is_final(voice, standin, fault, says):
    standin.faults.coming.append(fault)
    with pytest.raises(VoiceFailedError, match=says):
        await voice.speak(utterance(TALE))
    assert len(standin.spoken) == 1


async def test_neither_key_nor_password_is_in_a_message(standin):
    url = standin.url.replace("http://", "http://user:secret@")
    voice = OpenAIVoice(f"{url}", "sk-not-this-one")
    with pytest.raises(VoiceFailedError) as caught:
        await voice.speak(utterance(TALE))
    assert "Incorrect API key" in str(caught.value)
    for secret in ("sk-not-this-one", "secret"):
        assert secret not in str(caught.value)
    await voice.close()


async def test_without_a_server_the_error_names_the_setting():
    voice = OpenAIVoice("")
    assert not voice.speaks("en")
    with pytest.raises(VoiceUnavailableError, match="RHAPSODE_OPENAI_SPEECH_URL"):
        await voice.prepare()
    await voice.close()


async def test_a_voice_of_unknown_gain_reaches_the_target_loudness(voice):
    spoken = [await voice.speak(utterance(TALE)) for _ in range(12)]
    loudness_lufs = pcm.loudness_lufs(
        np.concatenate([part.samples for part in spoken]), spoken[0].rate_hz
    )
    assert loudness_lufs + spoken[-1].gain_db == pytest.approx(-16, abs=0.5)
    steps_db = np.diff([part.gain_db for part in spoken])
    assert np.max(np.abs(steps_db)) < 1.0


async def test_a_given_gain_is_kept(standin):
    voice = OpenAIVoice(standin.url, standin.key, gain_db=2.5)
    assert (await voice.speak(utterance(TALE))).gain_db == 2.5
    await voice.close()


@pytest.mark.parametrize("text", ["", "..."])
async def test_text_without_words_sends_no_request(voice, standin, text):
    assert len((await voice.speak(utterance(text))).samples) == 0
    assert standin.spoken == []
