"""A device asks in words: the song it asked for plays, and what it says to it is done."""

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx
import numpy as np
import psutil
import pytest
from sample_audio import sample_file
from system import Running, running
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedError

from rhapsode.agents.voices.piper import PiperVoice
from rhapsode.agents.voices.voice import Utterance
from rhapsode.codecs.audio.pcm import Samples, resample, to_bytes
from rhapsode.codecs.libraries import opuslib
from rhapsode.codecs.session import VoiceSettings

SONGS = {"Baa Baa Black Sheep": "sheep.mp3", "Twinkle Twinkle Little Star": "star.mp3"}
SONG_S = 8.0
HELLO = {
    "type": "hello",
    "version": 1,
    "transport": "websocket",
    "audio_params": {"format": "opus", "sample_rate": 16000, "channels": 1, "frame_duration": 60},
}
DEVICE_HZ, PACKET = 16_000, 960
DEADLINE_S = 30.0
pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def singing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Give a system whose catalogue has two songs of tones."""
    state = tmp_path_factory.mktemp("asked") / "state"
    folder = state / "objects" / "music" / "English"
    folder.mkdir(parents=True)
    metadata = {title: {"filename": name} for title, name in SONGS.items()}
    (folder / "metadata.json").write_text(json.dumps(metadata))
    for name in SONGS.values():
        (folder / name).write_bytes(sample_file("mp3", seconds=SONG_S))
    with running(state) as system:
        yield system


class Child:
    """A device of the wire protocol's own words; it keeps what it was told and sent."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self.told: list[dict[str, Any]] = []
        self.packets = 0
        self._changed = asyncio.Event()

    async def hear(self) -> None:
        with suppress(ConnectionClosedError):  # where the gateway is killed
            async for message in self._connection:
                if isinstance(message, bytes):
                    self.packets += 1
                else:
                    self.told.append(json.loads(message))
                self._changed.set()

    async def say(self, text: str) -> None:
        said = {"type": "listen", "state": "detect", "text": text}
        await self._connection.send(json.dumps(said))

    async def speak(self, sound: Samples, mode: str) -> None:
        """Speak as a device does: 60 ms packets of Opus, in time."""
        await self._connection.send(json.dumps({"type": "listen", "state": "start", "mode": mode}))
        encoder = opuslib().Encoder(DEVICE_HZ, 1, "voip")
        begun_s = asyncio.get_running_loop().time()
        for number, start in enumerate(range(0, len(sound) - PACKET + 1, PACKET)):
            await asyncio.sleep(begun_s + 0.06 * number - asyncio.get_running_loop().time())
            if mode == "auto" and self.states()[-1:] == ["start"]:
                return  # it has been understood, and plays
            packet = encoder.encode(to_bytes(sound[start : start + PACKET]), PACKET)
            await self._connection.send(packet)
        if mode == "manual":
            await self._connection.send('{"type":"listen","state":"stop"}')

    def states(self) -> list[str]:
        return [one["state"] for one in self.told if one["type"] == "tts" and "text" not in one]

    async def until(self, holds: Any) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not holds():
                self._changed.clear()
                await self._changed.wait()


@asynccontextmanager
async def child(system: Running, name: str) -> AsyncGenerator[Child]:
    url = f"ws://127.0.0.1:{system.port}/xiaozhi/v1/"
    headers = {"Device-Id": name, "Protocol-Version": "1"}
    async with connect(url, additional_headers=headers, compression=None, proxy=None) as socket:
        one = Child(socket)
        hearing = asyncio.create_task(one.hear())
        await socket.send(json.dumps(HELLO))
        await one.until(lambda: one.told)
        yield one
    await hearing


async def test_the_song_plays_and_stops_when_it_is_told_to(singing: Running) -> None:
    async with child(singing, "02:00:00:00:01:01") as one:
        await one.say("Play Baa Baa Black Sheep")
        await one.until(lambda: one.packets > 20)
        await one.say("stop")
        await one.until(lambda: one.states() == ["start", "stop"])
        heard = one.packets
        await one.say("resume")
        await one.until(lambda: one.packets > heard + 10)


