"""Which topics there are, in which version of the keys."""

import secrets

from ..log import PartitionsMismatchError, UnusableServerError
from ..names import check_partitions, check_topic
from .connection import RedisConnection
from .keys import Keys
from .mending import mended
from .scripts import LogScripts

LAYOUT = b"2"
"""Version of the keys and of what is in them; in the first one each sequence had its own."""


class RedisTopics:
    """The part of `RedisLog` that is about topics."""

    _connection: RedisConnection
    _keys: Keys
    _scripts: LogScripts
    _probed = False

    async def declare(self, topic: str, partitions: int) -> int:
        check_topic(topic)
        check_partitions(partitions)
        if not self._probed:
            await self._scripts.probe()
            await self._check_layout()
            self._probed = True
        registry = self._keys.topics()
        commands = [
            # again: somebody may have emptied the server since, and topics need a version
            ("SET", self._keys.layout(), LAYOUT, "NX"),
            ("HSETNX", registry, topic, partitions),
            ("HGET", registry, topic),
        ]
        *_, reply = await self._connection.pipeline(commands, atomic=True)
        stored = int(reply)
        if stored != partitions:
            raise PartitionsMismatchError(
                f"topic {topic} has {stored} partitions, not {partitions}: set "
                f"RHAPSODE_PARTITIONS={stored}, or use another namespace"
            )
        return stored

    async def _check_layout(self) -> None:
        layout = self._keys.layout()
        written, version = await self._connection.pipeline(
            [("EXISTS", self._keys.topics()), ("GET", layout)], atomic=True
        )
        if version is None and not written:
            await self._connection.command("SET", layout, LAYOUT, "NX")
        elif version != LAYOUT:
            raise UnusableServerError(
                f"another version of this program wrote the log of namespace "
                f"{self._keys.namespace}: choose another with RHAPSODE_NAMESPACE, or, where the "
                "log is embedded, another folder with RHAPSODE_STATE"
            )

    async def identity(self) -> str:
        key, new = self._keys.identity(), secrets.token_hex(16)
        _, stored = await self._connection.pipeline(
            [("SET", key, new, "NX"), ("GET", key)], atomic=True
        )
        return stored.decode()

    async def topics(self) -> dict[str, int]:
        words = await self._connection.command("HGETALL", self._keys.topics())
        return {
            name.decode(): int(count) for name, count in zip(words[::2], words[1::2], strict=True)
        }

    async def mend(self, topic: str, partition: int) -> int:
        return await mended(self._connection, self._keys, topic, partition)
