"""Choosing a voice, and never falling silent: the first that can, another where it fails."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import structlog

from ..codecs.pcm import loudness_lufs
from ..codecs.records import VoiceSettings
from .voice import (
    Spoken,
    Utterance,
    Voice,
    VoiceFailedError,
    VoiceUnavailableError,
    VoiceUnreachableError,
)

COOL_DOWN_S = 30.0
"""A voice that did not answer is left alone for so long; its chunks go to the next one."""
TOO_SLOW = 0.8
"""Seconds of work a second of speech, above which ``auto`` passes a voice over."""
log = structlog.get_logger()


class Chain:
    """Voices in order of preference, itself a voice.

    ``auto`` speaks with the first that knows the language, is installed and quick enough; a named
    voice is asked first. Where a voice fails, the next one speaks the chunk, marked degraded.
    """

    name = "auto"

    def __init__(
        self, voices: Sequence[Voice], clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._voices = list(voices)
        self._clock_s = clock_s
        self._resting: dict[str, float] = {}
        self._unavailable: dict[str, str] = {}
        self._slow: set[str] = set()

    def speaks(self, language: str) -> bool:
        return any(voice.speaks(language) for voice in self._voices)

    async def prepare(self) -> None:
        """Load every voice that is there, and see which are quick enough here.

        Raises:
            VoiceUnavailableError: none is there.
        """
        for voice in self._voices:
            try:
                await voice.prepare()
            except VoiceUnavailableError as error:
                self._unavailable[voice.name] = str(error)
        if len(self._unavailable) == len(self._voices):
            raise VoiceUnavailableError("; ".join(self._unavailable.values()))

    def mark_slow(self, name: str) -> None:
        """Have ``auto`` pass a voice over that this machine is too slow for."""
        self._slow.add(name)

    def candidates(self, settings: VoiceSettings) -> list[Voice]:
        """Return the voices to ask, in order.

        Raises:
            VoiceFailedError: no voice has the name, or none speaks the language.
        """
        wanted = settings.voice
        named = [voice for voice in self._voices if _answers_to(voice, wanted)]
        if wanted != "auto" and not named:
            known = ", ".join(voice.name for voice in self._voices)
            raise VoiceFailedError(f"there is no voice {wanted!r} here; there are auto, {known}")
        others = sorted(
            (voice for voice in self._voices if voice not in named),
            key=lambda voice: voice.name in self._slow,
        )
        able = [voice for voice in (*named, *others) if voice.speaks(settings.language)]
        if not able:
            missing = "; ".join(self._unavailable.values())
            raise VoiceFailedError(
                f"no voice here speaks {settings.language!r}" + (f" ({missing})" if missing else "")
            )
        return able

    async def speak(self, utterance: Utterance) -> Spoken:
        able = self.candidates(utterance.settings)
        now = self._clock_s()
        awake = [voice for voice in able if self._resting.get(voice.name, now) <= now] or able
        troubles: list[str] = []
        unreachable = False
        for voice in awake:
            try:
                spoken = await voice.speak(utterance)
            except VoiceUnavailableError as error:
                self._unavailable[voice.name] = str(error)
                troubles.append(str(error))
            except VoiceFailedError as error:
                troubles.append(str(error))
            except VoiceUnreachableError as error:
                unreachable = True
                self._resting[voice.name] = now + COOL_DOWN_S
                troubles.append(str(error))
            else:
                if not troubles and voice is able[0]:
                    return spoken
                log.warning("another voice speaks", voice=voice.name, because=troubles[:3])
                return replace(spoken, degraded=True)
        reason = "; ".join(troubles)
        if unreachable:
            raise VoiceUnreachableError(f"no voice answers: {reason}")
        raise VoiceFailedError(f"no voice could speak: {reason}")

    async def close(self) -> None:
        await asyncio.gather(*(voice.close() for voice in self._voices))


def _answers_to(voice: Voice, wanted: str) -> bool:
    return wanted in {voice.name, voice.name.partition(":")[0]}


@dataclass(frozen=True, slots=True)
class Calibration:
    """How a voice does on this machine."""

    real_time_factor: float
    """Seconds of work for a second of speech."""
    first_audio_s: float
    """Seconds until the first clause was there."""
    loudness_lufs: float
    """Before its calibrated gain."""


CLAUSE = "On the last rock before the open sea,"
PARAGRAPH = (
    "there stood a lighthouse, and in the lighthouse lived an old keeper. Every evening she "
    "climbed the hundred steps, lit the great lamp, and wound the clock that turned it."
)


async def calibrate(voice: Voice) -> Calibration:
    """Measure a voice: load it, speak a clause and a paragraph.

    Raises:
        VoiceUnavailableError: as `Voice.speak`; likewise the other two.
    """
    await voice.prepare()
    settings = VoiceSettings(language="en")
    started = time.perf_counter()
    await voice.speak(Utterance(CLAUSE, settings))
    first_audio_s = time.perf_counter() - started
    started = time.perf_counter()
    spoken = await voice.speak(Utterance(PARAGRAPH, settings))
    work_s = time.perf_counter() - started
    return Calibration(
        real_time_factor=max(1e-6, work_s) / (len(spoken.samples) / spoken.rate_hz),
        first_audio_s=first_audio_s,
        loudness_lufs=loudness_lufs(spoken.samples, spoken.rate_hz),
    )
