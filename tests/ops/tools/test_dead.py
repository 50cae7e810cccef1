"""What was given up is listed with its reason, and its session can be said again."""

import pytest

from rhapsode.agents.journal import UnknownSessionError
from rhapsode.agents.voices.tone import ToneVoice
from rhapsode.codecs.encoding import MalformedError, encode
from rhapsode.codecs.records import AudioFrame, DeadLetter, Item
from rhapsode.ops.progress import load_progress
from rhapsode.ops.tools.dead import find, newest, say_again
from rhapsode.storage.log import NewEntry
from rhapsode.topologies.testing import InMemorySystem

STORY = "Long ago there lived a fox. She collected maps, and every evening she chose a road."


async def with_letters(*reasons: str) -> InMemorySystem:
    system = InMemorySystem()
    await system.declare()
    for number, reason in enumerate(reasons):
        letter = DeadLetter(
            session="s",
            stage="pack",
            topic="audio-frame",
            partition=1,
            offset=number,
            reason=reason,
        )
        entry = NewEntry(key=b"s", value=encode(letter), timestamp_ms=1_000 + number)
        await system.log.append(DeadLetter.TOPIC, number % 2, [entry])
    return system


async def test_letters_are_listed_newest_first_with_the_first_line_of_their_reason() -> None:
    system = await with_letters("first", "a bug in the stage pack (KeyError)\nTraceback …", "third")
    found = await newest(system.journal, 2)
    assert [letter.name for letter in found] == ["0/1", "1/0"]
    assert [letter.as_json()["reason"] for letter in found] == [
        "third",
        "a bug in the stage pack (KeyError)",
    ]


async def test_what_is_no_letter_hides_no_other() -> None:
    system = await with_letters("first")
    await system.log.append(DeadLetter.TOPIC, 0, [NewEntry(key=b"s", value=b"\x00garbage")])
    assert [letter.name for letter in await newest(system.journal, 9)] == ["0/0"]
    with pytest.raises(MalformedError, match="there is no dead letter"):
        await find(system.journal, "0/1")


async def test_a_letter_is_found_by_its_name_with_its_whole_reason() -> None:
    system = await with_letters("first", "a bug\nTraceback …")
    assert (await find(system.journal, "1/0")).record.reason == "a bug\nTraceback …"


@pytest.mark.parametrize("name", ["", "0", "0/9", "9/0", "a/b", "-1/0", "0/0/0", "0/" + "9" * 30])
async def test_a_letter_that_is_none_is_named(name: str) -> None:
    system = await with_letters("first")
    with pytest.raises(MalformedError, match="there is no dead letter"):
        await find(system.journal, name)


async def test_a_session_is_said_again_with_all_its_items() -> None:
    system = InMemorySystem()
    async with system.running():
        await system.describe("s")
        first = Item(session="s", seq=0, parts=2, text=STORY[:30])
        second = Item(session="s", seq=0, parts=2, part=1, text=STORY[30:], last=True)
        await system.append([first, second])
        await system.finished("s")
        again = await say_again(system.journal, "s")
        await system.finished(again)
    before, after = [
        [record.pcm for record in await system.records(AudioFrame, session)]
        for session in ("s", again)
    ]
    assert before == after
    assert len(await system.records(Item, again)) == 2  # parts of one position


async def test_an_open_session_is_said_again_as_far_as_it_went() -> None:
    system = InMemorySystem(voice=ToneVoice())
    async with system.running():
        await system.describe("s", open=True)
        await system.append([Item(session="s", seq=0, text="A fox sings.", item_end=True)])
        await system.append([Item(session="s", seq=1, kind="silence", seconds=0.5)])
        again = await say_again(system.journal, "s")
        await system.finished(again)
    progress = await load_progress(system.journal, again)
    assert progress is not None
    assert (progress.state, progress.chunks) == ("SUCCESS", 2)


async def test_a_session_that_is_none_cannot_be_said_again() -> None:
    system = await with_letters("first")
    with pytest.raises(UnknownSessionError):
        await say_again(system.journal, "s")