async def test_what_is_not_there_is_said(singing: Running) -> None:
    async with child(singing, "02:00:00:00:01:02") as one:
        await one.say("Play Humpty Dumpty")
        await one.until(lambda: one.states() == ["start", "stop"])
        said = [message["text"] for message in one.told if message.get("state") == "sentence_start"]
        assert "did not find" in " ".join(said)


async def test_another_song_takes_the_place_of_the_one_that_plays(singing: Running) -> None:
    async with child(singing, "02:00:00:00:01:03") as one:
        await one.say("Play Baa Baa Black Sheep")
        await one.until(lambda: one.packets > 10)
        await one.say("sing Twinkle Twinkle")
        await one.until(lambda: one.packets > 100)
        await one.say("previous")
        heard = one.packets
        await one.until(lambda: one.packets > heard + 20)
        await one.say("stop")
        await one.until(lambda: one.states()[-1] == "stop")


async def test_what_is_asked_for_a_listener_elsewhere_is_done_at_its_device(
    singing: Running,
) -> None:
    name = "02:00:00:00:01:06"

    async def ask(text: str) -> None:
        url = f"{singing.url}/v1/listeners/{name}/requests"
        async with httpx.AsyncClient(trust_env=False) as client:
            assert (await client.post(url, json={"text": text}, timeout=15)).is_success

    await ask("Play Baa Baa Black Sheep")
    async with child(singing, name) as one:
        await ask("Play Twinkle Twinkle Little Star")
        await one.until(lambda: one.packets > 20)
        assert one.states() == ["start"], "and nothing of what was asked before it came"
        await ask("stop")
        await one.until(lambda: one.states() == ["start", "stop"])


@pytest.mark.parametrize("mode", ["manual", "auto"])
async def test_what_is_said_aloud_plays(singing: Running, mode: str) -> None:
    voice = PiperVoice(deterministic=True)
    spoken = await voice.speak(Utterance("Play twinkle twinkle little star.", VoiceSettings()))
    await voice.close()
    said = resample(spoken.samples, spoken.rate_hz, DEVICE_HZ)
    room = np.random.default_rng(1).normal(0, 20, 4 * DEVICE_HZ).astype(np.int16)
    async with child(singing, f"02:00:00:00:02:0{len(mode)}") as one:
        await one.speak(np.concatenate((room[:DEVICE_HZ], said, room)), mode)
        await one.until(lambda: one.packets > 20)
        (words,) = [message["text"] for message in one.told if message["type"] == "stt"]
        assert "twinkle" in words.lower()
        await one.say("stop")
        await one.until(lambda: one.states() == ["start", "stop"])


async def test_where_a_gateway_is_killed_the_device_goes_on_at_the_next_one(
    singing: Running,
) -> None:
    name = "02:00:00:00:01:05"
    async with child(singing, name) as one:
        await one.say("Play Baa Baa Black Sheep")
        await one.until(lambda: one.packets > 60)
        up = psutil.Process(singing.processes["up"].pid)
        everyone = up.children(recursive=True)
        (gateway,) = [p for p in everyone if " rhapsode.ops gateway" in " ".join(p.cmdline())]
        gateway.kill()
        gateway.wait(DEADLINE_S)
    await asyncio.to_thread(singing.wait_ready)
    async with child(singing, name) as again:
        await again.until(lambda: again.packets > 10)
        await again.until(lambda: again.states() == ["start", "stop"])
    in_all = SONG_S * 1000 / 60
    assert in_all - 90 < again.packets < in_all - 20, "from where it was, or a second before"


async def test_a_device_that_comes_back_goes_on_with_its_song(singing: Running) -> None:
    name = "02:00:00:00:01:04"
    async with child(singing, name) as one:
        await one.say("Play Twinkle Twinkle Little Star")
        await one.until(lambda: one.packets > 30)
    async with child(singing, name) as again:
        await again.until(lambda: again.packets > 10)
        await again.until(lambda: again.states() == ["start", "stop"])
        assert again.packets < 130, "not from its beginning"
