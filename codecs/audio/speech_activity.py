"""Whether somebody speaks, and since when nobody does any more."""

from collections import deque
from typing import Any

import numpy as np
import webrtcvad

from .pcm import Samples, to_bytes

RATE_HZ = 16_000
FRAME_SAMPLES = 320
"""20 ms; WebRTC's detector takes 10, 20 or 30."""
AGGRESSIVENESS = 2
"""Of 0 to 3: how much it takes to be speech."""
QUIET_DBFS = -50.0
"""What is quieter is no speech, whatever it sounds like."""
ONSET_FRAMES, ONSET_SPOKEN = 10, 7
"""Speech begins where so many of so many frames are speech: a click is not."""


class SpeechActivity:
    """Follows 16 kHz mono sound with WebRTC's voice activity detector."""

    def __init__(self) -> None:
        self.spoken_s = 0.0
        """How much of it was speech, since somebody began to speak."""
        self.silent_s = 0.0
        """Since when nobody speaks; 0 where somebody does, or nobody has begun."""
        self.total_s = 0.0
        self._detector: Any = webrtcvad.Vad(AGGRESSIVENESS)
        self._recent: deque[bool] = deque(maxlen=ONSET_FRAMES)
        self._rest = np.zeros(0, np.int16)

    def take(self, samples: Samples) -> None:
        """Take in more of the sound, int16."""
        sound = np.concatenate((self._rest, samples.astype(np.int16)))
        whole = len(sound) // FRAME_SAMPLES * FRAME_SAMPLES
        for start in range(0, whole, FRAME_SAMPLES):
            self._frame(sound[start : start + FRAME_SAMPLES])
        self._rest = sound[whole:]

    def _frame(self, frame: Samples) -> None:
        frame_s = FRAME_SAMPLES / RATE_HZ
        self.total_s += frame_s
        level = float(np.sqrt(np.mean(np.square(frame.astype(np.float64)))))
        loud = level > 32_768 * 10 ** (QUIET_DBFS / 20)
        spoken = loud and bool(self._detector.is_speech(to_bytes(frame), RATE_HZ))
        self._recent.append(spoken)
        if not self.spoken_s:
            if sum(self._recent) >= ONSET_SPOKEN:
                self.spoken_s = ONSET_SPOKEN * frame_s
        elif spoken:
            self.spoken_s += frame_s
            self.silent_s = 0.0
        else:
            self.silent_s += frame_s
