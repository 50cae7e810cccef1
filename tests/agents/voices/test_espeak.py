"""espeak-ng in process: speech, word times, languages and odd text."""

import asyncio

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhapsode.agents.voices.espeak import GAIN_DB, EspeakVoice, timed_words
from rhapsode.agents.voices.espeak_library import WordEvent
from rhapsode.agents.voices.voice import Utterance, VoiceFailedError
from rhapsode.codecs.audio import pcm
from rhapsode.codecs.session import VoiceSettings

pytest.importorskip("espeakng_loader", reason="espeak-ng is an extra: pip install '.[espeak]'")

TALE = (
    "Every evening she climbed the hundred steps, lit the great lamp, and wound the clock that "
    "turned it. The clock was older than she was. It ticked slowly, like somebody thinking. One "
    "winter night a storm came in from the west. The wind pushed at the windows, and the waves "
    "climbed the rock as if they wanted to look inside. She pushed with her arms, and then with "
    "her shoulder, and at last the lamp began to turn."
)


@pytest.fixture
async def voice():
    espeak = EspeakVoice()
    await espeak.prepare()
    yield espeak
    await espeak.close()


def utterance(text: str, **settings) -> Utterance:
    return Utterance(text, VoiceSettings(**settings))


async def test_words_come_in_order_at_their_times(voice):
    spoken = await voice.speak(utterance("She paid $4.50 for 42 foxes."))
    assert [word.text for word in spoken.words] == ["She", "paid", "$4.50", "for", "42", "foxes."]
    edges = [edge for word in spoken.words for edge in (word.start_s, word.end_s)]
    assert edges == sorted(edges)
    length_s = len(spoken.samples) / spoken.rate_hz
    assert edges[-1] <= length_s + 1e-9
    # the pause between two words lies where the words meet: sound is there on both sides
    middle = int((spoken.words[0].start_s + spoken.words[0].end_s) / 2 * spoken.rate_hz)
    assert np.any(spoken.samples[middle - 200 : middle + 200])


@given(
    starts=st.lists(st.integers(0, 10**6), min_size=2, max_size=8, unique=True).map(sorted),
    rate_hz=st.sampled_from([16_000, 22_050, 44_100]),
)
def test_no_word_ends_after_the_next_begins(starts, rate_hz):
    text = " ".join(["She"] * (len(starts) - 1))
    events = [WordEvent(4 * index, start) for index, start in enumerate(starts[:-1])]
    words = timed_words(text, events, starts[-1] / rate_hz, rate_hz)
    edges = [edge for word in words for edge in (word.start_s, word.end_s)]
    assert edges == sorted(edges)


async def test_words_that_are_said_as_one_share_its_time(voice):
    text = "The end of the tale, and in the end of it."
    spoken = await voice.speak(utterance(text))
    assert [word.text for word in spoken.words] == text.split()
    assert all(word.end_s > word.start_s for word in spoken.words)


async def test_its_gain_leads_to_the_target_loudness(voice):
    spoken = await voice.speak(utterance(TALE))
    loudness_lufs = pcm.loudness_lufs(spoken.samples, spoken.rate_hz)
    assert len(spoken.samples) > 20 * spoken.rate_hz
    assert spoken.gain_db == GAIN_DB
    assert loudness_lufs + GAIN_DB == pytest.approx(-16.0, abs=0.7)


async def test_speed_changes_the_length(voice):
    lengths = [
        len((await voice.speak(utterance(TALE, speed=speed))).samples) for speed in (0.5, 1.0, 2.0)
    ]
    assert lengths[0] > 1.6 * lengths[1]
    assert lengths[1] > 1.6 * lengths[2]


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en-GB", "Once upon a time."),
        ("hi", "एक राजा था।"),
        ("zh-CN", "从前有一座山。"),
        ("zh-HK", "從前有一座山。"),
        ("ar", "كان يا ما كان"),
        ("pt-BR", "Era uma vez."),
        ("de-AT", "Es war einmal."),
    ],
)
async def test_it_speaks_many_languages(voice, language, text):
    assert voice.speaks(language)
    assert np.any((await voice.speak(utterance(text, language=language))).samples)


async def test_an_unknown_language_is_refused(voice):
    assert not voice.speaks("xx")
    with pytest.raises(VoiceFailedError, match="does not speak 'xx'"):
        await voice.speak(utterance("Hello.", language="xx"))


@pytest.mark.parametrize("text", ["", " ", "...", "—"])
async def test_nothing_to_say_is_no_sound(voice, text):
    assert len((await voice.speak(utterance(text))).samples) == 0


@pytest.mark.parametrize(
    "text",
    ["a\0b", "<speak><break time='9h'/></speak>", "[[x]]", "\ud7ff\x07é", "&amp;"],
)
async def test_hostile_text_is_only_text(voice, text):
    spoken = await voice.speak(utterance(text))
    assert np.any(spoken.samples)
    assert len(spoken.samples) < 600 * spoken.rate_hz


async def test_too_long_a_text_is_refused(voice):
    with pytest.raises(VoiceFailedError, match="split"):
        await voice.speak(utterance("a" * 2001))


async def test_two_at_once_do_not_mix(voice):
    alone = [await voice.speak(utterance(text)) for text in ("One.", TALE)]
    both = await asyncio.gather(*(voice.speak(utterance(text)) for text in ("One.", TALE) * 3))
    for spoken, expected in zip(both, alone * 3, strict=True):
        # its noise runs on from call to call, so lengths differ by some samples
        assert len(spoken.samples) == pytest.approx(len(expected.samples), rel=0.01)
        assert [word.text for word in spoken.words] == [word.text for word in expected.words]
