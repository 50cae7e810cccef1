"""A Cluster in a storm: masters die and come back as replicas, and slots move under load.

What sleeps here is the fault itself: it lasts for so long. Nothing is waited for by it.
"""

import os
import random
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import redis
from cluster import Cluster
from redis.crc import key_slot
from server_processes import Server, wait_until

from rhapsode.storage.redis.keys import Keys

from . import faults
from .faults import Fault, Workers
from .servers import PASSWORD

PARTITIONS = 8
"""Of the product; the foreign app's are the first of them."""
FALLS_BEHIND_S = 0.5
FREEZES_S = 6.0
"""Longer than the others need to give its slots to its replica: who wakes up is no master."""


class ClusterServers(Cluster):
    """Three masters with a replica each, of which any may be what any was."""

    destroying: frozenset[str] = frozenset(
        (
            "master fails over",
            "replica behind, fails over",
            "foreign worker left, replica behind",
            "foreign worker killed, replica behind",
            "master frozen",
        )
    )
    # replication is asynchronous: what a master acknowledged last may die with it

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "cluster", PASSWORD, replicas=True)

    @property
    def product_url(self) -> str:
        """By which Rhapsode finds them."""
        return self.url

    @property
    def broker_url(self) -> str:
        """By which the foreign app finds them."""
        return self.broker_urls

    def faults(self, foreign: Workers) -> dict[str, Fault]:
        """Return what can befall them, by its name, and what can befall workers meanwhile."""
        return {
            "master fails over": self._fails_over,
            "replica behind, fails over": self._fails_over_behind,
            "foreign worker left, replica behind": self._behind(faults.left(foreign)),
            "foreign worker killed, replica behind": self._behind(faults.killed(foreign)),
            "master frozen": self._frozen,
            "master killed, at once back": self._restarted,
            "replica killed": self._replica_killed,
            "slot moves": self._slot_moves,
            "master out of memory": self._out_of_memory,
        }

    # -- faults

    def _fails_over(self, choice: random.Random) -> None:
        master, replica = choice.choice(self._pairs())
        self._fell(master, replica)

    def _fails_over_behind(self, choice: random.Random) -> None:
        self._behind(lambda _: time.sleep(FALLS_BEHIND_S))(choice)

    def _behind(self, meanwhile: Fault) -> Fault:
        """A replica takes over that has nothing of what was written while something befell."""

        def strike(choice: random.Random) -> None:
            master, replica = choice.choice(self._pairs())
            self.unlink(master, replica)
            meanwhile(choice)
            self._fell(master, replica)
            self.ask(replica, "CONFIG", "SET", "masterauth", PASSWORD)
            self._heal()

        return strike

    def _fell(self, master: Server, replica: Server) -> None:
        """Kill a master; once its replica has its place, it comes back as a replica."""
        master.kill()
        wait_until(lambda: self._has_slots(replica), "no failover")
        master.start()
        self._heal()

    def _frozen(self, choice: random.Random) -> None:
        master, replica = choice.choice(self._pairs())
        os.kill(master.process.pid, signal.SIGSTOP)
        try:
            time.sleep(FREEZES_S)
            wait_until(lambda: self._has_slots(replica), "no failover")
        finally:
            os.kill(master.process.pid, signal.SIGCONT)
        self._heal()

    def _restarted(self, choice: random.Random) -> None:
        master, _ = choice.choice(self._pairs())
        master.kill()
        master.start()
        self._heal()

    def _replica_killed(self, choice: random.Random) -> None:
        _, replica = choice.choice(self._pairs())
        replica.kill()
        time.sleep(choice.choice((0.0, 2.0)))
        replica.start()
        self._heal()

    def _slot_moves(self, choice: random.Random) -> None:
        key = Keys("rhapsode").epochs(choice.randrange(PARTITIONS))
        slot = key_slot(key.encode())
        masters = [master for master, _ in self._pairs()]
        here = next(one for one in masters if self._serves(one, slot))
        there = choice.choice([one for one in masters if one is not here])
        self.move_slot(slot, here, there, masters)
        self._heal()

    def _out_of_memory(self, choice: random.Random) -> None:
        master, _ = choice.choice(self._pairs())
        faults.out_of_memory(lambda: self._client(master))(choice)

    # -- who is what

    def _client(self, node: Server) -> "redis.Redis":
        return redis.Redis(port=node.port, password=self._password)

    def _table(self) -> dict[str, dict[str, Any]]:
        """Return by address what a node that is sound knows of all nodes."""
        for node in self._nodes:
            with suppress(redis.RedisError):
                if node.runs and self._is_served(node):
                    return dict(self.ask(node, "CLUSTER NODES"))
        return {}

    def _pairs(self) -> list[tuple[Server, Server]]:
        """Return each master that has slots with a replica of its own."""
        table = self._table()
        by_id = {each["node_id"]: self._at(address) for address, each in table.items()}
        return [
            (by_id[each["master_id"]], by_id[each["node_id"]])
            for each in table.values()
            if "slave" in each["flags"]
        ]

    def _at(self, address: str) -> Server:
        port = int(address.rpartition(":")[2])
        return next(node for node in self._nodes if node.port == port)

    def _serves(self, node: Server, slot: int) -> bool:
        spans = self._table()[f"127.0.0.1:{node.port}"]["slots"]
        return any(int(span[0]) <= slot <= int(span[-1]) for span in spans)

    def _heal(self) -> None:
        """Wait until all slots are served and every master has a replica that follows."""
        wait_until(self._is_whole, "the Cluster does not heal")

    def _is_whole(self) -> bool:
        try:
            pairs = self._pairs() if all(map(self._is_served, self._nodes)) else []
            return len({id(master) for master, _ in pairs}) == len(self.masters) and all(
                self._follows(replica) for _, replica in pairs
            )
        except (redis.RedisError, KeyError):
            return False
