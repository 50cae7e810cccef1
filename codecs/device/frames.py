"""Device frames of a session: each resampled from its own window of the mastered PCM.

A frame is a pure function of its window, so any worker can make any frame; side by side the frames
equal the whole session resampled at once, to the rounding.
"""

import numpy as np

from ..audio.pcm import SAMPLE_RATE_HZ, Samples, resample_signal, to_int16
from .opus import DEVICE, DeviceFormat

_MARGIN_SAMPLES = 160
"""Device samples that a window adds on each side: more than soxr's HQ filter reaches."""


def margin_samples(form: DeviceFormat = DEVICE, sample_rate_hz: int = SAMPLE_RATE_HZ) -> int:
    """Return the session's samples that a window adds on each side of its frame (480 by default).

    Raises:
        ValueError: the two rates have no common grid; see ``device_window``.
    """
    frame_samples = sample_rate_hz * form.frame_ms // 1000
    margin = _MARGIN_SAMPLES * sample_rate_hz // form.sample_rate_hz
    if (
        sample_rate_hz * form.frame_ms != 1000 * frame_samples
        or _MARGIN_SAMPLES * sample_rate_hz != margin * form.sample_rate_hz
    ):
        raise ValueError(
            f"frames of {form.frame_ms} ms at {form.sample_rate_hz} Hz do not fall on whole "
            f"samples of {sample_rate_hz} Hz"
        )
    return margin


def device_window(
    frame_number: int, form: DeviceFormat = DEVICE, sample_rate_hz: int = SAMPLE_RATE_HZ
) -> tuple[int, int]:
    """Return the session's samples ``[first, end)`` that one device frame is made of.

    They begin before 0 for the first frame; what lies outside the session is zeros.

    Raises:
        ValueError: a frame or its margin is not a whole number of the session's samples.
    """
    margin = margin_samples(form, sample_rate_hz)
    frame_samples = sample_rate_hz * form.frame_ms // 1000
    start = frame_number * frame_samples
    return (start - margin, start + frame_samples + margin)


def device_frame(
    window: Samples, form: DeviceFormat = DEVICE, sample_rate_hz: int = SAMPLE_RATE_HZ
) -> Samples:
    """Return a frame's samples at the device's rate from its ``device_window``.

    By default 960 samples at 16 kHz from 3840 at 48 kHz.

    Raises:
        ValueError: the window has another length, or see ``device_window``.
    """
    first, end = device_window(0, form, sample_rate_hz)
    if len(window) != end - first:
        raise ValueError(f"a device window has {end - first} samples, not {len(window)}: pad it")
    narrow = resample_signal(window.astype(np.float32), sample_rate_hz, form.sample_rate_hz)
    return to_int16(narrow[_MARGIN_SAMPLES : _MARGIN_SAMPLES + form.frame_samples])
