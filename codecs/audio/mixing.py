"""Decoded frames of any sample format and channel layout, brought to mono floating point."""

from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from .pcm import Signal

_WEIGHTS = {
    **dict.fromkeys(("FL", "FR"), 0.70710678),
    "FC": 1.0,
    "LFE": 0.0,
    **dict.fromkeys(("BL", "BR", "SL", "SR", "BC"), 0.5),
}
"""Of channels in a mono mix (ITU-R BS.775-3, table 2, and its note on the low effects)."""

_MOST = 16.0
"""Floating-point files may go over full scale; one such sample shall not fill the filter."""


def mixed_down(frame: av.AudioFrame) -> Signal:
    """Return a frame as mono with full scale 1.

    Weights add up to 1, so that what did not clip in its channels does not clip in the mix;
    channels of layouts without names count equally. Summed channel by channel, in one order.
    """
    channels = _channels(frame)
    if len(channels) == 1:
        return channels[0].astype(np.float32)
    weights = [_WEIGHTS.get(channel.name) for channel in frame.layout.channels]
    known = [weight for weight in weights if weight is not None]
    if len(known) != len(channels) or sum(known) == 0:
        known = [1.0] * len(channels)
    mix = np.zeros(channels.shape[1])
    for channel, weight in zip(channels, known, strict=True):
        mix += channel * (weight / sum(known))
    return mix.astype(np.float32)


def _channels(frame: av.AudioFrame) -> NDArray[np.float64]:
    """Return the samples by channel in 64-bit floating point with full scale 1."""
    count = frame.layout.nb_channels
    samples: NDArray[Any] = frame.to_ndarray()
    if not frame.format.is_planar:
        samples = samples.reshape(-1, count).T
    if samples.dtype == np.uint8:
        return (samples.astype(np.float64) - 128) / 128
    if np.issubdtype(samples.dtype, np.integer):
        return samples.astype(np.float64) / 2.0 ** (8 * samples.itemsize - 1)
    # in this order: a signalling NaN cannot even be cast without a warning
    return np.clip(np.nan_to_num(samples), -_MOST, _MOST).astype(np.float64)
