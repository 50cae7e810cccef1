"""Whether somebody has emptied the log: whoever was at work on it has to begin anew."""

import asyncio

import structlog

from ...storage.log import Log, LogError

LOOK_S = 10.0
log = structlog.get_logger()


async def until_emptied(log_: Log, identity: str) -> None:
    """Return once the log is another one than that of the identity, as after FLUSHALL.

    Positions, groups and sessions of this process are of a log that is gone: it ends, and whoever
    supervises it starts another, which finds an empty log.
    """
    while True:
        await asyncio.sleep(LOOK_S)
        try:
            if await log_.identity() != identity:
                log.error("the log was emptied: this process ends, to begin anew")
                return
        except (OSError, LogError):
            continue  # out of reach, which others say
