"""Committing through a log that is away for a moment."""

import asyncio
from collections.abc import Mapping

from ...storage.log import Fence, Log, UnreachableError

PATIENCE_S = 30.0


async def commit_patiently(
    log: Log, partition: int, offsets: Mapping[str, int], fence: Fence
) -> None:
    """Store offsets under the fence; an unreachable log is tried again for 30 s.

    The acknowledgements behind the offsets are gone already, so giving up early would lose them.

    Raises:
        FencedError: a newer generation owns the partition.
        UnreachableError: the log stayed unreachable.
    """
    waited_s = 0.0
    pause_s = 0.05
    while True:
        try:
            return await log.commit(fence.group, partition, offsets, fence=fence)
        except UnreachableError:
            if waited_s > PATIENCE_S:
                raise
            await asyncio.sleep(pause_s)
            waited_s += pause_s
            pause_s = min(pause_s * 2, 1.0)
