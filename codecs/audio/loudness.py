"""Programme loudness of mono sound after ITU-R BS.1770-4, at any rate.

In two steps, so that a running meter can keep the powers of 100 ms steps (ten numbers a second)
instead of samples: K-weighted mean squares, and the gated mean over them.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

Powers = NDArray[np.float64]

_OFFSET_LUFS = -0.691
_ABSOLUTE_GATE_LUFS = -70.0
_RELATIVE_GATE = 0.1  # 10 LU below the mean of what passes the absolute gate
_STEPS_A_BLOCK = 4  # blocks of 400 ms overlap by 75 %

_TAIL_S = 0.1  # by then the weighting's answer to an impulse is below -120 dB


def gated_lufs(powers: Powers) -> float:
    """Return the integrated loudness of 100 ms steps given as ``step_powers`` gives them.

    Fewer steps than a block of 400 ms are one block. Minus infinity where nothing passes the
    gate.
    """
    if not len(powers):
        return float("-inf")
    width = min(_STEPS_A_BLOCK, len(powers))
    blocks = np.lib.stride_tricks.sliding_window_view(powers, width).mean(axis=1)
    audible = blocks[blocks > 10.0 ** ((_ABSOLUTE_GATE_LUFS - _OFFSET_LUFS) / 10)]
    if not len(audible):
        return float("-inf")
    gated = audible[audible > audible.mean() * _RELATIVE_GATE]
    return float(_OFFSET_LUFS + 10 * np.log10(gated.mean()))


class LoudnessMeter:
    """Measures sound as it comes, in pieces of any length; holds ten numbers a second.

    Pieces give what the whole would: each second is weighted with the end of the one before it.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._hop = 10 * round(rate_hz / 10)
        self._tail = np.zeros(round(rate_hz / 10), np.int16)
        """The step before what is weighted next, which its own filter's answer reaches into."""
        self._waiting: list[NDArray[np.int16]] = []
        self._held = 0
        self._powers: list[Powers] = []

    def feed(self, samples: NDArray[np.int16]) -> None:
        """Take the next samples."""
        self._waiting.append(samples)
        self._held += len(samples)
        if self._held >= self._hop:
            held = np.concatenate(self._waiting)
            whole = len(held) // self._hop * self._hop
            self._weigh(held[:whole])
            self._waiting, self._held = [held[whole:]], len(held) - whole

    def lufs(self) -> float:
        """Return the integrated loudness of all that was fed; minus infinity for silence."""
        rest = np.concatenate([np.zeros(0, np.int16), *self._waiting])
        last = step_powers(np.concatenate((self._tail, rest)), self._rate_hz)[1:]
        return gated_lufs(np.concatenate([np.zeros(0), *self._powers, last]))

    def _weigh(self, samples: NDArray[np.int16]) -> None:
        joined = np.concatenate((self._tail, samples))
        self._powers.append(step_powers(joined, self._rate_hz)[1:])
        self._tail = samples[-len(self._tail) :]


def step_powers(samples: NDArray[np.int16], rate_hz: int) -> Powers:
    """Return the K-weighted mean square (full scale 1) of each whole 100 ms step.

    Sound shorter than that is one step. Filtered by overlap-save, a second at a time: as exact as
    the recursive filter, and quick without compiled code.
    """
    step = min(round(rate_hz / 10), len(samples))
    if step == 0:
        return np.zeros(0)
    tail = round(_TAIL_S * rate_hz)
    hop = 10 * step
    response = _k_weighting(rate_hz, hop + tail)
    padded = np.concatenate((np.zeros(tail), samples / 32_768))
    powers: list[Powers] = []
    for start in range(0, len(samples), hop):
        block = padded[start : start + tail + hop]
        weighted = np.fft.irfft(np.fft.rfft(block, hop + tail) * response, hop + tail)
        whole = (len(block) - tail) // step * step
        powers.append((weighted[tail : tail + whole] ** 2).reshape(-1, step).mean(axis=1))
    return np.concatenate(powers)


@cache
def _k_weighting(rate_hz: int, size: int) -> NDArray[np.complex128]:
    """Return the response of BS.1770's two filters at the frequencies of a DFT.

    The analogue filters behind the tabulated 48 kHz coefficients (a +4 dB shelf at 1682 Hz for
    the head, a high-pass at 38 Hz), brought to any rate by the bilinear transform.
    """
    delay = np.exp(-2j * np.pi * np.arange(size // 2 + 1) / size)
    k, q = np.tan(np.pi * 1681.974450955533 / rate_hz), 0.7071752369554196
    high = 10 ** (3.999843853973347 / 20)
    middle = high**0.4996667741545416
    shelf = _biquad(
        delay,
        (high + middle * k / q + k * k, 2 * (k * k - high), high - middle * k / q + k * k),
        (1 + k / q + k * k, 2 * (k * k - 1), 1 - k / q + k * k),
    )
    k, q = np.tan(np.pi * 38.13547087602444 / rate_hz), 0.5003270373238773
    first = 1 + k / q + k * k
    # the table's numerator is 1, -2, 1 over a denominator that begins with 1
    high_pass = _biquad(
        delay, (first, -2 * first, first), (first, 2 * (k * k - 1), 1 - k / q + k * k)
    )
    return shelf * high_pass


def _biquad(
    delay: NDArray[np.complex128],
    above: tuple[float, float, float],
    below: tuple[float, float, float],
) -> NDArray[np.complex128]:
    numerator = above[0] + above[1] * delay + above[2] * delay**2
    return numerator / (below[0] + below[1] * delay + below[2] * delay**2)
