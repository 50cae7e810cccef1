"""What flows: one frozen record type a topic. A new topic is a file, and one line here."""

from .audio import AudioFrame as AudioFrame
from .audio import DeviceFrames as DeviceFrames
from .audio import Segment as Segment
from .heard import Heard as Heard
from .heard import Microphone as Microphone
from .inputs import Admission as Admission
from .inputs import Control as Control
from .inputs import DeviceRequest as DeviceRequest
from .inputs import Item as Item
from .inputs import Passage as Passage
from .inputs import Session as Session
from .inputs import text_items as text_items
from .record import Record as Record
from .record import SequenceRecord as SequenceRecord
from .record import check_session as check_session
from .reports import DeadLetter as DeadLetter
from .reports import Event as Event
from .requests import Allowance as Allowance
from .requests import Answered as Answered
from .requests import Request as Request
from .requests import Track as Track
from .sound import Chunk as Chunk
from .sound import ObjectAudio as ObjectAudio
from .sound import Speech as Speech
from .sound import Word as Word
from .uplink import UPLINK as UPLINK
from .uplink import Uplink as Uplink

KINDS: tuple[type[Record], ...] = tuple(
    kind
    for kind in list(globals().values())
    if isinstance(kind, type) and issubclass(kind, Record) and kind.TOPIC
)
"""Every record type above that has a topic."""
TOPICS: dict[str, type[Record]] = {kind.TOPIC: kind for kind in KINDS}


def key_of_sequence(kind: type[SequenceRecord], sequence: str) -> str:
    """Return the partition key of a sequence's records, which is part of its name."""
    return sequence if kind.KEYED_BY_SEQUENCE else sequence.partition("/")[0]
