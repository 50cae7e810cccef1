"""Sound that somebody sends while it is heard."""

from typing import ClassVar

from .record import SequenceRecord

MAX_UPLINK_BYTES = 48_000
UPLINK = "live+uplink"
"""The object of an item whose sound comes over topic ``uplink``."""


class Uplink(SequenceRecord, tag="uplink/1", frozen=True, kw_only=True, omit_defaults=True):
    """A piece of an encoded stream, as it came: topic ``uplink``, one sequence an item.

    Its position is its number in the item. It may lack its end, where the sender has gone.
    """

    TOPIC: ClassVar[str] = "uplink"

    item: int
    """``seq`` of the item."""
    number: int
    data: bytes = b""

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.data) > MAX_UPLINK_BYTES:
            raise ValueError(f"{len(self.data)} bytes in a piece are over {MAX_UPLINK_BYTES}")

    @property
    def sequence(self) -> str:
        return f"{self.session}/{self.item}"

    @property
    def start(self) -> int:
        return self.number
