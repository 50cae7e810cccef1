"""A Faust app as others write it: it forwards and it counts in a table, on Redis by its URL alone.

Run as ``python foreign.py worker``; ``BROKER_URL`` names the log, ``FOREIGN_KEPT_S`` says for how
long its topics are kept.
"""

import os
from typing import Any

import faust

PARTITIONS = 4
SOURCE, SINK = "numbers", "forwarded"

app = faust.App(
    "foreign",
    broker=os.environ.get("BROKER_URL", "redis://"),
    topic_partitions=PARTITIONS,
    topic_disable_leader=True,
    web_enabled=False,
    stream_wait_empty=False,
    broker_session_timeout=10.0,
    broker_heartbeat_interval=0.5,
    broker_rebalance_timeout=5.0,
    broker_commit_interval=0.5,
)
KEPT_S = float(os.environ["FOREIGN_KEPT_S"]) if "FOREIGN_KEPT_S" in os.environ else None
source = app.topic(SOURCE, key_serializer="raw", value_serializer="raw", retention=KEPT_S)
sink = app.topic(SINK, key_serializer="raw", value_serializer="raw", retention=KEPT_S)
counts = app.Table("counts", default=int, partitions=PARTITIONS, key_type=str, value_type=int)


@app.task
async def declare() -> None:
    """Declare what is only sent to, which Faust leaves to whoever reads it."""
    await sink.maybe_declare()


@app.agent(source)
async def forward(stream: Any) -> None:
    """Send each record on under its key, and note the highest id of each key in a table.

    It is sent to another partition than the one it comes from: on a Cluster, to another master.
    """
    async for event in stream.events():
        key, number = event.key.decode(), int(event.value)
        counts[key] = max(counts[key], number + 1)
        other = (event.message.partition + 1) % PARTITIONS
        await sink.send(key=event.key, value=event.value, partition=other)


if __name__ == "__main__":
    app.main()
