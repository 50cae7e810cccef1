"""The fixed grid that cuts a session into HLS segments and encoder runs.

Everything is counted in AAC frames of 1024 samples and depends on the segment number and the grid
alone, never on arrival time: so any worker cuts where any other would.
"""

from dataclasses import dataclass
from functools import cached_property
from math import floor

from ..audio.pcm import SAMPLE_RATE_HZ

AAC_FRAME_SAMPLES = 1024
"""Samples of one AAC access unit (ISO/IEC 14496-3, 4.5.2.1.1)."""

AAC_RATES_HZ = (
    *(96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000),
    *(22_050, 16_000, 12_000, 11_025, 8_000, 7_350),
)
"""Sample rates in the order of samplingFrequencyIndex (ISO/IEC 14496-3, table 1.18)."""

GRID_RATES_HZ = tuple(rate for rate in AAC_RATES_HZ if 8_000 <= rate <= 48_000)

RUN_SEGMENTS = 8
"""Segments that share one encoder; a lost run is encoded again from its start."""

RAMP_FIRST_S = 10 * AAC_FRAME_SAMPLES / 48_000
"""Length of segment 0 on a ramp: 0.213 s, about what a browser wants before it plays."""

PART_S = 16 * AAC_FRAME_SAMPLES / 48_000
"""Length of a part, 0.341 s; steady segments are a multiple of it, so that equal parts fit."""


def round_half_up(value: float) -> int:
    """Return the nearest integer, halves up, as HLS clients round EXTINF (RFC 8216, 4.3.3.1)."""
    return floor(value + 0.5)


@dataclass(frozen=True)
class Grid:
    """How long each segment is.

    On a ramp segments double from 0.213 s (10 frames at 48 kHz) until they are steady, so that the
    first is there at once; a source at twice real time or faster keeps ahead of the doubling.

    Raises:
        ValueError: ``segment_s`` is not between 0.3 and 10, or the sample rate is not one of AAC's
            up to 48 kHz (higher ones do not fit an MP4 sample entry).
    """

    segment_s: float = 2.0
    """Steady length wanted, in seconds. Longer: fewer objects and requests; shorter: who joins
    late hears sound sooner."""
    ramp: bool = True
    """Begin with short segments. False: the first sound waits for a whole segment."""
    sample_rate_hz: int = SAMPLE_RATE_HZ

    def __post_init__(self) -> None:
        if not 0.3 <= self.segment_s <= 10.0:
            raise ValueError(f"segment_s is {self.segment_s}: choose 0.3 to 10 seconds")
        if self.sample_rate_hz not in GRID_RATES_HZ:
            raise ValueError(f"{self.sample_rate_hz} Hz: choose one of {GRID_RATES_HZ}")

    @cached_property
    def target_duration_s(self) -> int:
        """EXT-X-TARGETDURATION, whole seconds, at least 1."""
        return max(1, round_half_up(self.segment_s))

    @cached_property
    def part_frames(self) -> int:
        """Frames of a part: 16 at 48 kHz, 15 at 44.1 kHz."""
        return self._frames_near(PART_S)

    @cached_property
    def steady_frames(self) -> int:
        """Frames of a segment after the ramp, a multiple of ``part_frames``."""
        frames_wanted = self.segment_s * self.sample_rate_hz / AAC_FRAME_SAMPLES
        parts = max(1, round_half_up(frames_wanted / self.part_frames))
        # each EXTINF, rounded, must not exceed the target duration (RFC 8216, 4.3.3.1)
        while round_half_up(self.duration_s(parts * self.part_frames)) > self.target_duration_s:
            parts -= 1
        return parts * self.part_frames

    def duration_s(self, frames: int) -> float:
        """Return how long AAC frames last, in seconds."""
        return duration_s(frames, self.sample_rate_hz)

    def _frames_near(self, seconds: float) -> int:
        return max(1, round_half_up(seconds * self.sample_rate_hz / AAC_FRAME_SAMPLES))

    @cached_property
    def _ramp_starts(self) -> tuple[int, ...]:
        """First frames of the ramp's segments, and of the first steady one."""
        starts = [0]
        frames = self._frames_near(RAMP_FIRST_S)
        while self.ramp and frames < self.steady_frames:
            starts.append(starts[-1] + frames)
            frames *= 2
        return tuple(starts)

    def frames(self, k: int) -> int:
        """Return the number of frames of segment ``k`` (a session's last may have fewer)."""
        return self.start(k + 1) - self.start(k)

    def start(self, k: int) -> int:
        """Return the first frame of segment ``k``.

        Raises:
            ValueError: ``k`` is negative.
        """
        if k < 0:
            raise ValueError(f"there is no segment {k}")
        ramp = self._ramp_starts
        if k < len(ramp):
            return ramp[k]
        return ramp[-1] + (k - len(ramp) + 1) * self.steady_frames

    def segment_of(self, frame: int) -> int:
        """Return the number of the segment that holds a frame.

        Raises:
            ValueError: ``frame`` is negative.
        """
        if frame < 0:
            raise ValueError(f"there is no frame {frame}")
        ramp = self._ramp_starts
        if frame >= ramp[-1]:
            return len(ramp) - 1 + (frame - ramp[-1]) // self.steady_frames
        return next(k for k in range(len(ramp) - 1) if frame < ramp[k + 1])

    def sample_of_segment(self, sample: int) -> int:
        """Return the first sample of the segment that holds a sample.

        Raises:
            ValueError: ``sample`` is negative.
        """
        return self.start(self.segment_of(sample // AAC_FRAME_SAMPLES)) * AAC_FRAME_SAMPLES

    def sample_of_run(self, sample: int) -> int:
        """Return the first sample of the encoder run that holds a sample.

        Raises:
            ValueError: ``sample`` is negative.
        """
        run = self.run_of(self.segment_of(sample // AAC_FRAME_SAMPLES))
        return self.start(run * RUN_SEGMENTS) * AAC_FRAME_SAMPLES

    def run_of(self, k: int) -> int:
        """Return the number of the encoder run that segment ``k`` is in."""
        return k // RUN_SEGMENTS


def duration_s(frames: int, sample_rate_hz: int = SAMPLE_RATE_HZ) -> float:
    """Return how long AAC frames last, in seconds."""
    return frames * AAC_FRAME_SAMPLES / sample_rate_hz


def frames_of(samples: int) -> int:
    """Return how many AAC frames a session of that many samples has; the last may be padded."""
    return -(-samples // AAC_FRAME_SAMPLES)
