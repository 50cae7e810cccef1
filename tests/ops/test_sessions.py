"""Sessions come in, durable and within bounds; they are listed, newest first."""

import asyncio
from typing import Any

import pytest

from rhapsode.agents.journal import UnknownSessionError
from rhapsode.codecs.build import codec_build
from rhapsode.codecs.encoding import MalformedError
from rhapsode.codecs.records import Item, Session
from rhapsode.codecs.session import Form, PausePolicy, Rendition, VoiceSettings
from rhapsode.ops.progress import Progress, load_listed
from rhapsode.ops.refusals import ConflictError, check_new
from rhapsode.ops.sessions import Sessions, new_session_id
from rhapsode.storage.log import partition_of
from rhapsode.storage.memory.log import MemoryLog
from rhapsode.topologies.testing import PARTITIONS, InMemorySystem


async def door(**fields: Any) -> Sessions:
    """Return the door to a log whose clock ticks with each entry."""
    ticks = iter(range(1_000, 1_000_000))
    system = InMemorySystem(log=MemoryLog(clock_ms=lambda: next(ticks)))
    await system.declare()
    return Sessions(system.journal, system.objects, **fields)


async def items(sessions: Sessions, session: str) -> list[Item]:
    return await sessions.journal.of(Item).records(session, 0)


async def listed(sessions: Sessions, limit: int = 50) -> list[Progress]:
    """Return a page of sessions, newest first."""
    return await load_listed(sessions.journal, await sessions.index.newest(limit))


async def everything(sessions: Sessions) -> int:
    """Return how many entries the log has of sessions and items."""
    spans = [
        await sessions.journal.log.span(topic, number)
        for topic in (Session.TOPIC, Item.TOPIC)
        for number in range(PARTITIONS)
    ]
    return sum(span.next for span in spans)


async def test_a_session_and_its_text_are_in_the_log_before_the_answer() -> None:
    sessions = await door()
    voice = VoiceSettings(voice="espeak", language="de", speed=1.5)
    record = await sessions.start("Words.", sessions.described(mode="expand", voice=voice))
    description = await sessions.journal.describe(record.session)
    assert description.record == record
    assert (record.mode, record.voice, record.codec_build) == ("expand", voice, codec_build())
    (item,) = await items(sessions, record.session)
    assert (item.text, item.seq, item.last, item.item_end) == ("Words.", 0, True, True)


async def test_when_a_session_was_accepted_is_the_logs_own_time() -> None:
    sessions = await door()
    record = await sessions.start("Words.")
    assert (await sessions.journal.describe(record.session)).created_ms == 1_000


async def test_a_session_has_the_form_of_the_process_that_accepted_it_or_its_own() -> None:
    mine = Form(segment_s=3.0, renditions=(Rendition(bit_rate=64_000),))
    sessions = await door(form=mine)
    assert (await sessions.start("Words.")).form == mine
    theirs = Form(segment_s=1.0, device=None)
    assert (await sessions.start("Words.", sessions.described(form=theirs))).form == theirs


async def test_pauses_follow_from_the_language_when_it_is_accepted() -> None:
    sessions = await door()
    assert sessions.described().pauses == PausePolicy()
    japanese = sessions.described(voice=VoiceSettings(language="ja"))
    assert japanese.pauses != PausePolicy()


async def test_session_ids_are_long_and_never_the_same() -> None:
    ids = {new_session_id() for _ in range(1_000)}
    assert len(ids) == 1_000
    assert {len(session) for session in ids} == {32}


@pytest.mark.parametrize(
    "text",
    ["", " \n\t", "x" * 100_001, "\U0001f98a" * 100_001, "half \ud83e of a pair", "\udd8a"],
    ids=["empty", "white", "too long", "too long, 4 bytes", "high half", "low half"],
)
async def test_a_text_that_is_out_of_bounds_is_refused_and_leaves_nothing(text: str) -> None:
    sessions = await door()
    with pytest.raises(MalformedError, match=r"empty|more than 100000|surrogate"):
        await sessions.start(text)
    await sessions.open(sessions.described(session="s", open_=True))
    before = await everything(sessions)
    if text.strip():
        with pytest.raises(MalformedError):
            await sessions.add_text("s", text)
    assert await everything(sessions) == before == 1


