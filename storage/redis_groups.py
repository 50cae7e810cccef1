"""Consumer groups on the server: one script, the server's clock."""

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import redis
import structlog

from .log import Beat, FencedError, GroupTimings, Heartbeat, Members, UnreachableError
from .redis_connection import (
    COMMAND_TIMEOUT_S,
    CONNECT_TIMEOUT_S,
    LUA,
    RedisConnection,
)

_PARTS = ("state", "leases", "metadata", "joined", "assignments")
log = structlog.get_logger()


def _ms(seconds: float) -> int:
    return int(seconds * 1000)


def _beat(answer: Any) -> Beat:
    generation, state, joined, leader = answer
    return Beat(int(generation), state.decode(), bool(joined), leader.decode())


def _arguments(verb: str, member: str, timings: GroupTimings, *payload: Any) -> list[Any]:
    return [
        verb,
        member,
        _ms(timings.lease_s),
        _ms(timings.rebalance_s),
        _ms(timings.initial_delay_s),
        *payload,
    ]


class RedisGroups:
    """`storage.log.Groups` on a server."""

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection

    def _keys(self, group: str) -> list[str]:
        return [self._connection.keys.group(group, part) for part in _PARTS]

    async def _run(
        self, group: str, verb: str, member: str, timings: GroupTimings, *payload: Any
    ) -> Any:
        arguments = _arguments(verb, member, timings, *payload)
        return await self._connection.run("group", self._keys(group), arguments)

    async def join(self, group: str, member: str, metadata: bytes, timings: GroupTimings) -> Beat:
        return _beat(await self._run(group, "join", member, timings, metadata))

    async def beat(self, group: str, member: str, timings: GroupTimings) -> Beat:
        return _beat(await self._run(group, "beat", member, timings))

    async def members(self, group: str) -> Members:
        generation, pairs = await self._run(group, "members", "", GroupTimings())
        metadata = {name.decode(): raw for name, raw in zip(pairs[::2], pairs[1::2], strict=True)}
        return Members(int(generation), metadata)

    async def assign(
        self, group: str, member: str, generation: int, assignments: Mapping[str, bytes]
    ) -> bool:
        flat: list[Any] = [item for pair in assignments.items() for item in pair]
        stored = await self._run(group, "assign", member, GroupTimings(), generation, *flat)
        return bool(stored)

    async def assignment(self, group: str, member: str, generation: int) -> bytes | None:
        return await self._run(group, "assignment", member, GroupTimings(), generation)

    async def leave(self, group: str, member: str) -> None:
        await self._run(group, "leave", member, GroupTimings())

    async def claim(self, group: str, generation: int, partitions: Sequence[int]) -> None:
        for partition in partitions:
            key = self._connection.keys.fence(group, partition)
            answer = await self._connection.run("claim", [key], [generation])
            if answer[0] == b"FENCED":
                raise FencedError(f"generation {int(answer[1])} owns partition {partition}")

    def heartbeat(
        self,
        group: str,
        member: str,
        timings: GroupTimings,
        interval_s: float,
        on_beat: Callable[[Beat | BaseException], None],
    ) -> Heartbeat:
        arguments = _arguments("beat", member, timings)
        return ThreadHeartbeat(
            self._connection.settings.client_url,
            self._keys(group),
            arguments,
            interval_s,
            on_beat,
        )


class ThreadHeartbeat:
    """Beats from an OS thread of its own, over a connection of its own.

    Code that keeps the event loop busy for longer than a lease must not cost the lease.
    """

    def __init__(
        self,
        url: str,
        keys: list[str],
        arguments: list[Any],
        interval_s: float,
        on_beat: Callable[[Beat | BaseException], None],
    ) -> None:
        self._url = url
        self._keys = keys
        self._arguments = arguments
        self._interval_s = interval_s
        self._on_beat = on_beat
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._thread = threading.Thread(
            target=self._run, args=(loop,), name="heartbeat", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout=self._interval_s + COMMAND_TIMEOUT_S)

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        client = redis.Redis.from_url(
            self._url,
            socket_connect_timeout=CONNECT_TIMEOUT_S,
            socket_timeout=COMMAND_TIMEOUT_S,
        )
        script = client.register_script((LUA / "group.lua").read_text())
        try:
            while not self._stopping.wait(self._interval_s):
                said: Beat | BaseException
                try:
                    said = _beat(script(keys=self._keys, args=self._arguments))
                except (redis.RedisError, OSError) as error:
                    said = UnreachableError(str(error))
                if loop.is_closed():
                    return
                loop.call_soon_threadsafe(self._on_beat, said)
        finally:
            client.close()
