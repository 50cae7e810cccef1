"""The log's scripts as typed functions: what each takes, what it replies, what it refuses."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import refused
from ..log import (
    ClosedError,
    Compaction,
    Fence,
    FencedError,
    ForgottenError,
    GapError,
    LogError,
    NewEntry,
    OverlapError,
    SequenceBatch,
    Span,
    TrimmedError,
    UnusableServerError,
    scope_of,
)
from ..names import check_topic
from .calls import Call, script
from .connection import RedisConnection
from .entries import RawEntry, words_of
from .errors import fenced_error, foreign_entry_error, probe_error

_REFUSALS: dict[bytes, type[LogError]] = {
    b"GAP": GapError,
    b"OVERLAP": OverlapError,
    b"CLOSED": ClosedError,
    b"FORGOTTEN": ForgottenError,
}
SEEK_ENTRIES = 100
"""Entries that one `LogScripts.seek` looks at, each of up to 64 KB."""
FEW_ENTRIES = 8
"""Entries, each of up to 64 KB, that come with the batches they are in."""
TRIM_ENTRIES = 10_000
"""Entries that one `LogScripts.trim` removes, so that no other client waits long."""


class RestartedError(Exception):
    """Another run of the server answers than the one given: nothing was done."""


class LogScripts:
    """The scripts of the log, in one namespace of one server.

    All methods raise what `RedisConnection` does, `UnusableServerError` where a stream holds an
    entry id that a foreign program wrote, and `RestartedError` where another run of the server
    answers than the one given (empty for any).
    """

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection
        self._keys = connection.keys

    # -- the server

    async def probe(self) -> None:
        """See whether the server can hold a log: by what it does, not by its version.

        Raises:
            UnusableServerError: it is too old, or evicts keys when memory is short.
        """
        word, *reason = await self._connection.run(Call(script("probe"), [self._keys.probe()]))
        if word != b"OK":
            raise probe_error(word, reason[0], self._connection.settings.safe_url)

    # -- writing

    async def append(
        self,
        topic: str,
        partition: int,
        entries: Sequence[NewEntry],
        fence: Fence | None,
        compaction: Compaction | None,
        run: str,
    ) -> int | None:
        """Append all or none; return the first entry's offset, None where there are no entries.

        Raises:
            FencedError: the fence is older than the partition's newest claim.
        """
        keys = [
            self._keys.stream(topic, partition),
            self._keys.times(topic, partition),
            self._keys.epochs(partition),
            self._keys.newest(topic, partition),
            self._keys.tombstones(topic, partition),
        ]
        if fence:
            keys.append(self._keys.fence(fence.group, partition))
        kept_ms = "" if compaction is None else round(1000 * compaction.tombstones_kept_s)
        arguments: list[Any] = [topic, _generation(fence), run, kept_ms]
        for entry in entries:
            words = words_of(entry)
            stamp = "" if entry.timestamp_ms is None else entry.timestamp_ms
            arguments += (stamp, len(words), *words)
        (first,) = self._accepted(
            await self._connection.run(Call(script("append"), keys, arguments))
        )
        return int(first) if entries else None

    async def append_at(
        self,
        partition: int,
        batches: Sequence[SequenceBatch],
        fence: Fence | None,
        run: str,
        *,
        together: bool,
    ) -> list[int]:
        """Append batches at their positions, all or none.

        Returns for each the offset after its last entry, 0 where it is stored already.

        Raises:
            FencedError, GapError, OverlapError, ClosedError, ForgottenError: as `Log.append_at`.
        """
        keys = [
            self._keys.epochs(partition),
            self._keys.fence(fence.group if fence else "", partition),
        ]
        arguments: list[Any] = [_generation(fence), run, int(together)]
        for batch in batches:
            topic, scope = batch.topic, scope_of(batch.sequence)
            keys += (
                self._keys.stream(topic, partition),
                self._keys.scope(partition, scope),
                self._keys.index(partition, scope),
                self._keys.times(topic, partition),
            )
            arguments += (
                self._keys.name_in_scope(topic, batch.sequence),
                batch.start,
                batch.end,
                int(batch.last),
                int(batch.by_start),
                int(batch.continues),
                batch.key,
                len(batch.values),
                *batch.values,
            )
        reply = await self._connection.run(Call(script("append_at"), keys, arguments))
        return [int(written) for written in self._accepted(reply, batches)]

    async def trim(self, topic: str, partition: int, before: int) -> tuple[int, bool]:
        """Remove up to `TRIM_ENTRIES` entries below an offset.

        Returns the first offset still stored, and whether there is more to remove.
        """
        kinds = (self._keys.stream, self._keys.times, self._keys.newest)
        keys = [key(topic, partition) for key in kinds]
        reply = await self._connection.run(Call(script("trim"), keys, [before, TRIM_ENTRIES]))
        first, more = self._accepted(reply)
        return int(first), bool(more)

    # -- reading

    async def span(self, topic: str, partition: int) -> Span:
        """Return the offsets still stored, without reading any entry."""
        return Span(*self._accepted(await self._connection.run(self._span(topic, partition))))

    async def spans(self, topic: str, partitions: Sequence[int]) -> list[Span | None]:
        """Return the offsets still stored in each partition, None where somebody else wrote."""
        replies = await self._connection.run_each([self._span(topic, one) for one in partitions])
        return [None if one[0] == b"FOREIGN" else Span(*self._accepted(one)) for one in replies]

    def _span(self, topic: str, partition: int) -> Call:
        return Call(script("span"), [self._keys.stream(topic, partition)])

    async def seek(
        self, topic: str, partition: int, timestamp_ms: int, start: int | None
    ) -> tuple[int | None, int | None]:
        """Look at up to `SEEK_ENTRIES` entries for the first that is not older than a time.

        ``start`` None starts where the time index points to. Returns the offset found, or None
        and the offset to look on from; (None, None) where no entry is left.
        """
        keys = [self._keys.stream(topic, partition), self._keys.times(topic, partition)]
        arguments = [timestamp_ms, "" if start is None else start, SEEK_ENTRIES]
        word, *offset = await self._connection.run(Call(script("seek"), keys, arguments))
        if word == b"FOUND":
            return int(offset[0]), None
        return None, int(offset[0]) if word == b"MORE" else None

    async def find_batches(
        self,
        topic: str,
        partition: int,
        sequence: str,
        positions: tuple[int, int | None],
        limit: int | None,
    ) -> tuple[list[tuple[int, int]], list[RawEntry]]:
        """Return the first and last offset of each batch in a range of positions, in order.

        ``positions`` are start and end, as is ``limit``, those of `Log.read_sequence`. The second
        value is their entries where these are few, which saves a round trip, and empty where they
        are still to be read.

        Raises:
            TrimmedError: the first of them was trimmed or archived.
        """
        start, end = positions
        scope = scope_of(sequence)
        keys = [
            self._keys.stream(topic, partition),
            self._keys.scope(partition, scope),
            self._keys.index(partition, scope),
        ]
        arguments = [
            self._keys.name_in_scope(topic, sequence),
            start,
            "" if end is None else end,
            "" if limit is None else limit,
            FEW_ENTRIES,
        ]
        word, *rest = await self._connection.run(Call(script("find_batches"), keys, arguments))
        if word == b"TRIMMED":
            raise TrimmedError(f"{topic} of {sequence}", start, int(rest[0]))
        found, entries = rest
        offsets = (member.split(b"-") for member in found)
        return [(int(first), int(last)) for first, last in offsets], entries

    async def note_archived(
        self, partition: int, scope: str, expected: str, name: str, below: Mapping[str, int]
    ) -> bool:
        """Note what is archived of a scope; False where it is not as expected."""
        keys = [self._keys.scope(partition, scope), self._keys.index(partition, scope)]
        arguments: list[Any] = [expected, name]
        for topic, offset in below.items():
            arguments += (check_topic(topic), offset)
        return bool(await self._connection.run(Call(script("archived"), keys, arguments)))

    # -- offsets and fences

    async def commit(
        self,
        group: str,
        partition: int,
        offsets: Mapping[str, int],
        fence: Fence | None,
        run: str,
    ) -> None:
        """Store a group's next offset of each topic, all or none.

        Raises:
            FencedError: the fence is older than the partition's newest claim.
        """
        owner = fence.group if fence else group
        keys = [self._keys.offsets(group, partition), self._keys.fence(owner, partition)]
        arguments: list[Any] = [_generation(fence), run]
        for topic, offset in offsets.items():
            arguments += (check_topic(topic), offset)
        self._accepted(await self._connection.run(Call(script("commit"), keys, arguments)))

    async def claim(self, group: str, generation: int, partitions: Sequence[int]) -> None:
        """Fence partitions off from older generations of a group.

        Raises:
            FencedError: a newer generation has claimed one of them; the others are claimed.
        """
        replies = await self._connection.run_each(
            [
                Call(script("claim"), [self._keys.fence(group, partition)], [generation])
                for partition in partitions
            ]
        )
        for partition, reply in zip(partitions, replies, strict=True):
            if reply[0] == b"FENCED":
                raise FencedError(f"generation {int(reply[1])} owns partition {partition}")

    # -- replies

    def _accepted(self, reply: Any, batches: Sequence[SequenceBatch] = ()) -> list[Any]:
        """Return what a script replied after ``OK``, or raise what it refused."""
        word = reply[0]
        if word == b"OK":
            return list(reply[1:])
        if word == b"FENCED":
            raise fenced_error(reply[1])
        if word == b"RESTARTED":
            raise RestartedError
        if word == b"FOREIGN":
            raise self.foreign_entry(reply[1].decode())
        batch, end = batches[int(reply[1])], int(reply[2])
        name = f"{batch.topic} of {batch.sequence}"
        raise refused(_REFUSALS[word], name, end, (batch.start, batch.end))

    def foreign_entry(self, stream: str) -> UnusableServerError:
        """Return the error for a stream with an entry that this log did not write."""
        return foreign_entry_error(self._connection.settings.safe_url, stream)


def _generation(fence: Fence | None) -> int | str:
    return fence.generation if fence else ""
