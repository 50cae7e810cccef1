"""A decoder in this process, for tests: what it decodes can kill it."""

from ..children import Limits
from .child import Server
from .isolated import Decoders


class InProcessDecoder:
    """Answers as `decoders.child` does, in a thread; limits are not looked at."""

    def __init__(self) -> None:
        self._server = Server()

    async def ask(self, request: bytes, limits: Limits) -> bytes:
        """Return the answer to a request."""
        return await self._server.answer(request)

    def memory_bytes(self) -> int:
        """Return 0: it has no memory of its own."""
        return 0

    async def close(self) -> None:
        """End what is under way."""
        self._server.close()


async def _start() -> InProcessDecoder:
    return InProcessDecoder()


def in_process_decoders() -> Decoders:
    """Return decoders that start no process."""
    return Decoders(start=_start)
