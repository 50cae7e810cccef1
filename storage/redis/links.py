"""Whether the connection that a member beats over is still there: the server knows at once.

A lease has to be long enough for a member that is starved of the processor. A process that died
has no connection, however long its lease has still to run.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .calls import info_field

COMES_BACK_S = 15.0
"""After a restart of the server, or a failover, each member beats again within so long."""


@dataclass(frozen=True, slots=True)
class Link:
    """What is noted of the connection that a member beats over."""

    member: str
    noted: bytes
    """As it is on the server; it changes with each beat."""

    @property
    def server(self) -> str:
        """The server's run id: ids of connections mean nothing to another, or to its next run."""
        return self._name.partition(":")[0]

    @property
    def silent_since_ms(self) -> int:
        """When it had missed its beats, by the server's clock."""
        return int(self.noted.partition(b" ")[0])

    @property
    def connection(self) -> str:
        """The connection's id (CLIENT ID)."""
        return self._name.partition(":")[2]

    @property
    def _name(self) -> str:
        return self.noted.decode().partition(" ")[2]


def name_of(run_id: str, connection: int) -> str:
    """Return how a connection is noted."""
    return f"{run_id}:{connection}"


def forgotten(links: Iterable[Link], run: str, now_ms: int) -> list[Link]:
    """Return the links of an earlier run of the server to members that have not come back since.

    Of those connections nothing is known; but who left while the server was away could tell nobody.
    """
    return [
        link
        for link in links
        if link.server != run and now_ms - link.silent_since_ms > 1000 * COMES_BACK_S
    ]


def links_of(pairs: Sequence[bytes]) -> list[Link]:
    """Return the links of a reply: members and what is noted of them in turn."""
    return [
        Link(member.decode(), noted) for member, noted in zip(pairs[::2], pairs[1::2], strict=True)
    ]


def run_id_of(info: bytes) -> str:
    """Return the run id from the reply to INFO."""
    return info_field(info, "run_id")


def question(links: Iterable[Link]) -> list[str]:
    """Return the command that lists which of these connections there are."""
    return ["CLIENT LIST", "ID", *(link.connection for link in links)]


def gone(links: Iterable[Link], listed: bytes) -> list[Link]:
    """Return the links whose connection is not in the list."""
    present = {
        word.removeprefix("id=")
        for line in listed.decode(errors="replace").splitlines()
        for word in line.split(" ", 1)[:1]
    }
    return [link for link in links if link.connection not in present]
