"""Where all of the log meets Redis: connections of an event loop, to one server or a Cluster."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterable, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar

from redis.exceptions import MovedError, NoScriptError, RedisError

from ..errors import UnreachableError
from .calls import Call
from .cluster import ClusterServers
from .errors import translated
from .keys import Keys
from .servers import Met, OneServer, Server, Servers
from .settings import RedisSettings

__all__ = ["RedisConnection", "RedisSettings"]

MOST_COMMANDS = 16
"""Commands under way at once; more would only wait in the server, each with a connection."""
PIPELINE_COMMANDS = 64
"""Commands a round trip, which bounds what one reply can hold."""
MOST_MOVES = 5
"""So often a command follows a slot that moves meanwhile."""
_KEYLESS = frozenset({"CLIENT LIST", "INFO", "PING"})
T = TypeVar("T")
Words = Sequence[Any]
"""A command with its arguments."""


class RedisConnection:
    """Connections of an event loop to what the settings name.

    Replies are raw (RESP2: bytes, ints, lists). No command is ever repeated here, as an append
    that may have arrived must not be sent twice; callers repeat what may be repeated.
    All methods but `close` raise:

    * `UnreachableError`: the server does not answer or is not ready; try again
    * `UnusableServerError`: it answers but cannot serve us; the message says what to do
    """

    def __init__(self, settings: RedisSettings) -> None:
        self.settings = settings
        self.keys = Keys(settings.namespace)
        self._servers: Servers = ClusterServers(settings) if settings.nodes else OneServer(settings)
        self._slots = asyncio.Semaphore(MOST_COMMANDS)

    @property
    def is_cluster(self) -> bool:
        """Whether partitions are on several servers."""
        return bool(self.settings.nodes)

    @property
    def changes(self) -> int:
        """How many times another run of a server answered, or a key got another server."""
        return self._servers.changes

    def met(self, key: str) -> Met:
        """Return the run of the server that has a key, as far as is known."""
        return self._servers.met(key)

    def apart(self, keys: list[str]) -> list[list[str]]:
        """Part keys into those that one command may have."""
        return self._servers.apart(keys)

    @asynccontextmanager
    async def _slot(self) -> AsyncGenerator[None]:
        with _errors_translated(self.settings):
            async with self._slots, _bounded(self.settings, self.settings.command_timeout_s):
                yield

    async def _at(self, key: str, do: Callable[[Server], Awaitable[T]]) -> T:
        """Do something with the server that has a key, wherever that is by now."""
        for _ in range(MOST_MOVES):
            server = await self._servers.of(key)
            try:
                return await do(server)
            except (RedisError, OSError) as error:
                if not self._servers.is_solved(error, server):
                    raise
        raise UnreachableError(f"{self.settings.safe_url} moves a slot again and again")

    async def command(self, *words: Any, beside: str = "") -> Any:
        """Run one command; return the raw reply.

        One that has no key is for any server, or for the one that has the key ``beside``.
        """
        async with self._slot():
            return await self._at(
                beside or _key_of(words), lambda server: server.commands.execute_command(*words)
            )

    async def each(self, *words: Any) -> list[Any]:
        """Run a command that has no key on every server."""
        async with self._slot():
            servers = await self._servers.all()
            return [await server.commands.execute_command(*words) for server in servers]

    async def pipeline(self, commands: Sequence[Words], *, atomic: bool = False) -> list[Any]:
        """Run commands in round trips of a bounded size, or in one transaction."""
        if atomic:
            async with self._slot():
                return await self._at(
                    _key_of(commands[0]), lambda server: _executed(server, commands, atomic=True)
                )
        replies = await self._replies(commands)
        for reply in replies:
            if isinstance(reply, Exception):
                with _errors_translated(self.settings):
                    raise reply
        return replies

    async def _replies(self, commands: Sequence[Words]) -> list[Any]:
        """Return the replies to commands; one that was refused has its error."""
        replies: list[Any] = []
        for at in range(0, len(commands), PIPELINE_COMMANDS):
            async with self._slot():
                replies += await self._round_trip(commands[at : at + PIPELINE_COMMANDS])
        return replies

    async def _round_trip(self, commands: Sequence[Words]) -> list[Any]:
        parted: dict[Server, list[int]] = {}
        for number, words in enumerate(commands):
            parted.setdefault(await self._servers.of(_key_of(words)), []).append(number)
        replies: list[Any] = [None] * len(commands)
        for server, numbers in parted.items():
            here = [commands[number] for number in numbers]
            try:
                answers = await _executed(server, here)
            except (RedisError, OSError) as error:
                self._servers.is_solved(error, server)
                raise
            for number, words, answer in zip(numbers, here, answers, strict=True):
                replies[number] = answer
                if isinstance(answer, MovedError) and self._servers.is_solved(answer, server):
                    replies[number] = await self._at(
                        _key_of(words),
                        lambda server, words=words: server.commands.execute_command(*words),
                    )
        return replies

    async def run(self, call: Call) -> Any:
        """Run a script; give it to the server first where the server does not have it."""

        async def run(server: Server) -> Any:
            try:
                return await server.commands.execute_command(*call.command)
            except NoScriptError:  # a restarted server has no scripts; nothing was done yet
                await server.commands.execute_command(*call.load_command)
                return await server.commands.execute_command(*call.command)

        async with self._slot():
            return await self._at(call.keys[0], run)

    async def run_each(self, calls: Sequence[Call]) -> list[Any]:
        """Run calls of one script that may be repeated: an error does not tell which ones ran."""
        if not calls:
            return []
        replies = [await self.run(calls[0])]  # gives the server the script where it has none
        replies += await self._replies([call.command for call in calls[1:]])
        for number, reply in enumerate(replies):
            if isinstance(reply, NoScriptError):  # another server of a Cluster
                replies[number] = await self.run(calls[number])
            elif isinstance(reply, Exception):
                with _errors_translated(self.settings):
                    raise reply
        return replies

    async def block(self, *words: Any, timeout_s: float) -> Any:
        """Run a command that makes the server wait for up to ``timeout_s``."""
        patience_s = timeout_s + self.settings.command_timeout_s
        with _errors_translated(self.settings):
            async with _bounded(self.settings, patience_s):
                return await self._at(
                    _key_of(words), lambda server: server.blocking.execute_command(*words)
                )

    async def replicate(self, keys: Iterable[str], timeout_s: float) -> bool:
        """Write to the servers of hashes; return whether replicas have that, and all before it.

        It returns after so long in any case, and at once where there are no replicas.
        """
        async with self._slot():
            if not await self._servers.is_replicated():
                return True
            on = {await self._servers.of(key): key for key in keys}
        return all(await asyncio.gather(*(self._replicate(key, timeout_s) for key in on.values())))

    async def _replicate(self, key: str, timeout_s: float) -> bool:
        # WAIT is about what its own connection has written
        words = (("HSET", key, "at", 1), ("WAIT", 1, max(1, int(1000 * timeout_s))))

        async def write_and_wait(server: Server) -> bool:
            answers = await _executed(server, words)
            for answer in answers:
                if isinstance(answer, Exception):
                    raise answer
            return answers[-1] > 0

        async with self._slot():
            return await self._at(key, write_and_wait)

    async def close(self) -> None:
        """Close every connection."""
        await self._servers.close()


async def _executed(
    server: Server, commands: Sequence[Words], *, atomic: bool = False
) -> list[Any]:
    """Run commands in one round trip; outside a transaction, an error is a reply like others."""
    pipe = server.commands.pipeline(transaction=atomic)
    for words in commands:
        pipe.execute_command(*words)
    return await pipe.execute(raise_on_error=atomic)


def _key_of(words: Words) -> str:
    """Return a key of a command, which tells where to send it; empty for none."""
    command = words[0]
    if command in _KEYLESS:
        return ""
    if command == "XREAD":
        return words[words.index("STREAMS") + 1]
    return words[3 if command == "EVALSHA" else 1]


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


@contextmanager
def _errors_translated(settings: RedisSettings) -> Generator[None]:
    try:
        yield
    except (RedisError, OSError) as error:
        raise translated(error, settings.safe_url) from error
