"""From what was asked to the words that are said, also after a crash in the middle."""

import pytest
from standins.in_memory import System

from rhapsode.agents.expand import DELTA_CHARS, PASSAGE_CHARS, Expand
from rhapsode.agents.models.reciter import Reciter
from rhapsode.codecs.encoding import MAX_RECORD_BYTES, MalformedError, pack
from rhapsode.codecs.records import Event, Passage, Text
from rhapsode.codecs.session import Mode, VoiceSettings

SCRIPT = "Once there was a lighthouse keeper who could not sleep, and so he counted ships."
SETTINGS = VoiceSettings(voice="espeak", speed=1.5)


def asked(text: str, mode: Mode = "narrate", **settings: str) -> Text:
    return Text(session="s", text=text, mode=mode, settings=SETTINGS)


def agent(system: System) -> Expand:
    return Expand(system.model, system.journal.of(Passage))


async def outcome(system: System) -> tuple[list[Passage], list[Event]]:
    return await system.records(Passage, "s"), await system.records(Event, "s/expand")


@pytest.mark.parametrize("length", [1, PASSAGE_CHARS, PASSAGE_CHARS + 1, 3 * PASSAGE_CHARS])
async def test_a_text_is_narrated_as_it_is_in_one_batch(length: int) -> None:
    system = System()
    text = ("ab c" * length)[:length]
    batches = await system.hand(agent(system), "s", [asked(text)])
    passages, events = await outcome(system)
    assert len(batches) == 1
    assert "".join(passage.text for passage in passages) == text
    assert [p.last for p in passages] == [False] * (len(passages) - 1) + [True]
    assert {passage.settings for passage in passages} == {SETTINGS}
    assert [(event.kind, event.chars_total, event.last) for event in events] == [
        ("text", length, True)
    ]


async def test_a_passage_fits_a_record_in_any_script() -> None:
    system = System()
    await system.hand(agent(system), "s", [asked("𝄞" * PASSAGE_CHARS)])
    passages, _ = await outcome(system)
    assert all(len(pack(passage)) < MAX_RECORD_BYTES for passage in passages)


async def test_a_text_that_was_taken_already_is_not_taken_again() -> None:
    system = System()
    assert await system.hand(agent(system), "s", [asked("words"), asked("words")])
    assert await system.hand(agent(system), "s", [asked("words")]) == []


async def test_a_text_out_of_bounds_is_malformed() -> None:
    system = System()
    with pytest.raises(MalformedError, match="empty"):
        await system.hand(agent(system), "s", [asked("  \n")])


async def test_a_model_is_heard_while_it_writes() -> None:
    system = System(model=Reciter(SCRIPT, delta_chars=3))
    batches = await system.hand(agent(system), "s", [asked("A story.", "expand")])
    passages, events = await outcome(system)
    assert "".join(passage.text for passage in passages) == SCRIPT
    assert all(len(passage.text) < DELTA_CHARS + 3 for passage in passages)
    assert len(batches) == len(passages) > 3
    assert [event.chars_total for event in events] == [len(SCRIPT)]


@pytest.mark.parametrize("crash_after", [1, 2, 3])
async def test_a_model_goes_on_where_it_was_when_its_worker_died(crash_after: int) -> None:
    system = System(model=Reciter(SCRIPT, delta_chars=5))
    await system.hand(agent(system), "s", [asked("A story.", "expand")], stop_after=crash_after)
    await system.hand(agent(system), "s", [asked("A story.", "expand")])
    passages, events = await outcome(system)
    assert "".join(passage.text for passage in passages) == SCRIPT
    assert [passage.seq for passage in passages] == list(range(len(passages)))
    assert [event.chars_total for event in events] == [len(SCRIPT)]


async def test_a_model_that_fails_ends_the_text_with_what_it_wrote_and_why() -> None:
    system = System(model=Reciter(SCRIPT, fails_at=30))
    await system.hand(agent(system), "s", [asked("A story.", "expand")])
    passages, _ = await outcome(system)
    assert "".join(passage.text for passage in passages) == SCRIPT[:30]
    assert [passage.error for passage in passages] == [""] * (len(passages) - 1) + [
        "the model lost the thread"
    ]
    assert passages[-1].last


@pytest.mark.parametrize("script", ["", " \n "])
async def test_a_model_that_writes_nothing_has_failed(script: str) -> None:
    system = System(model=Reciter(script))
    await system.hand(agent(system), "s", [asked("A story.", "expand")])
    passages, _ = await outcome(system)
    assert passages[-1].last
    assert passages[-1].error == "the model reciter wrote nothing"


async def test_a_model_that_sends_all_at_once_is_cut_into_records() -> None:
    script = "字" * 60_000
    system = System(model=Reciter(script, delta_chars=60_000))
    await system.hand(agent(system), "s", [asked("A story.", "expand")])
    passages, _ = await outcome(system)
    assert "".join(passage.text for passage in passages) == script
    assert passages[-1].error == ""
