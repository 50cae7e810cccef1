"""The index of sessions on the server."""

from collections.abc import Sequence

from ..session_index import Kept, KnownSession, Position, Totals
from .connection import RedisConnection
from .lease import RedisLease
from .session_scripts import SessionScripts


class RedisSessionIndex:
    """`storage.session_index.SessionIndex` on a server; all of it shares a slot of its own."""

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection
        self._place = connection.keys.sessions
        self._all = self._place("all")
        self._scripts = SessionScripts(connection)
        self._lease = RedisLease(connection, self._place("leader"))

    async def add(self, session: str, owner: str = "", created_ms: int | None = None) -> None:
        await self._scripts.add(session, owner, created_ms)

    async def get(self, session: str) -> KnownSession | None:
        (found,) = await self._known([session])
        return found

    async def _known(self, sessions: Sequence[str]) -> list[KnownSession | None]:
        replies = await self._connection.pipeline(
            [("HGETALL", self._place(f"facts:{session}")) for session in sessions]
        )
        return [_known_from(*pair) for pair in zip(sessions, replies, strict=True)]

    async def newest(
        self, limit: int, *, after: Position | None = None, owner: str | None = None
    ) -> list[KnownSession]:
        ordered = self._all if owner is None else self._place(f"of:{owner}")
        return await self._range("ZREVRANGEBYSCORE", ordered, after, limit)

    async def oldest(self, limit: int, *, after: Position | None = None) -> list[KnownSession]:
        return await self._range("ZRANGEBYSCORE", self._all, after, limit)

    async def _range(
        self, command: str, ordered: str, after: Position | None, limit: int
    ) -> list[KnownSession]:
        up = command == "ZRANGEBYSCORE"
        first: int | str = after.created_ms if after else ("-inf" if up else "+inf")
        span = (first, "+inf" if up else "-inf", "WITHSCORES", "LIMIT")
        names: list[str] = []
        read = 0
        while len(names) < limit:
            found = await self._connection.command(command, ordered, *span, read, limit)
            read += limit
            for name, score in zip(found[::2], found[1::2], strict=True):
                position = Position(int(score), name.decode())
                # of the first millisecond, some may have been before it
                if after is None or (position > after if up else position < after):
                    names.append(position.session)
            if len(found) < 2 * limit:
                break
        known = await self._known(names[:limit])
        return [one for one in known if one is not None]

    async def count(self, session: str, kind: Kept, size_bytes: int) -> None:
        known = await self.get(session)
        if known is not None:
            await self._scripts.count(session, kind, size_bytes, owner=known.owner)

    async def end(self, session: str, ended_ms: int) -> None:
        await self._scripts.end(session, ended_ms)

    async def ask_removal(self, session: str) -> None:
        await self._scripts.ask_removal(session)

    async def to_remove(self, limit: int) -> list[str]:
        found = await self._connection.command("SRANDMEMBER", self._place("removing"), limit)
        return sorted(name.decode() for name in found)

    async def remove(self, sessions: Sequence[str]) -> None:
        for session in sessions:
            known = await self.get(session)
            if known is not None:
                await self._scripts.remove(session, owner=known.owner)

    async def totals(self, owner: str | None = None) -> Totals:
        name = "totals" if owner is None else f"totals:{owner}"
        words = await self._connection.command("HGETALL", self._place(name))
        fields = _fields(words)
        return Totals(**{name: int(value) for name, value in fields.items()})

    async def lead(self, member: str, lease_s: float) -> bool:
        return await self._lease.take(member, lease_s)

    async def resign(self, member: str) -> None:
        await self._lease.give(member)

    async def close(self) -> None:
        await self._connection.close()


def _fields(words: Sequence[bytes]) -> dict[str, str]:
    return {
        name.decode(): value.decode() for name, value in zip(words[::2], words[1::2], strict=True)
    }


def _known_from(session: str, words: Sequence[bytes]) -> KnownSession | None:
    fields = _fields(words)
    if not fields:
        return None
    return KnownSession(
        session,
        int(fields["created_ms"]),
        fields["owner"],
        int(fields.get("ended_ms", 0)),
        int(fields.get("media_bytes", 0)),
        int(fields.get("archive_bytes", 0)),
        "removing" in fields,
    )
