"""Consumer groups on the server: one script, the server's clock."""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import redis

from ..errors import FencedError
from ..groups import Beat, GroupTimings, Heartbeat, Members
from .connection import RedisConnection, RedisSettings, script_text
from .errors import explained
from .heartbeat import ThreadHeartbeat

_PARTS = ("state", "leases", "metadata", "joined", "assignments")


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))


def _beat(answer: Any) -> Beat:
    generation, state, joined, leader = answer
    return Beat(int(generation), state.decode(), bool(joined), leader.decode())


def _arguments(verb: str, member: str, timings: GroupTimings, *payload: Any) -> list[Any]:
    return [
        verb,
        member,
        _ms(timings.lease_s),
        _ms(timings.rebalance_s),
        round(timings.initial_delay_s * 1000),
        *payload,
    ]


class RedisGroups:
    """`storage.groups.Groups` on a server."""

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
        calls = [
            ([self._connection.keys.fence(group, partition)], [generation])
            for partition in partitions
        ]
        answers = await self._connection.run_each("claim", calls)
        for partition, answer in zip(partitions, answers, strict=True):
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
        settings, keys = self._connection.settings, self._keys(group)

        @contextmanager
        def connect() -> Generator[Callable[[], Beat]]:
            with _blocking_client(settings, timings.lease_s) as client:
                script = client.register_script(script_text("group"))

                def beat() -> Beat:
                    try:
                        answer = script(keys=keys, args=_arguments("beat", member, timings))
                    except (redis.RedisError, OSError) as error:
                        raise explained(error, settings.safe_url) from error
                    return _beat(answer)

                yield beat

        return ThreadHeartbeat(connect, interval_s, on_beat)


@contextmanager
def _blocking_client(settings: RedisSettings, lease_s: float) -> Generator[Any]:
    """Yield a client for a thread; an answer that comes after the lease is no use."""
    patience_s = min(max(lease_s, 0.2), settings.command_timeout_s)
    client = redis.Redis.from_url(
        settings.client_url,
        socket_connect_timeout=min(patience_s, settings.connect_timeout_s),
        socket_timeout=patience_s,
        retry=None,
        protocol=2,
    )
    try:
        yield client
    finally:
        client.close()
