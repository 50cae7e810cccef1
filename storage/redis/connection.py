"""The only place that talks to Redis: connections for event loops and for threads."""

import asyncio
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Literal

from redis.exceptions import BusyLoadingError, NoPermissionError, NoScriptError, RedisError

from ..errors import UnreachableError
from .calls import Call, info_field
from .clients import close, loop_client, thread_client
from .errors import translated
from .keys import Keys
from .links import name_of, run_id_of
from .settings import RedisSettings

__all__ = ["BlockingConnection", "RedisConnection", "RedisSettings", "answers"]

MOST_COMMANDS = 16
"""Commands under way at once; more would only wait in the server, each with a connection."""
PIPELINE_COMMANDS = 64
"""Commands a round trip, which bounds what one reply can hold."""


class RedisConnection:
    """Connections of an event loop to one server.

    Replies are raw (RESP2: bytes, ints, lists). No command is ever repeated here, as an append
    that may have arrived must not be sent twice; callers repeat what may be repeated.
    All methods but `close` raise:

    * `UnreachableError`: the server does not answer or is not ready; try again
    * `UnusableServerError`: it answers but cannot serve us; the message says what to do
    """

    def __init__(self, settings: RedisSettings) -> None:
        self.settings = settings
        self.keys = Keys(settings.namespace)
        self.run_id = ""
        """Of the server that answered the newest connection; empty where it is secret."""
        self.met_ms = 0
        """When the first connection to it was made, in its own Unix milliseconds."""
        self._commands = loop_client(settings, self._greet)
        # a cancelled blocking read then costs no other command its connection
        self._blocking = loop_client(settings, self._greet)
        self._slots = asyncio.Semaphore(MOST_COMMANDS)

    async def _greet(self, connection: Any) -> None:
        await connection.on_connect()
        try:
            await connection.send_command("INFO", "server")
            info = await connection.read_response()
            run_id = run_id_of(info)
            if run_id != self.run_id:
                self.run_id, self.met_ms = run_id, int(info_field(info, "server_time_usec")) // 1000
        except NoPermissionError:
            self.run_id = ""  # what the server has lost is then not noticed

    @asynccontextmanager
    async def _free_client(self) -> AsyncGenerator[Any]:
        with _errors_translated(self.settings):
            async with self._slots, _bounded(self.settings, self.settings.command_timeout_s):
                yield self._commands

    async def command(self, *words: Any) -> Any:
        """Run one command; return the raw reply."""
        async with self._free_client() as client:
            return await client.execute_command(*words)

    async def pipeline(
        self, commands: Sequence[Sequence[Any]], *, atomic: bool = False
    ) -> list[Any]:
        """Run commands in round trips of a bounded size, or in one transaction."""
        replies: list[Any] = []
        step = len(commands) if atomic else PIPELINE_COMMANDS
        for at in range(0, len(commands), max(1, step)):
            async with self._free_client() as client:
                pipe = client.pipeline(transaction=atomic)
                for words in commands[at : at + step]:
                    pipe.execute_command(*words)
                replies += await pipe.execute()
        return replies

    async def run(self, call: Call) -> Any:
        """Run a script; give it to the server first where the server does not have it."""
        async with self._free_client() as client:
            try:
                return await client.execute_command(*call.command)
            except NoScriptError:  # a restarted server has no scripts; nothing was done yet
                await client.execute_command(*call.load_command)
                return await client.execute_command(*call.command)

    async def run_each(self, calls: Sequence[Call]) -> list[Any]:
        """Run calls of one script that may be repeated: an error does not tell which ones ran."""
        if not calls:
            return []
        first = await self.run(calls[0])  # gives the server the script where it has none
        return [first, *await self.pipeline([call.command for call in calls[1:]])]

    async def block(self, *words: Any, timeout_s: float) -> Any:
        """Run a command that makes the server wait for up to ``timeout_s``."""
        patience_s = timeout_s + self.settings.command_timeout_s
        with _errors_translated(self.settings):
            async with _bounded(self.settings, patience_s):
                return await self._blocking.execute_command(*words)

    async def close(self) -> None:
        """Close every connection."""
        await asyncio.gather(close(self._commands), close(self._blocking))


@asynccontextmanager
async def _bounded(settings: RedisSettings, patience_s: float) -> AsyncGenerator[None]:
    """Raise `UnreachableError` where the block takes longer."""
    try:
        async with asyncio.timeout(patience_s):
            yield
    except TimeoutError as error:
        raise UnreachableError(
            f"{settings.safe_url} does not answer: no reply within {patience_s:.1f} s"
        ) from error


class BlockingConnection:
    """A connection for a thread that waits for each reply; close it in the end.

    All methods but ``close`` raise as `RedisConnection` does.
    """

    def __init__(self, settings: RedisSettings, patience_s: float) -> None:
        self._settings = settings
        self._link = ""
        self._client = thread_client(
            settings,
            connect_timeout_s=min(patience_s, settings.connect_timeout_s),
            timeout_s=min(patience_s, settings.command_timeout_s),
            greet=self._greet,
        )

    def link(self) -> str:
        """Return what the server knows the connection by; empty where it must not be asked.

        A connection that was lost is made anew before.
        """
        with _errors_translated(self._settings):
            pool = self._client.connection_pool
            pool.release(pool.get_connection())
        return self._link

    def _greet(self, connection: Any) -> None:
        connection.on_connect()
        self._link = ""
        try:
            number = _asked(connection, "CLIENT", "ID")
            run_id = run_id_of(_asked(connection, "INFO", "server"))
            _asked(connection, "CLIENT", "LIST", "ID", number)
        except NoPermissionError:
            return  # its lease tells of its end
        self._link = name_of(run_id, number)

    def command(self, *words: Any) -> Any:
        """Run one command; return the raw reply."""
        with _errors_translated(self._settings):
            return self._client.execute_command(*words)

    def run(self, call: Call) -> Any:
        """Run a script; give it to the server first where the server does not have it."""
        with _errors_translated(self._settings):
            try:
                return self._client.execute_command(*call.command)
            except NoScriptError:
                self._client.execute_command(*call.load_command)
                return self._client.execute_command(*call.command)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


def answers(url: str, timeout_s: float = 2.0) -> bool:
    """Return whether a server answers at the URL and is ready to serve."""
    return readiness(url, timeout_s) == "ready"


def readiness(url: str, timeout_s: float = 2.0) -> Literal["ready", "loading", "away"]:
    """Return whether the server at the URL serves, still loads its data, or does not answer."""
    settings = RedisSettings(url)
    client = thread_client(settings, connect_timeout_s=timeout_s, timeout_s=timeout_s)
    try:
        client.execute_command("PING")
    except BusyLoadingError:
        return "loading"
    except (RedisError, OSError):
        return "away"
    finally:
        client.close()
    return "ready"


def _asked(connection: Any, *words: Any) -> Any:
    connection.send_command(*words)
    return connection.read_response()


@contextmanager
def _errors_translated(settings: RedisSettings) -> Generator[None]:
    try:
        yield
    except (RedisError, OSError) as error:
        raise translated(error, settings.safe_url) from error
