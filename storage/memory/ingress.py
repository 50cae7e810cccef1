"""What foreign programs leave for a log in memory, and waiting for what comes."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from ..log import IngressEntry
from ..names import check_topic

T = TypeVar("T")


def wall_clock_ms() -> int:
    """Return Unix milliseconds."""
    return time.time_ns() // 1_000_000


class MemoryIngress:
    """The part of `MemoryLog` that foreign programs write to."""

    def __init__(self, clock_ms: Callable[[], int]) -> None:
        self._clock_ms = clock_ms
        self._ingress: dict[str, list[IngressEntry]] = {}
        self._ingress_count = 0
        self._grown = asyncio.Event()

    def _wake(self) -> None:
        grown, self._grown = self._grown, asyncio.Event()
        grown.set()

    async def _waited_for(self, find: Callable[[], T], timeout_s: float) -> T:
        """Return what is found, at the latest after so long."""
        end = time.monotonic() + timeout_s
        while True:
            grown = self._grown
            found, left = find(), end - time.monotonic()
            if found or left <= 0:
                await asyncio.sleep(0)  # as with a server, a loop of reads lets others run
                return found
            try:
                async with asyncio.timeout(left):  # `wait_for` would lose a cancellation
                    await grown.wait()
            except TimeoutError:
                return find()

    def leave_at_ingress(self, topic: str, fields: Mapping[bytes, bytes]) -> str:
        """Append an entry to the ingress key as a foreign program would; return its id."""
        self._ingress_count += 1
        now = self._clock_ms()
        entry = IngressEntry(f"{now}-{self._ingress_count}", now, dict(fields))
        self._ingress.setdefault(topic, []).append(entry)
        self._wake()
        return entry.id

    async def read_ingress(
        self, topic: str, *, limit: int = 100, timeout_s: float = 0.0
    ) -> list[IngressEntry]:
        check_topic(topic)
        return await self._waited_for(lambda: self._ingress.get(topic, [])[:limit], timeout_s)

    async def drop_ingress(self, topic: str, ids: Sequence[str]) -> None:
        left = [entry for entry in self._ingress.get(check_topic(topic), []) if entry.id not in ids]
        self._ingress[topic] = left
