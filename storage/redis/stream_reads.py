"""Reading from several streams, of which one command may have all, or those of one slot.

On a Cluster each slot is read by a command of its own. One that waits is not ended because another
has found something: it goes on, and who asks the same next time takes it over.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from .connection import RedisConnection
from .entries import RawEntry

STANDING_S = 10.0
"""So long the result of a read that nobody has taken over is kept."""
Found = list[tuple[str, Sequence[RawEntry]]]
_Question = tuple[Any, ...]


class StreamReads:
    """Reads from streams; close it in the end. Methods raise what `RedisConnection` does."""

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection
        self._standing: dict[_Question, tuple[float, asyncio.Task[Any]]] = {}

    async def read(
        self, positions: Mapping[str, int], limit: int, timeout_s: float, *, run: str
    ) -> Found:
        """Return entries from each stream's position on, up to so many of each.

        Where there are none it waits; it may return none before the time is over. What was asked
        in another ``run`` is not taken over.
        """
        wait_ms = max(1, int(timeout_s * 1000)) if timeout_s > 0 else 0
        commands = [
            _command({key: positions[key] for key in keys}, limit, wait_ms)
            for keys in self._connection.apart(list(positions))
        ]
        if not wait_ms:
            if len(commands) == 1:
                replies = [await self._connection.command(*commands[0])]
            else:
                replies = await self._connection.pipeline(commands)
        elif len(commands) == 1:
            replies = [await self._connection.block(*commands[0], timeout_s=timeout_s)]
        else:
            replies = await self._first(commands, timeout_s, run)
        return [(key.decode(), rows) for reply in replies for key, rows in reply or ()]

    async def _first(self, commands: list[_Question], timeout_s: float, run: str) -> list[Any]:
        """Return the replies that are there, as soon as one has found something."""
        clock = asyncio.get_running_loop().time
        end_s = clock() + timeout_s
        self._forget()
        tasks = {self._taken_over(run, words, timeout_s): words for words in commands}
        found: list[Any] = []
        try:
            while not found and (left_s := end_s - clock()) > 0:
                done, _ = await asyncio.wait(
                    tasks, timeout=left_s, return_when=asyncio.FIRST_COMPLETED
                )
                ended = {task: tasks.pop(task) for task in done}
                found = [task.result() for task in ended if not task.exception() and task.result()]
                errors = [error for task in ended if (error := task.exception()) is not None]
                # a server that is away holds up what is on others only where they have nothing
                if errors and not found:
                    raise errors[0]
                for words in ended.values():
                    if not found:
                        tasks[self._taken_over(run, words, timeout_s)] = words
        finally:
            for task, words in tasks.items():
                self._standing[run, *words] = (clock(), task)
        return found

    def _taken_over(self, run: str, words: _Question, timeout_s: float) -> "asyncio.Task[Any]":
        """Return a read that is under way, or has found something, or begin one."""
        _, task = self._standing.pop((run, *words), (0.0, None))
        if task is not None and (not task.done() or (not task.exception() and task.result())):
            return task
        begun = asyncio.create_task(self._connection.block(*words, timeout_s=timeout_s))
        begun.add_done_callback(_seen)
        return begun

    def _forget(self) -> None:
        """Let go of results that nobody asks for any more."""
        now_s = asyncio.get_running_loop().time()
        for question, (since_s, task) in list(self._standing.items()):
            if task.done() and (now_s - since_s > STANDING_S or task.exception() is not None):
                del self._standing[question]

    async def close(self) -> None:
        """End what is under way."""
        tasks = [task for _, task in self._standing.values()]
        self._standing.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _seen(task: "asyncio.Task[Any]") -> None:
    """Look at an error that nobody may ask for any more, or asyncio complains of it."""
    if not task.cancelled():
        task.exception()


def _command(positions: Mapping[str, int], limit: int, wait_ms: int) -> _Question:
    block = ("BLOCK", wait_ms) if wait_ms else ()
    after = (f"0-{max(0, position)}" for position in positions.values())
    return ("XREAD", "COUNT", limit, *block, "STREAMS", *positions, *after)
