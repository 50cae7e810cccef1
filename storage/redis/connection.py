"""The one door to Redis: settings, clients, scripts, and what its errors mean to us."""

import asyncio
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from hashlib import sha1
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import redis
import redis.asyncio
from redis.exceptions import NoScriptError, RedisError

from ..errors import UnreachableError, UnusableServerError
from ..names import check_namespace
from .errors import explained, failed_probe
from .keys import Keys

CONNECT_TIMEOUT_S = 3.0
COMMAND_TIMEOUT_S = 10.0
MOST_COMMANDS = 16
"""Commands under way at once; more would only wait in the server, each with a connection."""
PIPELINE = 64
"""Commands a round trip, which bounds what one reply can hold."""
SCHEMES = ("redis", "rediss", "valkey", "valkeys", "unix")
LUA = Path(__file__).parent / "lua"


@dataclass(frozen=True, slots=True)
class RedisSettings:
    """Which server and which part of it.

    Raises:
        UnusableServerError: the URL is none, or its scheme none of redis, rediss, valkey, unix.
        ValueError: the namespace is none.
    """

    url: str = field(repr=False)
    """Such as ``redis://user:password@host:6379/0``, ``rediss://…`` or ``unix:///path``."""
    namespace: str = "rhapsode"
    connect_timeout_s: float = CONNECT_TIMEOUT_S
    command_timeout_s: float = COMMAND_TIMEOUT_S
    """Also what a blocking read may take beyond the time it was told to wait."""

    def __post_init__(self) -> None:
        check_namespace(self.namespace)
        # neither message may repeat the URL: what cannot be read may be a password
        try:
            parts = urlsplit(self.url)
            scheme, _ = parts.scheme, parts.port
        except ValueError:
            raise UnusableServerError(
                "the log's URL cannot be read: it looks like redis://user:password@host:6379/0"
            ) from None
        if scheme not in SCHEMES:
            raise UnusableServerError(
                "the log's URL has an unknown scheme: use redis://, rediss:// or unix://"
            )

    @property
    def safe_url(self) -> str:
        """The URL without user, password and options, fit for a message."""
        parts = urlsplit(self.url)
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"

    @property
    def client_url(self) -> str:
        """The URL as redis-py knows it."""
        scheme, separator, rest = self.url.partition("://")
        return scheme.replace("valkey", "redis") + separator + rest


def script_text(name: str) -> str:
    """Return a server-side function's source."""
    return (LUA / f"{name}.lua").read_text(encoding="utf-8")


class RedisConnection:
    """Clients of one server, their scripts loaded by digest.

    Replies are raw (RESP2: bytes, ints, lists). No command is ever repeated here, for an append
    that may have arrived must not be said twice; who repeats knows what it is doing.
    """

    def __init__(self, settings: RedisSettings) -> None:
        self.settings = settings
        self.keys = Keys(settings.namespace)
        self._commands = self._client(settings.command_timeout_s)
        # a blocking read is silent on purpose, so it has connections of its own, without the
        # client's time-out; a cancelled read then costs no other command its connection
        self._blocking = self._client(None)
        self._probed = False
        self._room = asyncio.Semaphore(MOST_COMMANDS)
        self._scripts = {path.stem: script_text(path.stem) for path in sorted(LUA.glob("*.lua"))}
        self._digests = {
            name: sha1(text.encode(), usedforsecurity=False).hexdigest()
            for name, text in self._scripts.items()
        }

    def _client(self, timeout_s: float | None) -> Any:
        client: Any = redis.asyncio.Redis.from_url(
            self.settings.client_url,
            socket_connect_timeout=self.settings.connect_timeout_s,
            socket_timeout=timeout_s,
            retry=None,
            protocol=2,
        )
        client.response_callbacks.clear()
        return client

    @contextmanager
    def _explained(self) -> Generator[None]:
        try:
            yield
        except (RedisError, OSError) as error:
            raise explained(error, self.settings.safe_url) from error

    @asynccontextmanager
    async def _client_at_hand(self) -> AsyncGenerator[Any]:
        with self._explained():
            async with self._room:
                yield self._commands

    async def probe(self) -> None:
        """See once whether the server can hold a log: by what it does, not by its version.

        Raises:
            UnreachableError: the server does not answer or is not ready.
            UnusableServerError: it is too old, or throws keys away when memory is short.
        """
        if self._probed:
            return
        word, *why = await self.run("probe", [self.keys.probe()], [])
        if word != b"OK":
            raise failed_probe(word, why[0], self.settings.safe_url)
        self._probed = True

    async def command(self, *words: Any) -> Any:
        """Run one command; return the raw reply.

        Raises:
            UnreachableError: the server does not answer or is not ready.
            UnusableServerError: it answers but cannot serve us.
        """
        async with self._client_at_hand() as client:
            return await client.execute_command(*words)

    async def pipeline(
        self, commands: Sequence[Sequence[Any]], *, atomic: bool = False
    ) -> list[Any]:
        """Run commands in as few round trips as is decent, or as one transaction.

        Raises:
            UnreachableError: the server does not answer or is not ready.
            UnusableServerError: it answers but cannot serve us.
        """
        replies: list[Any] = []
        step = len(commands) if atomic else PIPELINE
        for at in range(0, len(commands), max(1, step)):
            async with self._client_at_hand() as client:
                pipe = client.pipeline(transaction=atomic)
                for words in commands[at : at + step]:
                    pipe.execute_command(*words)
                replies += await pipe.execute()
        return replies

    async def run(self, script: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        """Run a server-side function; it is sent again where the server has forgotten it.

        Raises:
            UnreachableError: the server does not answer or is not ready.
            UnusableServerError: it answers but cannot serve us.
        """
        call = (self._digests[script], len(keys), *keys, *arguments)
        async with self._client_at_hand() as client:
            try:
                return await client.execute_command("EVALSHA", *call)
            except NoScriptError:  # a server that was restarted knows no scripts; nothing was done
                await client.execute_command("SCRIPT LOAD", self._scripts[script])
                return await client.execute_command("EVALSHA", *call)

    async def run_each(
        self, script: str, calls: Sequence[tuple[Sequence[str], Sequence[Any]]]
    ) -> list[Any]:
        """Run a function that may be said twice for each pair of keys and arguments.

        Raises:
            UnreachableError: the server does not answer or is not ready.
            UnusableServerError: it answers but cannot serve us.
        """
        if not calls:
            return []
        first = await self.run(script, *calls[0])  # loads it where it is not known
        rest = [
            ("EVALSHA", self._digests[script], len(keys), *keys, *arguments)
            for keys, arguments in calls[1:]
        ]
        return [first, *await self.pipeline(rest)]

    async def block(self, *words: Any, timeout_s: float) -> Any:
        """Run a command that makes the server wait for up to ``timeout_s``.

        Raises:
            UnreachableError: the server does not answer, or not even long after that time.
            UnusableServerError: it answers but cannot serve us.
        """
        patience_s = timeout_s + self.settings.command_timeout_s
        with self._explained():
            try:
                async with asyncio.timeout(patience_s):
                    return await self._blocking.execute_command(*words)
            except TimeoutError as error:
                raise UnreachableError(
                    f"{self.settings.safe_url} said nothing for {patience_s:.1f} s"
                ) from error

    async def close(self) -> None:
        """Close every connection."""
        await asyncio.gather(self._commands.aclose(), self._blocking.aclose())
