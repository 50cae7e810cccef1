"""Speech to measure with: short texts that differ, and minutes of PCM from espeak-ng."""

import time

import bare_encoder
import numpy as np

from rhapsode.agents.voices.espeak import EspeakVoice
from rhapsode.agents.voices.voice import Utterance, Voice
from rhapsode.codecs.audio import pcm
from rhapsode.codecs.audio.limiter import limit
from rhapsode.codecs.session import VoiceSettings
from rhapsode.ops.tools.stories import story

OPENINGS = (
    "On the last rock before the open sea",
    "When the first snow of the year came down",
    "In a town where every clock was wrong",
    "Long before the bridge was built",
    "Behind the bakery, under an old blue cart",
    "Nobody knew who had planted the pear tree",
    "At the edge of the great forest",
    "The night train was almost empty",
)
MIDDLES = (
    "there lived a keeper who counted the waves, and never twice the same.",
    "two children found a map, and neither of them could read it.",
)


def short_texts(count: int) -> list[str]:
    """Return texts of two sentences, no two the same."""
    pairs = [(opening, middle) for middle in MIDDLES for opening in OPENINGS]
    return [
        f"{opening}, {middle} {number + 3} days later, a letter arrived."
        for number, (opening, middle) in zip(range(count), pairs * (count // 16 + 1), strict=False)
    ]


async def spoken_pcm(seconds: float) -> bytes:
    """Return that much speech: 48 kHz mono s16, a story said again and again."""
    voice = EspeakVoice()
    await voice.prepare()
    parts: list[bytes] = []
    samples = 0
    paragraphs = [line for line in story("lighthouse").splitlines() if len(line) > 40]
    for paragraph in paragraphs:
        spoken = await voice.speak(Utterance(paragraph, VoiceSettings()))
        wide = pcm.resample(spoken.samples, spoken.rate_hz, pcm.SAMPLE_RATE_HZ)
        loud = limit(wide, pcm.SAMPLE_RATE_HZ, -2.5, spoken.gain_db)
        parts.append(loud.astype("<i2").tobytes())
        samples += len(loud)
    await voice.close()
    wanted = int(seconds * pcm.SAMPLE_RATE_HZ)
    joined = b"".join(parts) * (wanted // samples + 1)
    return bytes(np.frombuffer(joined, "<i2")[:wanted].tobytes())


async def said_alone_ms(voice: Voice, text: str) -> float:
    """Return how long a voice and the encoder take for a text, in one process with nothing else."""
    started_s = time.perf_counter()
    spoken = await voice.speak(Utterance(text, VoiceSettings()))
    wide = pcm.resample(spoken.samples, spoken.rate_hz, pcm.SAMPLE_RATE_HZ)
    bare_encoder.encode(wide.astype("<i2").tobytes())
    return (time.perf_counter() - started_s) * 1000
