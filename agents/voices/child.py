"""A voice in a process of its own: ``python -m rhapsode.agents.voices.child FD``."""

import asyncio
import importlib
import sys
import traceback

from ..children import serve
from .messages import Load, Loaded, Reply, decode_request, encode, failure, said
from .voice import Utterance, Voice


class Server:
    """Loads one voice, and speaks with it."""

    def __init__(self) -> None:
        self._voice: Voice | None = None

    async def answer(self, data: bytes) -> bytes:
        """Answer a request; whatever the voice raises is an answer too."""
        request = decode_request(data)
        reply: Reply
        try:
            if isinstance(request, Load):
                self._voice = await _loaded(request)
                reply = Loaded(getattr(self._voice, "real_time_factor", 0.0))
            else:
                assert self._voice is not None, "a voice is loaded before it speaks"
                utterance = Utterance(request.text, request.settings)
                reply = said(await self._voice.speak(utterance))
        except Exception as error:  # noqa: BLE001 - a voice may raise anything: it is reported
            reply = failure(error)
            if reply.message.startswith("it broke down"):
                traceback.print_exc()
        return encode(reply)


async def _loaded(request: Load) -> Voice:
    module, _, name = request.factory.partition(":")
    voice: Voice = getattr(importlib.import_module(module), name)(**request.options)
    await voice.prepare()
    return voice


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), Server().answer))
