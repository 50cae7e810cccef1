"""The log's server for as long as a command runs: the one that is named, or an embedded one."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import structlog

from ...storage.redis.embedded import EmbeddedValkey, EmbeddedValkeyError
from ..settings import Settings
from .addresses import log_folder

LOOK_S = 0.25
"""Between two looks whether the embedded server is there."""
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
    while not await _is_set_within(leaving, pause_s):
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


async def _is_set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True
