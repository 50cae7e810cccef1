"""What a listener asks becomes what is played: once, for a reason, and never at random."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from rhapsode.agents.match import Match
from rhapsode.codecs.catalogue.answers import Ask, Control, NotFound, Play
from rhapsode.codecs.catalogue.limits import Limits
from rhapsode.codecs.records import Allowance, Answered, Item, Request, Session
from rhapsode.codecs.session import VoiceSettings
from rhapsode.storage.objects.memory import MemorySource
from rhapsode.topologies.requests import REQUESTS
from rhapsode.topologies.testing import InMemorySystem

LISTENER = "a-child"
TITLES = {
    "music/English": {
        "Baa Baa Black Sheep": {"filename": "sheep.mp3", "alternatives": ["black sheep song"]},
        "Twinkle Twinkle Little Star": {"filename": "star.mp3"},
        "Twinkle Twinkle Little Bat": {"filename": "bat.mp3"},
        "The Lost Song": {"filename": "not-there.mp3"},
    },
    "music/Hindi": {"बंदर मामा": {"romanized": "Bandar Mama", "filename": "Bandar Mama.mp3"}},
    "stories/Fantasy": {"The Glass Mountain": {"filename": "mountain.mp3"}},
}


@pytest.fixture
def source() -> MemorySource:
    files: dict[str, bytes] = {}
    for folder, titles in TITLES.items():
        files[f"{folder}/metadata.json"] = json.dumps(titles).encode()
        for entry in titles.values():
            if entry["filename"] != "not-there.mp3":
                files[f"{folder}/{entry['filename']}"] = b"sound of " + str(entry).encode()
    return MemorySource(files)


@pytest.fixture
async def system(source: MemorySource) -> AsyncIterator[InMemorySystem]:
    system = InMemorySystem(objects=source, for_devices=False)
    await system.declare()
    await system.describe(LISTENER, kind="listener", open=True)
    yield system
    await system.catalogue.close()


async def ask(system: InMemorySystem, *texts: str, language: str = "") -> list[Answered]:
    """Ask one after another, as a device does; return all answers there are."""
    first = (await system.journal.of(Request).state(LISTENER)).next
    requests = [
        Request(session=LISTENER, seq=first + number, text=text, language=language)
        for number, text in enumerate(texts)
    ]
    await system.append(requests)
    stage = REQUESTS.stages[-1]
    await system.hand(stage.agent(system), LISTENER, requests)
    return await system.records(Answered, LISTENER)


async def test_a_title_becomes_a_session_of_its_object_in_the_version_it_has(
    system: InMemorySystem, source: MemorySource
) -> None:
    (answered,) = await ask(system, "Play Baa Baa Black Sheep")
    assert isinstance(answered.answer, Play)
    assert answered.answer.reason
    (track,) = answered.tracks
    assert (track.title, track.object) == ("Baa Baa Black Sheep", "music/English/sheep.mp3")
    (item,) = await system.records(Item, track.session)
    info = await source.stat(track.object)
    assert info is not None
    assert (item.kind, item.object, item.etag) == ("object", track.object, info.etag)
    assert item.last
    (session,) = await system.records(Session, track.session)
    assert (session.kind, session.open, session.form) == ("speech", False, system.form)


async def test_a_title_that_is_not_there_is_said_to_be_missing_and_nothing_else_is_played(
    system: InMemorySystem,
) -> None:
    (answered,) = await ask(system, "Play Hickory Dickory Dock")
    assert isinstance(answered.answer, NotFound)
    assert "Hickory" in answered.said.title()
    (track,) = answered.tracks
    assert (track.object, track.title) == ("", answered.said)
    (item,) = await system.records(Item, track.session)
    assert item.text == answered.said


async def test_a_reply_is_in_the_listeners_language(system: InMemorySystem) -> None:
    (answered,) = await ask(system, "एक था राजा वाला गाना बजाओ", language="hi")
    assert isinstance(answered.answer, NotFound)
    assert "नहीं मिला" in answered.said
    (session,) = await system.records(Session, answered.tracks[0].session)
    assert session.voice == VoiceSettings(language="hi")


async def test_of_two_alike_the_listener_is_asked_and_may_answer_by_name_or_place(
    system: InMemorySystem,
) -> None:
    *_, asked = await ask(system, "play twinkle twinkle little")
    assert isinstance(asked.answer, Ask)
    assert " or " in asked.said
    *_, by_name = await ask(system, "the star")
    assert isinstance(by_name.answer, Play)
    assert by_name.tracks[0].object == "music/English/star.mp3"
    *_, again = await ask(system, "play twinkle twinkle little")
    assert isinstance(again.answer, Ask)
    *_, by_place = await ask(system, "number two")
    assert by_place.tracks[0].object == again.answer.titles[1].object


async def test_a_generic_request_goes_through_what_fits_before_it_repeats(
    system: InMemorySystem,
) -> None:
    *_, first = await ask(system, "Tell me a fantasy story")
    assert first.tracks[0].object == "stories/Fantasy/mountain.mp3"
    answers = (await ask(system, "play an english song", "play an english song"))[1:]
    heard = [track.object for one in answers for track in one.tracks]
    assert len(set(heard)) == 2


async def test_what_is_to_be_done_to_what_plays_needs_no_session(system: InMemorySystem) -> None:
    (answered,) = await ask(system, "next")
    assert isinstance(answered.answer, Control)
    assert (answered.answer.action, answered.tracks) == ("next", ())


async def allow(system: InMemorySystem, **limits: Any) -> None:
    seq = (await system.journal.of(Allowance).state(LISTENER)).next
    await system.append([Allowance(session=LISTENER, seq=seq, limits=Limits(**limits))])


async def test_what_parents_do_not_want_is_neither_played_nor_picked(
    system: InMemorySystem,
) -> None:
    await allow(system, never=("story",))
    (missed,) = await ask(system, "Play the glass mountain")
    assert isinstance(missed.answer, NotFound)
    assert (missed.answer.forbidden, missed.said) == (True, "I may not play that.")
    (none,) = (await ask(system, "tell me a story"))[1:]
    assert none.said == "I may not play that."
    for answered in (await ask(system, *["put on something"] * 4))[2:]:
        assert all("stories/" not in track.object for track in answered.tracks)
    await allow(system)
    *_, found = await ask(system, "Play the glass mountain")
    assert isinstance(found.answer, Play)


async def test_what_was_offered_may_be_forbidden_before_it_is_chosen(
    system: InMemorySystem,
) -> None:
    *_, asked = await ask(system, "play twinkle twinkle little")
    assert isinstance(asked.answer, Ask)
    await allow(system, never=("music",))
    *_, chosen = await ask(system, "number two")
    assert isinstance(chosen.answer, NotFound)


async def test_outside_the_hours_it_is_said_when_to_ask_again(system: InMemorySystem) -> None:
    hour = datetime.now(UTC).hour
    begins, ends = f"{(hour + 2) % 24:02}:00", f"{(hour + 4) % 24:02}:00"
    await allow(system, begins=begins, ends=ends)
    await ask(system, "volume 100", "stop", "resume", "Play Baa Baa Black Sheep")
    loud, stop, resume, late = await ask(system)
    assert isinstance(loud.answer, NotFound), "only what makes it quieter is done"
    assert isinstance(stop.answer, Control), "silence may be asked for at any hour"
    assert isinstance(resume.answer, NotFound)
    assert isinstance(late.answer, NotFound)
    assert (late.said, late.answer.until) == (f"Not now. You can ask again at {begins}.", begins)
    assert [track.object for track in late.tracks] == [""], "which is said, and nothing else"
    await allow(system, begins=f"{hour:02}:00", ends=ends)
    *_, again = await ask(system, "Play Baa Baa Black Sheep")
    assert isinstance(again.answer, Play)


async def test_a_title_whose_file_is_missing_is_said_to_be_so(system: InMemorySystem) -> None:
    (answered,) = await ask(system, "play the lost song")
    assert isinstance(answered.answer, NotFound)
    assert "not-there.mp3" in answered.answer.reason


async def test_who_died_between_the_session_and_the_answer_is_followed_by_the_same_answer(
    system: InMemorySystem,
) -> None:
    stage = REQUESTS.stages[-1]
    request = Request(session=LISTENER, seq=0, text="Play Baa Baa Black Sheep")
    await system.append([request])
    (sessions,) = await system.hand(stage.agent(system), LISTENER, [request], stop_after=1)
    assert not await system.records(Answered, LISTENER)
    yielded = await system.hand(stage.agent(system), LISTENER, [request])
    (answered,) = await system.records(Answered, LISTENER)
    assert answered.tracks[0].session == sessions[0].session
    assert len(yielded) == 1, "the session is not accepted twice"
    assert await system.hand(stage.agent(system), LISTENER, [request]) == []


@pytest.mark.parametrize("text", ["", "\0\x1b[2J", "\ud800", "?" * 2_000, "{" * 2_000, "९" * 500])
async def test_hostile_requests_are_answered_like_others(system: InMemorySystem, text: str) -> None:
    # a lone surrogate cannot be encoded, and never comes through a door
    said = text.encode(errors="replace").decode()
    answered = (await ask(system, said))[-1]
    assert isinstance(answered.answer, NotFound | Play | Ask | Control)
    follows = (await ask(system, "Play Baa Baa Black Sheep"))[-1]
    assert isinstance(follows.answer, Play)


async def test_where_any_title_would_do_one_whose_file_is_missing_is_passed_over(
    system: InMemorySystem,
) -> None:
    heard: list[str] = []
    for _ in range(6):
        answered = (await ask(system, "play an English song"))[-1]
        assert isinstance(answered.answer, Play), answered.answer.reason
        heard.append(answered.tracks[0].object)
    assert "music/English/not-there.mp3" not in heard
    assert len(set(heard[:3])) == 3


async def test_a_recommendation_says_why_and_then_plays(system: InMemorySystem) -> None:
    await ask(system, "Play Twinkle Twinkle Little Star")
    answered = (await ask(system, "recommend a song"))[-1]
    assert isinstance(answered.answer, Play)
    assert answered.answer.because == "English"
    words, title = answered.tracks
    assert (words.object, words.title) == ("", answered.said)
    assert answered.said == f"Because you like English: {title.title}."
    assert title.object != "music/English/star.mp3"
    (item,) = await system.records(Item, words.session)
    assert item.text == answered.said


async def test_a_playlist_is_played_in_its_order_as_far_as_it_is_there(
    system: InMemorySystem,
) -> None:
    wanted = [f"music/English/{name}.mp3" for name in ("star", "nothing", "sheep", "star")]
    answered = await ask_for(system, *wanted)
    assert isinstance(answered.answer, Play)
    assert [track.object for track in answered.tracks] == [wanted[0], wanted[2], wanted[3]]
    assert answered.said == ""


async def test_a_playlist_of_nothing_is_said_to_be_one(system: InMemorySystem) -> None:
    answered = await ask_for(system, "music/English/nothing.mp3")
    assert isinstance(answered.answer, NotFound)
    assert "no such files" in answered.answer.reason
    assert answered.said


async def test_a_playlist_leaves_out_what_the_listener_may_not_hear(
    system: InMemorySystem,
) -> None:
    await system.append([Allowance(session=LISTENER, seq=0, limits=Limits(never=("music",)))])
    both = await ask_for(system, "music/English/star.mp3", "stories/Fantasy/mountain.mp3")
    assert [track.object for track in both.tracks] == ["stories/Fantasy/mountain.mp3"]
    none = await ask_for(system, "music/English/star.mp3")
    assert isinstance(none.answer, NotFound)
    assert "not allowed" in none.answer.reason


async def ask_for(system: InMemorySystem, *objects: str) -> Answered:
    """Ask for titles by their files."""
    seq = (await system.journal.of(Request).state(LISTENER)).next
    request = Request(session=LISTENER, seq=seq, text="", objects=objects)
    await system.append([request])
    await system.hand(REQUESTS.stages[-1].agent(system), LISTENER, [request])
    return (await system.records(Answered, LISTENER))[-1]


async def test_a_request_that_is_given_up_is_answered_with_the_reason(
    system: InMemorySystem,
) -> None:
    stage = REQUESTS.stages[-1]
    agent = stage.agent(system)
    assert isinstance(agent, Match)
    request = Request(session=LISTENER, seq=0, text="hello")
    listener = await system.journal.describe(LISTENER)
    (answered,) = await agent.given_up(listener, request, "a bug in the stage match")
    assert isinstance(answered, Answered)
    assert isinstance(answered.answer, NotFound)
    assert answered.answer.reason == "a bug in the stage match"


async def test_it_runs_as_a_stage_beside_those_of_speech(system: InMemorySystem) -> None:
    async with system.running():
        await system.append([Request(session=LISTENER, seq=0, text="Play Hickory Dickory Dock")])
        partition = system.journal.of(Answered).partition(LISTENER)
        await system.log.read({(Answered.TOPIC, partition): 0}, timeout_s=20.0)
        (answered,) = await system.records(Answered, LISTENER)
        await system.finished(answered.tracks[0].session)
    assert not [kind for _, kind in system.counts.troubles if kind == "bug"]
