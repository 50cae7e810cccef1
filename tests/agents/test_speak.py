"""Chunks into speech: whole or not at all, in turn, and an end with a reason where it fails."""

import asyncio

import numpy as np
import pytest
from standins.in_memory import System, accepted, contents

from rhapsode.agents.batching import batches
from rhapsode.agents.speak import Speak
from rhapsode.agents.turns import Turns
from rhapsode.agents.voices.in_turns import InTurns
from rhapsode.agents.voices.tone import ToneVoice
from rhapsode.agents.voices.voice import Spoken, Utterance, VoiceUnreachableError
from rhapsode.codecs.encoding import MAX_RECORD_BYTES, decode, encode
from rhapsode.codecs.records import Chunk, Control, Speech
from rhapsode.codecs.session import VoiceSettings
from rhapsode.codecs.text.sentences import Boundary
from rhapsode.storage.log import partition_of
from rhapsode.topologies.testing import PARTITIONS


def chunk(index: int, text: str, boundary: Boundary = "sentence", **fields: object) -> Chunk:
    known = {"session": "s", "seq": index, "index": index, "start_char": 0, "end_char": len(text)}
    if boundary in ("chapter", "end"):
        known |= {"kind": "mark", "last": True}
    return Chunk(**(known | {"text": text, "boundary": boundary} | fields))  # pyright: ignore[reportArgumentType]  # a mix of types by name


def agent(system: System) -> Speak:
    journal = system.journal
    return Speak(
        system.voice,
        1,
        journal.of(Chunk),
        journal.of(Speech),
        journal.of(Control),
        system.no_backlog,
    )


async def test_a_chunk_becomes_speech_with_all_that_is_known_of_it() -> None:
    voice = ToneVoice(gain_db=3.5, degraded_at="Hello")
    system = await accepted(system=System(voice=voice))
    spoken_of = chunk(0, "Hello there.", start_char=7, end_char=19, seq=4, chapter=2)
    await system.hand(agent(system), "s", [spoken_of])
    (speech,) = await system.records(Speech, "s/2")
    spoken = await voice.speak(Utterance(spoken_of.text, VoiceSettings()))
    assert speech == Speech(
        session="s",
        seq=4,
        chapter=2,
        index=0,
        rate_hz=spoken.rate_hz,
        pcm=spoken.samples.tobytes(),
        text="Hello there.",
        start_char=7,
        end_char=19,
        boundary="sentence",
        voice="tone",
        gain_db=3.5,
        degraded=True,
        words=spoken.words,
    )


async def test_long_speech_is_parts_of_less_than_64_kb_at_one_position() -> None:
    system = await accepted(system=System(voice=ToneVoice(word_s=1.0)))
    long = chunk(0, "one two three four five six seven")
    (batch,) = await system.hand(agent(system), "s", [long])
    parts: list[Speech] = await system.records(Speech, "s/0")
    assert tuple(parts) == batch
    assert len(parts) > 3
    assert [(part.part, part.parts) for part in parts] == [
        (n, len(parts)) for n in range(len(parts))
    ]
    assert all(len(encode(part)) <= MAX_RECORD_BYTES for part in parts)
    spoken = await system.voice.speak(Utterance(long.text, VoiceSettings()))
    assert b"".join(part.pcm for part in parts) == spoken.samples.tobytes()
    assert [bool(part.text) for part in parts] == [True] + [False] * (len(parts) - 1)
    assert len(parts[0].words) == 7
    assert len(batches(batch)) == 1
    assert (await system.journal.of(Speech).state("s/0")).next == 1


async def test_speech_that_is_stored_is_never_made_again() -> None:
    system = await accepted()
    chunks = [chunk(0, "One."), chunk(1, "Two."), chunk(2, "", "end")]
    await system.hand(agent(system), "s", chunks, stop_after=1)
    voice = ToneVoice()
    system.voice = voice
    await system.hand(agent(system), "s", chunks)
    await system.hand(agent(system), "s", chunks)
    assert voice.spoken == ["Two."]
    found = await contents(system.log, "speech")
    texts = [decode(value, Speech).text for value in found["speech", "s/0"]]
    assert texts == ["One.", "Two.", ""]


async def test_marks_and_silent_chunks_need_no_voice() -> None:
    voice = ToneVoice()
    system = await accepted(system=System(voice=voice))
    chunks = [chunk(0, "", "paragraph"), chunk(1, "", "chapter")]
    await system.hand(agent(system), "s", chunks)
    speech: list[Speech] = await system.records(Speech, "s/0")
    assert voice.spoken == []
    assert [(part.boundary, part.rate_hz, part.pcm) for part in speech] == [
        ("paragraph", 0, b""),
        ("chapter", 0, b""),
    ]
    assert speech[-1].last


async def test_what_a_voice_cannot_say_is_a_marked_silence() -> None:
    voice = ToneVoice(fails_at="bad")
    system = await accepted(system=System(voice=voice))
    chunks = [chunk(0, "Good."), chunk(1, "A bad one."), chunk(2, "More."), chunk(3, "", "end")]
    await system.hand(agent(system), "s", chunks)
    speech: list[Speech] = await system.records(Speech, "s/0")
    assert [(part.text, part.error) for part in speech] == [
        ("Good.", ""),
        ("A bad one.", "the voice does not say 'bad'"),
        ("More.", ""),
        ("", ""),
    ]
    assert [part.degraded for part in speech] == [False, True, False, False]
    assert (speech[1].pcm, 0.0 < speech[1].seconds <= 2.0) == (b"", True)
    assert speech[1].boundary == chunks[1].boundary


