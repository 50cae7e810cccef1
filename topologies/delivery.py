"""Between the engine and the keyed runner: what is delivered, and who counts it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from ..storage.log import Fence


@dataclass(frozen=True, slots=True)
class Delivery:
    """A record as the engine hands it over."""

    key: bytes
    value: bytes | None
    """None where it was let go of, to be read again in its turn."""
    topic: str
    partition: int
    offset: int
    fence: Fence | None
    done: Callable[[], Any]
    """Call once: every output of the record is in the log."""


class Observer(Protocol):
    """Who counts what stages do."""

    def handled(self, stage: str, records: int, seconds: float) -> None:
        """Count records done, and the seconds an agent had them."""
        ...

    def wrote(self, stage: str, topic: str, records: int) -> None:
        """Count records that were appended to the log."""
        ...

    def troubled(self, stage: str, kind: str) -> None:
        """Count a ``retry``, a ``dead-letter``, a ``fenced`` write, a ``reload`` or a ``bug``."""
        ...
