"""The recogniser that the settings ask for."""

from ..agents.recognisers.isolated import IsolatedWhisper
from ..agents.recognisers.openai import OpenAIRecogniser
from ..agents.recognisers.recogniser import Recogniser
from .settings import Settings
from .settings_reading import SettingsError


def recogniser_from(settings: Settings) -> Recogniser | None:
    """Return what makes words of what listeners say; None where nothing does.

    ``auto``: an OpenAI-compatible server where one is configured, else Whisper where it is
    installed, else nothing.

    Raises:
        SettingsError: the recogniser asked for cannot work.
    """
    found: Recogniser | None = None
    if settings.recogniser == "openai" or (
        settings.recogniser == "auto" and settings.openai_transcription_url
    ):
        found = OpenAIRecogniser(
            settings.openai_transcription_url,
            settings.openai_transcription_key,
            model=settings.openai_transcription_model,
        )
    elif settings.recogniser in ("auto", "whisper"):
        found = IsolatedWhisper(str(settings.whisper_model or ""))
        if settings.recogniser == "auto" and not settings.whisper_model and found.missing():
            return None
    if found is not None and found.missing():
        raise SettingsError(f"RHAPSODE_RECOGNISER is {settings.recogniser}, but {found.missing()}")
    return found
