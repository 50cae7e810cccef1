"""What listeners and owners ask of a session while it is made: its control sequence."""

from ..agents.journal import Journal
from ..codecs.records import Control, check_session
from ..storage.log import ForgottenError

APPEND_TRIES = 20
"""Several may ask at once; each try loses to one of them."""


async def append_control(
    journal: Journal, session: str, verb: str, position_s: float = -1.0
) -> None:
    """Append to a session's control sequence, unless it is cancelled already or ended long ago.

    Raises:
        UnknownSessionError: there is no such session.
    """
    check_session(session)
    await journal.describe(session)
    for _ in range(APPEND_TRIES):
        state = await journal.of(Control).state(session)
        if state.closed:
            return
        record = Control(
            session=session,
            seq=state.next,
            verb="cancel" if verb == "cancel" else "listening",
            position_s=position_s,
            last=verb == "cancel",
        )
        try:
            if all(await journal.append(record)):
                return
        except ForgottenError:
            return
