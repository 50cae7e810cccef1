"""A voice of native code in processes of its own: what kills it is heard by nobody else."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

import structlog

from ...codecs.text.sentences import estimated_s
from ..children import Child, ChildDiedError, Limits
from ..turns import Turns
from .described import DescribedBy
from .messages import Failed, Load, Loaded, Reply, Request, Said, Say, raised, spoken
from .messages import decode_reply as decode
from .messages import encode as encoded
from .voice import Spoken, Utterance, Voice, VoiceFailedError, VoiceUnreachableError

PROGRAM = "rhapsode.agents.voices.child"
MEMORY_BYTES = 800_000_000
"""Of one child. Piper takes 260 MB, and up to 400 MB more for a text of emoji (measured)."""
LOAD_LIMITS = Limits(cpu_s=120.0, memory_bytes=MEMORY_BYTES, stuck_s=60.0)
QUICK_S, QUICK_PER_SPEECH, QUICK_FACTORS = 2.0, 0.5, 4.0
"""What an utterance may take while others wait for the turn that it holds: seconds of work, and
for a second of speech so much, or so many times what the voice usually takes. What needs longer is
spoken beside the turns."""
WORK_S = 20.0
"""Processor time that any text may take."""
WORK_PER_SPEECH = 4.0
"""Seconds of work for a second of speech: 5 times what voices take that `auto` still asks."""
GROWTH_BYTES = 150_000_000
"""A child that has grown by so much is replaced: what it freed it may never give back."""
SPARE_AFTER_S = 1.0
"""The first child's first utterance is not kept waiting by the start of the spare."""
MOST_KILLS = 5
"""From outside over one utterance; then it counts against the utterance all the same, as the
kernel may have killed the child for want of memory."""
log = structlog.get_logger()


@dataclass(slots=True)
class _Pool:
    """Children that are loaded and idle, and those on their way."""

    idle: "asyncio.Queue[Child | Exception]" = field(
        default_factory=asyncio.Queue[Child | Exception]
    )
    starting: int = 0
    children: set[Child] = field(default_factory=set[Child])
    """All that are alive."""


