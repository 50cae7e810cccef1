"""``WS /v1/stream``: a model's tokens go in, words and their times come out, and it is heard."""

import asyncio
import json
import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import pytest
import websockets
from hearing import heard, plain_words, word_error_rate
from system import Running

from rhapsode.codecs.audio.files import decode

pytestmark = pytest.mark.timeout(180)
TEXT = (
    "The keeper climbed the stairs every evening and lit the lamp. Far out on the water a small "
    "boat turned towards the harbour. Nobody on board had slept for two days, but now they could "
    "see the light. When they landed, the whole village was waiting with bread and hot soup."
)


@asynccontextmanager
async def stream(live: Running) -> AsyncGenerator[websockets.ClientConnection]:
    url = live.url.replace("http", "ws", 1) + "/v1/stream"
    async with websockets.connect(url, proxy=None, open_timeout=20) as connection:
        yield connection


async def tell(connection: websockets.ClientConnection, kind: str, **fields: object) -> None:
    await connection.send(json.dumps({"type": kind, **fields}))


async def told(connection: websockets.ClientConnection) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(await asyncio.wait_for(connection.recv(), 60))
    return message


async def to_the_end(connection: websockets.ClientConnection) -> list[dict[str, Any]]:
    messages = [await told(connection)]
    while messages[-1]["type"] not in ("done", "failed"):
        messages.append(await told(connection))
    return messages


def hls_words(live: Running, session: str) -> tuple[str, float]:
    """Return what the recogniser hears in a session's HLS audio, and its seconds."""
    folder = live.state / "media" / session
    segments = b"".join(path.read_bytes() for path in sorted(folder.glob("*.m4s")))
    samples, rate_hz = decode((folder / "init.mp4").read_bytes() + segments, max_seconds=600)
    return heard(samples, rate_hz), len(samples) / rate_hz


def pieces(text: str, seed: int) -> list[str]:
    """Cut a text into pieces of 1 to 5 characters, as tokens come."""
    chance = random.Random(seed)
    found: list[str] = []
    while text:
        length = chance.randint(1, 5)
        found.append(text[:length])
        text = text[length:]
    return found


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_text_in_small_pieces_is_heard_as_the_whole_text_is(
    live: Running, seed: int
) -> None:
    whole = live.start(TEXT)
    async with stream(live) as connection:
        await tell(connection, "open", voice="espeak")
        opened = await told(connection)
        assert opened["type"] == "session"
        session = opened["session_id"]
        assert opened["playlist"] == f"/media/hls/{session}/audio.m3u8"
        for piece in pieces(TEXT, seed):
            await tell(connection, "text", text=piece)
        await tell(connection, "finish")
        *chunks, done = await to_the_end(connection)
    assert done["type"] == "done"
    assert {chunk["type"] for chunk in chunks} == {"chunk"}
    check_chunks(chunks, done["audio_s"])
    await asyncio.to_thread(live.wait_finished, session)
    await asyncio.to_thread(live.wait_finished, whole)
    of_pieces, seconds = await asyncio.to_thread(hls_words, live, session)
    of_whole, _ = await asyncio.to_thread(hls_words, live, whole)
    assert seconds >= done["audio_s"]
    assert word_error_rate(TEXT, of_pieces) < 0.15, of_pieces
    # the cuts may differ, and with them a pause: what is said does not
    assert word_error_rate(of_whole, of_pieces) < 0.08, (of_whole, of_pieces)


def check_chunks(chunks: list[dict[str, Any]], audio_s: float) -> None:
    """Check that the chunks tell the whole text once, in order, and when each word sounds."""
    assert [chunk["seq"] for chunk in chunks] == list(range(len(chunks)))
    assert plain_words(" ".join(chunk["text"] for chunk in chunks)) == plain_words(TEXT)
    for before, after in pairwise(chunks):
        assert before["end_char"] <= after["start_char"]
        assert before["end_s"] <= after["start_s"] + 0.001
    timed = [(chunk, word) for chunk in chunks for word in chunk["words"]]
    assert timed
    for chunk, (_, start_s, end_s) in timed:
        assert chunk["start_s"] - 0.05 <= start_s <= end_s <= chunk["end_s"] + 0.05
    for (_, (_, _, end_s)), (_, (_, start_s, _)) in pairwise(timed):
        assert start_s >= end_s - 0.05
    assert chunks[-1]["end_s"] <= audio_s + 0.001
    spoken = plain_words(" ".join(word for _, (word, _, _) in timed))
    assert word_error_rate(TEXT, " ".join(spoken)) < 0.05


async def test_words_come_before_the_session_is_finished(live: Running) -> None:
    async with stream(live) as connection:
        await tell(connection, "open")
        await told(connection)
        await tell(connection, "text", text="This sentence is complete. And this one is")
        first = await told(connection)
        assert first["type"] == "chunk"
        assert first["text"].startswith("This sentence")
        await tell(connection, "text", text=" complete now.")
        await tell(connection, "silence", seconds=0.5)
        await tell(connection, "finish")
        *_, done = await to_the_end(connection)
    assert done["type"] == "done"


