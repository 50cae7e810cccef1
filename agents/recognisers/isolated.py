"""Whisper, in a process that may die."""

import asyncio

import structlog

from ...codecs.audio.pcm import Samples, to_bytes
from ..children import Child, ChildDiedError, Limits
from .messages import Failed, Load, Recognise, Request, Words, decode_reply, encode
from .recogniser import (
    RATE_HZ,
    Recognised,
    RecogniserFailedError,
    RecogniserUnavailableError,
    RecogniserUnreachableError,
)
from .whisper import WhisperRecogniser

PROGRAM = "rhapsode.agents.recognisers.whisper_child"
MEMORY_BYTES = 1_500_000_000
"""The tiny model takes 250 MB (measured), and a larger one may be chosen."""
LOAD_LIMITS = Limits(cpu_s=120.0, memory_bytes=MEMORY_BYTES, stuck_s=60.0)
WORK_S, WORK_PER_S = 20.0, 3.0
"""Processor time for an utterance, and more for each second of it."""
TRIES = 2
log = structlog.get_logger()


class IsolatedWhisper:
    """Recognises one utterance after another in one child process, which is replaced if it dies.

    Args:
        folder: A model in CTranslate2's form; empty for the tiny English one.
        threads: Of the processor.
    """

    def __init__(self, folder: str = "", threads: int = 1) -> None:
        self._described = WhisperRecogniser(folder, threads)
        self._load = Load(folder, threads)
        self._child: Child | None = None
        self._turn = asyncio.Lock()
        self.name = self._described.name

    def missing(self) -> str:
        return self._described.missing()

    async def prepare(self) -> None:
        if self.missing():
            raise RecogniserUnavailableError(self.missing())
        async with self._turn:
            try:
                await self._loaded()
            except ChildDiedError as death:
                raise RecogniserUnreachableError(
                    f"{self.name} died at its start: {death}"
                ) from None

    async def recognise(self, sound: Samples, language: str) -> Recognised:
        limits = Limits(WORK_S + WORK_PER_S * len(sound) / RATE_HZ, MEMORY_BYTES)
        request, reason = Recognise(to_bytes(sound), language), ""
        async with self._turn:
            for _ in range(TRIES):
                try:
                    found = await self._asked(await self._loaded(), request, limits)
                    return Recognised(found.text, found.language)
                except ChildDiedError as death:
                    reason = str(death)
                    log.warning("a recogniser's process died", name=self.name, reason=reason)
        raise RecogniserFailedError(f"{self.name} died of this {TRIES} times: {reason}")

    async def close(self) -> None:
        await self._end()
        await self._described.close()

    async def _loaded(self) -> Child:
        if self._child is None:
            self._child = await Child.start(PROGRAM)
            await self._asked(self._child, self._load, LOAD_LIMITS)
        return self._child

    async def _asked(self, child: Child, request: Request, limits: Limits) -> Words:
        """Ask; the child is ended wherever its answer does not come whole."""
        try:
            reply = decode_reply(await child.ask(encode(request), limits))
        except BaseException:  # also cancelled: the answer would be taken for the next one's
            await self._end()
            raise
        if isinstance(reply, Failed):
            if reply.kind == "unavailable":
                raise RecogniserUnavailableError(reply.message)
            raise RecogniserFailedError(reply.message)
        assert isinstance(reply, Words)
        return reply

    async def _end(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            await child.close()
