"""Asking for a session's packets: none are made for sessions that no device plays."""

from ...agents.journal import Journal
from ...codecs.records import DeviceFrames, DeviceRequest
from ...storage.log import ForgottenError


async def request_packets(journal: Journal, session: str) -> bool:
    """Have packets made from the session's first sample on; asking again does no harm.

    Returns:
        False where there are none and none can be made any more: the log has let go of a session
        that no device asked for in its time.

    Raises:
        UnreachableError: the log does not answer.
    """
    if (await journal.of(DeviceRequest).state(session)).closed:
        return True
    try:
        await journal.append(DeviceRequest(session=session, last=True))
    except ForgottenError:
        return (await journal.of(DeviceFrames).state(session)).closed
    return True
