"""Voices by name, from settings."""

from collections.abc import Callable

from ..agents.turns import Turns
from ..agents.voices.chain import Chain
from ..agents.voices.espeak import EspeakVoice
from ..agents.voices.gtts import GttsVoice
from ..agents.voices.in_turns import InTurns
from ..agents.voices.isolated import IsolatedVoice
from ..agents.voices.openai import OpenAIVoice
from ..agents.voices.piper import PiperVoice
from ..agents.voices.voice import Voice
from .settings import Settings
from .settings_reading import SettingsError

RESERVED_S = 0.03
"""In which a chunk is stored and the next one of its session asked for."""


def _turns(settings: Settings) -> Turns:
    return Turns(settings.voice_slots, reserved_s=RESERVED_S)


def _gtts(settings: Settings) -> Voice:
    voice = GttsVoice(base_url=settings.gtts_url) if settings.gtts_url else GttsVoice()
    return InTurns(voice, _turns(settings))


def _openai(settings: Settings) -> Voice:
    voice = OpenAIVoice(
        settings.openai_speech_url,
        settings.openai_speech_key,
        model=settings.openai_speech_model,
        voice=settings.openai_speech_voice,
    )
    return InTurns(voice, _turns(settings))


def _native(voice: Callable[[], Voice]) -> Callable[[Settings], Voice]:
    """Return a maker of a voice whose native code may die: in processes of its own."""
    factory = f"{voice.__module__}:{voice.__qualname__}"
    return lambda settings: IsolatedVoice(voice(), factory, turns=_turns(settings))


MAKERS: dict[str, Callable[[Settings], Voice]] = {
    "openai": _openai,
    "piper": _native(PiperVoice),
    "gtts": _gtts,
    "espeak": _native(EspeakVoice),
}


def voice_names(settings: Settings) -> list[str]:
    """Return the names of the voices the settings ask for, best first.

    ``auto``: an OpenAI-compatible server where one is configured, then Piper, then espeak-ng; gTTS
    sends text to a third party, so it speaks only where it is named.

    Raises:
        SettingsError: a name is no voice.
    """
    auto = (["openai"] if settings.openai_speech_url else []) + ["piper", "espeak"]
    asked = [name.strip() for name in settings.voices.split(",") if name.strip()]
    each = (auto if name == "auto" else [name] for name in asked)
    names = list(dict.fromkeys(name for some in each for name in some))
    unknown = [name for name in names if name not in MAKERS]
    if unknown or not names:
        raise SettingsError(
            f"RHAPSODE_VOICES names {', '.join(unknown) or 'nothing'}; "
            f"the voices are auto, {', '.join(MAKERS)}"
        )
    return names


def voices_from(settings: Settings) -> list[Voice]:
    """Return those voices, best first.

    Raises:
        SettingsError: a name is no voice.
    """
    return [MAKERS[name](settings) for name in voice_names(settings)]


def voice_from(settings: Settings) -> Chain:
    """Return those voices as a chain, each standing in for those before it.

    Raises:
        SettingsError: a name is no voice.
    """
    return Chain(voices_from(settings))
