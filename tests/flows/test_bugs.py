"""A bug in any stage, at any record, ends one session with its reason; a bystander is whole."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from standins.in_memory import System

from rhapsode.agents.journal import Description, Journal
from rhapsode.codecs.hls.m3u8 import parse
from rhapsode.codecs.records import DeviceFrames, SequenceRecord
from rhapsode.ops.progress import load_progress
from rhapsode.topologies.in_memory import running
from rhapsode.topologies.registry import STAGES
from rhapsode.topologies.speech import SPEECH
from rhapsode.topologies.stage import Agent, GivesUp, Outputs, Resources, Stage

STORY = """# The first chapter

Long ago, at the edge of a quiet forest, there lived a fox who collected maps. Every evening she
spread one out, and chose a road. Nobody knew why.

# The second chapter

Winter came early. She laughed, folded everything up, and stayed home.
"""
SOUNDING = [stage.name for stage in SPEECH.stages if stage.name not in ("expand", "fetch", "frame")]


class Buggy:
    """A stage's agent that breaks at a record of one session, each time it gets there."""

    def __init__(self, agent: Agent, session: str, at: int) -> None:
        self._agent = agent
        self._session = session
        self._records_left = at

    async def __call__(self, session: Description, records: AsyncIterator[Any]) -> Outputs:
        if session.session == self._session:
            records = self._broken(records)
        async for output in self._agent(session, records):
            yield output

    async def _broken(self, records: AsyncIterator[Any]) -> AsyncIterator[Any]:
        async for record in records:
            if not self._records_left:
                raise KeyError("a bug")
            self._records_left -= 1
            yield record

    async def given_up(
        self, session: Description, record: Any, reason: str
    ) -> tuple[SequenceRecord, ...]:
        assert isinstance(self._agent, GivesUp)
        return await self._agent.given_up(session, record, reason)


def with_bug(stage: Stage, session: str, at: int) -> Stage:
    def build(resources: Resources, journal: Journal) -> Agent:
        return Buggy(stage.build(resources, journal), session, at)

    return replace(stage, build=build)


@pytest.mark.parametrize("name", SOUNDING)
@pytest.mark.parametrize("at", [0, 1, 4])
async def test_a_bug_ends_its_session_and_no_other(name: str, at: int) -> None:
    if name in ("split", "master"):
        at = 0  # one is handed one text, the other looks ahead in the log
    system = System()
    stages = [with_bug(each, "s", at) if each.name == name else each for each in STAGES]
    async with running(stages, system, system.counts):
        await system.narrate(STORY)
        await system.narrate(STORY, "bystander")
        await system.finished("s", "bystander")
    progress = await load_progress(system.journal, "s")
    assert progress is not None
    assert (progress.state, progress.error) == ("FAILURE", f"a bug in the stage {name} (KeyError)")
    assert parse(system.recorded.of("s")["audio.m3u8"].decode()).ended
    bystander = await load_progress(system.journal, "bystander")
    assert bystander is not None
    assert (bystander.state, bystander.error) == ("SUCCESS", "")
    await system.check("bystander")


async def test_a_bug_in_the_device_stage_leaves_hls_whole() -> None:
    system = System()
    stages = [with_bug(each, "s", 3) if each.name == "frame" else each for each in STAGES]
    async with running(stages, system, system.counts):
        await system.narrate(STORY)
        await system.finished("s")
    progress = await load_progress(system.journal, "s")
    assert progress is not None
    assert (progress.state, progress.error) == ("SUCCESS", "")
    assert (await system.records(DeviceFrames, "s"))[-1].last
