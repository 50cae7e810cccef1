"""Decoding long audio files piece by piece, in flat memory, the same to the bit every time.

WAV, MP3, FLAC, Ogg (Opus, Vorbis), AAC and M4A, recognised by their content. Input is hostile: only
these containers and their usual codecs are opened, nothing but the given file is read, and every
loop is bounded.

Damage: a packet that cannot be demuxed or decoded is skipped, so what follows comes that much
earlier; a run of them longer than ``MAX_BAD_PACKETS`` ends the file with ``AudioFormatError``. A
file that was cut short simply ends where its bytes do: whoever fetched it knows its length.

What Python cannot bound is FFmpeg's own memory: a header of a few bytes that claims 16,386 channels
made it allocate 0.8 GB before it refused (measured). So `agents/decoders` decodes in processes of
their own, with a limit of memory.
"""

from collections.abc import Iterator
from types import TracebackType
from typing import Self

import av
import numpy as np
import soxr
from av.error import FFmpegError
from numpy.typing import NDArray

from ..libraries import force_portable_cpu
from .bounded_file import BinaryFile, BoundedFile
from .files import OPEN_OPTIONS, SOURCE_RATES_HZ, AudioFormatError
from .loudness import LoudnessMeter
from .mixing import mixed_down
from .pcm import FULL_SCALE, SAMPLE_RATE_HZ, Samples, Signal, to_int16

MAX_HOURS_S = 6 * 3600.0

MAX_BAD_PACKETS = 200
"""Packets in a row that may be damaged: 4 to 9 s of sound, or as much garbage."""

_MAX_RATE_CHANGES = 64
"""Joined files may change their sample rate; one that does so all the time is an attack."""

_MAX_CHANNELS = 16
_MAX_TAG_CHARS = 200

_CODECS = (
    "mp3,mp3float,flac,opus,vorbis,aac,alac,"
    "pcm_u8,pcm_s16le,pcm_s24le,pcm_s32le,pcm_f32le,pcm_f64le,pcm_alaw,pcm_mulaw,"
    "pcm_s16be,pcm_s24be,pcm_s32be"
)
_OPTIONS = {**OPEN_OPTIONS, "codec_whitelist": _CODECS}
_OPTIONS_OF_STREAMS = {
    # what browsers record is Matroska's
    "format_whitelist": OPEN_OPTIONS["format_whitelist"] + ",matroska,webm",
    "probesize": "32768",
    "analyzeduration": "500000",
}
"""Bytes and microseconds before the first sound: of what comes at the speed at which it is heard,
FFmpeg would wait for 5 s to be sure of what it is."""


