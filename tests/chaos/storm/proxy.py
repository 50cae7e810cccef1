"""A proxy before the log's server that cuts its connections, or lets them hang."""

import asyncio
import threading
from contextlib import suppress


class Proxy:
    """Forwards a loopback port to another, in a thread of its own."""

    def __init__(self, target_port: int) -> None:
        self.port = 0
        self._target_port = target_port
        self._loop = asyncio.new_event_loop()
        self._passes = asyncio.Event()
        self._refuses = False
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)

    def start(self) -> None:
        """Listen; the port is known when this returns."""
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)

    def stop(self) -> None:
        """Close everything and end the thread."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def cut(self) -> None:
        """Break every connection and refuse new ones until `mend`."""
        self._on_loop(self._cut)

    def stall(self) -> None:
        """Let nothing through in either direction until `mend`; connections stay open."""
        self._on_loop(self._passes.clear)

    def mend(self) -> None:
        """Let everything through again."""
        self._on_loop(self._mend)

    def _mend(self) -> None:
        self._refuses = False
        self._passes.set()

    def _cut(self) -> None:
        self._refuses = True
        for writer in self._writers:
            writer.transport.abort()

    def _on_loop(self, change: object) -> None:
        done = threading.Event()

        def make() -> None:
            assert callable(change)
            change()
            done.set()

        self._loop.call_soon_threadsafe(make)
        done.wait(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    async def _listen(self) -> None:
        self._passes.set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        self._cut()
        this = asyncio.current_task()
        tasks = [task for task in asyncio.all_tasks() if task is not this]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refuses:
            writer.transport.abort()
            return
        try:
            far = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:  # the server is away
            writer.transport.abort()
            return
        both = {writer, far[1]}
        self._writers |= both
        try:
            await asyncio.gather(self._pump(reader, far[1]), self._pump(far[0], writer))
        except asyncio.CancelledError:
            return  # at the end of all: asyncio's streams trip over a cancelled callback
        finally:
            self._writers -= both
            for one in both:
                one.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                await self._passes.wait()
                writer.write(data)
                await writer.drain()
        writer.transport.abort()
