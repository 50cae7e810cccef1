"""What flows: one frozen record a topic, all in one place.

Every session record has a *place*: a line (an ordered sequence inside a topic) and a half-open
range ``[start, end)`` on it, counted in records, samples or frames as the class says. The log
appends by place, so a record that is said twice stands there once.
"""

from typing import ClassVar, Literal

import msgspec

SAMPLE_RATE_HZ = 48_000
"""Rate of everything on ``audio-frame`` and of the HLS renditions."""

DEVICE_RATE_HZ = 16_000
DEVICE_FRAME_MS = 60

MAX_RECORD_BYTES = 64 * 1024
MAX_TEXT_CHARS = 100_000
SESSION_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"

Mode = Literal["narrate", "expand"]
Boundary = Literal["clause", "sentence", "paragraph", "chapter", "end"]
"""What a chunk ends at; the pause after it follows from this."""


class VoiceSettings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a text is to be spoken."""

    voice: str = "auto"
    """A voice name such as ``piper:joe``, an engine name such as ``espeak``, or ``auto``."""
    language: str = "en"
    """BCP 47 tag."""
    speed: float = 1.0
    """Rate of speech, 0.5 (slow) to 2.0 (fast)."""
    accent: str = "com"
    """Top-level domain that selects a gTTS accent; other engines ignore it."""


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    """The part every record shares; concrete records name their topic."""

    TOPIC: ClassVar[str] = ""

    session: str

    @property
    def key(self) -> str:
        """Partition key: the session, but for chunks, which spread by chapter."""
        return self.session


class SequenceRecord(Record, frozen=True, kw_only=True, omit_defaults=True):
    """A record with a place of its own; all but dead letters."""

    @property
    def sequence(self) -> str:
        """Name of the ordered sequence inside the topic that this record belongs to."""
        return self.session

    @property
    def start(self) -> int:
        """First position this record takes on its line."""
        return 0

    @property
    def end(self) -> int:
        """Position after the last one this record takes; equal to ``start`` for a bare end mark."""
        return self.start + 1

    @property
    def final(self) -> bool:
        """True where this record closes its line."""
        return False


class Text(SequenceRecord, tag="text/1", frozen=True, kw_only=True, omit_defaults=True):
    """What was asked: topic ``text``. One per session, in place 0."""

    TOPIC: ClassVar[str] = "text"

    text: str
    mode: Mode = "narrate"
    settings: VoiceSettings = VoiceSettings()
    created_ms: int = 0
    """When it was accepted, Unix milliseconds; the session's programme date-time starts here."""

    @property
    def final(self) -> bool:
        return True


class Passage(SequenceRecord, tag="passage/1", frozen=True, kw_only=True, omit_defaults=True):
    """A run of the words to be said: topic ``passage``. Concatenated they are the whole text."""

    TOPIC: ClassVar[str] = "passage"

    seq: int
    text: str
    settings: VoiceSettings = VoiceSettings()
    last: bool = False
    error: str = ""
    """Why the text ends here, where the model failed; empty otherwise."""

    @property
    def start(self) -> int:
        return self.seq

    @property
    def final(self) -> bool:
        return self.last


class Chunk(SequenceRecord, tag="chunk/1", frozen=True, kw_only=True, omit_defaults=True):
    """A speakable piece: topic ``chunk``, keyed by session and chapter, place = index in chapter.

    A chapter's last record has ``boundary`` ``chapter`` or ``end`` and no text: it only marks.
    """

    TOPIC: ClassVar[str] = "chunk"

    seq: int
    """Place in the whole session, marks included."""
    chapter: int = 0
    index: int
    """Place in the chapter."""
    text: str
    start_char: int
    """Offset of the text's first character in the session's whole text."""
    end_char: int
    boundary: Boundary
    settings: VoiceSettings = VoiceSettings()
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

    @property
    def final(self) -> bool:
        return self.boundary in ("chapter", "end")


class Word(msgspec.Struct, frozen=True, array_like=True):
    """One spoken word and when it sounds."""

    text: str
    start_s: float
    """Seconds from the start of its chunk's speech."""
    end_s: float


class Speech(SequenceRecord, tag="speech/1", frozen=True, kw_only=True, omit_defaults=True):
    """A chunk's audio as the voice gave it: topic ``speech``.

    Several records (parts) of at most 64 KB carry one chunk; they stand in the log all or none, in
    one place: the chunk's index in its chapter.
    """

    TOPIC: ClassVar[str] = "speech"

    seq: int
    chapter: int = 0
    index: int
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
    voice: str = ""
    """The voice that spoke, such as ``piper:joe``."""
    gain_db: float = 0.0
    """Calibrated gain that brings this voice to the target loudness."""
    degraded: bool = False
    """True where a fallback voice stood in for the one that was asked for."""
    words: tuple[Word, ...] = ()
    """On part 0 only; empty where the engine gives no times."""
    error: str = ""

    @property
    def sequence(self) -> str:
        return f"{self.session}/{self.chapter}"

    @property
    def start(self) -> int:
        return self.index

    @property
    def final(self) -> bool:
        return self.boundary in ("chapter", "end")


