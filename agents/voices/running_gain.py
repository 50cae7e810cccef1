"""The gain of a voice whose loudness nobody could measure beforehand."""

import threading

import numpy as np
from numpy.typing import NDArray

from ...codecs.audio.loudness import gated_lufs, step_powers
from .voice import TARGET_LUFS

ASSUMED_LUFS = -20.0
"""Until something was heard: between the loudness of most speech services."""
_ASSUMED_STEPS = 30
_LEARNED_STEPS = 600
_MOST_DB = 12.0


class RunningGain:
    """Learns a voice's loudness from its first minute, and then stays.

    The assumption weighs as much as 3 s of speech, so that a first loud clause does not make the
    next one quiet. After a minute the gain is fixed, as a calibrated voice's is.
    """

    def __init__(self) -> None:
        assumed = 10 ** ((ASSUMED_LUFS + 0.691) / 10)  # the inverse of gated_lufs
        self._powers = np.full(_ASSUMED_STEPS, assumed)
        self._lock = threading.Lock()

    def gain_db(self, samples: NDArray[np.int16], rate_hz: int) -> float:
        """Return the gain for this speech, having listened to it; within 12 dB."""
        with self._lock:
            if len(self._powers) < _LEARNED_STEPS:
                heard = step_powers(samples, rate_hz)[: _LEARNED_STEPS - len(self._powers)]
                self._powers = np.concatenate([self._powers, heard])
            gain_db = TARGET_LUFS - gated_lufs(self._powers)
        return max(-_MOST_DB, min(_MOST_DB, gain_db))
