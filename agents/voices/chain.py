"""The best voice that is there: a chain of voices, and what each one costs here."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np
import structlog

from ...codecs.audio import pcm
from ...codecs.records import VoiceSettings
from .voice import (
    Spoken,
    Utterance,
    Voice,
    VoiceFailedError,
    VoiceUnavailableError,
    VoiceUnreachableError,
)

log = structlog.get_logger()
COOL_DOWN_S = 30.0
"""A voice that did not answer is left alone for so long."""
TOO_SLOW = 0.8
"""Seconds of work for a second of speech beyond which ``auto`` would rather have another voice."""
AUTO = "auto"

CALIBRATION_CLAUSE = "Once upon a time,"
CALIBRATION_TEXT = (
    "On the last rock before the open sea there stood a lighthouse.",
    "Every evening the keeper climbed the hundred steps, and wound the clock that turned the lamp.",
    "One winter night a storm came in from the west, and the clock stopped.",
    "She put her hands on the heavy wheel, and pushed until the light began to move.",
    "Out there, somewhere, a fishing boat was looking for the harbor.",
    "In the morning the sea was flat, and the boat lay safe behind the wall.",
)
"""More than 20 s at any voice's pace: fewer seconds tell little about loudness."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """What a voice costs and how loud it is, here and now."""

    real_time_factor: float
    """Seconds of work for a second of speech."""
    loudness_lufs: float
    """Gated loudness of its speech before any gain (BS.1770-4, mono)."""
    first_audio_s: float
    """From a clause to its speech, warmed up."""


@runtime_checkable
class Measured(Protocol):
    """A voice that works on this machine and knows how hard."""

    real_time_factor: float
    """Seconds of work for a second of speech; measured by ``prepare``."""


