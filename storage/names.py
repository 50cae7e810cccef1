"""Names of namespaces and topics, how many partitions a topic may have, and which is a key's."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import cast

from aiokafka.partitioner import (
    murmur2,  # pyright: ignore[reportUnknownVariableType]  # its author left it untyped
)

_murmur2 = cast("Callable[[bytes], int]", murmur2)

_NAMESPACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_TOPIC = re.compile(r"[A-Za-z0-9_.-]{1,249}")
MOST_PARTITIONS = 100_000


def check_namespace(namespace: str) -> str:
    """Return the namespace if it is valid.

    Raises:
        ValueError: it is not 1 to 64 letters, digits, ``.``, ``_`` or ``-``.
    """
    if not _NAMESPACE.fullmatch(namespace):
        raise ValueError(
            f"namespace {namespace[:80]!r} is not 1 to 64 letters, digits, '.', '_' or '-'"
        )
    return namespace


@lru_cache(maxsize=1024)  # checked for every record, as keys are made of it
def check_topic(topic: str) -> str:
    """Return the topic's name if it is valid, by Kafka's rule; a colon would mix up keys.

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
    if not 1 <= partitions <= MOST_PARTITIONS:
        raise ValueError(f"a topic has 1 to {MOST_PARTITIONS:,} partitions, not {partitions}")
    return partitions


def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition of a key, ``0 <= p < partitions``, as Kafka's default partitioner."""
    return (_murmur2(key) & 0x7FFFFFFF) % partitions
