"""Every key that the log uses.

The hash tag is namespace and partition *number*, so everything of one partition number, of all
topics, shares a slot of a Cluster: entries, sequences, indexes, offsets and fences change together
in one server-side function.
"""

from hashlib import sha256

from ..names import check_namespace, check_topic
from ..sequences import scope_of


class Keys:
    """The keys of one namespace.

    Raises:
        ValueError: the namespace, or a topic given to a method, has an invalid name.
    """

    def __init__(self, namespace: str) -> None:
        self.namespace = check_namespace(namespace)

    def _slot(self, partition: int) -> str:
        return f"{{{self.namespace}:{partition}}}"

    def stream(self, topic: str, partition: int) -> str:
        """Stream of a partition's entries, ids ``0-1``, ``0-2`` and so on."""
        return f"{self._slot(partition)}:log:{check_topic(topic)}"

    def mended(self, topic: str, partition: int) -> str:
        """Stream of a partition that is made anew without what somebody else wrote to it."""
        return f"{self._slot(partition)}:mended:{check_topic(topic)}"

    def aside(self, topic: str, partition: int) -> str:
        """Stream of what somebody else wrote to a partition, which nobody reads."""
        return f"{self._slot(partition)}:aside:{check_topic(topic)}"

    def times(self, topic: str, partition: int) -> str:
        """Sorted set: offsets by timestamp, at most one a second."""
        return f"{self._slot(partition)}:time:{check_topic(topic)}"

    def newest(self, topic: str, partition: int) -> str:
        """Hash: the offset of each key's newest entry, where a partition is compacted."""
        return f"{self._slot(partition)}:newest:{check_topic(topic)}"

    def tombstones(self, topic: str, partition: int) -> str:
        """List of a compacted partition's tombstones: ``ms:offset:key``, oldest first."""
        return f"{self._slot(partition)}:tombstones:{check_topic(topic)}"

    def scope(self, partition: int, scope: str) -> str:
        """Hash of where each sequence of a scope ends, and of what is archived."""
        return f"{self._slot(partition)}:scope:{scope}"

    def index(self, partition: int, scope: str) -> str:
        """Sorted set of a scope's batches: ``name|start|first-last`` offsets, by name and start."""
        return f"{self._slot(partition)}:index:{scope}"

    @staticmethod
    def name_in_scope(topic: str, sequence: str) -> str:
        """Return how a sequence is named in its scope's keys: its topic, and what tells it apart.

        Only these have a colon; ``archive`` and ``forgotten`` are other fields of a scope's hash.
        """
        return f"{check_topic(topic)}:{sequence[len(scope_of(sequence)) :]}"

    def offsets(self, group: str, partition: int) -> str:
        """Hash of a group's next offset by topic."""
        return f"{self._slot(partition)}:offsets:{group}"

    def fence(self, group: str, partition: int) -> str:
        """String: the newest generation of a group that claimed the partition."""
        return f"{self._slot(partition)}:fence:{group}"

    def epochs(self, partition: int) -> str:
        """Hash: by topic, runs of the server and where the stream ended as each began."""
        return f"{self._slot(partition)}:epochs"

    def waits(self, partition: int) -> str:
        """Hash of one field: written to wait until a replica has that, and all before it."""
        return f"{self._slot(partition)}:waits"

    def topics(self) -> str:
        """Hash of the number of partitions by declared topic."""
        return f"{{{self.namespace}}}:topics"

    def layout(self) -> str:
        """String: the version of these keys, so that no other build misreads them."""
        return f"{{{self.namespace}}}:layout"

    def identity(self) -> str:
        """String: what tells this log from one that somebody begins in its place."""
        return f"{{{self.namespace}}}:identity"

    def probe(self) -> str:
        """Stream that lives for the length of one script, to see what the server can do."""
        return f"{{{self.namespace}}}:probe"

    def ingress(self, topic: str) -> str:
        """Plain stream that foreign programs write to, such as ``rhapsode:in:text``."""
        return f"{self.namespace}:in:{check_topic(topic)}"

    def admission(self, part: str) -> str:
        """Part of what admission keeps; all parts share a slot."""
        return f"{{{self.namespace}:admission}}:{part}"

    def sessions(self, part: str) -> str:
        """Part of the index of sessions; all parts share a slot."""
        return f"{{{self.namespace}:sessions}}:{part}"

    def access(self, part: str) -> str:
        """Part of what is known of API keys; all parts share a slot."""
        return f"{{{self.namespace}:access}}:{part}"

    def cursor(self, name: str) -> str:
        """String: how far a reader outside the log has come; of any name, which may be long."""
        digest = sha256(name.encode(errors="surrogatepass")).hexdigest()[:32]
        return f"{{{self.namespace}:cursors}}:{digest}"

    def group(self, group: str, part: str) -> str:
        """Part of a group's state; all parts of a group share a slot."""
        return f"{{{self.namespace}:group:{group}}}:{part}"
