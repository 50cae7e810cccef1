"""A store in memory that remembers every put, to be looked at afterwards."""

from rhapsode.storage.objects.memory import MemoryObjects
from rhapsode.storage.objects.names import content_type_of


class RecordedObjects(MemoryObjects):
    """`storage.objects.store.Objects` in memory, with its history."""

    def __init__(self) -> None:
        super().__init__()
        self.puts: list[tuple[str, bytes]] = []
        """(name, data) of every put, oldest first."""

    async def put(self, name: str, data: bytes, content_type: str) -> None:
        assert content_type == content_type_of(name)
        await super().put(name, data, content_type)
        self.puts.append((name, data))

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
