"""Putting aside what somebody else wrote to a stream of the log."""

from .calls import Call, script
from .connection import RedisConnection
from .keys import Keys

MEND_ENTRIES = 500
"""In one call of the script, which nothing else on the server runs beside."""


async def mended(connection: RedisConnection, keys: Keys, topic: str, partition: int) -> int:
    """Put it aside; return how many entries that was.

    Raises:
        ForeignStreamError: the key holds no stream.
        UnreachableError: the server does not answer; doing it again goes on where it ended.
    """
    names = [key(topic, partition) for key in (keys.stream, keys.mended, keys.aside)]
    put_aside, more = 0, True
    while more:
        _, some, more = await connection.run(Call(script("mend"), names, [MEND_ENTRIES]))
        put_aside += int(some)
    return put_aside
