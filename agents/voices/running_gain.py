"""The gain of a voice whose loudness could not be measured beforehand."""

import threading

import numpy as np
from numpy.typing import NDArray

from ...codecs.audio.loudness import gated_lufs, step_powers
from .voice import TARGET_LUFS

ASSUMED_LUFS = -20.0
"""Before anything was heard: about what most speech services have."""
_ASSUMED_STEPS = 30
_LEARNED_STEPS = 600
_MAX_DB = 12.0


class RunningGain:
    """Learns a voice's loudness from its first minute; then the gain is fixed.

    The assumption weighs as much as 3 s of speech, so that a loud first clause does not make the
    next one quiet.
    """

    def __init__(self) -> None:
        assumed = 10 ** ((ASSUMED_LUFS + 0.691) / 10)  # the inverse of gated_lufs
        self._powers = np.full(_ASSUMED_STEPS, assumed)
        self._lock = threading.Lock()

    def gain_db(self, samples: NDArray[np.int16], rate_hz: int) -> float:
        """Take in this speech and return the gain for it, -12 to 12 dB."""
        with self._lock:
            if len(self._powers) < _LEARNED_STEPS:
                heard = step_powers(samples, rate_hz)[: _LEARNED_STEPS - len(self._powers)]
                self._powers = np.concatenate([self._powers, heard])
            gain_db = TARGET_LUFS - gated_lufs(self._powers)
        return max(-_MAX_DB, min(_MAX_DB, gain_db))
