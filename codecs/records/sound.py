"""What is sounded: chunks, and the audio that voices and objects gave for them."""

from typing import ClassVar, Literal

import msgspec

from ..text.sentences import Boundary
from .record import BYTES_PER_SAMPLE, SequenceRecord, check_session

ChunkKind = Literal["text", "object", "silence", "mark"]


class Chunk(SequenceRecord, tag="chunk/2", frozen=True, kw_only=True, omit_defaults=True):
    """What is sounded in one go: topic ``chunk``, keyed by session and chapter.

    Its position is its index in the chapter. A text chunk is the range ``[start_char, end_char)``
    of its item's text; where that was cut is decided by this record. The last record of a
    chapter's sequence has the boundary ``chapter`` or ``end`` and nothing to sound.
    """

    TOPIC: ClassVar[str] = "chunk"
    KEYED_BY_SEQUENCE: ClassVar[bool] = True

    seq: int
    """Number in the whole session, marks included."""
    chapter: int = 0
    index: int
    """Number in the chapter."""
    item: int = 0
    """``seq`` of the first record of its item."""
    kind: ChunkKind = "text"
    text: str = ""
    """What is said: white space made single, markup left out."""
    start_char: int = 0
    end_char: int = 0
    boundary: Boundary = "sentence"
    """What the chunk ends at; the pause after it follows from this."""
    object: str = ""
    etag: str = ""
    seconds: float = 0.0
    chars: int = 0
    """Characters of all the session's texts up to the end of this chunk."""
    ramp: int = 0
    """Chunks before this one since sound had to begin anew; the first of them are short."""
    error: str = ""

    @property
    def key(self) -> str:
        return f"{self.session}/{self.chapter}"

    @property
    def sequence(self) -> str:
        return f"{self.session}/{self.chapter}"

    @property
    def start(self) -> int:
        return self.index


class Word(msgspec.Struct, frozen=True, array_like=True):
    """One spoken word and when it sounds."""

    text: str
    start_s: float
    """Seconds from the start of its chunk's speech, or of the session where that is said."""
    end_s: float


class Speech(SequenceRecord, tag="speech/2", frozen=True, kw_only=True, omit_defaults=True):
    """A chunk's audio as the voice gave it: topic ``speech``, position = the chunk's index.

    Several records (parts) of at most 64 KB carry one chunk, stored all or none. Chunks without
    speech have a record too, so that the sequence tells what comes next; an object's audio is on
    topic ``object-audio``.
    """

    TOPIC: ClassVar[str] = "speech"
    JUDGED_BY_START: ClassVar[bool] = True

    seq: int
    chapter: int = 0
    index: int
    item: int = 0
    kind: ChunkKind = "text"
    part: int = 0
    parts: int = 1
    rate_hz: int = 0
    """Sample rate of ``pcm``; 0 where there is none."""
    pcm: bytes = b""
    """Signed 16-bit little-endian mono."""
    text: str = ""
    start_char: int = 0
    end_char: int = 0
    boundary: Boundary = "sentence"
    seconds: float = 0.0
    """Of silence, where the chunk is one, or no voice could say it."""
    chars: int = 0
    voice: str = ""
    """The voice that spoke, such as ``piper:joe``."""
    gain_db: float = 0.0
    """Calibrated gain that brings this voice to -16 LUFS."""
    degraded: bool = False
    """True where a fallback voice stood in for the one that was asked for."""
    words: tuple[Word, ...] = ()
    """On part 0 only; empty where the engine gives no times."""
    error: str = ""
    """Why the session ends here, or, on a chunk with text, why it is silent."""

    def __post_init__(self) -> None:
        check_session(self.session)
        if len(self.pcm) % BYTES_PER_SAMPLE or bool(self.pcm) > bool(self.rate_hz):
            raise ValueError(f"{len(self.pcm)} bytes of speech at {self.rate_hz} Hz are no samples")

    @property
    def sequence(self) -> str:
        return f"{self.session}/{self.chapter}"

    @property
    def start(self) -> int:
        return self.index


class ObjectAudio(
    SequenceRecord, tag="object-audio/1", frozen=True, kw_only=True, omit_defaults=True
):
    """A piece of a decoded audio object: topic ``object-audio``, position = piece number.

    One sequence a chapter; the pieces of its objects follow each other in the chunks' order.
    """

    TOPIC: ClassVar[str] = "object-audio"

    seq: int
    """Number of its chunk in the session."""
    chapter: int = 0
    index: int
    """Number of its chunk in the chapter."""
    piece: int
    """Number in the chapter, over all its objects."""
    etag: str = ""
    """Version of the object that was decoded; a resumed decoding reads the same one."""
    first_sample: int = 0
    """Samples of this object before this piece."""
    lufs: float = 0.0
    """Integrated loudness of the whole object, measured when it was played before; 0: not known."""
    rate_hz: int = 48_000
    pcm: bytes = b""
    """Signed 16-bit little-endian mono."""
    object_end: bool = False
    """True for the object's last piece."""
    error: str = ""
    """Why the object ends here, where it could not be read or decoded to its end."""

    def __post_init__(self) -> None:
        check_session(self.session)
        if len(self.pcm) % BYTES_PER_SAMPLE:
            raise ValueError(f"{len(self.pcm)} bytes are not whole 16-bit samples")

    @property
    def sequence(self) -> str:
        return f"{self.session}/{self.chapter}"

    @property
    def start(self) -> int:
        return self.piece
