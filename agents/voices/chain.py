"""Several voices as one: the best that is installed, and another one where it fails."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import structlog

from ...codecs.session import VoiceSettings
from .voice import (
    ANY_LANGUAGE,
    Spoken,
    Utterance,
    Voice,
    VoiceFailedError,
    VoiceUnavailableError,
    VoiceUnreachableError,
)

log = structlog.get_logger()
COOL_DOWN_S = 30.0
"""How long a voice that did not answer is asked only after all others."""
MAX_REAL_TIME_FACTOR = 0.8
"""Seconds of work for a second of speech beyond which ``auto`` prefers any other voice."""
AUTO = "auto"
INSTALL_HINT = "Install one: pip install 'rhapsode[piper,espeak]'"


@runtime_checkable
class Measured(Protocol):
    """A voice that works on this machine and knows how hard."""

    real_time_factor: float
    """Seconds of work for a second of speech; measured by ``prepare``."""


@dataclass(frozen=True, slots=True)
class KnownVoice:
    """A voice as an API lists it."""

    name: str
    languages: tuple[str, ...]
    """BCP 47 tags, sorted; `ANY_LANGUAGE` alone where the text decides."""
    missing: str
    """What to install or configure before it can speak; empty if nothing is missing."""


class Chain:
    """Voices in order of preference, each of which stands in for those before it.

    Settings that name ``auto`` get the first voice that speaks the language. A voice name, or an
    engine name, gets that voice first and then the others as stand-ins, marked ``degraded``. Under
    ``auto``, the successor of a voice that is not installed is not marked, and a voice that this
    machine is too slow for comes last.

    Args:
        voices: Best first.
        clock_s: A monotonic clock, in seconds.
    """

    name = AUTO

    def __init__(
        self, voices: Sequence[Voice], clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._voices = tuple(voices)
        self._clock_s = clock_s
        self._resting_until_s: dict[str, float] = {}
        self._missing = {voice.name: missing for voice in voices if (missing := voice.missing())}
        self._slow: set[str] = set()

    def missing(self) -> str:
        return "" if self._installed() else self._no_voice_speaks("")

    def languages(self) -> tuple[str, ...]:
        tags = {tag for voice in self._installed() for tag in voice.languages()}
        return (ANY_LANGUAGE,) if ANY_LANGUAGE in tags else tuple(sorted(tags))

    def speaks(self, language: str) -> bool:
        return any(voice.speaks(language) for voice in self._installed())

    def known_voices(self) -> tuple[KnownVoice, ...]:
        """Return every voice of the chain, best first, whether or not it is installed."""
        return tuple(
            KnownVoice(voice.name, voice.languages(), self._missing.get(voice.name, ""))
            for voice in self._voices
        )

    def check(self, settings: VoiceSettings) -> None:
        """Refuse what could never be spoken, before any work is done; loads no model.

        Raises:
            VoiceFailedError: no voice has this name, or no installed voice speaks the language; in
                one sentence with the known names.
        """
        if not self._speaking(settings):
            raise VoiceFailedError(self._no_voice_speaks(settings.language))

    async def prepare(self) -> None:
        for voice in self._voices:
            try:
                await voice.prepare()
            except VoiceUnavailableError as error:
                self._missing[voice.name] = str(error)
            except VoiceUnreachableError:
                self._rest(voice)
            else:
                self._missing.pop(voice.name, None)
                if isinstance(voice, Measured) and voice.real_time_factor > MAX_REAL_TIME_FACTOR:
                    self.mark_slow(voice.name)
        if not self._installed():
            raise VoiceUnavailableError(self._no_voice_speaks(""))

    async def speak(self, utterance: Utterance) -> Spoken:
        settings = utterance.settings
        preferred = self._preferred(settings)
        reasons: dict[str, str] = {}
        unreachable = False
        for voice in self._candidates(settings):
            try:
                spoken = await voice.speak(utterance)
            except VoiceUnavailableError as error:
                reasons[voice.name] = self._missing[voice.name] = str(error)
            except VoiceFailedError as error:
                reasons[voice.name] = str(error)
            except VoiceUnreachableError as error:
                self._rest(voice)
                reasons[voice.name] = str(error)
                unreachable = True
            except Exception as error:
                # whatever a voice raises concerns this utterance: the next voice may say it
                log.exception("a voice broke down", voice=voice.name, chars=len(utterance.text))
                reasons[voice.name] = f"it broke down: {error!r}"
            else:
                stood_in = preferred is not None and voice is not preferred
                return replace(spoken, degraded=spoken.degraded or stood_in)
        if not reasons:
            raise VoiceFailedError(self._no_voice_speaks(settings.language))
        failed = VoiceUnreachableError if unreachable else VoiceFailedError
        raise failed(f"no voice could say this ({_listed(reasons)})")

    async def close(self) -> None:
        for voice in self._voices:
            await voice.close()

    def mark_slow(self, name: str) -> None:
        """Have ``auto`` ask the voice last, because this machine is too slow for it."""
        self._slow.add(name)

    def resolve(self, settings: VoiceSettings) -> Voice:
        """Return the voice that would be asked first, now.

        Raises:
            VoiceFailedError: as `check`.
        """
        self.check(settings)
        return self._candidates(settings)[0]

    def _preferred(self, settings: VoiceSettings) -> Voice | None:
        """Return the voice that any other one stands in for."""
        return next(iter(self._named(settings.voice) or self._speaking(settings)), None)

    def _candidates(self, settings: VoiceSettings) -> list[Voice]:
        """Return the voices to ask, in order; those that did not answer lately come last."""
        now_s = self._clock_s()
        return sorted(
            self._speaking(settings),
            key=lambda voice: self._resting_until_s.get(voice.name, now_s) > now_s,
        )

    def _speaking(self, settings: VoiceSettings) -> list[Voice]:
        """Return the installed voices that speak the language: named ones first, slow ones last."""
        named = self._named(settings.voice)
        others = [voice for voice in self._voices if voice not in named]
        others.sort(key=lambda voice: voice.name in self._slow)
        installed = self._installed()
        return [
            voice
            for voice in (*named, *others)
            if voice in installed and voice.speaks(settings.language)
        ]

    def _named(self, name: str) -> list[Voice]:
        """Return the voices with this name or this engine name; none for ``auto``."""
        if name == AUTO:
            return []
        found = [
            voice for voice in self._voices if name in (voice.name, voice.name.partition(":")[0])
        ]
        if not found:
            known = ", ".join([AUTO, *(voice.name for voice in self._voices)])
            raise VoiceFailedError(
                f"there is no voice {name[:80]!r}; the voices are {known} (RHAPSODE_VOICES)"
            )
        return found

    def _installed(self) -> list[Voice]:
        return [voice for voice in self._voices if voice.name not in self._missing]

    def _rest(self, voice: Voice) -> None:
        self._resting_until_s[voice.name] = self._clock_s() + COOL_DOWN_S

    def _no_voice_speaks(self, language: str) -> str:
        if not self._installed():
            return f"no voice is installed ({_listed(self._missing)}). {INSTALL_HINT}"
        known = ", ".join(
            f"{voice.name} ({missing})"
            if (missing := self._missing.get(voice.name))
            else voice.name
            for voice in self._voices
        )
        return f"no installed voice speaks {language[:80]!r}; the voices are {known}"


def _listed(reasons: dict[str, str]) -> str:
    return "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
