"""How often a peer may do something: a token bucket without a clock."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Allowance:
    """So many of something a second in the long run, and a burst at once."""

    a_second: float
    burst: float
    _left: float = field(init=False)
    _at_s: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self._left = self.burst

    def take(self, now_s: float) -> bool:
        """Take one; False where there is none."""
        earned = max(0.0, now_s - self._at_s) * self.a_second
        self._left = min(self.burst, self._left + earned)
        self._at_s = now_s
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True
