"""The servers that hold the log: one, the master that Sentinels name, or those of a Cluster."""

from dataclasses import dataclass
from typing import Any, Protocol

from redis.exceptions import NoPermissionError

from .calls import info_field
from .clients import close, loop_client
from .cluster_map import Address
from .links import run_id_of
from .settings import RedisSettings


@dataclass(frozen=True, slots=True)
class Met:
    """A run of a server."""

    run: str = ""
    """Its run id; empty before the first connection, and where the user may not ask."""
    since_ms: int = 0
    """When the first connection to it was made, in its own Unix milliseconds."""


class Server:
    """Connections of an event loop to one server; ``met`` is of the newest one."""

    def __init__(self, settings: RedisSettings, address: Address | None = None) -> None:
        self.met = Met()
        self.changes = 0
        """How many times another run answered."""
        self.commands = loop_client(settings, self._greet, address)
        # a cancelled blocking read then costs no other command its connection
        self.blocking = loop_client(settings, self._greet, address)

    async def _greet(self, connection: Any) -> None:
        await connection.on_connect()
        try:
            await connection.send_command("INFO", "server")
            info = await connection.read_response()
        except NoPermissionError:
            self.met = Met()  # what the server has lost is then not noticed
            return
        run_id = run_id_of(info)
        if run_id != self.met.run:
            self.met = Met(run_id, int(info_field(info, "server_time_usec")) // 1000)
            self.changes += 1

    async def close(self) -> None:
        """Close every connection."""
        await close(self.commands)
        await close(self.blocking)


class Servers(Protocol):
    """Who has which key."""

    @property
    def changes(self) -> int:
        """How many times another run of a server answered, or a key got another server."""
        ...

    async def of(self, key: str) -> Server:
        """Return the server that has a key, any for an empty one.

        Raises:
            RedisError, OSError: nobody tells.
        """
        ...

    def met(self, key: str) -> Met:
        """Return the run of the server that has a key, as far as is known."""
        ...

    def apart(self, keys: list[str]) -> list[list[str]]:
        """Part keys into those that one command may have."""
        ...

    async def is_replicated(self) -> bool:
        """Return whether replicas may take the places, in a Cluster, of servers.

        Raises:
            RedisError, OSError: nobody tells.
        """
        ...

    def is_solved(self, error: Exception, server: Server) -> bool:
        """Take note of an error; True where the same may be asked again at once: nothing was done.

        It is the next `of` that then asks who has the key.
        """
        ...

    async def all(self) -> list[Server]:
        """Return every server that has keys.

        Raises:
            RedisError, OSError: nobody tells.
        """
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...


class OneServer:
    """`Servers` where there is one, or one at a time."""

    def __init__(self, settings: RedisSettings) -> None:
        self._server = Server(settings)

    @property
    def changes(self) -> int:
        return self._server.changes

    async def of(self, key: str) -> Server:
        del key
        return self._server

    def met(self, key: str) -> Met:
        del key
        return self._server.met

    def apart(self, keys: list[str]) -> list[list[str]]:
        return [keys]

    async def is_replicated(self) -> bool:
        return False  # what it has goes as a whole

    def is_solved(self, error: Exception, server: Server) -> bool:
        del error, server
        return False

    async def all(self) -> list[Server]:
        return [self._server]

    async def close(self) -> None:
        await self._server.close()
