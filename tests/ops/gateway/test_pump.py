"""What foreign programs leave at the ingress key: placed once, or buried with its reason."""

from collections.abc import Mapping, Sequence

import pytest
from standins.rooms import PARTITIONS, Room, until

from rhapsode.codecs.encoding import unpack
from rhapsode.codecs.records import DeadLetter, Text
from rhapsode.codecs.session import VoiceSettings
from rhapsode.ops.gateway.pump import Pump
from rhapsode.storage.log import Entry, IngressEntry, UnreachableError
from rhapsode.storage.memory.log import MemoryLog


class Ingress(MemoryLog):
    """A log that can be out of reach, or lose its answer to the pump."""

    unreachable = 0
    deaf = False

    async def read_ingress(self, topic: str, *, limit: int = 100) -> list[IngressEntry]:
        if self.unreachable:
            self.unreachable -= 1
            raise UnreachableError("nobody answers")
        return await super().read_ingress(topic, limit=limit)

    async def drop_ingress(self, topic: str, ids: Sequence[str]) -> None:
        if self.deaf:
            raise UnreachableError("the answer was lost")
        await super().drop_ingress(topic, ids)


@pytest.fixture
async def log() -> Ingress:
    ingress = Ingress()
    await Room(log=ingress).declare()
    return ingress


def leave(log: Ingress, **fields: str | bytes) -> str:
    coded: Mapping[bytes, bytes] = {
        name.encode(): value if isinstance(value, bytes) else value.encode()
        for name, value in fields.items()
    }
    return log.leave_at_ingress("text", coded)


async def entries(log: Ingress, topic: str) -> list[Entry]:
    found: list[Entry] = []
    for number in range(PARTITIONS):
        found += (await log.read({(topic, number): 0})).get((topic, number), [])
    return found


async def texts(log: Ingress) -> list[Text]:
    return [unpack(entry.value or b"", Text) for entry in await entries(log, "text")]


async def letters(log: Ingress) -> list[DeadLetter]:
    return [unpack(entry.value or b"", DeadLetter) for entry in await entries(log, "dead-letter")]


async def test_an_entry_becomes_the_text_its_fields_say(log: Ingress) -> None:
    leave(log, text="Hallo.", session="mine", mode="expand", voice="espeak", lang="de", speed="1.5")
    assert await Pump(log, PARTITIONS).pump_once() == 1
    (text,) = await texts(log)
    assert (text.session, text.text, text.mode) == ("mine", "Hallo.", "expand")
    assert text.settings == VoiceSettings(voice="espeak", language="de", speed=1.5)
    assert text.created_ms > 1_600_000_000_000
    assert await log.read_ingress("text") == []


async def test_an_entry_without_a_session_is_named_after_its_id(log: Ingress) -> None:
    identifier = leave(log, text="Hello.")
    await Pump(log, PARTITIONS).pump_once()
    (text,) = await texts(log)
    assert text.session == f"in-{identifier}"


async def test_two_pumps_and_a_lost_answer_place_an_entry_once(log: Ingress) -> None:
    for number in range(5):
        leave(log, text=f"Number {number}.")
    log.deaf = True
    for pump in (Pump(log, PARTITIONS), Pump(log, PARTITIONS)):
        with pytest.raises(UnreachableError):
            await pump.pump_once()
    log.deaf = False
    assert await Pump(log, PARTITIONS).pump_once() == 5
    assert sorted(text.text for text in await texts(log)) == [f"Number {n}." for n in range(5)]
    assert await log.read_ingress("text") == []


async def test_a_session_that_is_named_twice_keeps_its_first_text(log: Ingress) -> None:
    leave(log, text="first", session="mine")
    leave(log, text="second", session="mine")
    await Pump(log, PARTITIONS).pump_once()
    assert [text.text for text in await texts(log)] == ["first"]
    assert await letters(log) == []


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"words": "Hello."}, "'text' is missing"),
        ({"text": ""}, "empty"),
        ({"text": b"\xff\xfe"}, "not UTF-8"),
        ({"text": "x", "colour": "red"}, "unknown field 'colour'"),
        ({"text": "x", "speed": "fast"}, "'fast' is no number"),
        ({"text": "x", "speed": "nan"}, "not between 0.5 and 2.0"),
        ({"text": "x", "mode": "sing"}, "neither 'narrate' nor 'expand'"),
        ({"text": "x", "session": "a/b"}, "session id 'a/b'"),
        ({"text": "x", "session": "a" * 65}, "session id"),
    ],
)
async def test_what_is_not_understood_is_buried_and_hinders_nobody(
    log: Ingress, fields: dict[str, str | bytes], reason: str
) -> None:
    leave(log, **fields)
    leave(log, text="Good.")
    assert await Pump(log, PARTITIONS).pump_once() == 2
    assert [text.text for text in await texts(log)] == ["Good."]
    (letter,) = await letters(log)
    assert reason in letter.reason
    assert (letter.stage, letter.topic) == ("pump", "in:text")
    name, value = next(iter(fields.items()))
    assert letter.value.startswith(name.encode() + b"=")
    assert (value if isinstance(value, bytes) else value.encode()) in letter.value
    assert await log.read_ingress("text") == []


async def test_a_huge_entry_leaves_a_letter_that_fits(log: Ingress) -> None:
    leave(log, text=b"\xff" * 1_000_000)
    await Pump(log, PARTITIONS).pump_once()
    (letter,) = await letters(log)
    assert len(letter.value) == 32_000


async def test_a_running_pump_moves_what_comes_and_outlives_an_absent_log(log: Ingress) -> None:
    log.unreachable = 2
    leave(log, text="One.")
    async with Pump(log, PARTITIONS).running():
        await until(lambda: not log._ingress.get("text"))
        leave(log, text="Two.")
        await until(lambda: not log._ingress.get("text"))
    assert sorted(text.text for text in await texts(log)) == ["One.", "Two."]
