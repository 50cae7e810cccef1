"""Texts come in, durable and within bounds; sessions are listed, newest first."""

import pytest
from standins.rooms import PARTITIONS, Room

from rhapsode.codecs.encoding import MalformedError
from rhapsode.codecs.records import Text
from rhapsode.codecs.session import VoiceSettings
from rhapsode.ops.sessions import new_session_id, new_text
from rhapsode.storage.log import partition_of
from rhapsode.storage.memory.log import MemoryLog


async def room_with_clock() -> Room:
    ticks = iter(range(1_000, 1_000_000))
    room = Room(log=MemoryLog(clock_ms=lambda: next(ticks)))
    await room.declare()
    return room


async def test_a_text_stands_in_the_log_before_the_answer() -> None:
    room = await room_with_clock()
    settings = VoiceSettings(voice="espeak", language="de", speed=1.5)
    record = await room.sessions.start("Words.", mode="expand", settings=settings)
    assert await room.records(Text, record.session) == [record]
    assert (record.text, record.mode, record.settings) == ("Words.", "expand", settings)
    assert record.created_ms > 1_600_000_000_000


async def test_session_ids_are_long_and_never_the_same() -> None:
    ids = {new_session_id() for _ in range(1_000)}
    assert len(ids) == 1_000
    assert {len(session) for session in ids} == {32}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"text": " "}, "empty"),
        ({"text": "x" * 100_001}, "split it"),
        ({"text": "x", "session": "../etc"}, "session id"),
        ({"text": "x", "settings": VoiceSettings(speed=9.0)}, "speed"),
        ({"text": "x", "settings": VoiceSettings(voice="../x")}, "voice"),
    ],
)
async def test_what_is_out_of_bounds_is_refused_and_leaves_nothing(
    fields: dict[str, object], message: str
) -> None:
    room = await room_with_clock()
    with pytest.raises(MalformedError, match=message):
        await room.sessions.start(**fields)  # pyright: ignore[reportArgumentType]  # by name
    spans = [await room.log.span("text", number) for number in range(PARTITIONS)]
    assert [span.next for span in spans] == [0, 0]


def test_a_text_can_be_judged_without_a_log() -> None:
    assert new_text("Words.", session="mine").session == "mine"
    with pytest.raises(MalformedError):
        new_text("")


async def test_the_newest_sessions_come_first_from_all_partitions() -> None:
    room = await room_with_clock()
    names = [f"session-{number}" for number in range(20)]
    assert {partition_of(name.encode(), PARTITIONS) for name in names} == {0, 1}
    for name in names:
        await room.sessions.start("words", session=name)
    listed = [progress.session for progress in await room.sessions.recent(7)]
    assert listed == names[::-1][:7]
    assert len(await room.sessions.recent(1_000)) == 20


async def test_a_session_that_is_started_twice_keeps_its_first_text() -> None:
    room = await room_with_clock()
    await room.sessions.start("first", session="s")
    await room.sessions.start("second", session="s")
    assert [record.text for record in await room.records(Text, "s")] == ["first"]
    assert len(await room.sessions.recent()) == 1


async def test_an_empty_log_lists_nothing() -> None:
    assert await (await room_with_clock()).sessions.recent() == []
