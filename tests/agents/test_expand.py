"""From what was asked to the words that are said, also after a crash in the middle."""

import pytest
from standins.rooms import Room, driven

from rhapsode.agents.expand import DELTA_CHARS, PASSAGE_CHARS, Expand
from rhapsode.agents.models.reciter import Reciter
from rhapsode.codecs.encoding import MAX_RECORD_BYTES, MalformedError, pack
from rhapsode.codecs.records import Event, Passage, Text
from rhapsode.codecs.session import Mode, VoiceSettings

SCRIPT = "Once there was a lighthouse keeper who could not sleep, and so he counted ships."
SETTINGS = VoiceSettings(voice="espeak", speed=1.5)


def asked(text: str, mode: Mode = "narrate", **settings: str) -> Text:
    return Text(session="s", text=text, mode=mode, settings=SETTINGS)


def agent(room: Room) -> Expand:
    return Expand(room.model, room.parts.history(Passage))


async def outcome(room: Room) -> tuple[list[Passage], list[Event]]:
    return await room.records(Passage, "s"), await room.records(Event, "s/expand")


@pytest.mark.parametrize("length", [1, PASSAGE_CHARS, PASSAGE_CHARS + 1, 3 * PASSAGE_CHARS])
async def test_a_text_is_narrated_as_it_is_in_one_batch(length: int) -> None:
    room = Room()
    text = ("ab c" * length)[:length]
    batches = await driven(agent(room), [asked(text)], room)
    passages, events = await outcome(room)
    assert len(batches) == 1
    assert "".join(passage.text for passage in passages) == text
    assert [p.last for p in passages] == [False] * (len(passages) - 1) + [True]
    assert {passage.settings for passage in passages} == {SETTINGS}
    assert [(event.kind, event.chars_total, event.last) for event in events] == [
        ("text", length, True)
    ]


async def test_a_passage_fits_a_record_in_any_script() -> None:
    room = Room()
    await driven(agent(room), [asked("𝄞" * PASSAGE_CHARS)], room)
    passages, _ = await outcome(room)
    assert all(len(pack(passage)) < MAX_RECORD_BYTES for passage in passages)


async def test_a_text_that_was_taken_already_is_not_taken_again() -> None:
    room = Room()
    assert await driven(agent(room), [asked("words"), asked("words")], room)
    assert await driven(agent(room), [asked("words")], room) == []


async def test_a_text_out_of_bounds_is_malformed() -> None:
    room = Room()
    with pytest.raises(MalformedError, match="empty"):
        await driven(agent(room), [asked("  \n")], room)


async def test_a_model_is_heard_while_it_writes() -> None:
    room = Room(model=Reciter(SCRIPT, delta_chars=3))
    batches = await driven(agent(room), [asked("A story.", "expand")], room)
    passages, events = await outcome(room)
    assert "".join(passage.text for passage in passages) == SCRIPT
    assert all(len(passage.text) < DELTA_CHARS + 3 for passage in passages)
    assert len(batches) == len(passages) > 3
    assert [event.chars_total for event in events] == [len(SCRIPT)]


@pytest.mark.parametrize("crash_after", [1, 2, 3])
async def test_a_model_goes_on_where_it_was_when_its_worker_died(crash_after: int) -> None:
    room = Room(model=Reciter(SCRIPT, delta_chars=5))
    await driven(agent(room), [asked("A story.", "expand")], room, stop_after=crash_after)
    await driven(agent(room), [asked("A story.", "expand")], room)
    passages, events = await outcome(room)
    assert "".join(passage.text for passage in passages) == SCRIPT
    assert [passage.seq for passage in passages] == list(range(len(passages)))
    assert [event.chars_total for event in events] == [len(SCRIPT)]


async def test_a_model_that_fails_ends_the_text_with_what_it_wrote_and_why() -> None:
    room = Room(model=Reciter(SCRIPT, fails_at=30))
    await driven(agent(room), [asked("A story.", "expand")], room)
    passages, _ = await outcome(room)
    assert "".join(passage.text for passage in passages) == SCRIPT[:30]
    assert [passage.error for passage in passages] == [""] * (len(passages) - 1) + [
        "the model lost the thread"
    ]
    assert passages[-1].last


@pytest.mark.parametrize("script", ["", " \n "])
async def test_a_model_that_writes_nothing_has_failed(script: str) -> None:
    room = Room(model=Reciter(script))
    await driven(agent(room), [asked("A story.", "expand")], room)
    passages, _ = await outcome(room)
    assert passages[-1].last
    assert passages[-1].error == "the model reciter wrote nothing"


async def test_a_model_that_sends_all_at_once_is_cut_into_records() -> None:
    script = "字" * 60_000
    room = Room(model=Reciter(script, delta_chars=60_000))
    await driven(agent(room), [asked("A story.", "expand")], room)
    passages, _ = await outcome(room)
    assert "".join(passage.text for passage in passages) == script
    assert passages[-1].error == ""
