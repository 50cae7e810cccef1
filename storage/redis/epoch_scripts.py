"""The script that notes where streams end in each run of the server, as a typed function."""

from collections.abc import Mapping
from dataclasses import dataclass

from ..entries import TopicPartition
from .calls import Call, script
from .connection import RedisConnection
from .servers import Met


@dataclass(frozen=True, slots=True)
class Loss:
    """What of a stream was lost since an earlier run of the server."""

    run: str
    """The present run; empty where the user may not ask."""
    start: int
    """The first offset whose entry may be another one now, -1 for none."""


async def losses_since(
    connection: RedisConnection, since: Mapping[TopicPartition, Met]
) -> list[Loss]:
    """Tell for each partition what was lost since a run was met; in an empty one nothing was.

    Raises:
        UnreachableError, UnusableServerError: as `RedisConnection`.
    """
    calls = [
        Call(
            script("epoch"),
            [connection.keys.epochs(number), connection.keys.stream(topic, number)],
            [topic, met.run, met.since_ms],
        )
        for (topic, number), met in since.items()
    ]
    replies = await connection.run_each(calls)
    return [Loss(reply[0].decode(), int(reply[1])) for reply in replies]
