"""What a listener says becomes one request, whoever is started again, and whatever was sent."""

import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import numpy as np
import pytest
from standins.in_memory import System
from standins.speech import RATE_HZ as SPEECH_HZ
from standins.speech import speech

from rhapsode.agents.recognise import NO_RECOGNISER, NOTHING_HEARD, PAUSE_S, Recognise
from rhapsode.agents.recognisers.ears import Ears
from rhapsode.agents.recognisers.recogniser import (
    RATE_HZ,
    Recognised,
    RecogniserFailedError,
    RecogniserUnreachableError,
)
from rhapsode.codecs.audio.pcm import Samples, resample, to_bytes
from rhapsode.codecs.libraries import opuslib
from rhapsode.codecs.records import Answered, Heard, Microphone, Request
from rhapsode.topologies.requests import REQUESTS

LISTENER = "a-child"
FRAME = RATE_HZ * 60 // 1000
(RECOGNISE, _) = REQUESTS.stages
WORDS = "Play the song of the sheep"


@dataclass
class Counting:
    """A recogniser that tells how much it was given, and what it was told to tell."""

    name: str = "counting"
    text: str = WORDS
    error: Exception | None = None
    given_s: list[float] = field(default_factory=list[float])

    def missing(self) -> str:
        return ""

    async def prepare(self) -> None:
        """Need nothing."""

    async def recognise(self, sound: Samples, language: str) -> Recognised:
        self.given_s.append(len(sound) / RATE_HZ)
        if self.error is not None:
            raise self.error
        return Recognised(self.text, language)

    async def close(self) -> None:
        """Hold nothing."""


@pytest.fixture
async def system() -> AsyncIterator[System]:
    system = System(recogniser=Counting(), for_devices=False)
    await system.declare()
    await system.describe(LISTENER, kind="listener", open=True)
    yield system
    await system.ears.close()
    await system.catalogue.close()


def said(text: str = WORDS) -> Samples:
    return resample(speech(text), SPEECH_HZ, RATE_HZ)


def quiet(seconds: float) -> Samples:
    noise = np.random.default_rng(1).normal(0, 20, round(seconds * RATE_HZ))
    return noise.astype(np.int16)


def packets(*sounds: Samples) -> list[bytes]:
    encoder, sound = opuslib().Encoder(RATE_HZ, 1, "voip"), np.concatenate(sounds)
    return [
        encoder.encode(to_bytes(sound[start : start + FRAME]), FRAME)
        for start in range(0, len(sound) - FRAME + 1, FRAME)
    ]


def pieces(
    sent: list[bytes], first: int = 0, *, until: str = "told", ended: bool = True
) -> list[Heard]:
    """Return an utterance as a gateway stores it, five packets in a piece."""
    groups = [tuple(sent[at : at + 5]) for at in range(0, len(sent), 5)] or [()]
    return [
        Heard(
            session=LISTENER,
            seq=first + number,
            first=first,
            packets=group,
            until="silence" if until == "silence" else "told",
            ended=ended and number == len(groups) - 1,
        )
        for number, group in enumerate(groups)
    ]


async def hear(system: System, records: list[Heard]) -> list[Request]:
    await system.append(records)
    await system.hand(RECOGNISE.agent(system), LISTENER, records)
    return await system.records(Request, LISTENER)


def recogniser(system: System) -> Counting:
    assert isinstance(system.recogniser, Counting)
    return system.recogniser


async def test_what_is_said_until_the_device_says_so_is_a_request(system: System) -> None:
    sound = said()
    (request,) = await hear(system, pieces(packets(quiet(0.5), sound)))
    assert (request.text, request.source, request.utterance) == (WORDS, "speech", 0)
    assert recogniser(system).given_s == [pytest.approx(0.5 + len(sound) / RATE_HZ, abs=0.1)]


async def test_a_pause_ends_it_where_the_device_only_sends(system: System) -> None:
    sound = said()
    sent = packets(quiet(1.0), sound, quiet(3.0), sound, quiet(3.0))
    (request,) = await hear(system, pieces(sent, until="silence", ended=False))
    assert request.text == WORDS, "and what follows is a matter of the next `listen start`"
    (given_s,) = recogniser(system).given_s
    assert given_s < 1.0 + len(sound) / RATE_HZ + PAUSE_S + 0.5


async def test_an_utterance_that_begins_before_the_last_one_is_answered_is_one_too(
    system: System,
) -> None:
    records = pieces(packets(said()))
    records += pieces(packets(said("Stop")), len(records))
    requests = await hear(system, records)
    assert [one.utterance for one in requests] == [records[0].first, records[-1].first]


@pytest.mark.parametrize("until", ["told", "silence"])
async def test_where_nobody_speaks_no_recogniser_is_asked(system: System, until: str) -> None:
    requests = await hear(system, pieces(packets(quiet(3.0)), until=until))
    assert recogniser(system).given_s == []
    if until == "told":  # somebody waits for an answer
        assert [(one.text, one.trouble) for one in requests] == [("", NOTHING_HEARD)]
    else:
        assert requests == []


