"""What is heard: mastered audio, and what HLS and devices get of it."""

from typing import ClassVar

from .record import BYTES_PER_SAMPLE, SequenceRecord, check_session
from .sound import Word


class AudioFrame(
    SequenceRecord, tag="audio-frame/2", frozen=True, kw_only=True, omit_defaults=True
):
    """Mastered PCM at the form's rate: topic ``audio-frame``, positions in samples.

    This is the truth of a session: everything after it is a pure function of it.
    """

    TOPIC: ClassVar[str] = "audio-frame"
    JUDGED_BY_START: ClassVar[bool] = True

    first_sample: int
    samples: int
    channels: int = 1
    pcm: bytes = b""
    """Signed 16-bit little-endian, ``2 * channels * samples`` bytes."""
    chunk: int = -1
    """``seq`` of the chunk it comes from; -1 for silence that belongs to none."""
    offset: int = 0
    """Samples of its chunk before it; 0 where it comes from none."""
    chapter: int = 0
    index: int = 0
    """With ``chapter``: the chunk that mastering goes on with after this frame."""
    piece: int = 0
    """The piece of the chapter's objects that mastering goes on with after this frame."""
    text: str = ""
    """The chunk's text, on the first frame of a chunk only."""
    item: int = 0
    start_char: int = 0
    end_char: int = 0
    degraded: bool = False
    words: tuple[Word, ...] = ()
    """Seconds from the start of the session; on the first frame of a chunk only."""
    error: str = ""

    def __post_init__(self) -> None:
        check_session(self.session)
        held = len(self.pcm)
        if self.samples < 0 or held != BYTES_PER_SAMPLE * self.channels * self.samples:
            raise ValueError(f"{held} bytes are not {self.samples} samples of {self.channels}")

    @property
    def start(self) -> int:
        return self.first_sample

    @property
    def end(self) -> int:
        return self.first_sample + self.samples


class Segment(SequenceRecord, tag="segment/1", frozen=True, kw_only=True, omit_defaults=True):
    """An HLS media segment that is in the store: topic ``segment``, position = segment number."""

    TOPIC: ClassVar[str] = "segment"

    number: int
    name: str = ""
    """Object name beside the playlist, such as ``audio_000.m4s``; empty on a bare end mark."""
    first_frame: int
    """First AAC frame (1024 samples) of the segment."""
    frames: int
    size_bytes: int
    sha256: str = ""
    error: str = ""

    @property
    def start(self) -> int:
        return self.number

    @property
    def end(self) -> int:
        return self.number + (1 if self.frames else 0)


class DeviceFrames(SequenceRecord, tag="device/1", frozen=True, kw_only=True, omit_defaults=True):
    """A run of Opus packets of the form's frame length: topic ``device``, positions in frames."""

    TOPIC: ClassVar[str] = "device"

    first_frame: int
    packets: tuple[bytes, ...]
    sentences: tuple[tuple[int, str], ...] = ()
    """(frame number, text) of each chunk that begins in this run."""

    @property
    def start(self) -> int:
        return self.first_frame

    @property
    def end(self) -> int:
        return self.first_frame + len(self.packets)
