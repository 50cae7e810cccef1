"""The servers of a Cluster: each partition is on one of them, and may move.

The client of redis-py for Clusters is not used: it sends ASKING and the command it is for over two
connections, forgets every connection where one node is down, and repeats what may have arrived.
"""

import asyncio
import time
from typing import Any, cast

from redis.exceptions import (
    AskError,
    ClusterDownError,
    MovedError,
    NoPermissionError,
    ReadOnlyError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from .cluster_map import Address, ClusterMap, slot_of, tells_of_replicas
from .servers import Met, Server
from .settings import RedisSettings

_GONE = (RedisConnectionError, RedisTimeoutError, OSError)
ASK_AGAIN_S = 0.1
"""Least time between two questions who has which slot."""
REPLICAS_KNOWN_S = 5.0
"""How long an answer holds to the question whether there are replicas."""


class ClusterServers:
    """`Servers` of a Cluster, found by asking its nodes.

    A slot that is half moved (ASK, TRYAGAIN) is not ready: scripts need all of its keys.
    """

    def __init__(self, settings: RedisSettings) -> None:
        self._settings = settings
        self._map = ClusterMap()
        self._servers: dict[Address, Server] = {}
        self._asking = asyncio.Lock()
        self._is_stale = True
        self._asked_s = float("-inf")
        self._is_replicated = True
        self._replicas_asked_s = float("-inf")
        self._moves = 0
        self._failed: Address | None = None

    @property
    def changes(self) -> int:
        return self._moves + sum(server.changes for server in self._servers.values())

    async def of(self, key: str) -> Server:
        if self._is_stale:
            await self._ask()
        if not key:
            return self._at(self._map.masters[0])
        slot = slot_of(key)
        address = self._map.master_of(slot)
        if address is None:
            self._is_stale = True
            raise ClusterDownError(f"no server has slot {slot}")
        return self._at(address)

    def met(self, key: str) -> Met:
        address = self._map.master_of(slot_of(key))
        server = None if address is None else self._servers.get(address)
        return Met() if server is None else server.met

    def apart(self, keys: list[str]) -> list[list[str]]:
        slots: dict[int, list[str]] = {}
        for key in keys:
            slots.setdefault(slot_of(key), []).append(key)
        return list(slots.values())

    async def is_replicated(self) -> bool:
        if time.monotonic() - self._replicas_asked_s >= REPLICAS_KNOWN_S:
            try:
                reply, _ = await self._reply("CLUSTER", "NODES")
                self._is_replicated = tells_of_replicas(reply.decode())
            except NoPermissionError:
                self._is_replicated = True  # and a commit waits for one in vain where there is none
            self._replicas_asked_s = time.monotonic()
        return self._is_replicated

    def is_solved(self, error: Exception, server: Server) -> bool:
        if isinstance(error, MovedError):
            self._map.move(error.slot_id, cast("Address", error.node_addr))
            self._moves += 1
            self._is_stale = True
            return True
        if isinstance(error, _GONE):
            self._failed = self._address_of(server)
        self._is_stale |= isinstance(error, (AskError, ClusterDownError, ReadOnlyError, *_GONE))
        return False

    async def all(self) -> list[Server]:
        if self._is_stale:
            await self._ask()
        return [self._at(address) for address in self._map.masters]

    async def close(self) -> None:
        servers, self._servers = self._servers, {}
        await asyncio.gather(*(server.close() for server in servers.values()))

    def _at(self, address: Address) -> Server:
        if address not in self._servers:
            self._servers[address] = Server(self._settings, address)
        return self._servers[address]

    def _address_of(self, server: Server) -> Address | None:
        return next((at for at, known in self._servers.items() if known is server), None)

    async def _ask(self) -> None:
        """Ask one node after another who has which slot; where none tells, nothing changes."""
        async with self._asking:
            just_asked = time.monotonic() - self._asked_s < ASK_AGAIN_S
            if not self._is_stale or (just_asked and self._map.masters):
                return
            self._asked_s = time.monotonic()
            try:
                reply, address = await self._reply("CLUSTER", "SLOTS")
            except (ResponseError, *_GONE):
                if not self._map.masters:
                    raise
                return
            self._map.replace(reply, address)
            self._is_stale = False
            self._moves += 1

    async def _reply(self, *words: str) -> tuple[Any, Address]:
        """Ask one node after another; return the first reply that tells something, and whose."""
        trouble: Exception | None = None
        for address in self._known():
            try:
                async with asyncio.timeout(self._settings.connect_timeout_s):
                    reply = await self._at(address).commands.execute_command(*words)
            except (ResponseError, *_GONE) as error:
                trouble = error
                continue
            if reply:
                return reply, address
        raise trouble or ClusterDownError("no server has slots")

    def _known(self) -> list[Address]:
        """Return whom to ask: the Cluster's nodes, then those of the URL, and last who failed."""
        known = dict.fromkeys((*self._map.masters, *self._map.nodes, *self._settings.nodes))
        return sorted(known, key=lambda address: address == self._failed)
