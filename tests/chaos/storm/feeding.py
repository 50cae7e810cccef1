"""What goes in while the storm rages: contiguous ids for the foreign app, stories for sessions."""

import asyncio
import threading
from dataclasses import dataclass, field

import httpx

from rhapsode.storage.log import GapError, Log, SequenceBatch, UnreachableError
from rhapsode.storage.opening import open_log

from .foreign import PARTITIONS, SOURCE

PERIOD_S = 0.1
PER_PERIOD = 5
"""Ids a partition and period."""
STORY_PERIOD_S = 5.0
STORY = (
    "The lighthouse keeper climbed the stairs, as he did every night. The lamp had gone out, and "
    "somewhere a ship was waiting for it. He counted the steps, for there was nothing else to do. "
    "At the top stood a gull, and it looked at him as if it knew the way home."
)


class Feeder:
    """Appends ids to the source topic at positions, so that no retry doubles one."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._feed()), name="feeder")
        self.sent = dict.fromkeys(range(PARTITIONS), 0)
        """How many ids of each partition are stored."""

    def start(self) -> None:
        """Begin to feed."""
        self._thread.start()

    def stop(self) -> None:
        """End once all that was begun is stored."""
        self._stopping.set()
        self._thread.join(60)
        assert not self._thread.is_alive(), "the feeder is stuck"

    async def _feed(self) -> None:
        log, _ = open_log(self._url, "rhapsode")
        while not self._stopping.is_set():
            for partition in range(PARTITIONS):
                await self._append(log, partition)
            await asyncio.sleep(PERIOD_S)
        await log.close()

    async def _append(self, log: Log, partition: int) -> None:
        first = self.sent[partition]
        values = tuple(b"%d" % number for number in range(first, first + PER_PERIOD))
        key = b"p%d" % partition
        batch = SequenceBatch(SOURCE, "feed", first, first + PER_PERIOD, key, values)
        while True:
            try:
                await log.append_at(partition, [batch])
            except UnreachableError:
                await asyncio.sleep(0.1)
            except GapError:  # the server lost the end of what it had: it is sent again
                state = await log.sequence_state(SOURCE, partition, "feed")
                self.sent[partition] = state.next
                return
            else:
                self.sent[partition] = first + PER_PERIOD
                return


@dataclass
class Storyteller:
    """Posts a story every few seconds to a gateway that may be away."""

    url: str
    sessions: list[str] = field(default_factory=list[str])
    refused: int = 0
    _stopping: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to post."""
        self._thread = threading.Thread(target=self._post, name="storyteller")
        self._thread.start()

    def stop(self) -> None:
        """Post no more."""
        self._stopping.set()
        assert self._thread is not None
        self._thread.join(60)

    def _post(self) -> None:
        while not self._stopping.wait(STORY_PERIOD_S):
            try:
                answer = httpx.post(
                    f"{self.url}/v1/sessions", json={"text": STORY}, timeout=15, trust_env=False
                )
            except httpx.TransportError:
                self.refused += 1
                continue
            if answer.status_code == 201:
                self.sessions.append(str(answer.json()["session_id"]))
            else:
                assert answer.status_code == 503, answer.text
                self.refused += 1
