"""API keys in memory, for one process."""

import secrets
from collections.abc import Sequence

from ..access_keys import AccessKey


class MemoryAccessKeys:
    """`storage.access_keys.AccessKeys` for as long as the process lives."""

    def __init__(self) -> None:
        self._keys: dict[str, AccessKey] = {}
        self._secret = secrets.token_bytes(32)
        self._spent: dict[tuple[str, str], int] = {}
        self._unfinished: dict[str, set[str]] = {}

    async def add(self, key: AccessKey) -> bool:
        return self._keys.setdefault(key.id, key) is key

    async def get(self, key_id: str) -> AccessKey | None:
        return self._keys.get(key_id)

    async def all(self) -> list[AccessKey]:
        return sorted(self._keys.values(), key=lambda key: (key.created_ms, key.id))

    async def revoke(self, key_id: str) -> bool:
        return self._keys.pop(key_id, None) is not None

    async def secret(self) -> bytes:
        return self._secret

    async def spend(self, key_id: str, day: str, chars: int) -> int:
        total = self._spent[key_id, day] = self._spent.get((key_id, day), 0) + chars
        return total

    async def begin(self, key_id: str, session: str) -> int:
        sessions = self._unfinished.setdefault(key_id, set())
        sessions.add(session)
        return len(sessions)

    async def unfinished(self, key_id: str) -> list[str]:
        return sorted(self._unfinished.get(key_id, ()))

    async def end(self, key_id: str, sessions: Sequence[str]) -> None:
        self._unfinished.get(key_id, set[str]()).difference_update(sessions)

    async def close(self) -> None:
        pass