class AudioFrame(
    SequenceRecord, tag="audio-frame/1", frozen=True, kw_only=True, omit_defaults=True
):
    """Mastered mono PCM at 48 kHz: topic ``audio-frame``, place in samples.

    This is the truth of a session: everything after it is a pure function of it.
    """

    TOPIC: ClassVar[str] = "audio-frame"

    first_sample: int
    samples: int
    pcm: bytes = b""
    """Signed 16-bit little-endian mono, ``2 * samples`` bytes."""
    chunk: int = 0
    """``seq`` of the chunk it comes from."""
    chapter: int = 0
    index: int = 0
    text: str = ""
    """The chunk's text, on the first frame of a chunk only."""
    end_char: int = 0
    degraded: bool = False
    words: tuple[Word, ...] = ()
    """Seconds from the start of the session; on the first frame of a chunk only."""
    last: bool = False
    error: str = ""

    @property
    def start(self) -> int:
        return self.first_sample

    @property
    def end(self) -> int:
        return self.first_sample + self.samples

    @property
    def final(self) -> bool:
        return self.last


class Segment(SequenceRecord, tag="segment/1", frozen=True, kw_only=True, omit_defaults=True):
    """An HLS media segment that is in the store: topic ``segment``, place = segment number."""

    TOPIC: ClassVar[str] = "segment"

    number: int
    name: str = ""
    """Object name beside the playlist, such as ``audio_000.m4s``; empty on a bare end mark."""
    first_frame: int
    """First AAC frame (1024 samples) of the segment."""
    frames: int
    size_bytes: int
    sha256: str = ""
    last: bool = False
    error: str = ""

    @property
    def start(self) -> int:
        return self.number

    @property
    def end(self) -> int:
        return self.number + (1 if self.frames else 0)

    @property
    def final(self) -> bool:
        return self.last


class DeviceFrames(SequenceRecord, tag="device/1", frozen=True, kw_only=True, omit_defaults=True):
    """A run of 60 ms Opus packets at 16 kHz mono: topic ``device``, place in frames."""

    TOPIC: ClassVar[str] = "device"

    first_frame: int
    packets: tuple[bytes, ...]
    sentences: tuple[tuple[int, str], ...] = ()
    """(frame number, text) of each chunk that begins in this run."""
    last: bool = False

    @property
    def start(self) -> int:
        return self.first_frame

    @property
    def end(self) -> int:
        return self.first_frame + len(self.packets)

    @property
    def final(self) -> bool:
        return self.last


class Event(SequenceRecord, tag="event/1", frozen=True, kw_only=True, omit_defaults=True):
    """Progress, said by a stage: topic ``event``, one line a session and stage."""

    TOPIC: ClassVar[str] = "event"

    stage: str
    seq: int
    kind: Literal["text", "chunk", "audio", "segment", "done", "failed"]
    chars: int = 0
    """Characters of the text dealt with so far."""
    chars_total: int = 0
    """Characters of the whole text, 0 while unknown."""
    audio_s: float = 0.0
    count: int = 0
    """Chunks or segments so far."""
    degraded: bool = False
    error: str = ""
    last: bool = False

    @property
    def sequence(self) -> str:
        return f"{self.session}/{self.stage}"

    @property
    def start(self) -> int:
        return self.seq

    @property
    def final(self) -> bool:
        return self.last


class DeadLetter(Record, tag="dead-letter/1", frozen=True, kw_only=True, omit_defaults=True):
    """A record that no retry can mend, with where it stood and why: topic ``dead-letter``.

    ``session`` is empty where the record was too broken to tell. It has no place: after a crash
    the same letter may be written twice.
    """

    TOPIC: ClassVar[str] = "dead-letter"
    stage: str
    topic: str
    partition: int
    offset: int
    reason: str
    value: bytes = b""
    """The record as it was, cut at 32 KB."""


def key_of_sequence(kind: type[SequenceRecord], line: str) -> str:
    """Return the partition key of a line's records, which is part of its name."""
    return line if kind is Chunk else line.partition("/")[0]


AnyRecord = (
    Text | Passage | Chunk | Speech | AudioFrame | Segment | DeviceFrames | Event | DeadLetter
)
TOPICS: dict[str, type[Record]] = {
    kind.TOPIC: kind
    for kind in (
        Text,
        Passage,
        Chunk,
        Speech,
        AudioFrame,
        Segment,
        DeviceFrames,
        Event,
        DeadLetter,
    )
}
