"""Every key there is, in one place.

The hash tag is namespace and partition *number*, so everything of one partition number, of all
topics, shares a slot of a Cluster: entries, sequence states, indexes, offsets and fences change
together in one server-side function.
"""

import re
from functools import lru_cache

_NAMESPACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_TOPIC = re.compile(r"[A-Za-z0-9_.-]{1,249}")


def check_namespace(namespace: str) -> str:
    """Return the namespace if it is one.

    Raises:
        ValueError: it is not 1 to 64 letters, digits, ``.``, ``_`` or ``-``.
    """
    if not _NAMESPACE.fullmatch(namespace):
        raise ValueError(
            f"namespace {namespace[:80]!r} is not 1 to 64 letters, digits, '.', '_' or '-'"
        )
    return namespace


@lru_cache(maxsize=1024)  # keys are made for every record
def check_topic(topic: str) -> str:
    """Return the topic's name if it is one, by Kafka's rule; a colon would mix up keys.

    Raises:
        ValueError: it is not 1 to 249 letters, digits, ``.``, ``_`` or ``-``.
    """
    if not _TOPIC.fullmatch(topic):
        raise ValueError(f"topic {topic[:80]!r} is not 1 to 249 letters, digits, '.', '_' or '-'")
    return topic


def check_partitions(partitions: int) -> int:
    """Return the number of partitions if a topic can have it.

    Raises:
        ValueError: it is not 1 to 100,000.
    """
    if not 1 <= partitions <= 100_000:
        raise ValueError(f"a topic has 1 to 100,000 partitions, not {partitions}")
    return partitions


class Keys:
    """The keys of one namespace.

    Raises:
        ValueError: the namespace, or later a topic, has a name that is none.
    """

    def __init__(self, namespace: str) -> None:
        self.namespace = check_namespace(namespace)

    def _slot(self, partition: int) -> str:
        return f"{{{self.namespace}:{partition}}}"

    def stream(self, topic: str, partition: int) -> str:
        """Stream of a partition's entries, ids ``0-1``, ``0-2`` and so on."""
        return f"{self._slot(partition)}:log:{check_topic(topic)}"

    def times(self, topic: str, partition: int) -> str:
        """Sorted set: at most one offset a second, by timestamp."""
        return f"{self._slot(partition)}:time:{check_topic(topic)}"

    def sequence(self, topic: str, partition: int, sequence: str) -> str:
        """Hash of a sequence's ``next`` position and ``closed`` mark."""
        return f"{self._slot(partition)}:sequence:{check_topic(topic)}:{sequence}"

    def index(self, topic: str, partition: int, sequence: str) -> str:
        """Sorted set of a sequence's batches: ``first-last`` offsets by start position."""
        return f"{self._slot(partition)}:index:{check_topic(topic)}:{sequence}"

    def offsets(self, group: str, partition: int) -> str:
        """Hash of a group's next offset by topic."""
        return f"{self._slot(partition)}:offsets:{group}"

    def fence(self, group: str, partition: int) -> str:
        """The newest generation of a group that claimed the partition."""
        return f"{self._slot(partition)}:fence:{group}"

    def topics(self) -> str:
        """Hash of declared topics and their numbers of partitions."""
        return f"{{{self.namespace}}}:topics"

    def probe(self) -> str:
        """A stream that lives for the length of one script, to see what the server can do."""
        return f"{{{self.namespace}}}:probe"

    def ingress(self, topic: str) -> str:
        """Plain stream that foreign programs write to, such as ``rhapsode:in:text``."""
        return f"{self.namespace}:in:{check_topic(topic)}"

    def group(self, group: str, part: str) -> str:
        """A part of a group's state; all parts of a group share a slot."""
        return f"{{{self.namespace}:group:{group}}}:{part}"
