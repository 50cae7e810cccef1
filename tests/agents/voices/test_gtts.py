"""gTTS's protocol against its stand-in: parts are requested slowly, joined and bounded."""

import asyncio
import io

import gtts.tts
import httpx
import numpy as np
import pytest
from gtts import gTTS, gTTSError
from hypothesis import given
from hypothesis import strategies as st
from standins.gtts_server import gtts_standin
from standins.speech import RATE_HZ, speech

from rhapsode.agents.voices.gtts import GttsVoice, parts_of
from rhapsode.agents.voices.voice import Utterance, VoiceFailedError, VoiceUnreachableError
from rhapsode.codecs.audio.files import decode
from rhapsode.codecs.session import VoiceSettings

pytest.importorskip("espeakng_loader", reason="the stand-in speaks with espeak-ng")

LONG = (
    "Out in the forest. Every evening the keeper climbed the hundred steps of the tower, and lit "
    "the lamp that turned slowly, slowly, over the dark sea."
)


@pytest.fixture
async def standin(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    async with gtts_standin() as server:
        yield server


@pytest.fixture
async def voice(standin):
    made = GttsVoice(standin.url, requests_per_s=1000)
    yield made
    await made.close()


def utterance(text: str, **settings) -> Utterance:
    return Utterance(text, VoiceSettings(**settings))


async def test_a_long_text_goes_in_parts_that_lose_nothing(voice, standin):
    spoken = await voice.speak(utterance(LONG))
    assert " ".join(asked.text for asked in standin.asked) == LONG
    assert standin.refused == []
    assert spoken.rate_hz == RATE_HZ
    expected_s = len(speech(LONG)) / RATE_HZ
    assert len(spoken.samples) / RATE_HZ == pytest.approx(expected_s, rel=0.1)


async def test_the_parts_join_without_a_gap(voice):
    spoken = await voice.speak(utterance("word " * 40))
    loud = np.abs(spoken.samples) > 200
    quiet_runs = np.diff(np.flatnonzero(np.concatenate([[True], loud, [True]])))
    assert np.max(quiet_runs) < 0.25 * RATE_HZ


async def test_one_connection_serves_all_parts(voice, standin):
    await voice.speak(utterance(LONG))
    await voice.speak(utterance("Again."))
    assert len({asked.peer for asked in standin.asked}) == 1


@pytest.mark.parametrize(
    ("language", "code"),
    [
        ("en", "en"),
        ("en-GB", "en"),
        ("hi", "hi"),
        ("zh-cn", "zh-CN"),
        ("zh", "zh"),
        ("pt-BR", "pt"),
    ],
)
async def test_language_tags_become_the_names_of_the_service(voice, standin, language, code):
    assert voice.speaks(language)
    await voice.speak(utterance("Hello.", language=language))
    assert standin.asked[0].language == code


@pytest.mark.parametrize(("speed", "slow"), [(0.5, True), (0.8, False), (1.0, False), (2.0, False)])
async def test_only_slow_speech_uses_the_slow_speed(voice, standin, speed, slow):
    await voice.speak(utterance("Hello.", speed=speed))
    assert standin.asked[0].slow is slow


async def test_an_unknown_language_sends_no_request(voice, standin):
    assert not voice.speaks("xx")
    with pytest.raises(VoiceFailedError, match="does not speak 'xx'"):
        await voice.speak(utterance("Hello.", language="xx"))
    assert standin.asked == []


async def test_text_goes_to_no_other_domain():
    voice = GttsVoice()
    with pytest.raises(VoiceFailedError, match="no accent 'zip'"):
        await voice.speak(utterance("Hello.", accent="zip"))
    await voice.close()


@pytest.mark.parametrize("text", ["", "...", "—"])
async def test_text_without_words_sends_no_request(voice, standin, text):
    assert len((await voice.speak(utterance(text))).samples) == 0
    assert standin.asked == []


@pytest.mark.parametrize("fault", ["429", "500", "503", "reset", "truncated"])
async def test_a_passing_fault_is_tried_again(voice, standin, fault):
    standin.faults.coming.append(fault)
    assert np.any((await voice.speak(utterance("Hello."))).samples)
    assert len(standin.asked) == 2


@pytest.mark.parametrize("fault", ["429", "500", "reset", "truncated"])
async def test_a_lasting_fault_is_unreachable(voice, standin, fault):
    standin.faults.coming.extend([fault] * 3)
    with pytest.raises(VoiceUnreachableError, match="does not answer now"):
        await voice.speak(utterance("Hello."))
    assert len(standin.asked) == 3


async def test_a_service_that_wants_a_long_rest_is_not_asked_again(voice, standin):
    standin.faults.retry_after_s = 3600
    standin.faults.coming.append("429")
    with pytest.raises(VoiceUnreachableError, match="429"):
        await voice.speak(utterance("Hello."))
    assert len(standin.asked) == 1


async def test_a_silent_service_is_unreachable(standin):
    voice = GttsVoice(standin.url, timeout_s=0.2, tries=1)
    standin.faults.coming.append("slow")
    with pytest.raises(VoiceUnreachableError, match="ReadTimeout"):
        await voice.speak(utterance("Hello."))
    await voice.close()


@pytest.mark.parametrize("fault", ["empty", "broken"])
async def test_an_answer_without_sound_is_worth_another_try(voice, standin, fault):
    standin.faults.coming.append(fault)
    with pytest.raises(VoiceUnreachableError, match="audio"):
        await voice.speak(utterance("Hello."))


async def test_a_refusal_is_final(voice, standin):
    standin.faults.coming.append("400")
    with pytest.raises(VoiceFailedError, match="refuses: status 400"):
        await voice.speak(utterance("Hello."))


async def test_requests_are_rate_limited(standin):
    voice = GttsVoice(standin.url, requests_per_s=20)
    clock = asyncio.get_running_loop().time
    started_s = clock()
    await asyncio.gather(*(voice.speak(utterance("Hello.")) for _ in range(5)))
    assert clock() - started_s >= 4 / 20
    await voice.close()


async def test_a_closed_port_is_unreachable(standin):
    async with gtts_standin() as gone:
        url = gone.url
    voice = GttsVoice(url, requests_per_s=1000)
    with pytest.raises(VoiceUnreachableError, match="does not answer now"):
        await voice.speak(utterance("Hello."))
    await voice.close()


def by_gtts_itself(url: str, text: str, monkeypatch) -> bytes:
    def translate_url(tld: str, path: str) -> str:
        return f"{url}/{path}"

    monkeypatch.setattr(gtts.tts, "_translate_url", translate_url)
    file = io.BytesIO()
    gTTS(text, lang="en", lang_check=False).write_to_fp(file)
    return file.getvalue()


async def test_gtts_itself_works_against_the_standin(standin, monkeypatch):
    data = await asyncio.to_thread(
        by_gtts_itself, standin.url, LONG.replace("forest", "wood"), monkeypatch
    )
    samples, rate_hz = decode(data)
    assert rate_hz == RATE_HZ
    assert len(samples) > 5 * rate_hz
    assert standin.refused == []
    assert all(len(asked.text) <= 100 for asked in standin.asked)


async def test_gtts_itself_meets_the_faults_of_the_standin(standin, monkeypatch):
    standin.faults.coming.append("429")
    with pytest.raises(gTTSError, match="429"):
        await asyncio.to_thread(by_gtts_itself, standin.url, "Hello.", monkeypatch)


async def test_the_standin_refuses_more_than_a_hundred_characters(standin):
    request = gTTS("a", lang_check=False)
    body = request._package_rpc("word " * 21)
    async with httpx.AsyncClient() as client:
        answer = await client.post(
            f"{standin.url}/_/TranslateWebserverUi/data/batchexecute",
            content=body,
            headers={"Content-Type": "application/x-www-form-urlencoded;charset=utf-8"},
        )
    assert answer.status_code == 400
    assert standin.refused == ["105 characters are not 1 to 100"]


@given(st.text(max_size=400))
def test_parts_hold_every_word_and_at_most_a_hundred_characters(text):
    parts = parts_of(text)
    assert all(0 < len(part) <= 100 for part in parts)
    assert "".join("".join(parts).split()) == "".join(text.split())
