"""A store in memory that remembers every put, to be looked at afterwards."""

import hashlib

from rhapsode.storage.objects.names import check_name, content_type_of
from rhapsode.storage.objects.store import StoredObject


class KeptObjects:
    """`storage.objects.Objects` in memory."""

    def __init__(self) -> None:
        self.puts: list[tuple[str, bytes]] = []
        self.files: dict[str, bytes] = {}

    async def prepare(self) -> None: ...

    async def put(self, name: str, data: bytes, content_type: str) -> None:
        assert content_type == content_type_of(name)
        self.puts.append((check_name(name), data))
        self.files[name] = data

    async def get(self, name: str) -> StoredObject | None:
        data = self.files.get(check_name(name))
        if data is None:
            return None
        return StoredObject(data, content_type_of(name), f'"{hashlib.sha256(data).hexdigest()}"')

    async def names(self, prefix: str) -> list[str]:
        return sorted(name for name in self.files if name.startswith(prefix))

    async def delete(self, name: str) -> None:
        self.files.pop(check_name(name), None)

    def url(self, name: str) -> str:
        return f"memory:{check_name(name)}"

    async def close(self) -> None: ...

    def of(self, session: str) -> dict[str, bytes]:
        """Return a session's objects, by the names its playlist uses."""
        return {
            name.partition("/")[2]: data
            for name, data in self.files.items()
            if name.startswith(f"{session}/")
        }

    def versions(self, name: str) -> list[str]:
        """Return every text an object had, oldest first."""
        return [data.decode() for put, data in self.puts if put == name]
