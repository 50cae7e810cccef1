"""Loudness as sound comes: the same as that of the whole."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sample_audio import decoded, sample_file

from rhapsode.codecs.audio import pcm
from rhapsode.codecs.audio.decoding import PieceDecoder
from rhapsode.codecs.audio.loudness import LoudnessMeter


def noise(rate_hz: int, seconds: float, level: float = 3_000.0) -> np.ndarray:
    made = np.random.default_rng(4).normal(0, level, round(rate_hz * seconds))
    swelling = np.linspace(0.02, 1.0, len(made))
    return np.clip(made * swelling, -32_768, 32_767).astype(np.int16)


@settings(max_examples=20, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 5 * 44_100), max_size=8).map(sorted),
    rate_hz=st.sampled_from([16_000, 44_100, 48_000]),
)
def test_it_does_not_matter_how_sound_is_cut(cuts: list[int], rate_hz: int) -> None:
    sound = noise(rate_hz, 4.3)
    meter = LoudnessMeter(rate_hz)
    for piece in np.split(sound, cuts):
        meter.feed(piece)
    assert meter.lufs() == pytest.approx(pcm.loudness_lufs(sound, rate_hz), abs=0.05)


def test_silence_and_nothing_have_no_loudness() -> None:
    meter = LoudnessMeter(48_000)
    assert meter.lufs() == float("-inf")
    meter.feed(np.zeros(200_000, np.int16))
    assert meter.lufs() == float("-inf")


def test_a_file_tells_how_loud_it_is_once_it_is_decoded() -> None:
    data = sample_file("flac", 5.3)
    with PieceDecoder(io.BytesIO(data)) as decoder:
        list(decoder.pieces(10_000, skip_samples=70_000))
        measured = decoder.meter.lufs()
    assert measured == pytest.approx(pcm.loudness_lufs(decoded(data), 48_000), abs=0.05)
