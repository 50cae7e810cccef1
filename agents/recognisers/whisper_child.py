"""Whisper in a process of its own: ``python -m rhapsode.agents.recognisers.whisper_child FD``."""

import asyncio
import sys
import traceback

from ...codecs.audio.pcm import from_bytes
from ..children import serve
from .messages import Failed, Load, Recognise, Reply, Words, decode_request, encode
from .recogniser import RecogniserFailedError, RecogniserUnavailableError
from .whisper import WhisperRecogniser


class Server:
    """Loads one model, and recognises with it."""

    def __init__(self) -> None:
        self._recogniser: WhisperRecogniser | None = None

    async def answer(self, data: bytes) -> bytes:
        """Answer a request; whatever the recogniser raises is an answer too."""
        request = decode_request(data)
        reply: Reply
        try:
            if isinstance(request, Load):
                self._recogniser = WhisperRecogniser(request.folder, request.threads)
                await self._recogniser.prepare()
                reply = Words()
            else:
                assert isinstance(request, Recognise), "nothing else is asked of a recogniser"
                assert self._recogniser is not None, "a recogniser is loaded first"
                sound = from_bytes(request.pcm)
                found = await self._recogniser.recognise(sound, request.language)
                reply = Words(found.text, found.language)
        except RecogniserUnavailableError as error:
            reply = Failed("unavailable", str(error))
        except RecogniserFailedError as error:
            reply = Failed("failed", str(error))
        except Exception as error:  # noqa: BLE001 - a library may raise anything: it is reported
            traceback.print_exc()
            reply = Failed("failed", f"it broke down: {error!r}")
        return encode(reply)


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), Server().answer))