class PieceDecoder:
    """Decodes one file from its start to mono samples at the wanted rate, in pieces.

    Args:
        file: What to read; it stays open, and its position is the decoder's.
        rate_hz: Sample rate wanted.
        channels: 1; several channels are mixed down without clipping.
        max_seconds: Longest sound that is decoded, by what is decoded, not by what a header has.

    Raises:
        AudioFormatError: the file is not audio of a known format, or out of bounds.
        OSError: the file could not be read.
    """

    title: str
    """As the file's tags have it, at most 200 characters; empty where there is none."""
    duration_s: float | None
    """Length by the file's header, for display only: headers may lie. None where it has none."""

    def __init__(
        self,
        file: BinaryFile,
        rate_hz: int = SAMPLE_RATE_HZ,
        channels: int = 1,
        *,
        max_seconds: float = MAX_HOURS_S,
    ) -> None:
        if channels != 1:
            raise ValueError(f"{channels} channels are not decoded yet: ask for 1")
        force_portable_cpu()
        self._rate_hz = rate_hz
        self._max_seconds = max_seconds
        self._source = BoundedFile(file)
        self.meter = LoudnessMeter(rate_hz)
        """Of all that was decoded so far, what was skipped included."""
        self._started = False
        try:
            # tags in Latin-1 are common, and no reason to refuse the sound
            self._container = av.open(
                self._source,
                mode="r",
                options=_OPTIONS if file.seekable() else _OPTIONS | _OPTIONS_OF_STREAMS,
                metadata_errors="replace",
            )
        except (FFmpegError, ValueError, IndexError) as error:
            self._source.raise_error()
            why = getattr(error, "strerror", None) or error
            raise AudioFormatError(f"this is not an audio file that we know: {why}") from None
        try:
            self._stream = self._checked_stream()
        except AudioFormatError:
            self.close()
            raise
        tags = {name.lower(): value for name, value in self._container.metadata.items()}
        tags |= {name.lower(): value for name, value in self._stream.metadata.items()}
        self.title = " ".join(tags.get("title", "").split())[:_MAX_TAG_CHARS]
        length = self._container.duration
        self.duration_s = length / av.time_base if length and length > 0 else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Free the decoder; the file stays open."""
        self._container.close()

    def pieces(self, piece_samples: int, skip_samples: int = 0) -> Iterator[Samples]:
        """Yield the sound in pieces of ``piece_samples``, the last one shorter.

        ``skip_samples``, counted at the wanted rate, are decoded from the start and dropped, so
        whoever resumes gets the very continuation of the pieces it had. Once per decoder.

        Raises:
            AudioFormatError: there is no sound in the file, too much, or too much damage. Pieces
                before it are sound.
            OSError: the file could not be read; never taken for its end.
            ValueError: pieces would be empty, or were asked for before.
        """
        if piece_samples < 1 or skip_samples < 0:
            raise ValueError(f"cannot skip {skip_samples} and cut pieces of {piece_samples}")
        if self._started:
            raise ValueError("a decoder gives its pieces once: open another one")
        self._started = True
        pending: list[Samples] = []
        held = 0
        to_skip = skip_samples
        for samples in self._resampled():
            self.meter.feed(samples)
            dropped = min(to_skip, len(samples))
            to_skip -= dropped
            pending.append(samples[dropped:])
            held += len(samples) - dropped
            if held < piece_samples:
                continue
            joined = np.concatenate(pending)
            whole = held // piece_samples * piece_samples
            for start in range(0, whole, piece_samples):
                yield joined[start : start + piece_samples].copy()
            pending, held = [joined[whole:].copy()], held - whole
        if held:
            yield np.concatenate(pending)

    def _checked_stream(self) -> av.AudioStream:
        if not self._container.streams.audio:
            raise AudioFormatError("there is no audio in the file")
        stream = self._container.streams.audio[0]
        context = stream.codec_context
        # PyAV has no context where FFmpeg knows no decoder
        if not context or context.name not in _CODECS.split(","):
            raise AudioFormatError("the sound is in a codec that is not decoded")
        context.thread_count = 1
        return stream

    def _resampled(self) -> Iterator[Samples]:
        """Yield the sound at the wanted rate, as it comes out of one filter over all of it."""
        rate_hz = 0
        changes = -1
        stream: soxr.ResampleStream | None = None
        left_s = self._max_seconds
        for signal, frame_rate_hz in self._signals():
            if frame_rate_hz != rate_hz:
                if stream is not None:
                    yield _rounded(stream.resample_chunk(signal[:0], last=True))
                rate_hz = frame_rate_hz
                changes += 1
                stream = self._opened_resampler(rate_hz, changes)
            left_s -= len(signal) / rate_hz
            if left_s < 0:
                raise AudioFormatError(f"the audio is longer than {self._max_seconds:.0f} s")
            yield _rounded(signal if stream is None else stream.resample_chunk(signal))
        if changes < 0:
            raise AudioFormatError("there is no sound in the file")
        if stream is not None:
            yield _rounded(stream.resample_chunk(np.zeros(0, np.float32), last=True))

    def _opened_resampler(self, rate_hz: int, changes: int) -> soxr.ResampleStream | None:
        low, high = SOURCE_RATES_HZ
        if not low <= rate_hz <= high:
            raise AudioFormatError(f"{rate_hz} Hz is not between {low} and {high}")
        if changes > _MAX_RATE_CHANGES:
            raise AudioFormatError("the file keeps changing its sample rate")
        if rate_hz == self._rate_hz:
            return None
        return soxr.ResampleStream(rate_hz, self._rate_hz, 1, dtype="float32", quality="HQ")

    def _signals(self) -> Iterator[tuple[Signal, int]]:
        """Yield decoded frames as mono in [-1, 1] or a little over, with their rates."""
        for packet in self._packets():
            self._source.count_step()
            try:
                frames = [frame for frame in packet.decode() if frame.samples]
            except (FFmpegError, ValueError, IndexError) as error:
                self._note_damage(error)
                continue
            for frame in frames:
                if frame.layout.nb_channels > _MAX_CHANNELS:
                    raise AudioFormatError(f"{frame.layout.nb_channels} channels are too many")
                self._bad_packets = 0
                self._source.note_progress()
                yield mixed_down(frame), frame.sample_rate

    def _packets(self) -> Iterator["av.Packet[av.AudioStream]"]:
        """Yield the packets of the audio stream, going on behind what cannot be demuxed."""
        self._bad_packets = 0
        while True:
            try:
                yield from self._container.demux(self._stream)
            except (FFmpegError, ValueError, IndexError) as error:
                self._note_damage(error)
            else:
                self._source.raise_error()
                return

    def _note_damage(self, error: Exception) -> None:
        self._source.raise_error()
        self._bad_packets += 1
        if self._bad_packets > MAX_BAD_PACKETS:
            raise AudioFormatError(f"the file is damaged: {error}") from None


def _rounded(signal: NDArray[np.float32]) -> Samples:
    return to_int16(signal * np.float32(FULL_SCALE))
