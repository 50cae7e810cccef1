"""Melodies: the right pitches for the right time, without clicks."""

import numpy as np
import pytest

from rhapsode.codecs.audio.tunes import BEAT_S, RATE_HZ, tune


def pitch_hz(samples: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(samples.astype(float) * np.hanning(len(samples))))
    return float(np.fft.rfftfreq(len(samples), 1 / RATE_HZ)[int(np.argmax(spectrum))])


@pytest.mark.parametrize(
    ("note", "expected_hz"),
    [("a4", 440.0), ("c4", 261.6), ("c'4", 523.3), ("a,4", 220.0), ("bb4", 466.2), ("f#4", 370.0)],
)
def test_a_note_has_its_pitch(note: str, expected_hz: float) -> None:
    assert pitch_hz(tune(note)) == pytest.approx(expected_hz, abs=1.0)


def test_notes_last_for_their_beats() -> None:
    assert len(tune("c d2 e/2 -")) == pytest.approx(4.5 * BEAT_S * RATE_HZ, abs=4)
    assert not tune("-2").any()


def test_notes_meet_in_silence_and_never_clip() -> None:
    samples = tune("c c g g a a g2").astype(int)
    assert 4_000 < np.abs(samples).max() < 32_000
    beat = round(BEAT_S * RATE_HZ)
    for at in range(beat, 6 * beat, beat):
        assert np.abs(samples[at - 1 : at + 1]).max() < 200


@pytest.mark.parametrize("melody", ["", "h", "c c x", "4", "c##"])
def test_what_is_no_melody_is_refused(melody: str) -> None:
    with pytest.raises(ValueError, match="note"):
        tune(melody)
