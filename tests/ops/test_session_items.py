"""Items of open sessions: each is stored once, in order, whoever adds it and however often."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rhapsode.agents.journal import UnknownSessionError
from rhapsode.codecs.encoding import MalformedError
from rhapsode.codecs.records import Control, Item
from rhapsode.ops.refusals import ConflictError, SessionClosedError
from rhapsode.ops.sessions import Sessions
from rhapsode.storage.log import SequenceState
from rhapsode.storage.memory.log import MemoryLog
from rhapsode.storage.objects.folder_source import FolderSource
from rhapsode.storage.objects.memory import MemorySource
from rhapsode.topologies.testing import InMemorySystem

SONG = "songs/fox.mp3"


class InTurns(MemoryLog):
    """A log that lets others go first each time it is asked, as one behind a socket does."""

    async def sequence_state(self, topic: str, partition: int, sequence: str) -> SequenceState:
        await asyncio.sleep(0)
        state = await super().sequence_state(topic, partition, sequence)
        await asyncio.sleep(0)
        return state

    async def append_at(self, *args: Any, **kwargs: Any) -> list[bool]:
        await asyncio.sleep(0)
        return await super().append_at(*args, **kwargs)


async def door(objects: MemorySource | None = None) -> Sessions:
    """Return a door behind which session ``s`` is open."""
    system = InMemorySystem(log=InTurns(), objects=objects or MemorySource({SONG: b"la"}))
    await system.declare()
    sessions = Sessions(system.journal, system.objects)
    await sessions.open(sessions.described(session="s", open_=True))
    return sessions


async def items(sessions: Sessions, session: str = "s") -> list[Item]:
    return await sessions.journal.of(Item).records(session, 0)


async def test_items_of_every_kind_follow_each_other() -> None:
    sessions = await door()
    assert await sessions.add_text("s", "One ") == 0
    assert await sessions.add_text("s", "two.", item_end=True) == 1
    assert await sessions.add_silence("s", 1.5) == 2
    assert await sessions.add_object("s", SONG) == 3
    await sessions.finish("s")
    found = await items(sessions)
    assert [item.kind for item in found] == ["text", "text", "silence", "object", "end"]
    assert [item.item_end for item in found] == [False, True, False, False, False]
    assert found[2].seconds == 1.5
    assert found[4].last


async def test_white_space_alone_is_text_that_joins_words() -> None:
    sessions = await door()
    for piece in ("One", " ", "two"):
        await sessions.add_text("s", piece)
    assert [item.text for item in await items(sessions)] == ["One", " ", "two"]
    with pytest.raises(MalformedError, match="empty"):
        await sessions.add_text("s", "")


async def test_what_a_model_writes_from_is_complete_with_each_text() -> None:
    sessions = await door()
    await sessions.open(sessions.described(session="m", mode="expand", open_=True))
    await sessions.add_text("m", "Tell me of foxes.")
    assert [item.item_end for item in await items(sessions, "m")] == [True]


async def test_opening_twice_is_opening_once_but_a_whole_session_cannot_be_opened() -> None:
    sessions = await door()
    await sessions.add_text("s", "kept")
    await sessions.open(sessions.described(session="s", open_=True))
    assert len(await items(sessions)) == 1
    await sessions.start("whole", sessions.described(session="w"))
    with pytest.raises(ConflictError, match="session w exists and is not open"):
        await sessions.open(sessions.described(session="w", open_=True))


Add = Callable[[Sessions, str], Awaitable[object]]
ADDS: dict[str, Add] = {
    "text": lambda sessions, session: sessions.add_text(session, "more"),
    "silence": lambda sessions, session: sessions.add_silence(session, 1.0),
    "object": lambda sessions, session: sessions.add_object(session, SONG),
}


@pytest.mark.parametrize("add", ADDS.values(), ids=ADDS.keys())
async def test_nothing_is_added_to_a_session_that_is_not_open_any_more(add: Add) -> None:
    sessions = await door()
    for session in ("cancelled", "last"):
        await sessions.open(sessions.described(session=session, open_=True))
    await sessions.start("whole", sessions.described(session="whole"))
    await sessions.finish("s")
    await sessions.cancel("cancelled")
    await sessions.add_text("last", "the end", last=True)
    for session, words in (
        ("s", "is finished"),
        ("last", "is finished"),
        ("whole", "was accepted whole"),
        ("cancelled", "was cancelled"),
    ):
        before = await items(sessions, session)
        with pytest.raises(SessionClosedError, match=words):
            await add(sessions, session)
        assert await items(sessions, session) == before
    for unknown in ("nobody", "../etc"):
        with pytest.raises(UnknownSessionError):
            await add(sessions, unknown)


async def test_finishing_and_cancelling_again_is_harmless_also_at_once() -> None:
    sessions = await door()
    await sessions.add_text("s", "words")
    await asyncio.gather(*(sessions.finish("s") for _ in range(10)))
    await asyncio.gather(*(sessions.cancel("s") for _ in range(10)))
    await sessions.finish("s")
    await sessions.cancel("s")
    assert [item.kind for item in await items(sessions)] == ["text", "end"]
    control = await sessions.journal.of(Control).records("s", 0)
    assert [(record.verb, record.last) for record in control] == [("cancel", True)]


async def test_a_listeners_report_after_a_cancel_writes_nothing() -> None:
    sessions = await door()
    await sessions.control("s", "listening")
    await sessions.cancel("s")
    await sessions.control("s", "listening")
    control = await sessions.journal.of(Control).records("s", 0)
    assert [record.verb for record in control] == ["listening", "cancel"]


# -- numbered items


@pytest.mark.parametrize("text", ["words", "\u5b57" * 40_000])
async def test_a_numbered_item_that_is_sent_again_is_stored_once(text: str) -> None:
    sessions = await door()
    for _ in range(3):
        assert await sessions.add_text("s", text, seq=0) == 0
    for _ in range(2):
        assert await sessions.add_silence("s", 1.0, seq=1) == 1
        assert await sessions.add_object("s", SONG, seq=2) == 2
    assert await sessions.add_text("s", text, seq=0) == 0
    found = await items(sessions)
    assert "".join(item.text for item in found) == text
    assert [item.seq for item in found if item.part == 0] == [0, 1, 2]


async def test_the_last_numbered_item_can_be_sent_again_after_the_session_is_closed() -> None:
    sessions = await door()
    for _ in range(2):
        assert await sessions.add_text("s", "all of it", seq=0, last=True) == 0
    with pytest.raises(SessionClosedError):
        await sessions.add_text("s", "more", seq=1)
    assert len(await items(sessions)) == 1


async def test_a_gap_is_a_conflict_that_names_where_the_session_ends() -> None:
    sessions = await door()
    await sessions.add_text("s", "zero", seq=0)
    with pytest.raises(ConflictError, match="item 2 cannot follow: session s has items up to 1"):
        await sessions.add_text("s", "two", seq=2)
    assert len(await items(sessions)) == 1


async def test_another_item_at_a_taken_position_is_a_conflict() -> None:
    sessions = await door()
    await sessions.add_text("s", "zero", seq=0)
    for add in (
        sessions.add_text("s", "other", seq=0),
        sessions.add_text("s", "zero", seq=0, last=True),
        sessions.add_silence("s", 1.0, seq=0),
        sessions.add_object("s", SONG, seq=0),
        sessions.finish("s", seq=0),
    ):
        with pytest.raises(ConflictError, match="another item at position 0"):
            await add
    assert [item.text for item in await items(sessions)] == ["zero"]


# -- several producers


@settings(max_examples=20, deadline=None)
@given(producers=st.integers(2, 6), each=st.integers(1, 8), numbered=st.booleans())
async def test_producers_at_once_lose_and_double_nothing(
    producers: int, each: int, numbered: bool
) -> None:
    sessions = await door()

    async def produce(producer: int) -> list[int]:
        taken: list[int] = []
        for number in range(each):
            # numbered: all of them send the same items, as after a lost answer
            words = f"item {number}" if numbered else f"{producer}:{number}"
            at = await sessions.add_text("s", words, seq=number if numbered else None)
            taken.append(at)
            await asyncio.sleep(0)
        return taken

    taken = await asyncio.gather(*(produce(number) for number in range(producers)))
    await sessions.finish("s")
    texts = [item.text for item in await items(sessions) if item.kind == "text"]
    if numbered:
        assert texts == [f"item {number}" for number in range(each)]
        return
    assert sorted(texts) == sorted(f"{p}:{n}" for p in range(producers) for n in range(each))
    for producer, positions in enumerate(taken):
        assert [texts[at] for at in positions] == [f"{producer}:{n}" for n in range(each)]


# -- objects


async def test_an_object_is_pinned_to_the_version_it_has_when_it_is_added() -> None:
    objects = MemorySource({SONG: b"first"})
    sessions = await door(objects)
    await sessions.add_object("s", SONG, seq=0)
    first = await objects.stat(SONG)
    objects.files[SONG] = b"second"
    with pytest.raises(ConflictError):  # not the same item any more
        await sessions.add_object("s", SONG, seq=0)
    await sessions.add_object("s", SONG)
    second = await objects.stat(SONG)
    assert first is not None
    assert second is not None
    assert [item.etag for item in await items(sessions)] == [first.etag, second.etag]
    assert first.etag != second.etag


@pytest.mark.parametrize("name", ["songs/none.mp3", "../etc/passwd", "/etc/passwd", "a\0b", " "])
async def test_an_object_that_is_not_there_is_refused(name: str) -> None:
    sessions = await door()
    with pytest.raises(MalformedError, match=r"object|name"):
        await sessions.add_object("s", name)
    assert await items(sessions) == []


async def test_without_an_object_source_objects_are_refused_in_one_sentence() -> None:
    sessions = await door()
    without = Sessions(sessions.journal)
    with pytest.raises(MalformedError, match="RHAPSODE_OBJECTS"):
        await without.add_object("s", SONG)


async def test_a_folder_of_objects_that_is_not_there_is_told_in_one_sentence(
    tmp_path: Path,
) -> None:
    sessions = await door()
    elsewhere = Sessions(sessions.journal, FolderSource(tmp_path / "none"))
    with pytest.raises(MalformedError, match=r"there is no folder .*none: make it"):
        await elsewhere.add_object("s", SONG)


@pytest.mark.parametrize("seconds", [0.0, -1.0, 600.1, float("nan"), float("inf")])
async def test_a_silence_out_of_bounds_is_refused(seconds: float) -> None:
    sessions = await door()
    with pytest.raises(MalformedError, match="silence"):
        await sessions.add_silence("s", seconds)
    assert await items(sessions) == []
