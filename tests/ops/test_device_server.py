"""The device server without a network: positions, sharing, queues, and what devices say."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fastapi import WebSocket
from standins.device_emulator import Emulator, messages_of
from standins.in_memory import System
from standins.waiting import until

from rhapsode.codecs.catalogue.answers import Control
from rhapsode.codecs.catalogue.limits import Limits
from rhapsode.codecs.catalogue.request import Slots
from rhapsode.codecs.records import (
    Answered,
    DeviceFrames,
    DeviceRequest,
    Heard,
    Request,
    Session,
    Track,
)
from rhapsode.ops.devices.connection import Device
from rhapsode.ops.devices.positions import Positions, StoredPositions
from rhapsode.ops.devices.raw_socket import WIRE
from rhapsode.ops.devices.requests import Answers
from rhapsode.ops.devices.server import DeviceServer
from rhapsode.ops.gateway.follower import Follower
from rhapsode.ops.listeners import Listeners
from rhapsode.ops.sessions import Sessions
from rhapsode.storage.memory.access_keys import MemoryAccessKeys
from rhapsode.storage.memory.cursors import MemoryCursors

HELLO = '{"type":"hello","version":1}'


class Wire:
    """A transport that is an emulated device."""

    def __init__(self) -> None:
        self.device = Emulator()
        self.is_closing = False
        self.buffered_bytes = 0

    def write(self, data: bytes) -> None:
        for message in messages_of(data):
            self.device.receive(message, asyncio.get_running_loop().time())

    def abort(self) -> None:
        self.is_closing = True


class Station:
    """A device at a server."""

    def __init__(
        self, server: DeviceServer, name: str, query: str = "", *, hello: str = HELLO
    ) -> None:
        self.wire = Wire()
        self.closed: list[int] = []
        self._server = server
        self._name = name
        self._events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._events.put_nowait({"type": "websocket.connect"})
        scope = {
            "type": "websocket",
            "path": "/xiaozhi/v1/",
            "query_string": query.encode(),
            "headers": [(b"device-id", name.encode())],
            "extensions": {WIRE: self.wire},
        }
        socket = WebSocket(scope, self._events.get, self._send)
        self.serving = asyncio.create_task(server.connect(socket))
        self.say(hello)

    @property
    def device(self) -> Device:
        found = self._server.find("", self._name)
        assert found is not None
        return found

    @property
    def heard(self) -> list[bytes]:
        return self.wire.device.heard

    def say(self, message: str | bytes) -> None:
        key = "text" if isinstance(message, str) else "bytes"
        self._events.put_nowait({"type": "websocket.receive", key: message})

    async def leave(self) -> None:
        self._events.put_nowait({"type": "websocket.disconnect", "code": 1006})
        await self.serving

    async def _send(self, message: Any) -> None:
        if message["type"] == "websocket.close":
            self.closed.append(message["code"])
            await self._events.put({"type": "websocket.disconnect", "code": message["code"]})


KEYS = MemoryAccessKeys()


def listeners(system: System) -> Listeners:
    return Listeners(Sessions(system.journal), KEYS)


@asynccontextmanager
async def serving(
    system: System, positions: Positions | None = None, **options: Any
) -> AsyncGenerator[DeviceServer]:
    """Run a device server on a system's log."""
    follower = Follower(system.journal)

    async def heard(_: str, __: float) -> None:
        pass

    if options.get("hears"):
        options["answers"] = Answers(listeners(system), follower.follow)
    server = DeviceServer(Sessions(system.journal), follower, heard, positions=positions, **options)
    async with follower.running(), server.running():
        yield server


def packets(session: str, frames: int) -> list[bytes]:
    return [f"{session}:{number}".encode() for number in range(frames)]


async def recorded(system: System, session: str, frames: int) -> list[bytes]:
    """Have a session in the log all of whose packets are made; return them."""
    await system.append([Session(session=session, last=True)])
    await system.append([DeviceRequest(session=session, last=True)])
    made = packets(session, frames)
    for first in range(0, frames, 5):
        run, last = tuple(made[first : first + 5]), first + 5 >= frames
        await system.append(
            [DeviceFrames(session=session, first_frame=first, packets=run, last=last)]
        )
    return made


@pytest.fixture
def system() -> System:
    return System()


async def test_another_gateway_goes_on_where_the_first_was_killed(system: System) -> None:
    made, positions = await recorded(system, "s", 60), StoredPositions(MemoryCursors())
    async with serving(system, positions) as first:
        station = Station(first, "toy", "session=s")
        await until(lambda: len(station.heard) > 10)

        async def is_saved() -> bool:
            return await positions.load("|toy") is not None

        await until(is_saved)
        place = await positions.load("|toy")
        assert place is not None
        assert place.playing
        assert place.session == "s"
        # the kill: nothing is saved any more, and nobody says good bye
        station.serving.cancel()
        await asyncio.gather(station.serving, return_exceptions=True)
    async with serving(system, positions) as second:
        again = Station(second, "toy")
        await until(lambda: again.wire.device.stops)
        assert again.heard == made[-len(again.heard) :]
        assert 60 > len(again.heard) >= 60 - len(station.heard) - 1
        assert again.wire.device.overflown == []
        await again.leave()


async def test_after_an_abort_a_device_waits_to_be_asked(system: System) -> None:
    made = await recorded(system, "s", 50)
    async with serving(system) as server:
        station = Station(server, "toy", "session=s")
        await until(lambda: len(station.heard) > 5)
        station.say('{"type":"abort"}')
        await until(lambda: station.wire.device.stops)
        await station.leave()
        again = Station(server, "toy")
        await until(lambda: server.find("", "toy") is not None and again.device.playback)
        playback = again.device.playback
        assert playback is not None
        assert not playback.is_playing
        assert await playback.play("s", 40)
        await until(lambda: again.wire.device.stops)
        assert again.heard == made[40:]
        await again.leave()


