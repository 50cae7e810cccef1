"""From "Play Baa Baa Black Sheep" to the first frame a device is sent, the song in S3."""

import asyncio
import io
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from figures import Measured, percentile
from servers import System, system
from websockets.asyncio.client import ClientConnection, connect

from rhapsode.codecs.audio.decoding import PieceDecoder
from rhapsode.codecs.device.opus import DEVICE, DEVICE_RATE_HZ, RunEncoder
from rhapsode.codecs.records import (
    Answered,
    AudioFrame,
    Chunk,
    DeviceFrames,
    Item,
    ObjectAudio,
    Request,
    SequenceRecord,
)

sys.path.insert(0, str(Path(__file__).parent.parent))
from s3_server import S3Server
from sample_audio import sample_file

NAME = "asking"
SONGS = (
    *("Baa Baa Black Sheep", "Twinkle Twinkle Little Star", "Humpty Dumpty", "Jack and Jill"),
    *("Hey Diddle Diddle", "London Bridge", "Hickory Dickory Dock", "Old MacDonald", "Bingo"),
    *("Itsy Bitsy Spider", "Mary Had a Little Lamb", "Row Your Boat", "Pop Goes the Weasel"),
    *("Three Blind Mice", "Rock a Bye Baby", "Little Bo Peep", "Georgie Porgie", "Pat a Cake"),
    *("Wee Willie Winkie", "Oranges and Lemons", "Lavender's Blue", "Polly Put the Kettle On"),
    *("Ring a Ring o' Roses", "Sing a Song of Sixpence"),
)
QUICK_SONGS, WARM_ROUNDS = 4, 2
REQUESTS_APART_S = 2.0
"""A device may ask as often."""
SONG_S = 60.0
BUCKET = "catalogue"
LISTENER = "02:00:00:00:00:99"
FRAME_TIMEOUT_S = 20.0
STEPS: tuple[tuple[str, type[SequenceRecord], str], ...] = (
    ("understood, and accepted", Item, ""),
    ("cut", Chunk, "/0"),
    ("fetched and decoded", ObjectAudio, "/0"),
    ("mastered", AudioFrame, ""),
    ("frames", DeviceFrames, ""),
)
"""What is in the log of a song's session, in the order in which it comes."""


async def measure(*, quick: bool) -> Measured:
    """Ask for each song once, then again and again."""
    songs = SONGS[: QUICK_SONGS if quick else len(SONGS)]
    measured = Measured(NAME, f"a device asks for one of {len(SONGS)} songs in S3 (SeaweedFS)")
    with tempfile.TemporaryDirectory(prefix="bench-s3-") as folder:
        server = S3Server(Path(folder))
        await asyncio.to_thread(server.start)
        try:
            await asyncio.to_thread(_fill, server)
            bare_ms = [await asyncio.to_thread(_bare_ms, server, song) for song in songs]
            options: dict[str, Any] = {"objects_bucket": BUCKET, **server.variables("media")}
            async with system(**options) as running:
                cold = await _ask_all(running, songs)
                rounds = 1 if quick else WARM_ROUNDS
                warm = [run for _ in range(rounds) for run in await _ask_all(running, songs)]
        finally:
            server.kill()
    for name, runs in (("first time", cold), ("again", warm)):
        took = [run["frame"] for run in runs]
        bare = "bare: download, decode, encode a frame"
        measured.add(f"{name}: request to first frame", "ms", took, bare, bare_ms)
        measured.add(f"{name}: p99", "ms", [percentile(took, 0.99)], bare, bare_ms)
        for step in runs[0]:
            if step != "frame":
                measured.add(f"{name}:   {step}", "ms", [run[step] for run in runs])
    measured.notes.append(
        f"MP3 of {SONG_S:.0f} s; frame: the device's clock, from sending the request to the first "
        "binary message; steps by the log's time stamps, each from the one before"
    )
    return measured


def _fill(server: S3Server) -> None:
    client = server.client()
    client.create_bucket(Bucket=BUCKET)
    sound = sample_file("mp3", seconds=SONG_S)
    listed = {song: {"filename": f"{number}.mp3"} for number, song in enumerate(SONGS)}
    folder = "music/English"
    client.put_object(
        Bucket=BUCKET, Key=f"{folder}/metadata.json", Body=json.dumps(listed).encode()
    )
    for entry in listed.values():
        client.put_object(Bucket=BUCKET, Key=f"{folder}/{entry['filename']}", Body=sound)
    client.close()


def _bare_ms(server: S3Server, song: str) -> float:
    """Return how long one process takes without anything around it."""
    client = server.client()
    key = f"music/English/{SONGS.index(song)}.mp3"
    begun_s = time.perf_counter()
    body = client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    with PieceDecoder(io.BytesIO(body), DEVICE_RATE_HZ) as decoder:
        piece = next(decoder.pieces(DEVICE_RATE_HZ // 2))
    encoder = RunEncoder(0)
    samples = np.ascontiguousarray(piece[: DEVICE.frame_samples])
    assert encoder.encode(0, samples)
    took_ms = (time.perf_counter() - begun_s) * 1000
    client.close()
    return took_ms


async def _ask_all(running: System, songs: tuple[str, ...]) -> list[dict[str, float]]:
    url = running.url.replace("http", "ws") + "/xiaozhi/v1/"
    headers = {"Device-Id": LISTENER, "Protocol-Version": "1"}
    async with connect(url, additional_headers=headers, compression=None, proxy=None) as socket:
        await socket.send('{"type":"hello","version":1}')
        await _until(socket, "hello")
        return [await _ask(running, socket, song) for song in songs]


async def _ask(running: System, socket: ClientConnection, song: str) -> dict[str, float]:
    begun_s = time.perf_counter()
    await _say(socket, f"Play {song}")
    await _until(socket, None)
    found = {"frame": (time.perf_counter() - begun_s) * 1000}
    await socket.send('{"type":"abort"}')
    await _until(socket, "stop")
    await asyncio.sleep(REQUESTS_APART_S)
    return found | await _steps(running, song)


async def _steps(running: System, song: str) -> dict[str, float]:
    """Return what each step of the last song took, by the log."""
    journal = running.services.journal
    listener = await running.services.listeners.listener(LISTENER)
    following = (await journal.of(Answered).state(listener)).next
    seq = following - 1
    (asked,) = await journal.of(Request).entries(listener, seq, seq + 1)
    (answered,) = await journal.of(Answered).records(listener, seq, seq + 1)
    (track,) = answered.tracks
    assert track.title == song, f"{track.title} was played for {song}"
    found: dict[str, float] = {}
    at_ms = asked.timestamp_ms
    for step, kind, suffix in STEPS:
        (entry, *_) = await journal.of(kind).entries(track.session + suffix, 0, 1)
        found[step] = entry.timestamp_ms - at_ms
        at_ms = entry.timestamp_ms
    return found


async def _say(socket: ClientConnection, text: str) -> None:
    await socket.send(json.dumps({"type": "listen", "state": "detect", "text": text}))


async def _until(socket: ClientConnection, said: str | None) -> None:
    """Wait for a message of a type or state, or for a frame."""
    async with asyncio.timeout(FRAME_TIMEOUT_S):
        async for message in socket:
            if isinstance(message, bytes):
                if said is None:
                    return
                continue
            told: dict[str, Any] = json.loads(message)
            if said is not None and said in (told.get("type"), told.get("state")):
                return
