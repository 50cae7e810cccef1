"""How many small records a second a stage that does nothing can take, and at what cost."""

from typing import Any

import faststream_consumer
from children import run
from figures import Measured
from servers import log_server

from rhapsode.agents.journal import Journal
from rhapsode.codecs.encoding import encode
from rhapsode.codecs.records import Passage, Session
from rhapsode.storage.log import Log, NewEntry, partition_of
from rhapsode.storage.opening import open_log

NAME = "stage"
PARTITIONS = 8
SESSIONS = 200
VALUE_CHARS = 90
NAMESPACE = "noop"
NAMES = {
    "faust": "Faust path",
    "keyed": "keyed runner",
    "log": "log path",
    "redis": "bare redis-py",
    "faststream": "FastStream",
    "faststream-batch": "FastStream, batches",
}
PAIRS = (
    ("faust", "faststream"),
    ("faust", "faststream-batch"),
    ("faust", "redis"),
    ("keyed", "faststream"),
    ("keyed", "faust"),
    ("log", "faststream-batch"),
    ("log", "redis"),
)


async def fill(log: Log, records: int) -> int:
    """Fill the topic; return the size of a value."""
    await log.declare(Passage.TOPIC, PARTITIONS)
    await log.declare(Session.TOPIC, PARTITIONS)
    journal = Journal(log, PARTITIONS)
    for number in range(SESSIONS):
        await journal.append(Session(session=f"session-{number:04d}", last=True))
    by_partition: dict[int, list[NewEntry]] = {}
    size = 0
    for number in range(records):
        session = f"session-{number % SESSIONS:04d}"
        value = encode(
            Passage(session=session, seq=number // SESSIONS, item=0, text="x" * VALUE_CHARS)
        )
        size = len(value)
        key = session.encode()
        by_partition.setdefault(partition_of(key, PARTITIONS), []).append(NewEntry(key, value))
    for partition, entries in by_partition.items():
        for start in range(0, len(entries), 500):
            await log.append(Passage.TOPIC, partition, entries[start : start + 500])
    return size


async def measure(*, quick: bool) -> Measured:
    """Read the same topic by each path in turn, several times."""
    records = 8_000 if quick else 24_000
    rounds = 1 if quick else 3
    measured = Measured(NAME, f"a stage that does nothing, {records:,} small records")
    runs: dict[str, list[dict[str, Any]]] = {}
    with log_server() as (server, folder):
        log, _ = open_log(server.url, NAMESPACE)
        size = await fill(log, records)
        await log.close()
        if faststream_consumer.INSTALLED:
            await faststream_consumer.fill(server.url, records, size)
        for number in range(rounds):
            for path in ("faust", "keyed", "log", "redis"):
                found = await run(
                    "consumers.py",
                    "consume",
                    path=path,
                    url=server.url,
                    namespace=NAMESPACE,
                    partitions=PARTITIONS,
                    folder=str(folder),
                    group=f"{path}-{number}",
                    count=records,
                    latencies=False,
                )
                runs.setdefault(path, []).append(found)
            if faststream_consumer.INSTALLED:
                for path, batch in (("faststream", False), ("faststream-batch", True)):
                    found = await run(
                        "faststream_consumer.py",
                        "consume",
                        url=server.url,
                        group=f"{path}-{number}",
                        count=records if batch else records // 4,
                        batch=batch,
                        latencies=False,
                    )
                    runs.setdefault(path, []).append(found)
    _compare(measured, runs, size)
    return measured


def _compare(measured: Measured, runs: dict[str, list[dict[str, Any]]], size: int) -> None:
    rates = {
        path: [run["records"] / run["wall_s"] for run in found] for path, found in runs.items()
    }
    costs_us = {
        path: [run["cpu_s"] / run["records"] * 1e6 for run in found] for path, found in runs.items()
    }
    wanted = {
        ("log", "redis"): ">= 0.5",
        ("log", "faststream-batch"): ">= 2",
        ("faust", "faststream"): ">= 5",
        ("faust", "faststream-batch"): ">= 1",
    }
    for path, reference in PAIRS:
        if reference in rates:
            words = (NAMES[path], "records/s", rates[path], NAMES[reference], rates[reference])
            measured.add(*words, wanted=wanted.get((path, reference), ""))
    for path, reference in PAIRS:
        if reference in rates:
            name = f"{NAMES[path]}: CPU"
            theirs = costs_us[reference]
            measured.add(name, "us/record", costs_us[path], NAMES[reference], theirs)
    measured.notes.append(
        f"values of {size} bytes, {SESSIONS} keys, {PARTITIONS} partitions; each run is a process "
        "of its own; CPU is that process alone, from its first read on"
    )
    if "faststream" not in rates:
        measured.notes.append(faststream_consumer.HOW)