class Chain:
    """Voices in order of preference, each standing in for those before it.

    Settings that name ``auto`` get the first voice that speaks the language; a name gets that
    voice first, and then the others as stand-ins, marked ``degraded``. What is not installed was
    never promised, so under ``auto`` its successor is not marked; and a voice that this machine is
    too slow for comes last.
    """

    name = AUTO

    def __init__(
        self, voices: Sequence[Voice], clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._voices = tuple(voices)
        self._clock_s = clock_s
        self._resting_until_s: dict[str, float] = {}
        self._absent: dict[str, str] = {}
        """Why a voice is not there, by name."""
        self._slow: set[str] = set()

    def speaks(self, language: str) -> bool:
        return any(voice.speaks(language) for voice in self._present())

    async def prepare(self) -> None:
        for voice in self._voices:
            try:
                await voice.prepare()
            except VoiceUnavailableError as error:
                self._absent[voice.name] = str(error)
            except VoiceUnreachableError:
                self._rest(voice)
            else:
                self._absent.pop(voice.name, None)
                if isinstance(voice, Measured) and voice.real_time_factor > TOO_SLOW:
                    self.mark_slow(voice.name)
        if not self._present():
            raise VoiceUnavailableError(self._no_voice(self._absent))

    async def speak(self, utterance: Utterance) -> Spoken:
        settings = utterance.settings
        asked = self._asked(settings)
        reasons: dict[str, str] = {}
        unreachable: VoiceUnreachableError | None = None
        for voice in self._candidates(settings):
            try:
                spoken = await voice.speak(utterance)
            except VoiceUnavailableError as error:
                reasons[voice.name] = self._absent[voice.name] = str(error)
            except VoiceFailedError as error:
                reasons[voice.name] = str(error)
            except VoiceUnreachableError as error:
                self._rest(voice)
                reasons[voice.name] = str(error)
                unreachable = error
            except Exception as error:
                # whatever a voice raises is about this utterance: the next one may say it
                log.exception("a voice broke down", voice=voice.name, chars=len(utterance.text))
                reasons[voice.name] = f"it broke down: {error!r}"
            else:
                stands_in = asked is not None and voice is not asked
                return replace(spoken, degraded=spoken.degraded or stands_in)
        if unreachable is not None:
            raise VoiceUnreachableError(self._no_voice(reasons))
        raise VoiceFailedError(self._no_voice(reasons or self._absent, settings.language))

    async def close(self) -> None:
        for voice in self._voices:
            await voice.close()

    def mark_slow(self, name: str) -> None:
        """Have ``auto`` ask the voice last, because this machine is too slow for it."""
        self._slow.add(name)

    def resolve(self, settings: VoiceSettings) -> Voice:
        """Return the voice that would be asked first, now.

        Raises:
            VoiceFailedError: the name is no voice's, or no voice speaks the language.
        """
        for voice in self._candidates(settings):
            return voice
        raise VoiceFailedError(self._no_voice(self._absent, settings.language))

    def _asked(self, settings: VoiceSettings) -> Voice | None:
        """Return the voice whose place another one would be taking."""
        named = self._named(settings.voice)
        return next(iter(named or self._speaking(settings)), None)

    def _speaking(self, settings: VoiceSettings) -> list[Voice]:
        """Return who is there and speaks the language: those named first, the slow ones last."""
        named = self._named(settings.voice)
        others = [voice for voice in self._voices if voice not in named]
        others.sort(key=lambda voice: voice.name in self._slow)
        present = self._present()
        return [
            voice
            for voice in (*named, *others)
            if voice in present and voice.speaks(settings.language)
        ]

    def _candidates(self, settings: VoiceSettings) -> list[Voice]:
        """Return who may speak, in order; who does not answer comes last rather than never."""
        now_s = self._clock_s()
        return sorted(
            self._speaking(settings),
            key=lambda voice: self._resting_until_s.get(voice.name, now_s) > now_s,
        )

    def _named(self, name: str) -> list[Voice]:
        """Return the voices of a name, or of an engine's name."""
        if name == AUTO:
            return []
        found = [
            voice for voice in self._voices if name in (voice.name, voice.name.partition(":")[0])
        ]
        if not found:
            known = ", ".join([AUTO, *(voice.name for voice in self._voices)])
            raise VoiceFailedError(f"there is no voice {name!r}; the voices are {known}")
        return found

    def _present(self) -> list[Voice]:
        return [voice for voice in self._voices if voice.name not in self._absent]

    def _rest(self, voice: Voice) -> None:
        self._resting_until_s[voice.name] = self._clock_s() + COOL_DOWN_S

    def _no_voice(self, reasons: dict[str, str], language: str = "") -> str:
        tried = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
        what = f"no voice speaks {language!r}" if language and not tried else "no voice can speak"
        names = ", ".join(voice.name for voice in self._voices) or "none"
        return (
            f"{what} ({tried or 'of ' + names}). Install one: pip install 'rhapsode[piper,espeak]'"
        )


async def calibrate(voice: Voice) -> Calibration:
    """Speak a clause and half a minute of English with a voice, and measure both.

    Raises:
        VoiceUnavailableError: it is not installed, or not configured.
        VoiceFailedError: it cannot speak English.
        VoiceUnreachableError: its server does not answer.
    """
    settings = VoiceSettings(language="en")
    await voice.prepare()
    started_s = time.perf_counter()
    await voice.speak(Utterance(CALIBRATION_CLAUSE, settings))
    first_audio_s = time.perf_counter() - started_s
    started_s = time.perf_counter()
    spoken = [await voice.speak(Utterance(text, settings)) for text in CALIBRATION_TEXT]
    worked_s = time.perf_counter() - started_s
    samples = np.concatenate([part.samples for part in spoken])
    if not len(samples):
        raise VoiceFailedError(f"{voice.name} gave no sound")
    rate_hz = spoken[0].rate_hz
    return Calibration(
        real_time_factor=worked_s * rate_hz / len(samples),
        loudness_lufs=pcm.loudness_lufs(samples, rate_hz),
        first_audio_s=first_audio_s,
    )
