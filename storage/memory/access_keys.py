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
        self._begun: dict[str, dict[str, int]] = {}

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

    async def begin(self, key_id: str, session: str, begun_ms: int) -> int:
        sessions = self._begun.setdefault(key_id, {})
        sessions.setdefault(session, begun_ms)
        return len(sessions)

    async def unfinished(self, key_id: str) -> dict[str, int]:
        return dict(self._begun.get(key_id, {}))

    async def end(self, key_id: str, sessions: Sequence[str]) -> None:
        for session in sessions:
            self._begun.get(key_id, {}).pop(session, None)

    async def close(self) -> None:
        pass
