"""Three masters of a Cluster on loopback ports, with or without a replica each: real servers."""

from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import redis
from ports import free_port
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot
from server_processes import Server, run_server, wait_until

MASTERS = 3
NODE_TIMEOUT_MS = 1000


class Cluster:
    """What operators run where one server is not enough."""

    def __init__(self, folder: Path, password: str, *, replicas: bool = False) -> None:
        self._folder = folder
        self._password = password
        self._with_replicas = replicas
        self._bus_ports: dict[int, int] = {}
        self.masters: list[Server] = []
        self.replicas: list[Server] = []

    @property
    def _nodes(self) -> list[Server]:
        return self.masters + self.replicas

    @property
    def url(self) -> str:
        """The URL by which Rhapsode finds the servers."""
        hosts = ",".join(f"127.0.0.1:{one.port}" for one in self._nodes)
        return f"redis+cluster://:{quote(self._password)}@{hosts}"

    @property
    def broker_urls(self) -> str:
        """The same for Faust, which parts hosts by semicolons."""
        first, *others = (f"127.0.0.1:{one.port}" for one in self._nodes)
        urls = [f"redis+cluster://:{quote(self._password)}@{first}"]
        return ";".join(urls + [f"redis+cluster://{other}" for other in others])

    def start(self) -> None:
        """Start all, and wait until every slot is served and every replica follows."""
        self.masters = [self._started(f"master-{number}") for number in range(MASTERS)]
        bounds = [number * REDIS_CLUSTER_HASH_SLOTS // MASTERS for number in range(MASTERS + 1)]
        for master, first, end in zip(self.masters, bounds, bounds[1:], strict=False):
            self.ask(master, "CLUSTER", "ADDSLOTSRANGE", first, end - 1)
        if self._with_replicas:
            self.replicas = [self._started(f"replica-{number}") for number in range(MASTERS)]
        for other in self._nodes[1:]:
            bus_port = self._bus_ports[other.port]
            self.ask(self._nodes[0], "CLUSTER", "MEET", "127.0.0.1", other.port, bus_port)
        for node in self._nodes:
            wait_until(lambda node=node: self._knows_all(node), "the nodes did not meet")
        for master, replica in zip(self.masters, self.replicas, strict=False):
            self.ask(replica, "CLUSTER", "REPLICATE", self._id_of(master))
            wait_until(lambda replica=replica: self._follows(replica), "no replication")
        for node in self._nodes:
            wait_until(lambda node=node: self._is_served(node), "not every slot is served")

    def _started(self, name: str) -> Server:
        bus_port = free_port()
        lines = [
            "cluster-enabled yes",
            f"cluster-port {bus_port}",
            f"cluster-node-timeout {NODE_TIMEOUT_MS}",
            f"requirepass {self._password}",
            f"masterauth {self._password}",
            "appendonly yes",
            'save ""',
            "repl-diskless-sync-delay 0",
        ]
        server = run_server(self._folder / name, lines)
        self._bus_ports[server.port] = bus_port
        wait_until(lambda: self._answers(server), "a node did not start")
        return server

    def ask(self, node: Server, *words: Any) -> Any:
        """Run a command on one node."""
        client = redis.Redis(port=node.port, password=self._password, decode_responses=True)
        with closing(client):
            return client.execute_command(*words)

    def _answers(self, node: Server) -> bool:
        try:
            return bool(self.ask(node, "PING"))
        except redis.RedisError:
            return False

    def _id_of(self, node: Server) -> str:
        return str(self.ask(node, "CLUSTER", "MYID"))

    def _knows_all(self, node: Server) -> bool:
        return self._info(node)["cluster_known_nodes"] == str(len(self._nodes))

    def _is_served(self, node: Server) -> bool:
        info = self._info(node)
        return (info["cluster_state"], info["cluster_slots_ok"]) == ("ok", "16384")

    def _info(self, node: Server) -> dict[str, str]:
        told = self.ask(node, "CLUSTER", "INFO")
        if isinstance(told, dict):
            return {str(name): str(value) for name, value in told.items()}
        return dict(line.split(":", 1) for line in str(told).split())

    def _follows(self, replica: Server) -> bool:
        return str(self.ask(replica, "INFO", "replication")["master_link_status"]) == "up"

    def master_of(self, key: str) -> int:
        """Return the number of the master that had the key's slot at the start."""
        return key_slot(key.encode()) * MASTERS // REDIS_CLUSTER_HASH_SLOTS

    def fail_over(self, number: int) -> None:
        """Kill a master, and wait until its replica has its place."""
        self.masters[number].kill()
        replica = self.replicas[number]
        wait_until(lambda: self._has_slots(replica), "no failover")

    def _has_slots(self, node: Server) -> bool:
        mine = [line for line in str(self._nodes_table(node)).splitlines() if "myself" in line]
        return "master" in mine[0] and "-" in mine[0].split("connected", 1)[1]

    def _nodes_table(self, node: Server) -> str:
        client = redis.Redis(port=node.port, password=self._password)
        with closing(client):
            client.response_callbacks.clear()
            told: Any = client.execute_command("CLUSTER NODES")
            return str(told, "utf-8")

    def lag(self, number: int) -> bool:
        """Return whether a master's replica lacks some of what the master has."""
        told = (
            self.ask(one[number], "INFO", "replication") for one in (self.masters, self.replicas)
        )
        there, here = (int(info["master_repl_offset"]) for info in told)
        return there != here

    def stop_replication(self, number: int) -> None:
        """Have a replica fall behind: what its master acknowledges now is lost with it."""
        self.unlink(self.masters[number], self.replicas[number])

    def unlink(self, master: Server, replica: Server) -> None:
        """Have a replica follow no more."""
        self.ask(replica, "CONFIG", "SET", "masterauth", "wrong")
        self.ask(master, "CLIENT", "KILL", "TYPE", "REPLICA")
        wait_until(lambda: not self._follows(replica), "still linked")

    def move(self, key: str, target: int) -> None:
        """Move the slot of a key to another master, one key after another, as operators do."""
        here, there = self.masters[self.master_of(key)], self.masters[target]
        self.move_slot(key_slot(key.encode()), here, there, self.masters)

    def move_slot(self, slot: int, here: Server, there: Server, masters: list[Server]) -> None:
        """Move a slot between two masters, and tell all of them."""
        self.ask(there, "CLUSTER", "SETSLOT", slot, "IMPORTING", self._id_of(here))
        self.ask(here, "CLUSTER", "SETSLOT", slot, "MIGRATING", self._id_of(there))
        while keys := self.ask(here, "CLUSTER", "GETKEYSINSLOT", slot, 100):
            where = ("127.0.0.1", there.port, "", 0, 5000, "REPLACE", "AUTH", self._password)
            self.ask(here, "MIGRATE", *where, "KEYS", *keys)
        for node in (there, here, *masters):
            self.ask(node, "CLUSTER", "SETSLOT", slot, "NODE", self._id_of(there))

    def stop(self) -> None:
        """End all."""
        for one in self._nodes:
            one.kill()
