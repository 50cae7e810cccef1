"""What flows: one frozen record type a topic. A new topic is one class, and one line here."""

from .audio import AudioFrame, DeviceFrames, Segment
from .inputs import Control, Item, Passage, Session, text_items
from .record import Record, SequenceRecord, check_session
from .reports import DeadLetter, Event
from .sound import Chunk, ObjectAudio, Speech, Word

__all__ = [
    "KINDS",
    "TOPICS",
    "AudioFrame",
    "Chunk",
    "Control",
    "DeadLetter",
    "DeviceFrames",
    "Event",
    "Item",
    "ObjectAudio",
    "Passage",
    "Record",
    "Segment",
    "SequenceRecord",
    "Session",
    "Speech",
    "Word",
    "check_session",
    "key_of_sequence",
    "text_items",
]

KINDS: tuple[type[Record], ...] = (
    Session,
    Item,
    Passage,
    Chunk,
    Speech,
    ObjectAudio,
    AudioFrame,
    Segment,
    DeviceFrames,
    Event,
    Control,
    DeadLetter,
)
TOPICS: dict[str, type[Record]] = {kind.TOPIC: kind for kind in KINDS}


def key_of_sequence(kind: type[SequenceRecord], sequence: str) -> str:
    """Return the partition key of a sequence's records, which is part of its name."""
    return sequence if kind.KEYED_BY_SEQUENCE else sequence.partition("/")[0]