async def test_whatever_a_voice_raises_fails_its_chunk_and_not_the_stage() -> None:
    class Broken(ToneVoice):
        async def speak(self, utterance: Utterance) -> Spoken:
            raise ValueError("embedded null byte")

    system = await accepted(system=System(voice=Broken()))
    await system.hand(agent(system), "s", [chunk(0, "a\0b"), chunk(1, "", "end")])
    speech, _ = await system.records(Speech, "s/0")
    assert "embedded null byte" in speech.error


async def test_a_text_that_ended_early_says_why_at_its_end() -> None:
    system = await accepted()
    await system.hand(agent(system), "s", [chunk(0, "", "end", error="the model broke")])
    (speech,) = await system.records(Speech, "s/0")
    assert (speech.boundary, speech.error) == ("end", "the model broke")


async def test_a_voice_out_of_reach_is_left_to_be_tried_again() -> None:
    class Away(ToneVoice):
        async def speak(self, utterance: Utterance) -> Spoken:
            raise VoiceUnreachableError("nobody answers")

    system = await accepted(system=System(voice=Away()))
    with pytest.raises(OSError, match="nobody answers"):
        await system.hand(agent(system), "s", [chunk(0, "One.")])
    assert await system.records(Speech, "s/0") == []


async def test_a_chunk_that_was_dead_lettered_ends_the_session_instead_of_leaving_a_gap() -> None:
    system = await accepted()
    chunks = [chunk(n, f"Number {n}.", seq=10 + n) for n in range(4)]
    await system.hand(agent(system), "s", [chunks[0], chunks[2], chunks[3]])
    speech: list[Speech] = await system.records(Speech, "s/0")
    assert [(part.index, part.seq) for part in speech] == [(0, 10), (1, 11)]
    assert speech[-1].last
    assert "chunk 11 was given up" in speech[-1].error


async def test_speech_is_stored_with_its_session_whatever_its_chapter() -> None:
    system = await accepted()
    for chapter in range(4):
        await system.hand(agent(system), "s", [chunk(0, "", "chapter", chapter=chapter)])
    number = partition_of(b"s", PARTITIONS)
    assert (await system.log.span("speech", number)).next == 4


async def test_the_chunk_that_is_due_first_is_spoken_first() -> None:
    class Slow(ToneVoice):
        """Speaks when it is told to."""

        def __init__(self) -> None:
            super().__init__()
            self.begun: asyncio.Queue[str] = asyncio.Queue()
            self.go = asyncio.Semaphore(0)

        async def speak(self, utterance: Utterance) -> Spoken:
            self.begun.put_nowait(utterance.text)
            await self.go.acquire()
            return await super().speak(utterance)

    voice = Slow()
    system = System(voice=InTurns(voice, Turns(1)))
    waiting: list[asyncio.Task[object]] = []
    for session, chars in (("a", 5_000), ("b", 9_000), ("c", 2_000), ("d", 7_000)):
        await system.describe(session)
        chunks = [chunk(0, f"{session}.", chars=chars, session=session)]
        handing = system.hand(agent(system), session, chunks)
        waiting.append(asyncio.create_task(handing))
        for _ in range(10):
            await asyncio.sleep(0)  # all but the first are waiting for their turn now
    order: list[str] = []
    async with asyncio.timeout(10):
        for _ in waiting:
            order.append(await voice.begun.get())
            voice.go.release()
        await asyncio.gather(*waiting)
    assert order == ["a.", "c.", "d.", "b."]


async def test_a_cancelled_session_is_not_spoken_any_further() -> None:
    system = await accepted()
    await system.hand(agent(system), "s", [chunk(0, "One.")])
    await system.append([Control(session="s", seq=0, verb="cancel", last=True)])
    await system.hand(agent(system), "s", [chunk(1, "Two."), chunk(2, "Three.")])
    speech = await system.records(Speech, "s/0")
    assert [(part.text, part.error) for part in speech] == [("One.", ""), ("", "cancelled")]
    assert speech[-1].last


async def test_objects_and_silences_pass_with_all_that_is_known_of_them() -> None:
    system = await accepted()
    song = chunk(0, "", kind="object", object="song.wav", seq=4, item=7)
    pause = chunk(1, "", kind="silence", seconds=1.5, seq=5, item=8)
    await system.hand(agent(system), "s", [song, pause])
    speech = await system.records(Speech, "s/0")
    assert [(p.kind, p.seq, p.item, p.seconds) for p in speech] == [
        ("object", 4, 7, 0.0),
        ("silence", 5, 8, 1.5),
    ]
    assert system.voice.spoken == []  # pyright: ignore[reportAttributeAccessIssue]  # a ToneVoice


async def test_odd_samples_of_a_voice_become_little_endian_16_bit() -> None:
    class BigEndian(ToneVoice):
        async def speak(self, utterance: Utterance) -> Spoken:
            samples = np.array([1, -2, 300], dtype=">i2")
            return Spoken(samples.astype(np.int16), 16_000, "odd")

    system = await accepted(system=System(voice=BigEndian()))
    await system.hand(agent(system), "s", [chunk(0, "x")])
    (speech,) = await system.records(Speech, "s/0")
    assert speech.pcm == b"\x01\x00\xfe\xff\x2c\x01"
