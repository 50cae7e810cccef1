"""The script of the index of sessions as typed functions, one for each of its verbs."""

from typing import Any

from ..session_index import Kept
from .calls import Call, script
from .connection import RedisConnection


class SessionScripts:
    """Which sessions there are, and what is kept of them.

    The server's clock alone counts. All methods raise what their connection does.
    """

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection
        self._place = connection.keys.sessions

    async def add(self, session: str, owner: str, created_ms: int | None) -> None:
        """Note a session, unless it is known."""
        created = "" if created_ms is None else created_ms
        await self._run("add", session, created, owner, owner=owner)

    async def count(self, session: str, kind: Kept, size_bytes: int, *, owner: str) -> None:
        """Add to what is kept of a session and of its owner."""
        await self._run("count", session, kind, size_bytes, owner=owner)

    async def end(self, session: str, ended_ms: int) -> None:
        """Note that the log has forgotten a session."""
        await self._run("end", session, ended_ms)

    async def ask_removal(self, session: str) -> None:
        """Note that a session is to be removed."""
        await self._run("ask_removal", session)

    async def remove(self, session: str, *, owner: str) -> None:
        """Forget a session."""
        await self._run("remove", session, owner=owner)

    async def _run(self, verb: str, name: str, *arguments: Any, owner: str = "") -> bool:
        parts = ("all", f"of:{owner}", f"facts:{name}", "totals", f"totals:{owner}")
        keys = [self._place(part) for part in (*parts, "removing")]
        call = Call(script("sessions"), keys, [verb, name, *arguments])
        return bool(await self._connection.run(call))