class IsolatedVoice(DescribedBy):
    """Speaks with children of `voice.child`, one utterance at a time each.

    A child that dies of an utterance, or goes beyond its limits, is replaced; a spare one serves
    the next utterance meanwhile. The utterance is tried once more in a child that nobody else has,
    without holding a turn, and with more time; if that one dies too, this voice cannot say it.

    Args:
        voice: Answers what is cheap (name, languages, what is missing); it is never loaded.
        factory: Where children find it, ``module:Class``.
        options: Keyword arguments for it.
        turns: Who speaks next.
    """

    def __init__(
        self,
        voice: Voice,
        factory: str,
        options: dict[str, Any] | None = None,
        *,
        turns: Turns | None = None,
    ) -> None:
        super().__init__(voice)
        self._load = Load(factory, options or {})
        self._turns = turns or Turns(1)
        self._pool = _Pool()
        self._quarantine = asyncio.Semaphore(1)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._loaded_bytes = 0
        self._closed = False
        self.real_time_factor = 0.0
        """Seconds of work for a second of speech; 0 where the voice does not measure it."""

    async def prepare(self) -> None:
        if self._pool.children:
            return
        child = await self._loaded_child()
        self._pool.idle.put_nowait(child)
        self._start_spare(after_s=SPARE_AFTER_S)

    async def speak(self, utterance: Utterance) -> Spoken:
        kills = 0
        while True:
            try:
                async with self._turns.take(utterance.due):
                    return await self._said(await self._taken(), utterance)
            except ChildDiedError as death:
                self._report(death, utterance)
                kills += 1
                if not death.from_outside or kills == MOST_KILLS:
                    break
        return await self._in_quarantine(utterance)

    async def close(self) -> None:
        self._closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*map(self._discard, tuple(self._pool.children)))
        self._pool = _Pool()

    async def _in_quarantine(self, utterance: Utterance) -> Spoken:
        async with self._quarantine:
            child = await self._loaded_child()
            try:
                return await self._asked(child, utterance, _patient(utterance))
            except ChildDiedError as death:
                self._report(death, utterance)
                raise VoiceFailedError(f"{self.name} died of this twice: {death}") from None
            finally:
                await self._discard(child)

    async def _said(self, child: Child, utterance: Utterance) -> Spoken:
        """Speak with a child of the pool, which gets it back, also where this is cancelled."""
        asking = self._in_background(self._asked(child, utterance, self._quick(utterance)))
        asking.add_done_callback(lambda _: self._give_back(child, died=_died(asking)))
        return await asyncio.shield(asking)

    def _quick(self, utterance: Utterance) -> Limits:
        per_speech = max(QUICK_PER_SPEECH, QUICK_FACTORS * self.real_time_factor)
        return Limits(QUICK_S + per_speech * estimated_s(utterance.text), MEMORY_BYTES)

    async def _asked(self, child: Child, utterance: Utterance, limits: Limits) -> Spoken:
        reply = await _reply(child, Say(utterance.text, utterance.settings), limits)
        assert isinstance(reply, Said)
        return spoken(reply)

    async def _taken(self) -> Child:
        """Return an idle child, and see that there will be another one."""
        if self._pool.idle.empty() and not self._pool.starting:
            self._start_spare()
        child = await self._pool.idle.get()
        if isinstance(child, Exception):
            raise child
        if self._pool.idle.empty() and not self._pool.starting:
            self._start_spare(after_s=SPARE_AFTER_S)
        return child

    def _start_spare(self, after_s: float = 0.0) -> None:
        self._pool.starting += 1
        self._in_background(self._spare(after_s))

    async def _spare(self, after_s: float) -> None:
        try:
            await asyncio.sleep(after_s)
            self._pool.idle.put_nowait(await self._loaded_child())
        except Exception as error:  # noqa: BLE001 - whoever waits for the child raises it
            self._pool.idle.put_nowait(error)
        finally:
            self._pool.starting -= 1

    async def _loaded_child(self) -> Child:
        reason = ""
        for _ in range(MOST_KILLS):
            if self._closed:
                raise VoiceUnreachableError(f"{self.name} is closed")
            child = await Child.start(PROGRAM)
            self._pool.children.add(child)
            try:
                reply = await _reply(child, self._load, LOAD_LIMITS)
            except ChildDiedError as death:
                await self._discard(child)
                reason = f"{self.name} died while it was loaded: {death}"
                if not death.from_outside:
                    break
            except BaseException:
                await self._discard(child)
                raise
            else:
                assert isinstance(reply, Loaded)
                self.real_time_factor = reply.real_time_factor
                self._loaded_bytes = child.memory_bytes()
                return child
        raise VoiceUnreachableError(reason)

    def _give_back(self, child: Child, *, died: bool) -> None:
        grown = child.memory_bytes() > self._loaded_bytes + GROWTH_BYTES
        surplus = self._pool.idle.qsize() > self._turns.at_once
        if died or grown or surplus:
            self._in_background(self._discard(child))
        else:
            self._pool.idle.put_nowait(child)

    async def _discard(self, child: Child) -> None:
        await child.close()
        self._pool.children.discard(child)

    def _in_background(self, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _report(self, death: ChildDiedError, utterance: Utterance) -> None:
        log.warning(
            "a voice's process died",
            voice=self.name,
            reason=str(death),
            text=utterance.text[:200],
            from_outside=death.from_outside,
        )


def _patient(utterance: Utterance) -> Limits:
    return Limits(WORK_S + WORK_PER_SPEECH * estimated_s(utterance.text), MEMORY_BYTES)


def _died(asking: "asyncio.Task[Any]") -> bool:
    return asking.cancelled() or isinstance(asking.exception(), ChildDiedError)


async def _reply(child: Child, request: Request, limits: Limits) -> Reply:
    reply = decode(await child.ask(encoded(request), limits))
    if isinstance(reply, Failed):
        raise raised(reply)
    return reply
