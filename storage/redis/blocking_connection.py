"""Connections for threads that wait for each reply: a heartbeat, a look whether a server is up."""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

from redis.exceptions import (
    BusyLoadingError,
    ClusterDownError,
    NoPermissionError,
    NoScriptError,
    RedisError,
    ResponseError,
)

from .calls import Call
from .clients import thread_client
from .cluster_map import Address, ClusterMap, slot_of
from .errors import translated
from .links import name_of, run_id_of
from .settings import RedisSettings


class BlockingConnection:
    """A connection to the server that has a key; close it in the end.

    All methods but ``close`` raise as `RedisConnection` does.
    """

    def __init__(self, settings: RedisSettings, key: str, patience_s: float) -> None:
        self._settings = settings
        self._key = key
        self._link = ""
        self._connect_timeout_s = min(patience_s, settings.connect_timeout_s)
        self._timeout_s = min(patience_s, settings.command_timeout_s)
        self._connected: Any = None
        self._nodes = settings.nodes
        self._packed: tuple[Sequence[Call], list[bytes]] = (), []

    @contextmanager
    def _client(self) -> Generator[Any]:
        try:
            if self._connected is None:
                address = self._found() if self._settings.nodes else None
                self._connected = self._new(address, self._greet)
            yield self._connected
        except (RedisError, OSError) as error:
            if self._settings.nodes and not isinstance(error, NoScriptError):
                self.close()  # another server may have the key by now
            raise translated(error, self._settings.safe_url) from error

    def _new(self, address: Address | None, greet: Callable[[Any], None] | None = None) -> Any:
        return thread_client(
            self._settings,
            address,
            connect_timeout_s=self._connect_timeout_s,
            timeout_s=self._timeout_s,
            greet=greet,
        )

    def _found(self) -> Address:
        """Ask the nodes that are known, one after another, who has the key."""
        known = ClusterMap()
        trouble: Exception = ClusterDownError("no server has the slot")
        for node in self._nodes:
            client = self._new(node)
            try:
                known.replace(client.execute_command("CLUSTER SLOTS"), node)
            except (RedisError, OSError) as error:
                trouble = error
            finally:
                client.close()
            if (address := known.master_of(slot_of(self._key))) is not None:
                self._nodes = tuple(dict.fromkeys((*known.nodes, *self._settings.nodes)))
                return address
        raise trouble

    def link(self) -> str:
        """Return what the server knows the connection by; empty where it must not be asked.

        A connection that was lost is made anew before.
        """
        with self._client() as client:
            pool = client.connection_pool
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
        with self._client() as client:
            return client.execute_command(*words)

    def run(self, call: Call) -> Any:
        """Run a script; give it to the server first where the server does not have it."""
        with self._client() as client:
            try:
                return client.execute_command(*call.command)
            except NoScriptError:
                client.execute_command(*call.load_command)
                return client.execute_command(*call.command)

    def run_each(self, calls: Sequence[Call]) -> list[Any]:
        """Run scripts in one round trip; return of each the raw reply, or its error."""
        with self._client() as client:
            replies = self._together(client, calls)
            unknown = [at for at, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
            if unknown:
                for words in {tuple(calls[at].load_command) for at in unknown}:
                    client.execute_command(*words)
                again = self._together(client, [calls[at] for at in unknown])
                for at, reply in zip(unknown, again, strict=True):
                    replies[at] = reply
        where = self._settings.safe_url
        return [
            translated(reply, where) if isinstance(reply, RedisError) else reply
            for reply in replies
        ]

    def _together(self, client: Any, calls: Sequence[Call]) -> list[Any]:
        """Send the same calls as the last time without packing them again, as heartbeats do."""
        pool = client.connection_pool
        connection = pool.get_connection()
        try:
            if self._packed[0] != calls:
                self._packed = calls, connection.pack_commands([call.command for call in calls])
            connection.send_packed_command(self._packed[1], check_health=False)
            return [_reply_of(connection) for _ in calls]
        except BaseException:
            connection.disconnect()  # replies may still be on their way
            raise
        finally:
            pool.release(connection)

    def close(self) -> None:
        """Close the connection."""
        client, self._connected = self._connected, None
        if client is not None:
            client.close()


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


def _reply_of(connection: Any) -> Any:
    try:
        return connection.read_response()
    except ResponseError as error:
        return error


def _asked(connection: Any, *words: Any) -> Any:
    connection.send_command(*words)
    return connection.read_response()
