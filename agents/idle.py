"""What an agent is handed when nothing comes: time that passed, for those that act on it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Idle:
    """Nothing has come for an open session's key for so long."""

    seconds: float
