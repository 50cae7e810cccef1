"""Asking something of a session while it is made: the next record of its control sequence."""

import msgspec

from ..codecs.records import Control
from ..storage.log import ForgottenError
from .journal import Sequences

APPEND_TRIES = 20
"""Several may ask at once; each try loses to one of them."""


async def append_control(control: Sequences[Control], asked: Control) -> bool:
    """Append what is asked behind what was, whatever its number; return whether it was.

    It is not where the session was cancelled, or ended so long ago that the log has forgotten it.
    """
    for _ in range(APPEND_TRIES):
        state = await control.state(asked.session)
        if state.closed:
            return False
        try:
            if await control.append(msgspec.structs.replace(asked, seq=state.next)):
                return True
        except ForgottenError:
            return False
    return False
