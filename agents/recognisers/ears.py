"""What listeners say, decoded in a process that may die, and who speaks in it."""

import asyncio
from collections.abc import Sequence

import numpy as np
import structlog

from ...codecs.audio.pcm import Samples, from_bytes
from ...codecs.records import Microphone
from ..children import Child, ChildDiedError, Limits
from .messages import Activity, Give, Listen, Request, Sound, decode_reply, encode
from .recogniser import RecogniserFailedError

PROGRAM = "rhapsode.agents.recognisers.ear_child"
LIMITS = Limits(cpu_s=20.0, memory_bytes=400_000_000)
"""Of a request and of the whole child: it takes 70 MB, and 4 for each long utterance."""
TRIES = 2
AT_ONCE = 64
"""Packets in a request."""
log = structlog.get_logger()


class Ears:
    """Listens to any number of utterances at once, in one child process."""

    def __init__(self) -> None:
        self._child: Child | None = None
        self._turn = asyncio.Lock()

    async def listen(
        self, utterance: str, packets: Sequence[bytes], known: int, microphone: Microphone
    ) -> Activity:
        """Take in an utterance.

        Args:
            utterance: Its name.
            packets: All of it so far.
            known: How many of them an earlier call has taken in.
            microphone: Their form.

        Raises:
            RecogniserFailedError: it killed the decoder twice.
        """
        reason = "it was forgotten"
        for _ in range(TRIES):
            try:
                activity = await self._listen(utterance, packets, known, microphone)
            except ChildDiedError as death:
                log.warning("a decoder died of an utterance", reason=str(death))
                reason, known = str(death), 0
                continue
            if activity.packets == len(packets):
                return activity
            known = 0  # the child is another one, or has forgotten
        raise RecogniserFailedError(f"its sound cannot be decoded: {reason}")

    async def sound(self, utterance: str) -> Samples:
        """Return the utterance's sound, 16 kHz mono; nothing where it was forgotten."""
        async with self._turn:
            reply = await self._asked(Give(utterance))
        assert isinstance(reply, Sound)
        return np.zeros(0, np.int16) if reply.pcm is None else from_bytes(reply.pcm)

    async def close(self) -> None:
        """End the child."""
        child, self._child = self._child, None
        if child is not None:
            await child.close()

    async def _listen(
        self, utterance: str, packets: Sequence[bytes], known: int, microphone: Microphone
    ) -> Activity:
        activity = Activity(known)
        async with self._turn:
            for at in range(known, max(len(packets), known + 1), AT_ONCE):
                some = tuple(packets[at : at + AT_ONCE])
                reply = await self._asked(Listen(utterance, at, some, microphone))
                assert isinstance(reply, Activity)
                activity = reply
                if activity.packets != at + len(some):
                    break
        return activity

    async def _asked(self, request: Request) -> Activity | Sound:
        child = self._child
        if child is None:
            child = self._child = await Child.start(PROGRAM)
        try:
            reply = decode_reply(await child.ask(encode(request), LIMITS))
        except BaseException:  # also cancelled: the answer would be taken for the next one's
            await self.close()
            raise
        assert isinstance(reply, Activity | Sound), reply
        return reply
