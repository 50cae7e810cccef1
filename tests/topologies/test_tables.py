"""Faust's tables on the log: built again from what their changelogs keep."""

from pathlib import Path
from typing import Any

import faust

from rhapsode.storage.log import NewEntry
from rhapsode.storage.memory.groups import MemoryGroups
from rhapsode.storage.memory.log import MemoryLog

from .faust_apps import PARTITIONS, app_on, started, until

KEYS = [b"k%d" % number for number in range(5)]


def counting(app: faust.App, table: Any) -> list[tuple[Any, Any]]:
    """Have the app keep in the table how often each key came; return what it sees."""
    seen: list[tuple[Any, Any]] = []

    @app.agent(app.topic("t", key_type=str, key_serializer="raw", value_serializer="raw"))
    async def count(stream: Any) -> None:  # pyright: ignore[reportUnusedFunction]
        async for key, value in stream.items():
            add(table, key.decode() if isinstance(key, bytes) else key, value)
            seen.append((key, value))

    return seen


def add(table: Any, key: str, value: bytes) -> None:
    if isinstance(table, faust.SetTable):
        table[key].add(value.decode())
    elif value == b"forget":
        table.pop(key)
    else:
        table[key] += 1


async def send(log: MemoryLog, *values: bytes) -> None:
    await log.declare("t", PARTITIONS)
    for value in values:
        for number, key in enumerate(KEYS):
            await log.append("t", number % PARTITIONS, [NewEntry(key, value)])


async def changes(log: MemoryLog, topic: str) -> list[tuple[bytes | None, bytes | None]]:
    found = await log.read({(topic, number): 0 for number in range(PARTITIONS)}, limit=10_000)
    return [(entry.key, entry.value) for entries in found.values() for entry in entries]


async def built_again(log: MemoryLog, groups: MemoryGroups, folder: Path) -> dict[str, int]:
    """Return the table of counts of a worker without data, after one more count of each key."""
    app = app_on(log, groups, folder, "tables")
    table = app.Table("counts", default=int, partitions=PARTITIONS)
    seen = counting(app, table)
    async with started(app):
        await send(log, b"+")
        await until(lambda: len(seen) == len(KEYS), 30.0)
        return dict(table)


async def test_a_table_is_built_again_from_one_change_a_key(tmp_path: Path):
    log = MemoryLog()
    groups = MemoryGroups(log)
    await send(log, *[b"+"] * 40)
    first = app_on(log, groups, tmp_path / "1", "tables")
    seen = counting(first, first.Table("counts", default=int, partitions=PARTITIONS))
    async with started(first):
        await until(lambda: len(seen) == 40 * len(KEYS), 30.0)
    assert len(await changes(log, "tables-counts-changelog")) == len(KEYS)

    again = await built_again(log, groups, tmp_path / "2")
    assert again == {key.decode(): 41 for key in KEYS}


async def test_what_left_a_table_does_not_come_back(tmp_path: Path):
    log = MemoryLog()
    groups = MemoryGroups(log)
    await send(log, b"+", b"+", b"forget")
    first = app_on(log, groups, tmp_path / "1", "tables")
    seen = counting(first, first.Table("counts", default=int, partitions=PARTITIONS))
    async with started(first):
        await until(lambda: len(seen) == 3 * len(KEYS), 30.0)
    assert [value for _, value in await changes(log, "tables-counts-changelog")] == [None] * 5

    again = await built_again(log, groups, tmp_path / "2")
    assert again == {key.decode(): 1 for key in KEYS}


async def test_a_table_of_sets_keeps_every_member(tmp_path: Path):
    # its changelog holds what was added and taken away, of which none supersedes another
    log = MemoryLog()
    groups = MemoryGroups(log)
    await send(log, b"x", b"y", b"z")
    first = app_on(log, groups, tmp_path / "1", "tables")
    seen = counting(first, first.SetTable("members", partitions=PARTITIONS))
    async with started(first):
        await until(lambda: len(seen) == 3 * len(KEYS), 30.0)

    second = app_on(log, groups, tmp_path / "2", "tables")
    table = second.SetTable("members", partitions=PARTITIONS)
    seen = counting(second, table)
    async with started(second):
        await send(log, b"w")
        await until(lambda: len(seen) == len(KEYS), 30.0)
        assert {key: set(table[key]) for key in table} == {
            key.decode(): {"w", "x", "y", "z"} for key in KEYS
        }
