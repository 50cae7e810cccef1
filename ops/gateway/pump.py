"""The pump: what foreign programs left on the ingress key gets its place in ``text``."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import structlog

from ...codecs.encoding import MalformedError, check_session, pack, text_from_fields
from ...codecs.records import DeadLetter, Text
from ...storage.log import (
    IngressEntry,
    Log,
    LogError,
    NewEntry,
    UnreachableError,
    partition_of,
)
from ...topologies.keyed_runner import batches

IDLE_S = 0.05
log = structlog.get_logger()


class Pump:
    """Moves entries from ``<namespace>:in:text`` to the topic.

    Any number may run at once: the session id of an entry that names none follows from the
    entry's id, so an entry that is pumped twice falls on the place it took before.
    """

    def __init__(self, log: Log, partitions: int) -> None:
        self._log = log
        self._partitions = partitions

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Pump until the block is left."""
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                task.result()  # a bug that ended it early is raised here

    async def _run(self) -> None:
        pause = IDLE_S
        while True:
            try:
                moved = await self.pump_once()
                pause = IDLE_S
            except (UnreachableError, LogError) as error:
                log.warning("the log takes no texts, trying again", error=str(error))
                moved, pause = 0, min(2 * pause, 2.0)
            if not moved:
                await asyncio.sleep(pause)

    async def pump_once(self) -> int:
        """Move what waits; return how many entries."""
        entries = await self._log.read_ingress(Text.TOPIC)
        for entry in entries:
            try:
                await self._place(entry)
            except MalformedError as error:
                await self._bury(entry, str(error))
        if entries:
            await self._log.drop_ingress(Text.TOPIC, [entry.id for entry in entries])
        return len(entries)

    async def _place(self, entry: IngressEntry) -> None:
        session = check_session(f"in-{entry.id}")
        text = text_from_fields(entry.fields, session, entry.timestamp_ms)
        partition = partition_of(text.key.encode(), self._partitions)
        await self._log.append_at(partition, batches((text,)))

    async def _bury(self, entry: IngressEntry, reason: str) -> None:
        value = b" ".join(name + b"=" + content for name, content in entry.fields.items())
        letter = DeadLetter(
            session="",
            stage="pump",
            topic=f"in:{Text.TOPIC}",
            partition=0,
            offset=int(entry.id.partition("-")[0]),
            reason=reason[:1000],
            value=value[:32_000],
        )
        await self._log.append(
            DeadLetter.TOPIC, 0, [NewEntry(key=entry.id.encode(), value=pack(letter))]
        )
