"""A stand-in for a voice of native code: it dies, eats, spins or hangs when the text says so."""

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

from rhapsode.agents.voices.voice import Spoken, Utterance, VoiceFailedError, VoiceUnavailableError

RATE_HZ = 16_000


class FrailVoice:
    """Speaks a second of a constant level, its process id; ``options`` choose how it loads."""

    name = "frail"

    def __init__(self, *, missing: str = "", dies_on_load: bool = False) -> None:
        self._missing = missing
        self._dies_on_load = dies_on_load

    def missing(self) -> str:
        return self._missing

    def languages(self) -> tuple[str, ...]:
        return ("en",)

    def speaks(self, language: str) -> bool:
        return language == "en"

    async def prepare(self) -> None:
        if self._missing:
            raise VoiceUnavailableError(self._missing)
        if self._dies_on_load:
            os.kill(os.getpid(), signal.SIGSEGV)

    async def speak(self, utterance: Utterance) -> Spoken:
        _obey(*utterance.text.split()[:2])
        samples = np.full(RATE_HZ, os.getpid() % 10_000, np.int16)
        return Spoken(samples, RATE_HZ, self.name, gain_db=1.5)

    async def close(self) -> None:
        """Nothing to close."""


def _obey(verb: str, argument: str = "") -> None:
    mark = Path(os.environ["FRAIL_VOICE_MARK"])
    if verb == "die":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif verb == "once" and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGABRT)
    elif verb == "eat":
        eaten = [bytearray(b"x" * 50_000_000) for _ in range(int(argument))]
        time.sleep(len(eaten))
    elif verb == "spin":
        while True:
            pass
    elif verb == "hang":
        mark.touch()
        signal.pause()
    elif verb == "refuse":
        raise VoiceFailedError("it will not")
    elif verb == "break":
        raise KeyError("a bug")
    elif verb == "print":
        sys.stdout.write("what a library prints\n")
        sys.stdout.flush()
