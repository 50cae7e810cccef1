"""What consumer and producer need of the transport that made them."""

from typing import Protocol

from ...storage.log import Groups, Log
from .patience import Patience

OWN_REPLIES = "f-reply-"
"""How Faust begins the names of topics of replies to one process."""


class Link(Protocol):
    """The log's side of a Faust transport; `Transport` is one."""

    partitions: dict[str, int]
    """Topics seen so far, with their number of partitions."""
    commits_late_s: float
    """On a Cluster: how long what is done is not committed (`LateCommits`)."""
    patience: Patience
    """Of the app, with a log that is out of reach."""

    @property
    def log(self) -> Log:
        """The log."""
        ...

    @property
    def groups(self) -> Groups:
        """The consumer groups of the same server."""
        ...

    async def declare(self, topic: str, partitions: int | None = None) -> int:
        """Make sure the topic exists; return its number of partitions."""
        ...
