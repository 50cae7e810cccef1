"""Chunks of one session that are spoken at the same time, and stored in their order."""

import asyncio

from standins.in_memory import System, accepted
from standins.waiting import until

from rhapsode.agents.speak import Speak
from rhapsode.agents.voices.tone import ToneVoice
from rhapsode.agents.voices.voice import Spoken, Utterance
from rhapsode.codecs.records import Chunk, Control, Speech
from rhapsode.codecs.text.sentences import Boundary


def chunk(index: int, text: str, boundary: Boundary = "sentence", **fields: object) -> Chunk:
    known = {"session": "s", "seq": index, "index": index, "start_char": 0, "end_char": len(text)}
    if boundary in ("chapter", "end"):
        known |= {"kind": "mark", "last": True}
    return Chunk(**(known | {"text": text, "boundary": boundary} | fields))  # pyright: ignore[reportArgumentType]  # a mix of types by name


def agent(system: System, at_once: int = 1) -> Speak:
    journal = system.journal
    return Speak(
        system.voice,
        at_once,
        journal.of(Chunk),
        journal.of(Speech),
        journal.of(Control),
        system.no_backlog,
    )


async def test_chunks_that_follow_are_spoken_at_the_same_time_and_stored_in_their_order() -> None:
    voice = Backwards()
    system = await accepted(system=System(voice=voice))
    chunks = [chunk(n, f"Number {n}.") for n in range(4)]
    await system.append([*chunks, chunk(4, "", "end")])
    await system.hand(agent(system, 4), "s", [*chunks, chunk(4, "", "end")])
    assert voice.ended == ["Number 3.", "Number 2.", "Number 1.", "Number 0."]
    speech = await system.records(Speech, "s/0")
    assert [part.text for part in speech] == [c.text for c in chunks] + [""]
    assert [part.index for part in speech] == list(range(5))


class Backwards(ToneVoice):
    """Is done with an utterance only when it is done with those that came after it."""

    def __init__(self) -> None:
        super().__init__()
        self.ended: list[str] = []

    async def speak(self, utterance: Utterance) -> Spoken:
        number = int(utterance.text[-2])
        await until(lambda: number == 3 or f"Number {number + 1}." in self.ended)
        self.ended.append(utterance.text)
        return await super().speak(utterance)


async def test_no_more_chunks_are_spoken_ahead_than_are_allowed() -> None:
    class Counting(ToneVoice):
        now = most = 0

        async def speak(self, utterance: Utterance) -> Spoken:
            self.now += 1
            self.most = max(self.most, self.now)
            await asyncio.sleep(0)
            self.now -= 1
            return await super().speak(utterance)

    voice = Counting()
    system = await accepted(system=System(voice=voice))
    chunks = [chunk(n, f"Number {n}.") for n in range(9)]
    await system.append(chunks)
    await system.hand(agent(system, 3), "s", chunks)
    assert voice.most == 3
    assert sorted(voice.spoken) == [c.text for c in chunks]


async def test_what_is_spoken_ahead_is_let_go_of_with_its_worker() -> None:
    class Endless(ToneVoice):
        cancelled = 0

        async def speak(self, utterance: Utterance) -> Spoken:
            if utterance.text == "Number 0.":
                return await super().speak(utterance)
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
            raise AssertionError

    voice = Endless()
    system = await accepted(system=System(voice=voice))
    chunks = [chunk(n, f"Number {n}.") for n in range(3)]
    await system.append(chunks)
    await system.hand(agent(system, 3), "s", chunks, stop_after=1)
    assert voice.cancelled == 2
