"""Plain streams that other programs write to, and a gateway takes from."""

from collections.abc import Sequence

from ..log import IngressEntry
from .connection import RedisConnection
from .keys import Keys


class RedisIngress:
    """The part of `RedisLog` that is about ingress keys."""

    _connection: RedisConnection
    _keys: Keys

    async def read_ingress(
        self, topic: str, *, limit: int = 100, timeout_s: float = 0.0
    ) -> list[IngressEntry]:
        key = self._keys.ingress(topic)
        # zero would wait for ever
        words = ("XREAD", "COUNT", limit, "BLOCK", max(1, int(timeout_s * 1000)))
        found = await self._connection.block(*words, "STREAMS", key, "0-0", timeout_s=timeout_s)
        rows = found[0][1] if found else ()
        return [
            IngressEntry(
                identity.decode(),
                int(identity.partition(b"-")[0]),
                dict(zip(words[::2], words[1::2], strict=True)),
            )
            for identity, words in rows
        ]

    async def drop_ingress(self, topic: str, ids: Sequence[str]) -> None:
        if ids:
            await self._connection.command("XDEL", self._keys.ingress(topic), *ids)
