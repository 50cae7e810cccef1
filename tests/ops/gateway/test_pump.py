"""What foreign programs leave at the ingress key: stored once, or dead-lettered with its reason."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from rhapsode.agents.publish import media_playlist
from rhapsode.codecs.encoding import decode
from rhapsode.codecs.hls.m3u8 import parse
from rhapsode.codecs.records import DeadLetter, Item, Session
from rhapsode.codecs.session import VoiceSettings
from rhapsode.ops.gateway import pump as pump_module
from rhapsode.ops.gateway.doors import ItemDoor
from rhapsode.ops.gateway.pump import Pump
from rhapsode.ops.sessions import Sessions
from rhapsode.storage.log import Entry, IngressEntry, UnreachableError
from rhapsode.storage.memory.log import MemoryLog
from rhapsode.storage.objects.memory import MemorySource
from rhapsode.storage.objects.source import ObjectInfo
from rhapsode.storage.objects.store import ObjectsUnreachableError
from rhapsode.topologies.testing import PARTITIONS, InMemorySystem

SONG = "songs/fox.mp3"
FIXED_MS = 1_700_000_000_000


class Ingress(MemoryLog):
    """A log that can be out of reach, or lose its answer to the pump."""

    unreachable = 0
    deaf = False

    async def read_ingress(self, topic: str, **how: Any) -> list[IngressEntry]:
        await asyncio.sleep(0)
        if self.unreachable:
            self.unreachable -= 1
            raise UnreachableError("nobody answers")
        return await super().read_ingress(topic, **how)

    async def append_at(self, *args: Any, **kwargs: Any) -> list[bool]:
        await asyncio.sleep(0)  # another pump may be as far
        return await super().append_at(*args, **kwargs)

    async def drop_ingress(self, topic: str, ids: Sequence[str]) -> None:
        await asyncio.sleep(0)
        if self.deaf:
            raise UnreachableError("the answer was lost")
        await super().drop_ingress(topic, ids)


class Source(MemorySource):
    """An object source that can be out of reach."""

    absent = False

    async def stat(self, name: str) -> ObjectInfo | None:
        if self.absent:
            raise ObjectsUnreachableError("nobody answers")
        return await super().stat(name)


class Desk:
    """A log with an ingress key, and pumps for it."""

    def __init__(self) -> None:
        self.source = Source({SONG: b"la"})
        self.log = Ingress(clock_ms=lambda: FIXED_MS)
        self.system = InMemorySystem(log=self.log, objects=self.source)
        self.sessions = Sessions(self.system.journal, self.system.objects)

    def pump(self) -> Pump:
        return Pump(self.log, ItemDoor(self.sessions))

    def leave(self, **fields: str | bytes) -> str:
        """Leave an entry as a foreign program does; return its id."""
        coded: Mapping[bytes, bytes] = {
            name.encode(): value if isinstance(value, bytes) else value.encode()
            for name, value in fields.items()
        }
        return self.log.leave_at_ingress("text", coded)

    async def entries(self, topic: str) -> list[Entry]:
        found: list[Entry] = []
        for number in range(PARTITIONS):
            found += (await self.log.read({(topic, number): 0})).get((topic, number), [])
        return found

    async def items(self) -> list[Item]:
        return [decode(entry.value or b"", Item) for entry in await self.entries("text")]

    async def texts(self) -> list[str]:
        return sorted(item.text for item in await self.items() if item.kind == "text")

    async def described(self) -> list[Session]:
        return [decode(entry.value or b"", Session) for entry in await self.entries("session")]

    async def letters(self) -> list[DeadLetter]:
        return [decode(entry.value or b"", DeadLetter) for entry in await self.entries(LETTERS)]


LETTERS = DeadLetter.TOPIC


@pytest.fixture
async def desk() -> Desk:
    made = Desk()
    await made.system.declare()
    return made


async def test_an_entry_becomes_the_session_its_fields_describe(desk: Desk) -> None:
    desk.leave(text="Hallo.", session="mine", mode="expand", voice="espeak", lang="de", speed="1.5")
    assert await desk.pump().pump_once() == 1
    (session,) = await desk.described()
    assert (session.session, session.mode, session.open) == ("mine", "expand", False)
    assert session.voice == VoiceSettings(voice="espeak", language="de", speed=1.5)
    (item,) = await desk.items()
    assert (item.session, item.text, item.last) == ("mine", "Hallo.", True)
    assert await desk.log.read_ingress("text") == []


async def test_an_entry_without_a_session_is_named_after_its_id(desk: Desk) -> None:
    identifier = desk.leave(text="Hello.")
    await desk.pump().pump_once()
    (session,) = await desk.described()
    assert session.session == f"in-{identifier}"


async def test_numbered_entries_make_one_open_session_that_ends_with_the_last(desk: Desk) -> None:
    desk.leave(session="mine", seq="0", text="One ", lang="de")
    desk.leave(session="mine", seq="1", text="two.")
    desk.leave(session="mine", seq="2", silence="1.5")
    desk.leave(session="mine", seq="3", object=SONG)
    desk.leave(session="mine", seq="4", text="The end.", last="1")
    assert await desk.pump().pump_once() == 5
    (session,) = await desk.described()
    assert (session.open, session.voice.language) == (True, "de")
    found = await desk.items()
    assert [item.kind for item in found] == ["text", "text", "silence", "object", "text"]
    assert [item.seq for item in found] == [0, 1, 2, 3, 4]
    assert [item.last for item in found] == [False] * 4 + [True]
    assert found[3].etag
    assert await desk.letters() == []


async def test_an_entry_that_is_last_and_empty_finishes_its_session(desk: Desk) -> None:
    desk.leave(session="mine", seq="0", text="Words.")
    for _ in range(2):
        desk.leave(session="mine", seq="1", last="1")
    await desk.pump().pump_once()
    assert [item.kind for item in await desk.items()] == ["text", "end"]
    assert await desk.letters() == []


ENTRIES = (
    {"text": "Whole."},
    {"text": "Named.", "session": "named"},
    {"object": SONG},
    {"silence": "1.5"},
    {"session": "open", "seq": "0", "text": "One."},
    {"session": "open", "seq": "1", "object": SONG},
    {"session": "open", "seq": "2", "text": "Two.", "last": "1"},
)


async def test_an_entry_that_is_moved_twice_after_a_lost_answer_is_stored_once(desk: Desk) -> None:
    for fields in ENTRIES:
        desk.leave(**fields)
    desk.log.deaf = True
    for _ in range(2):
        with pytest.raises(UnreachableError):
            await desk.pump().pump_once()
    desk.log.deaf = False
    assert await desk.pump().pump_once() == len(ENTRIES)
    assert await desk.letters() == []
    assert await desk.texts() == ["Named.", "One.", "Two.", "Whole."]
    assert len(await desk.items()) == len(ENTRIES)
    assert await desk.log.read_ingress("text") == []


async def test_pumps_at_the_same_time_store_an_entry_once(desk: Desk) -> None:
    for fields in ENTRIES:
        desk.leave(**fields)
    await asyncio.gather(*(desk.pump().pump_once() for _ in range(4)))
    assert len(await desk.items()) == len(ENTRIES)
    assert await desk.letters() == []


async def test_another_text_for_a_closed_session_is_a_dead_letter_and_the_first_stays(
    desk: Desk,
) -> None:
    desk.leave(text="first", session="mine")
    desk.leave(text="second", session="mine")
    desk.leave(text="first", session="mine")
    await desk.pump().pump_once()
    assert await desk.texts() == ["first"]
    (letter,) = await desk.letters()
    assert "session mine has another item" in letter.reason
    assert letter.value == b"text=second session=mine"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"session": "mine", "seq": "7", "text": "x"}, "item 7 cannot follow"),
        ({"session": "mine", "seq": "0", "text": "x"}, "another item at position 0"),
        ({"session": "mine", "seq": "1", "object": "none.mp3"}, "no object 'none.mp3'"),
        ({"session": "nobody", "seq": "3", "silence": "1"}, "no session nobody"),
        ({"session": "closed", "seq": "1", "text": "x"}, "closed exists and is not open"),
    ],
)
async def test_an_item_that_does_not_fit_its_session_is_a_dead_letter(
    desk: Desk, fields: dict[str, str], reason: str
) -> None:
    desk.leave(session="mine", seq="0", text="One.")
    desk.leave(session="closed", text="Whole.")
    desk.leave(**fields)
    await desk.pump().pump_once()
    (letter,) = await desk.letters()
    assert reason in letter.reason
    assert await desk.texts() == ["One.", "Whole."]


async def test_an_entry_id_in_the_far_future_is_no_date(desk: Desk) -> None:
    """Redis lets a producer choose any id: playlists are dated by the log alone."""
    far_ms = (1 << 64) - 1
    entry = IngressEntry(f"{far_ms}-7", far_ms, {b"text": b"Tomorrow."})
    desk.log._ingress["text"] = [entry, IngressEntry(f"{far_ms}-8", far_ms, {b"colour": b"red"})]
    await desk.pump().pump_once()
    description = await desk.system.journal.describe(f"in-{far_ms}-7")
    assert description.created_ms == FIXED_MS
    playlist = parse(media_playlist(description, (("audio_000.m4s", 47),), ended=True))
    assert playlist.program_date_time_ms == FIXED_MS
    (letter,) = await desk.letters()
    assert letter.offset == far_ms


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"words": "Hello."}, "unknown field 'words'"),
        ({"text": ""}, "give one of the fields 'text', 'object' and 'silence'"),
        ({"text": "   "}, "empty"),
        ({"text": "x", "silence": "1"}, "give one of the fields"),
        ({"text": b"\xff\xfe"}, "not UTF-8"),
        ({"text": b"\xed\xa0\xbd"}, "not UTF-8"),
        ({"text": "x" * 100_001}, "more than 100000"),
        ({"text": "x", "colour": "red"}, "unknown field 'colour'"),
        ({"text": "x", "speed": "fast"}, "speed 'fast' is not a number"),
        ({"text": "x", "speed": "nan"}, "is not a number"),
        ({"text": "x", "mode": "sing"}, "neither 'narrate' nor 'expand'"),
        ({"text": "x", "session": "a/b"}, "session id 'a/b'"),
        ({"text": "x", "session": "mine", "seq": "٣"}, "is not a number from 0"),
        ({"text": "x", "session": "a" * 65}, "session id"),
        ({"text": "x", "seq": "0"}, "'seq' needs the field 'session'"),
        ({"text": "x", "session": "s", "seq": "-1"}, "seq '-1' is not a number"),
        ({"text": "x", "session": "s", "seq": "9" * 30}, "seq"),
        ({"text": "x", "session": "s", "last": "yes"}, "neither 0 nor 1"),
        ({"text": "x", "session": "s", "last": "0"}, "needs the field 'seq'"),
        ({"session": "s", "seq": "0", "silence": "0"}, "a silence of 0.0 s"),
        ({"session": "s", "seq": "0", "silence": "601"}, "a silence of 601.0 s"),
        ({"session": "s", "seq": "0", "silence": "nan"}, "is not a number"),
        ({"object": "../etc/passwd"}, "'../etc/passwd'"),
    ],
)
async def test_what_is_not_understood_is_dead_lettered_and_hinders_nobody(
    desk: Desk, fields: dict[str, str | bytes], reason: str
) -> None:
    desk.leave(**fields)
    desk.leave(text="Good.")
    assert await desk.pump().pump_once() == 2
    assert await desk.texts() == ["Good."]
    (letter,) = await desk.letters()
    assert reason in letter.reason
    assert (letter.stage, letter.topic) == ("pump", "in:text")
    name, value = next(iter(fields.items()))
    assert letter.value.startswith(name.encode() + b"=")
    coded = value if isinstance(value, bytes) else value.encode()
    assert coded[:30_000] in letter.value
    assert await desk.log.read_ingress("text") == []


async def test_a_huge_entry_leaves_a_letter_that_fits(desk: Desk) -> None:
    desk.leave(text=b"\xff" * 1_000_000)
    await desk.pump().pump_once()
    assert [len(letter.value) for letter in await desk.letters()] == [32_000]


async def test_a_running_pump_moves_what_comes_and_outlives_an_absent_log(desk: Desk) -> None:
    async def empty() -> None:
        async with asyncio.timeout(10):
            while desk.log._ingress.get("text"):
                await asyncio.sleep(0.002)

    desk.log.unreachable = 2
    desk.leave(text="One.")
    async with desk.pump().running():
        await empty()
        desk.leave(text="Two.")
        await empty()
    assert await desk.texts() == ["One.", "Two."]


async def test_an_object_source_out_of_reach_holds_up_its_own_session_alone(desk: Desk) -> None:
    pump = desk.pump()
    desk.source.absent = True
    desk.leave(session="song", seq="0", object=SONG)
    desk.leave(session="song", seq="1", text="After the song.", last="1")
    desk.leave(session="other", text="Meanwhile.")
    assert await pump.pump_once() == 1
    assert [item.text for item in await desk.items()] == ["Meanwhile."]
    desk.source.absent = False
    assert await pump.pump_once() == 2
    song = [item for item in await desk.items() if item.session == "song"]
    assert [(item.object, item.text) for item in song] == [(SONG, ""), ("", "After the song.")]
    assert await desk.letters() == []


async def test_an_object_that_cannot_be_looked_up_for_long_is_a_dead_letter(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pump_module, "HELD_S", 0.0)
    desk.source.absent = True
    desk.leave(session="song", seq="0", object=SONG)
    assert await desk.pump().pump_once() == 1
    assert "out of reach" in (await desk.letters())[0].reason


async def test_what_later_entries_ask_of_the_voice_counts_no_more(desk: Desk) -> None:
    desk.leave(session="s", seq="0", text="One. ")
    desk.leave(session="s", seq="1", text="Two. ", voice="no-voice-has-this-name", last="1")
    await desk.pump().pump_once()
    assert [item.text for item in await desk.items()] == ["One. ", "Two. "]
    assert await desk.letters() == []


async def test_a_bug_that_one_entry_shows_does_not_stop_those_behind_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Sessions, "add_silence", broken)
    desk.leave(session="s", seq="0", silence="1")
    desk.leave(session="other", text="Behind it.")
    assert await desk.pump().pump_once() == 2
    assert "ZeroDivisionError" in (await desk.letters())[0].reason
    assert [item.text for item in await desk.items()] == ["Behind it."]
