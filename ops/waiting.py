"""Where a session stands that waits for its place in production."""

from dataclasses import dataclass

from ..storage.admissions import Admissions
from .progress import Progress


@dataclass(frozen=True, slots=True)
class InLine:
    """A session's place in the line."""

    position: int
    """1 for the session that is admitted next."""
    starts_in_s: float | None
    """About when it is admitted, as fast as sessions have ended so far; None where none has."""

    def as_json(self) -> dict[str, object]:
        """Return it as the API gives it."""
        return {"position": self.position, "starts_in_s": self.starts_in_s}


async def in_line(admissions: Admissions, progress: Progress) -> InLine | None:
    """Return where the session stands, None where it does not wait.

    Raises:
        UnreachableError: the log's server does not answer.
    """
    if progress.done or progress.chunks:
        return None
    position = await admissions.position(progress.session)
    if position is None:
        return None
    places = await admissions.places()
    if places is None or not places.production_s:
        return InLine(position, None)
    return InLine(position, round(position * places.production_s / places.limit, 1))