async def test_a_socket_that_closes_leaves_the_session_open_for_another(live: Running) -> None:
    async with stream(live) as connection:
        await tell(connection, "open")
        session = (await told(connection))["session_id"]
        await tell(connection, "text", text="Said by the first one. ")
        assert (await told(connection))["type"] == "chunk"
    async with stream(live) as connection:
        await tell(connection, "open", session_id=session)
        assert (await told(connection))["session_id"] == session
        await tell(connection, "text", text="Said by the second one.")
        await tell(connection, "finish")
        chunks = await to_the_end(connection)
    assert [message["text"] for message in chunks[:-1]] == [
        "Said by the first one.",
        "Said by the second one.",
    ]


async def test_cancelling_is_told_as_a_failure(live: Running) -> None:
    async with stream(live) as connection:
        await tell(connection, "open")
        session = (await told(connection))["session_id"]
        await tell(connection, "text", text="Some words. " * 100)
        await told(connection)
        await tell(connection, "cancel")
        *_, failed = await to_the_end(connection)
    assert (failed["type"], failed["error"]) == ("failed", "cancelled")
    assert live.wait_finished(session)["state"] == "FAILURE"


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("{", "whose type is"),
        ("[1, 2]", "whose type is"),
        (b"\x00\xff", "a binary message is sound"),
        ('{"type": ["text"]}', "whose type is"),
        ('{"type": "sing"}', "whose type is"),
        ("[" * 100_000, "whose type is"),
        ('{"type": "text"}', "has the field 'text'"),
        ('{"type": "text", "text": ""}', "text"),
        ('{"type": "text", "text": 7}', "text"),
        ('{"type": "text", "text": "\\ud83e"}', "text"),
        (json.dumps({"type": "text", "text": "x" * 100_001}), "text"),
        ('{"type": "text", "text": "x", "colour": "red"}', "colour"),
        ('{"type": "silence", "seconds": 0}', "seconds"),
        ('{"type": "silence", "seconds": 1e9}', "seconds"),
        ('{"type": "object", "object": "../../etc/passwd"}', "etc/passwd"),
    ],
)
async def test_a_message_that_is_not_taken_is_told_so_and_the_session_goes_on(
    live: Running, message: str | bytes, words: str
) -> None:
    async with stream(live) as connection:
        await tell(connection, "open")
        await told(connection)
        await connection.send(message)
        error = await told(connection)
        assert error["type"] == "error"
        assert words in error["error"]
        await tell(connection, "text", text="And on it goes.", last=True)
        *_, done = await to_the_end(connection)
    assert done["type"] == "done"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"lang": "xx"}, "'xx'"),
        ({"voice": "../x"}, "voice"),
        ({"speed": 9}, "speed"),
        ({"form": {"channels": 2}}, "channels"),
        ({"colour": "red"}, "colour"),
        ({"session_id": "nobody"}, "there is no session nobody"),
        ({"session_id": "../x"}, "session id"),
    ],
)
async def test_an_opening_that_is_refused_can_be_tried_again(
    live: Running, fields: dict[str, object], words: str
) -> None:
    async with stream(live) as connection:
        await tell(connection, "text", text="Too early.")
        assert "first message" in (await told(connection))["error"]
        await tell(connection, "open", **fields)
        error = await told(connection)
        assert error["type"] == "error"
        assert words in error["error"]
        await tell(connection, "open")
        session = await told(connection)
        assert session["type"] == "session"
        await tell(connection, "cancel")


async def test_a_whole_session_cannot_be_streamed_to(live: Running) -> None:
    session = live.start("All of it.")
    async with stream(live) as connection:
        await tell(connection, "open", session_id=session)
        assert "was not accepted open" in (await told(connection))["error"]


async def test_an_item_sent_again_after_a_lost_connection_is_heard_once(live: Running) -> None:
    async with stream(live) as connection:
        await tell(connection, "open", voice="espeak")
        opened = await told(connection)
        assert opened["seq"] == 0
        await tell(connection, "text", text="One. ", seq=0)
        await tell(connection, "text", text="One. ", seq=0)
        await tell(connection, "text", text="Two. ", seq=1)
        await tell(connection, "text", text="Nine. ", seq=9)
        refusal = await told(connection)
        while refusal["type"] == "chunk":
            refusal = await told(connection)
        assert "item 9 cannot follow" in refusal["error"]
    async with stream(live) as connection:
        await tell(connection, "open", session_id=opened["session_id"])
        assert (await told(connection))["seq"] == 2
        await tell(connection, "text", text="Two. ", seq=1)
        await tell(connection, "finish")
        messages = await to_the_end(connection)
    said = [message["text"] for message in messages if message["type"] == "chunk"]
    assert said == ["One.", "Two."]


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ({"type": "text", "text": "Hi. ", "object": "song.wav"}, "no field 'object'"),
        ({"type": "object", "text": "Sneaky."}, "no field 'text'"),
        ({"type": "silence"}, "has the field 'seconds'"),
        ({"type": "silence", "seconds": True}, "valid number"),
        ({"type": "finish", "bogus": 1}, "no field 'bogus'"),
        ({"type": "text", "text": "x" * 700_000}, "up to 600000 characters"),
    ],
)
async def test_a_message_with_what_it_cannot_have_is_refused_whole(
    live: Running, message: dict[str, object], words: str
) -> None:
    async with stream(live) as connection:
        await tell(connection, "open", voice="espeak")
        opened = await told(connection)
        await connection.send(json.dumps(message))
        assert words in (await told(connection))["error"]
        await tell(connection, "cancel")
    async with stream(live) as connection:
        await tell(connection, "open", session_id=opened["session_id"])
        assert (await told(connection))["seq"] == 0
