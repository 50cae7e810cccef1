"""The log's server for as long as a command runs: the one that is named, or an embedded one."""

import asyncio
import os
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager

import structlog

from ...storage.redis.embedded import EmbeddedValkey, EmbeddedValkeyError
from ..settings import Settings
from .addresses import log_folder

LOOK_S = 0.25
"""Between two looks whether the embedded server is there."""
TOLD_LOOK_S = 2.0
"""The same, where the system tells of its end."""
TRY_MOST_S = 10.0
"""Between two tries to start a server that does not start."""
log = structlog.get_logger()


@asynccontextmanager
async def log_server(settings: Settings) -> AsyncGenerator[tuple[Settings, bool]]:
    """Yield settings with a server's URL, and whether we started that server.

    Without a URL the embedded Valkey of the state folder is used, started unless it runs already.
    Where it ends, whoever started it, it is started again: what it has answered is in its file.
    """
    if settings.redis_url:
        yield settings, False
        return
    server = EmbeddedValkey(log_folder(settings), fsync=settings.fsync)
    started = await asyncio.to_thread(server.start_unless_running)
    leaving = asyncio.Event()
    keeping = asyncio.create_task(_keep(server, leaving))
    try:
        yield settings.model_copy(update={"redis_url": server.url}), started
    finally:
        leaving.set()
        await asyncio.to_thread(server.stop)
        await asyncio.wait([keeping])  # it may have been cancelled with all the rest
        await asyncio.to_thread(server.stop)  # a start that was under way


async def _keep(server: EmbeddedValkey, leaving: asyncio.Event) -> None:
    pause_s = LOOK_S
    while not await _is_set_within(leaving, pause_s, server):
        if server.runs_here or await asyncio.to_thread(server.answers):
            pause_s = LOOK_S
            continue
        log.warning("the log's server has ended, starting it again")
        try:
            await asyncio.to_thread(server.start_again)
        except (EmbeddedValkeyError, OSError) as error:
            if not leaving.is_set():
                log.warning("the log's server does not start, trying again", why=str(error))
            pause_s = min(2 * pause_s, TRY_MOST_S)


async def _is_set_within(event: asyncio.Event, seconds: float, server: EmbeddedValkey) -> bool:
    """Wait so long, or only until the server ends, where it is ours and the system tells."""
    with _told_of_the_end(server, ended := asyncio.Event()) as is_told:
        waiting = [asyncio.create_task(event.wait()), asyncio.create_task(ended.wait())]
        # its socket may be removed, of which nobody tells
        await asyncio.wait(
            waiting,
            timeout=max(seconds, TOLD_LOOK_S) if is_told else seconds,
            return_when=asyncio.FIRST_COMPLETED,
        )
        for one in waiting:
            one.cancel()
    return event.is_set()


@contextmanager
def _told_of_the_end(server: EmbeddedValkey, ended: asyncio.Event) -> Generator[bool]:
    """Set the event when a server that this process started ends; yield False where none tells."""
    try:  # of Linux
        descriptor = os.pidfd_open(server.pid) if server.pid and server.runs_here else None
    except (AttributeError, OSError):
        descriptor = None
    if descriptor is None:
        yield False
        return
    loop = asyncio.get_running_loop()
    loop.add_reader(descriptor, ended.set)
    try:
        yield True
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
