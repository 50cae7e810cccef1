"""Requests that foreign programs leave at the ingress key: asked once, by whoever is named."""

import asyncio

import pytest

from rhapsode.codecs.encoding import decode
from rhapsode.codecs.records import DeadLetter, Request
from rhapsode.ops.gateway.doors import RequestDoor
from rhapsode.ops.gateway.pump import Pump
from rhapsode.ops.listeners import Listeners
from rhapsode.ops.sessions import Sessions
from rhapsode.storage.memory.access_keys import MemoryAccessKeys
from rhapsode.storage.memory.log import MemoryLog
from rhapsode.topologies.testing import PARTITIONS, InMemorySystem

KEY = Request.TOPIC


class Desk:
    """A log with an ingress key of requests."""

    def __init__(self) -> None:
        self.log = MemoryLog()
        self.system = InMemorySystem(log=self.log)
        sessions = Sessions(self.system.journal, self.system.objects)
        self.listeners = Listeners(sessions, MemoryAccessKeys())

    def pump(self) -> Pump:
        return Pump(self.log, RequestDoor(self.listeners))

    def leave(self, **fields: str) -> str:
        coded = {name.encode(): value.encode() for name, value in fields.items()}
        return self.log.leave_at_ingress(KEY, coded)

    async def asked(self, listener: str) -> list[Request]:
        session = await self.listeners.listener(listener)
        return await self.system.records(Request, session)

    async def refusals(self) -> list[str]:
        read = await self.log.read({(DeadLetter.TOPIC, number): 0 for number in range(PARTITIONS)})
        values = [entry.value or b"" for entries in read.values() for entry in entries]
        return [decode(value, DeadLetter).reason for value in values]


@pytest.fixture
async def desk() -> Desk:
    desk = Desk()
    await desk.system.declare()
    return desk


async def test_words_and_playlists_are_asked_in_their_order(desk: Desk) -> None:
    first = desk.leave(listener="ann", text="play a song", lang="hi")
    second = desk.leave(listener="ann", objects="music/b.mp3\nmusic/a song, with a comma.mp3\n")
    desk.leave(listener="bob", text="next")
    assert await desk.pump().pump_once() == 3
    words, playlist = await desk.asked("ann")
    assert (words.text, words.language, words.source) == ("play a song", "hi", "topic")
    assert playlist.objects == ("music/b.mp3", "music/a song, with a comma.mp3")
    assert (words.entry, playlist.entry) == (first, second)
    assert [request.text for request in await desk.asked("bob")] == ["next"]
    assert await desk.pump().pump_once() == 0


async def test_an_entry_that_several_pumps_move_is_asked_once(desk: Desk) -> None:
    for number in range(5):
        desk.leave(listener="ann", text=f"song {number}")
    await asyncio.gather(*(desk.pump().pump_once() for _ in range(4)))
    assert [request.text for request in await desk.asked("ann")] == [
        f"song {number}" for number in range(5)
    ]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"text": "play"}, "give the field 'listener'"),
        ({"listener": "ann"}, "one of the fields 'text' and 'objects'"),
        ({"listener": "ann", "text": "play", "objects": "a.mp3"}, "one of the fields"),
        ({"listener": "-ann", "text": "play"}, "no listener's name"),
        ({"listener": "ann", "text": "x" * 2_001}, "2,000"),
        ({"listener": "ann", "text": " "}, "at least one word"),
        ({"listener": "ann", "text": "play", "lang": "no language"}, "language"),
        ({"listener": "ann", "text": "play", "voice": "x"}, "unknown field 'voice'"),
        ({"listener": "ann", "objects": "../../etc/passwd"}, "no file name"),
        ({"listener": "ann", "objects": "\n".join("x" * 101)}, "at most 100"),
        ({"listener": "ann", "objects": "\n"}, "at least one word"),
    ],
)
async def test_what_is_no_request_is_refused_in_one_sentence_and_hinders_nobody(
    desk: Desk, fields: dict[str, str], said: str
) -> None:
    desk.leave(**fields)
    desk.leave(listener="ann", text="next")
    await desk.pump().pump_once()
    (refusal,) = await desk.refusals()
    assert said in refusal
    assert "bug" not in refusal
    assert [request.text for request in await desk.asked("ann")] == ["next"]
