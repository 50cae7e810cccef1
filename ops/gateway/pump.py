"""The pump: what foreign programs left on an ingress key is taken in."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from time import monotonic
from typing import Protocol

import structlog

from ...agents.journal import UnknownSessionError
from ...codecs.encoding import MalformedError, encode
from ...codecs.records import DeadLetter
from ...storage.errors import ForeignStreamError
from ...storage.log import (
    IngressEntry,
    Log,
    LogError,
    NewEntry,
    UnreachableError,
    UnusableServerError,
)
from ...storage.objects.store import ObjectsUnreachableError
from ..refusals import ConflictError, QuotaError, SessionClosedError
from .background import Background

WAITS_S = 5.0
"""For an entry."""
HELD_PAUSE_S = 0.05
"""Between two looks whether those that wait can be moved."""
FIRST_PAUSE_S = 0.05
HELD_S = 30.0
"""An entry waits for so long whose object cannot be looked up, or whose partition stands still, and
its session's next ones do."""
REFUSALS = (MalformedError, ConflictError, SessionClosedError, UnknownSessionError, QuotaError)
log = structlog.get_logger()


class Door(Protocol):
    """Where the entries of one ingress key go."""

    @property
    def topic(self) -> str:
        """The topic that the key is named after."""
        ...

    def holds_up(self, entry: IngressEntry) -> bytes:
        """Return what an entry that has to wait holds up: later ones with the same."""
        ...

    async def accept(self, entry: IngressEntry) -> None:
        """Take an entry, which may have been taken before.

        Raises:
            MalformedError, ConflictError, SessionClosedError, UnknownSessionError, QuotaError: it
                is not taken.
            ObjectsUnreachableError: it cannot be looked up now.
            ForeignStreamError: its partition stands still.
            UnreachableError, LogError: the log does not answer, or cannot serve us.
        """
        ...


class Pump:
    """Moves entries from an ingress key, ``<namespace>:in:<topic>``, into the log.

    Any number may run at once: what an entry becomes has the entry's id, or its own position, so an
    entry that is moved twice is stored once.

    Args:
        log_: That has the key.
        door: Takes the entries.
    """

    def __init__(self, log_: Log, door: Door) -> None:
        self._log = log_
        self._door = door
        self.background = Background(f"taking entries from the ingress key in:{door.topic}")
        self._held_since_s: dict[str, float] = {}
        """By id of entries that wait for the object source."""

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Pump until the block is left."""
        async with self.background.running(self._run):
            yield

    async def _run(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                moved = await self.pump_once(WAITS_S)
                pause_s = FIRST_PAUSE_S
            except (UnreachableError, LogError) as error:
                log.warning("the log takes no items, trying again", error=str(error))
                pause_s = min(2 * pause_s, 2.0)
                await asyncio.sleep(pause_s)
                continue
            if self._held_since_s and not moved:
                await asyncio.sleep(HELD_PAUSE_S)

    async def pump_once(self, timeout_s: float = 0.0) -> int:
        """Move what is there, or comes in so long; return how many entries."""
        entries = await self._log.read_ingress(self._door.topic, timeout_s=timeout_s)
        there = {entry.id for entry in entries}
        self._held_since_s = {one: at for one, at in self._held_since_s.items() if one in there}
        done: list[str] = []
        held: set[bytes] = set()
        for entry in entries:
            held_up = self._door.holds_up(entry)
            if held_up not in held and await self._is_dealt_with(entry):
                done.append(entry.id)
            else:
                held.add(held_up)
        if done:
            await self._log.drop_ingress(self._door.topic, done)
        return len(done)

    async def _is_dealt_with(self, entry: IngressEntry) -> bool:
        """Move an entry or make it a dead letter; return False where it has to wait."""
        try:
            await self._door.accept(entry)
        except REFUSALS as error:
            await self._dead_letter(entry, str(error))
        except (ObjectsUnreachableError, ForeignStreamError) as error:
            since_s = self._held_since_s.setdefault(entry.id, monotonic())
            if monotonic() - since_s < HELD_S:
                return False
            place = "log" if isinstance(error, ForeignStreamError) else "object source"
            await self._dead_letter(entry, f"the {place} was out of reach: {error}")
        except (UnreachableError, UnusableServerError):
            raise
        except Exception as error:  # a bug that one entry shows must not stop those behind it
            log.exception("bug while moving an ingress entry", entry=entry.id)
            await self._dead_letter(entry, f"a bug in the pump: {error!r}")
        self._held_since_s.pop(entry.id, None)
        return True

    async def _dead_letter(self, entry: IngressEntry, reason: str) -> None:
        value = b" ".join(name + b"=" + content for name, content in entry.fields.items())
        log.warning("ingress entry refused", entry=entry.id, reason=reason)
        letter = DeadLetter(
            session="",
            stage="pump",
            topic=f"in:{self._door.topic}",
            partition=0,
            offset=int(entry.id.partition("-")[0]),
            reason=reason[:1000],
            value=value[:32_000],
        )
        new = NewEntry(key=entry.id.encode(), value=encode(letter))
        try:
            await self._log.append(DeadLetter.TOPIC, 0, [new])
        except ForeignStreamError as error:  # which must not hold up those behind it
            log.warning("dead letter not kept", entry=entry.id, why=str(error))
