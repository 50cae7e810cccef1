"""A decoder in a process of its own: ``python -m rhapsode.agents.decoders.child FD``."""

import asyncio
import sys
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from math import inf
from queue import SimpleQueue

from ...codecs.audio.decoding import PieceDecoder
from ...codecs.audio.files import AudioFormatError
from ...codecs.audio.pcm import Samples
from ..children import serve
from .asked_file import AskedFile, RunningFile
from .messages import RUNNING, Broken, Data, More, Need, Open, Pieces, Reply, decode_request, encode


@dataclass(slots=True)
class _Object:
    """An object that is decoded so far."""

    decoder: PieceDecoder
    pieces: Iterator[Samples]
    held: list[Samples] = field(default_factory=list[Samples])
    """One piece is held back: only then is the last one known as such."""

    def next(self, count: int) -> Pieces:
        """Return so many pieces more, or what there is."""
        some, self.held = self.held, []
        error = ""
        try:
            some.extend(islice(self.pieces, count + 1 - len(some)))  # keeps what came before one
        except AudioFormatError as failure:
            error = str(failure)
        end = bool(error) or len(some) <= count
        if not end:
            self.held = [some.pop()]
        lufs = self.decoder.meter.lufs() if end and not error else -inf
        pcm = [samples.astype("<i2").tobytes() for samples in some]
        return Pieces(pcm, end, error, lufs if lufs > -inf else None)


class Server:
    """Decodes objects, a request at a time; while it does, it asks for the object's bytes."""

    def __init__(self) -> None:
        self._objects: dict[int, _Object] = {}
        self._thread = ThreadPoolExecutor(1)
        self._work: asyncio.Future[Reply] | None = None
        self._needs: asyncio.Queue[Need] = asyncio.Queue()
        self._given: SimpleQueue[bytes | None] = SimpleQueue()

    async def answer(self, data: bytes) -> bytes:
        """Answer a request; what a file makes of the decoder is an answer too."""
        request = decode_request(data)
        if isinstance(request, Data):
            self._given.put(request.data)
        else:
            loop = asyncio.get_running_loop()
            self._work = loop.run_in_executor(self._thread, partial(self._done, request, loop))
        assert self._work is not None, "an object is opened before its bytes are given"
        need = asyncio.ensure_future(self._needs.get())
        await asyncio.wait({need, self._work}, return_when=asyncio.FIRST_COMPLETED)
        if need.done():
            return encode(need.result())
        need.cancel()
        return encode(self._work.result())

    def close(self) -> None:
        """Let go of what is under way."""
        self._given.put(None)
        self._thread.shutdown(wait=False)

    def _done(self, request: Open | More, loop: asyncio.AbstractEventLoop) -> Reply:
        try:
            for number in request.closed:
                if number in self._objects:
                    self._objects.pop(number).decoder.close()
            if isinstance(request, More):
                return self._objects[request.number].next(request.pieces)
            self._open(request, loop)
            return Pieces([], end=False)
        except AudioFormatError as error:
            return Pieces([], end=True, error=str(error))
        except OSError as error:
            return Broken(str(error))  # nobody is there to read it
        except Exception as error:  # noqa: BLE001 - it is reported, and a bug over there
            traceback.print_exc()
            return Broken(repr(error))

    def _open(self, request: Open, loop: asyncio.AbstractEventLoop) -> None:
        def ask(start: int, end: int) -> bytes:
            loop.call_soon_threadsafe(self._needs.put_nowait, Need(start, end))
            data = self._given.get()
            if data is None:
                raise OSError("closed")
            return data

        runs = request.size_bytes == RUNNING
        file = RunningFile(ask) if runs else AskedFile(request.size_bytes, ask)
        decoder = PieceDecoder(file, request.rate_hz, max_seconds=request.max_seconds)
        pieces = decoder.pieces(request.piece_samples, skip_samples=request.skip_samples)
        self._objects[request.number] = _Object(decoder, pieces)


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), Server().answer))