async def test_a_pause_keeps_the_place_and_a_seek_leaves_it(system: System) -> None:
    made = await recorded(system, "s", 60)
    async with serving(system) as server:
        station = Station(server, "toy", "session=s")
        await until(lambda: len(station.heard) > 5)
        playback = station.device.playback
        assert playback is not None
        playback.pause()
        before = len(station.heard)
        assert await playback.resume()
        await until(lambda: len(station.heard) > before + 2)
        assert station.heard[before] in made[before - 1 : before + 2]
        assert await playback.seek(55)
        await until(lambda: station.wire.device.stops == 2)
        assert station.heard[-5:] == made[55:]
        assert playback.place is None
        assert await playback.play("s", 60)  # where it ends: there is nothing more to be heard
        await until(lambda: station.wire.device.stops == 3)
        assert station.wire.device.said[-1]["type"] == "tts"
        await station.leave()


async def test_what_is_queued_follows_without_a_stop(system: System) -> None:
    made = [await recorded(system, name, 12) for name in ("a", "b", "c")]
    async with serving(system) as server:
        station = Station(server, "toy", "session=a")
        await until(lambda: server.find("", "toy") and station.device.playback)
        playback = station.device.playback
        assert playback is not None
        playback.enqueue("b")
        playback.enqueue("c")
        await until(lambda: station.wire.device.stops)
        device = station.wire.device
        assert device.heard == [one for frames in made for one in frames]
        assert (device.starts, device.stops, device.overflown) == (1, 1, [])
        await station.leave()


async def test_devices_of_a_session_share_its_packets_and_give_them_back(system: System) -> None:
    made = await recorded(system, "s", 30)
    async with serving(system) as server:
        stations = [Station(server, f"toy{number}", "session=s") for number in range(20)]
        await until(lambda: all(station.heard for station in stations))
        assert server.windows == 1
        await until(lambda: all(station.wire.device.stops for station in stations))
        assert all(station.heard == made for station in stations)
        assert server.windows == 0
        for station in stations:
            await station.leave()


@pytest.mark.parametrize("frame_ms", [5, 10, 20, 60])
async def test_packets_of_any_length_are_taken(system: System, frame_ms: int) -> None:
    await system.declare()
    async with serving(system, hears=True) as server:
        hello = f'{{"type":"hello","version":1,"audio_params":{{"frame_duration":{frame_ms}}}}}'
        station = Station(server, "toy", hello=hello)
        station.say('{"type":"listen","state":"start","mode":"manual"}')
        for _ in range(40):
            station.say(b"packet")
        station.say('{"type":"listen","state":"stop"}')
        listener = await listeners(system).listener("toy")

        async def ended() -> bool:
            return any(one.ended for one in await system.records(Heard, listener))

        await until(ended)
        await station.leave()
    found = await system.records(Heard, listener)
    assert sum(len(one.packets) for one in found) == 40


async def test_what_plays_is_held_to_limits_that_come_later(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rhapsode.ops.devices.hours.LOOK_S", 0.05)
    await recorded(system, "tale", 600)
    door = listeners(system)
    listener = await door.known("toy", "")
    sort = ("story", "Ghosts", "en")
    played = Answered(
        session=listener,
        seq=0,
        answer=Control(slots=Slots(), reason="as a title would be", action="none"),
        tracks=(Track(session="tale", title="Boo", object="stories/Ghosts/boo.mp3", sort=sort),),
    )
    await system.append([Request(session=listener, seq=0, text="boo"), played])
    async with serving(system, hears=True) as server:
        station = Station(server, "toy", "session=tale")
        await until(lambda: len(station.heard) > 5)
        await door.limit("toy", Limits(never=("Horses",)))
        heard = len(station.heard)
        await until(lambda: len(station.heard) > heard + 5)
        await door.limit("toy", Limits(never=("Ghosts",)))
        await until(lambda: station.wire.device.stops)
        await station.leave()


async def pieces(system: System, listener: str, count: int) -> bool:
    return len(await system.records(Heard, listener)) == count


async def test_what_a_device_hears_is_in_the_log_utterance_by_utterance(system: System) -> None:
    await system.declare()
    async with serving(system, hears=True) as server:
        station = Station(server, "toy")
        for message in (
            '{"type":"listen","state":"start","mode":"manual"}',
            *(b"one", b"two", b"three", b"four", b"five", b"six"),
            '{"type":"listen","state":"stop"}',
            b"behind",
            '{"type":"listen","state":"start","mode":"auto"}',
            b"seven",
        ):
            station.say(message)
        listener = await listeners(system).listener("toy")
        await until(lambda: pieces(system, listener, 2))
        await station.leave()
        await until(lambda: pieces(system, listener, 3))
    found = await system.records(Heard, listener)
    assert [(one.first, one.until, one.packets, one.ended) for one in found] == [
        (0, "told", (b"one", b"two", b"three", b"four", b"five"), False),
        (0, "told", (b"six",), True),
        (2, "silence", (b"seven",), True),
    ]


async def test_a_peer_that_takes_nothing_of_what_it_asks_for_is_sent_away(system: System) -> None:
    async with serving(system) as server:
        station = Station(server, "toy")
        station.wire.buffered_bytes = 10**6
        station.say('{"type":"ping"}')
        await station.serving
        assert station.closed == [1008]
