"""Following one sequence for one listener: from any position, in bounded steps, to its end."""

import asyncio
from typing import Any

import pytest

from rhapsode.agents.journal import STEP_ENTRIES
from rhapsode.codecs.records import DeviceFrames
from rhapsode.ops.gateway import follower as follower_module
from rhapsode.ops.gateway.follower import Follower
from rhapsode.storage.log import Entry, UnreachableError
from rhapsode.storage.memory.log import MemoryLog

from .test_follower import accepted


def packets(first: int, count: int = 1, *, last: bool = False) -> DeviceFrames:
    return DeviceFrames(session="s", first_frame=first, packets=(b"x",) * count, last=last)


async def collected(follower: Follower, start: int = 0) -> list[int]:
    found: list[int] = []
    async for run in follower.follow(DeviceFrames, "s", start, patience_s=10.0):
        assert run is not None
        found.append(run.first_frame)
    return found


async def test_a_sequence_is_followed_from_any_position_to_its_last_record() -> None:
    system = await accepted("s")
    await system.append([packets(0), packets(1)])
    follower = Follower(system.journal)
    async with follower.running():
        listeners = [asyncio.create_task(collected(follower, start)) for start in (0, 1, 3)]
        await system.append([packets(2), packets(3)])
        await system.append([packets(4, 0, last=True)])  # a bare end mark
        assert await asyncio.gather(*listeners) == [[0, 1, 2, 3, 4], [1, 2, 3, 4], [3, 4]]
    ended = Follower(system.journal)
    assert await collected(ended) == [0, 1, 2, 3, 4]


async def test_who_waits_in_vain_is_told_so_and_goes_on_waiting() -> None:
    system = await accepted("s")
    follower = Follower(system.journal)
    async with follower.running():
        following = follower.follow(DeviceFrames, "s", patience_s=0.01)
        assert [await anext(following) for _ in range(3)] == [None, None, None]
        await system.append([packets(0, last=True)])
        while (run := await anext(following)) is None:
            pass
        assert run.first_frame == 0
        assert [run async for run in following] == []


class Faltering(MemoryLog):
    """A log that is out of reach for a number of reads."""

    failures = 0

    async def read_sequence(self, *args: Any, **kwargs: Any) -> list[Entry]:
        if self.failures:
            self.failures -= 1
            raise UnreachableError("nobody answers")
        return await super().read_sequence(*args, **kwargs)


async def test_a_listener_goes_on_where_it_was_once_the_log_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(follower_module, "TRY_AGAIN_S", 0.001)
    log = Faltering()
    system = await accepted("s", log=log)
    await system.append([packets(0), packets(1), packets(2, last=True)])
    following = Follower(system.journal).follow(DeviceFrames, "s", 1, patience_s=10.0)
    log.failures = 3
    assert [run.first_frame async for run in following if run is not None] == [1, 2]
    assert log.failures == 0


class Metered(MemoryLog):
    """A log that notes how many entries each read of a sequence brought."""

    def __init__(self) -> None:
        super().__init__()
        self.read_at_once: list[int] = []

    async def read_sequence(
        self,
        topic: str,
        partition: int,
        sequence: str,
        start: int,
        end: int | None = None,
        *,
        limit: int | None = None,
    ) -> list[Entry]:
        found = await super().read_sequence(topic, partition, sequence, start, end, limit=limit)
        if topic == DeviceFrames.TOPIC:
            self.read_at_once.append(len(found))
        return found


async def test_a_long_sequence_is_read_in_bounded_steps() -> None:
    log = Metered()
    system = await accepted("s", log=log)
    count = 10 * STEP_ENTRIES + 7
    await system.append(packets(number, last=number == count - 1) for number in range(count))
    assert await collected(Follower(system.journal)) == list(range(count))
    assert max(log.read_at_once) <= STEP_ENTRIES
    assert len(log.read_at_once) == 11
    # who leaves in the middle has read one step only
    log.read_at_once.clear()
    following = Follower(system.journal).follow(DeviceFrames, "s", patience_s=1.0)
    assert (await anext(following)) is not None
    await following.aclose()
    assert log.read_at_once == [STEP_ENTRIES]
