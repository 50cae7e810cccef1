"""Melodies as text, and how they sound: a plucked string of a few harmonics."""

import re

import numpy as np

from .pcm import Samples, to_int16

RATE_HZ = 22_050
A4_HZ = 440.0
"""ISO 16."""
BEAT_S = 0.42
LEVEL = 0.25
DECAY_S = 0.6
RELEASE_S = 0.02
HARMONICS = (1.0, 0.5, 0.25, 0.12)
_NOTE = re.compile(r"([a-g]|-)([#b]?)([,']*)([0-9]*)(/2)?")
_SEMITONES = {"c": -9, "d": -7, "e": -5, "f": -4, "g": -2, "a": 0, "b": 2}
"""From A4, in the octave from middle C on."""


def tune(melody: str) -> Samples:
    """Return a melody's samples, mono at `RATE_HZ`.

    A note is a letter with ``#`` or ``b``, ``'`` an octave higher or ``,`` lower, and its beats (1
    unless told; ``/2`` halves them); ``-`` is a rest: ``"c c g g a a g2 f#/2 -"``.

    Raises:
        ValueError: a word is no note.
    """
    words = melody.split()
    if not words:
        raise ValueError("a melody has at least one note")
    return to_int16(np.concatenate([_sounded(word) for word in words]))


def _sounded(word: str) -> np.ndarray:
    note = _NOTE.fullmatch(word)
    if note is None:
        raise ValueError(f"{word[:20]!r} is no note such as c, f#2, bb' or -")
    letter, accidental, octaves, beats, half = note.groups()
    seconds = BEAT_S * int(beats or 1) / (2 if half else 1)
    times_s = np.arange(round(seconds * RATE_HZ), dtype=np.float32) / RATE_HZ
    if letter == "-":
        return np.zeros_like(times_s)
    semitones = _SEMITONES[letter] + {"": 0, "#": 1, "b": -1}[accidental]
    semitones += 12 * (octaves.count("'") - octaves.count(","))
    pitch_hz = A4_HZ * 2 ** (semitones / 12)
    wave = sum(
        level * np.sin(2 * np.pi * pitch_hz * number * times_s)
        for number, level in enumerate(HARMONICS, start=1)
    )
    # a note ends in silence: else each would begin with a click
    release = np.clip((seconds - times_s) / RELEASE_S, 0.0, 1.0)
    attack = np.clip(times_s / 0.005, 0.0, 1.0)
    return (LEVEL * 32_767 * wave * np.exp(-times_s / DECAY_S) * release * attack).astype(
        np.float32
    )