@pytest.mark.parametrize("character", ["x", "\u00e9", "\u5b57", "\U0001f98a"])
async def test_a_text_of_exactly_a_hundred_thousand_characters_is_taken_in_any_script(
    character: str,
) -> None:
    sessions = await door()
    text = character * 100_000
    record = await sessions.start(text)
    found = await items(sessions, record.session)
    assert "".join(item.text for item in found) == text
    assert {(item.seq, item.parts) for item in found} == {(0, len(found))}
    assert [item.last for item in found] == [False] * (len(found) - 1) + [True]
    await sessions.open(sessions.described(session="s", open_=True))
    assert await sessions.add_text("s", text) == 0
    assert await sessions.add_text("s", "after") == 1


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"session": "../etc"}, "session id"),
        ({"session": "a" * 65}, "session id"),
        ({"open_": True, "idle_close_s": 0.5}, "idle_close_s"),
        ({"form": Form(sample_rate_hz=44_100)}, "sample_rate_hz 44100 cannot be made yet"),
        ({"form": Form(channels=2)}, "channels 2 cannot"),
        ({"form": Form(container="ts")}, "container 'ts' cannot"),
        ({"form": Form(part_s=0.3)}, "part_s 0.3 cannot"),
        ({"form": Form(captions=("vtt",))}, "captions"),
        ({"form": Form(renditions=(Rendition(codec="opus"),))}, "renditions"),
    ],
)
async def test_what_cannot_be_made_is_refused_by_name(fields: dict[str, Any], message: str) -> None:
    sessions = await door()
    with pytest.raises(MalformedError, match=message):
        sessions.described(**fields)


async def test_a_voice_that_nobody_here_speaks_is_refused_at_the_door() -> None:
    def check_voice(settings: VoiceSettings) -> None:
        if settings.language == "xx":
            raise ValueError("no voice here speaks 'xx'")

    sessions = await door(check_voice=check_voice)
    with pytest.raises(MalformedError, match="no voice here speaks 'xx'"):
        sessions.described(voice=VoiceSettings(language="xx"))
    assert sessions.described(voice=VoiceSettings(language="en"))


def test_a_text_can_be_judged_without_a_log() -> None:
    assert check_new("Words.") == "Words."
    with pytest.raises(MalformedError):
        check_new("")


async def test_starting_twice_with_the_same_id_and_text_is_starting_once() -> None:
    sessions = await door()
    for text in ("first", "\U0001f98a" * 40_000):
        described = sessions.described(session=f"s{len(text)}")
        for _ in range(3):
            assert (await sessions.start(text, described)).session == described.session
    assert await everything(sessions) == 2 + 1 + 3


@pytest.mark.parametrize(
    ("first", "second"),
    [("first", "second"), ("x" * 40_000, "x"), ("x", "x" * 40_000), ("x" * 40_000, "x" * 39_999)],
    ids=["another", "shorter", "longer", "one character less"],
)
async def test_another_text_for_the_same_id_is_a_conflict_and_the_first_one_stays(
    first: str, second: str
) -> None:
    sessions = await door()
    await sessions.start(first, sessions.described(session="s"))
    with pytest.raises(ConflictError, match="session s has another item"):
        await sessions.start(second, sessions.described(session="s"))
    assert "".join(item.text for item in await items(sessions, "s")) == first
    assert len(await listed(sessions)) == 1


async def test_many_who_start_one_id_at_once_start_it_once() -> None:
    sessions = await door()
    texts = ["one", "two"] * 10
    described = sessions.described(session="s")
    results = await asyncio.gather(
        *(sessions.start(text, described) for text in texts), return_exceptions=True
    )
    (item,) = await items(sessions, "s")
    for text, result in zip(texts, results, strict=True):
        assert isinstance(result, Session if text == item.text else ConflictError)


async def test_the_newest_sessions_come_first_from_all_partitions() -> None:
    sessions = await door()
    names = [f"session-{number:02}" for number in range(20)]
    assert {partition_of(name.encode(), PARTITIONS) for name in names} == {0, 1}
    for name in names:
        await sessions.start("words", sessions.described(session=name))
    assert [progress.session for progress in await listed(sessions, 7)] == names[::-1][:7]
    assert len(await listed(sessions, 1_000)) == 20


async def test_an_empty_log_lists_nothing_and_knows_nobody() -> None:
    sessions = await door()
    assert await listed(sessions) == []
    for ask in (sessions.finish("nobody"), sessions.cancel("nobody")):
        with pytest.raises(UnknownSessionError):
            await ask
