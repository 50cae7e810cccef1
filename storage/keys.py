"""Every key there is, in one place.

The hash tag is namespace and partition *number*, so everything of one partition number, of all
topics, shares a slot of a Cluster: entries, line states, indexes, offsets and fences change
together in one server-side function.
"""

import re

_NAMESPACE = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")


def check_namespace(namespace: str) -> str:
    """Return the namespace if it is one.

    Raises:
        ValueError: it is not 1 to 64 letters, digits, ``.``, ``_`` or ``-``.
    """
    if not _NAMESPACE.match(namespace):
        raise ValueError(
            f"namespace {namespace[:80]!r} is not 1 to 64 letters, digits, '.', '_' or '-'"
        )
    return namespace


class Keys:
    """The keys of one namespace."""

    def __init__(self, namespace: str) -> None:
        self.namespace = check_namespace(namespace)

    def _slot(self, partition: int) -> str:
        return f"{{{self.namespace}:{partition}}}"

    def stream(self, topic: str, partition: int) -> str:
        """Stream of a partition's entries, ids ``0-1``, ``0-2``, …"""
        return f"{self._slot(partition)}:log:{topic}"

    def times(self, topic: str, partition: int) -> str:
        """Sorted set: at most one offset a second, by timestamp."""
        return f"{self._slot(partition)}:time:{topic}"

    def line(self, topic: str, partition: int, line: str) -> str:
        """Hash of a line's ``next`` position and ``closed`` mark."""
        return f"{self._slot(partition)}:line:{topic}:{line}"

    def index(self, topic: str, partition: int, line: str) -> str:
        """Sorted set of a line's placements: ``first-last`` offsets by start position."""
        return f"{self._slot(partition)}:index:{topic}:{line}"

    def offsets(self, group: str, partition: int) -> str:
        """Hash of a group's next offset by topic."""
        return f"{self._slot(partition)}:offsets:{group}"

    def fence(self, group: str, partition: int) -> str:
        """The newest generation of a group that claimed the partition."""
        return f"{self._slot(partition)}:fence:{group}"

    def topics(self) -> str:
        """Hash of declared topics and their numbers of partitions."""
        return f"{{{self.namespace}}}:topics"

    def ingress(self, topic: str) -> str:
        """Plain stream that foreign programs write to."""
        return f"{self.namespace}:in:{topic}"

    def group(self, group: str, part: str) -> str:
        """A part of a group's state; all parts of a group share a slot."""
        return f"{{{self.namespace}:group:{group}}}:{part}"
