"""Which server of a Cluster has which slot, as its nodes tell (CLUSTER SLOTS)."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from redis.crc import key_slot

Address = tuple[str, int]
"""Host and port."""


class ClusterMap:
    """Slots and the addresses of their masters; empty until it is replaced for the first time."""

    def __init__(self) -> None:
        self._firsts: list[int] = []
        self._ranges: list[tuple[int, Address]] = []
        """Last slot and master of the range that begins in ``_firsts``."""
        self._moved: dict[int, Address] = {}
        self.nodes: tuple[Address, ...] = ()
        """Masters and replicas."""

    @property
    def masters(self) -> tuple[Address, ...]:
        """Every master that has slots, each once."""
        found = (address for _, address in self._ranges)
        return tuple(dict.fromkeys((*found, *self._moved.values())))

    def master_of(self, slot: int) -> Address | None:
        """Return who has the slot, as far as is known."""
        if slot in self._moved:
            return self._moved[slot]
        at = bisect_right(self._firsts, slot) - 1
        if at < 0 or slot > self._ranges[at][0]:
            return None
        return self._ranges[at][1]

    def move(self, slot: int, address: Address) -> None:
        """Note where a slot is, as MOVED tells."""
        self._moved[slot] = address

    def replace(self, reply: Sequence[Any], asked: Address) -> None:
        """Take over the reply to CLUSTER SLOTS of the node that was asked.

        A node that does not know its own host leaves it empty: it is the one that was asked.
        """
        ranges: list[tuple[int, int, Address]] = []
        nodes: dict[Address, None] = {}
        for first, last, *members in reply:
            addresses = [
                ((member[0] or b"").decode() or asked[0], int(member[1])) for member in members
            ]
            nodes.update(dict.fromkeys(addresses))
            if addresses:
                ranges.append((int(first), int(last), addresses[0]))
        ranges.sort()
        self._firsts = [first for first, _, _ in ranges]
        self._ranges = [(last, address) for _, last, address in ranges]
        self._moved = {}
        self.nodes = tuple(nodes)


def tells_of_replicas(nodes: str) -> bool:
    """Return whether a reply to CLUSTER NODES has any replica, be it one that failed.

    A master that failed and has no slots is one whose place a replica took. CLUSTER SLOTS does not
    tell: it leaves out replicas that failed, and on Redis those that have not received a byte yet.
    """
    for line in nodes.splitlines():
        _, _, flags, _, _, _, _, _, *slots = line.split()
        kinds = flags.split(",")
        if "slave" in kinds or ("fail" in kinds and not slots):
            return True
    return False


def slot_of(key: str) -> int:
    """Return the slot of a key (Redis Cluster specification, "Hash tags")."""
    return key_slot(key.encode())