async def test_whoever_is_started_again_anywhere_makes_the_same_requests(system: System) -> None:
    records = pieces(packets(said()))
    records += pieces(packets(said("Stop")), len(records), until="silence", ended=False)
    records += pieces(packets(said("Next")), len(records))
    await system.append(records)
    for stop in range(len(records)):
        await system.hand(RECOGNISE.agent(system), LISTENER, records[: stop + 1])
        await system.hand(RECOGNISE.agent(system), LISTENER, records[stop:])
    requests = await system.records(Request, LISTENER)
    first, last = records[0].first, records[-1].first
    assert [one.utterance for one in requests] == [first, last], "the one between never ended"
    await system.hand(RECOGNISE.agent(system), LISTENER, records)
    assert await system.records(Request, LISTENER) == requests


async def test_others_may_ask_meanwhile(system: System) -> None:
    asked = Request(session=LISTENER, seq=0, text="next", source="device")
    await system.append([asked])
    requests = await hear(system, pieces(packets(said())))
    assert [(one.seq, one.source) for one in requests] == [(0, "device"), (1, "speech")]


@pytest.mark.parametrize(
    "error", [RecogniserFailedError("no words"), RecogniserUnreachableError("out of reach")]
)
async def test_a_recogniser_that_fails_is_told_of(system: System, error: Exception) -> None:
    recogniser(system).error = error
    (request,) = await hear(system, pieces(packets(said())))
    assert (request.text, request.trouble) == ("", str(error))


async def test_without_a_recogniser_it_is_said_what_to_install(system: System) -> None:
    system.recogniser = None
    (request,) = await hear(system, pieces(packets(said())))
    assert request.trouble == NO_RECOGNISER


async def test_packets_that_are_no_opus_are_passed_over(system: System) -> None:
    chance = random.Random(7)
    sent = packets(said())
    for number in range(0, len(sent), 3):
        sent[number] = chance.randbytes(chance.randint(1, 4_000))
    requests = await hear(system, pieces(sent))
    assert len(requests) == 1
    noise = pieces([chance.randbytes(200) for _ in range(50)], len(pieces(sent)))
    *_, last = await hear(system, noise)
    assert last.text in ("", WORDS), "noise may sound like speech, and breaks nothing"


async def test_pcm_is_heard_too(system: System) -> None:
    sound = said()
    sent = [to_bytes(sound[at : at + FRAME]) for at in range(0, len(sound) - FRAME, FRAME)]
    microphone = Microphone("pcm")
    records = [
        Heard(session=LISTENER, seq=n, first=0, packets=(one,), microphone=microphone)
        for n, one in enumerate(sent)
    ]
    end = Heard(session=LISTENER, seq=len(sent), first=0, microphone=microphone, ended=True)
    (request,) = await hear(system, [*records, end])
    assert request.text == WORDS


async def test_an_ear_that_dies_is_told_everything_again() -> None:
    ears, sent = Ears(), packets(said())
    whole = await ears.listen("one", sent, 0, Microphone())
    sound = await ears.sound("one")
    half = await ears.listen("two", sent[:10], 0, Microphone())
    await ears.close()  # as one that died
    assert await ears.listen("two", sent, half.packets, Microphone()) == whole
    assert np.array_equal(await ears.sound("two"), sound)
    assert not len(await ears.sound("two")), "it is given once"
    await ears.close()


async def test_words_are_cleaned(system: System) -> None:
    recogniser(system).text = " Play\0the\u2028 song\x1b[2J \ud800of" + " x" * 5_000
    (request,) = await hear(system, pieces(packets(said())))
    assert request.text.startswith("Play the song [2J of x x")
    assert len(request.text) <= 2_000


async def test_a_piece_that_is_given_up_is_answered_with_the_reason(system: System) -> None:
    records = pieces(packets(said()))
    await system.append(records)
    agent = RECOGNISE.agent(system)
    assert isinstance(agent, Recognise)
    listener = await system.journal.describe(LISTENER)
    (request,) = await agent.given_up(listener, records[-1], "a bug")
    assert isinstance(request, Request)
    assert (request.text, request.trouble) == ("", "a bug")


async def test_what_was_not_understood_is_answered_in_words(system: System) -> None:
    recogniser(system).error = RecogniserFailedError("no words")
    async with system.running(REQUESTS.stages):
        await system.append(pieces(packets(said())))
        partition = system.journal.of(Answered).partition(LISTENER)
        await system.log.read({(Answered.TOPIC, partition): 0}, timeout_s=20.0)
    (answered,) = await system.records(Answered, LISTENER)
    assert answered.answer.reason == "no words"
    assert answered.said
    assert [track.object for track in answered.tracks] == [""]
