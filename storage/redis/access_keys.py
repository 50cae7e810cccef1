"""API keys on the server."""

import secrets
from collections.abc import Sequence

import msgspec

from ..access_keys import AccessKey
from .connection import RedisConnection

SPENT_KEPT_S = 2 * 86_400
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(AccessKey).decode


class RedisAccessKeys:
    """`storage.access_keys.AccessKeys` on a server; all of it shares a slot of its own."""

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection
        self._keys = connection.keys.access("keys")

    async def add(self, key: AccessKey) -> bool:
        return bool(await self._connection.command("HSETNX", self._keys, key.id, _encode(key)))

    async def get(self, key_id: str) -> AccessKey | None:
        stored = await self._connection.command("HGET", self._keys, key_id)
        return None if stored is None else _decode(stored)

    async def all(self) -> list[AccessKey]:
        stored = await self._connection.command("HVALS", self._keys)
        return sorted(map(_decode, stored), key=lambda key: (key.created_ms, key.id))

    async def revoke(self, key_id: str) -> bool:
        return bool(await self._connection.command("HDEL", self._keys, key_id))

    async def secret(self) -> bytes:
        place = self._connection.keys.access("secret")
        _, stored = await self._connection.pipeline(
            [("SET", place, secrets.token_bytes(32), "NX"), ("GET", place)], atomic=True
        )
        return bytes(stored)

    async def spend(self, key_id: str, day: str, chars: int) -> int:
        place = self._connection.keys.access(f"spent:{key_id}:{day}")
        total, _ = await self._connection.pipeline(
            [("INCRBY", place, chars), ("EXPIRE", place, SPENT_KEPT_S)], atomic=True
        )
        return int(total)

    async def begin(self, key_id: str, session: str, begun_ms: int) -> int:
        place = self._begun(key_id)
        _, count = await self._connection.pipeline(
            [("HSETNX", place, session, begun_ms), ("HLEN", place)], atomic=True
        )
        return int(count)

    async def unfinished(self, key_id: str) -> dict[str, int]:
        found = await self._connection.command("HGETALL", self._begun(key_id))
        pairs = zip(found[::2], found[1::2], strict=True)
        return {session.decode(): int(begun_ms) for session, begun_ms in pairs}

    async def end(self, key_id: str, sessions: Sequence[str]) -> None:
        if sessions:
            await self._connection.command("HDEL", self._begun(key_id), *sessions)

    def _begun(self, key_id: str) -> str:
        return self._connection.keys.access(f"begun:{key_id}")

    async def close(self) -> None:
        await self._connection.close()
