"""The language models that the settings ask for."""

from ..agents.choose import Chooser
from ..agents.models.model import Model
from ..agents.models.openai import OpenAIModel
from ..agents.models.openai_chooser import OpenAIChooser
from ..agents.models.smollm2 import SmolLM2Model
from .settings import Settings
from .settings_reading import SettingsError


def model_from(settings: Settings) -> Model:
    """Return what writes texts: a server where one is configured, else the embedded model."""
    if settings.llm_url:
        return OpenAIModel(settings.llm_url, settings.llm_key, settings.llm_model)
    return SmolLM2Model()


def chooser_from(settings: Settings) -> Chooser | None:
    """Return what chooses a title where the rules leave it open; None where nothing does.

    Raises:
        SettingsError: it is wanted, and there is no server.
    """
    if settings.match_by == "rules":
        return None
    if not (settings.llm_url and settings.llm_model):
        raise SettingsError(
            "RHAPSODE_MATCH_BY is llm: name its server and model, RHAPSODE_LLM_URL and "
            "RHAPSODE_LLM_MODEL"
        )
    return OpenAIChooser(settings.llm_url, settings.llm_key, settings.llm_model)
