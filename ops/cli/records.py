"""The command that shows what is stored: records of a topic, one line of JSON each."""

from datetime import UTC, datetime
from typing import Annotated, Any, cast

import msgspec
import typer

from ...codecs.encoding import decode
from ...codecs.records import TOPICS, SequenceRecord
from ...storage.foreign_streams import usable_span
from ...storage.log import Entry
from ..services import Services
from ..settings import Settings
from .options import RedisUrl, State
from .running import UsageError, check_session_id, run, services_of, settings_of, show_json


def records(
    topic: Annotated[str, typer.Argument(help="Topic, such as chunk.", show_default=False)],
    sequence: Annotated[
        str | None,
        typer.Argument(
            help="Only this sequence, from its start: a session, or <session>/<chapter>.",
            show_default=False,
        ),
    ] = None,
    redis: RedisUrl = None,
    state: State = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many.")] = 20,
) -> None:
    """Print records of a topic, the newest or a sequence's, a line of JSON each."""
    settings = settings_of(redis_url=redis, state=state)
    run(lambda: _records(settings, topic, sequence, limit))


async def _records(settings: Settings, topic: str, sequence: str | None, limit: int) -> int:
    if topic not in TOPICS:
        raise UsageError(f"there is no topic {topic[:80]!r}; the topics are {', '.join(TOPICS)}")
    async with services_of(settings) as services:
        if sequence is None:
            found = await _newest(services, topic, limit)
        else:
            found = await _of_sequence(services, topic, sequence, limit)
    for partition, entry in found[:limit]:
        show_json(_shown(partition, entry))
    return 0


async def _newest(services: Services, topic: str, limit: int) -> list[tuple[int, Entry]]:
    """Return the newest entries of all partitions, oldest first."""
    partitions = (await services.log.topics()).get(topic, 0)
    found: list[tuple[int, Entry]] = []
    for partition in range(partitions):
        span = await usable_span(services.log, topic, partition)
        if span is None:
            continue
        start = max(span.first, span.next - limit)
        if start < span.next:
            read = await services.log.read({(topic, partition): start}, limit=limit)
            found += [(partition, entry) for entry in read.get((topic, partition), [])]
    return sorted(found, key=lambda one: one[1].timestamp_ms)[-limit:]


async def _of_sequence(
    services: Services, topic: str, sequence: str, limit: int
) -> list[tuple[int, Entry]]:
    kind = TOPICS[topic]
    if not issubclass(kind, SequenceRecord):
        raise UsageError(f"the records of {topic} have no sequence: leave {sequence[:80]!r} out")
    check_session_id(sequence.partition("/")[0])
    sequences = services.journal.of(kind)
    found: list[Entry] = []
    start = 0
    while len(found) < limit:  # one read ends where archive and log meet
        entries = await sequences.entries(sequence, start, limit=limit - len(found))
        found += entries
        last = decode(entries[-1].value or b"", kind) if entries else None
        if last is None or last.last or last.end <= start:
            break
        start = last.end
    return [(sequences.partition(sequence), entry) for entry in found]


def _shown(partition: int, entry: Entry) -> dict[str, Any]:
    at = datetime.fromtimestamp(entry.timestamp_ms / 1000, UTC)
    place = {
        "partition": partition,
        "offset": entry.offset,
        "time": at.isoformat(timespec="milliseconds"),
        "key": (entry.key or b"").decode(errors="replace"),
    }
    try:
        fields = msgspec.msgpack.decode(entry.value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return place | {"malformed": _abridged(entry.value)}
    return place | (_abridged(fields) if isinstance(fields, dict) else {"malformed": "not a map"})


def _abridged(value: Any) -> Any:
    """Return a value with bytes, which are sound nearly always, as their length."""
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    if isinstance(value, dict):
        fields = cast("dict[Any, Any]", value)
        return {str(name): _abridged(inner) for name, inner in fields.items()}
    if isinstance(value, list):
        return [_abridged(inner) for inner in cast("list[Any]", value)]
    return value
