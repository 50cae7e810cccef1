"""How late frames leave for paced devices, beside a bare timer wheel on sockets like theirs."""

import asyncio
import base64
import os
import secrets
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import psutil
import uvloop
from children import child, cpu_of, subject_from, tell
from figures import Measured
from servers import System, system

from rhapsode.codecs.device.websocket_frames import binary_message
from rhapsode.codecs.records import DeviceFrames
from rhapsode.ops.devices.player import LATE_S
from rhapsode.storage.log import UnreachableError

NAME = "pacing"
PACKET_BYTES = 180
"""The mean of speech at 24 kb/s."""
GROUP_FRAMES = 5
SLOTS = 12
SLOT_S = 0.005
FRAME_S = SLOTS * SLOT_S
CONNECTED_A_SECOND = 200
SETTLED_S = 3.0
"""From the last connection to the stretch that is measured."""
MEASURED_S = 12.0
HELLO = b'{"type":"hello","version":1}'
MASKED_HELLO = bytes((0x81, 0x80 | len(HELLO))) + bytes(4) + HELLO
"""A WebSocket message, masked with zeros."""


async def sink(port: int, devices: int, sessions: Sequence[str]) -> None:
    """Be so many devices that take whatever they are sent, in a process of its own."""
    loop = asyncio.get_running_loop()
    taken = [0]
    answered = asyncio.Semaphore(0)

    class Taker(asyncio.Protocol):
        def __init__(self) -> None:
            self.is_open = False

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = cast("asyncio.Transport", transport)

        def data_received(self, data: bytes) -> None:
            taken[0] += len(data)
            if not self.is_open:
                self.is_open = True
                answered.release()
                if sessions:
                    self.transport.write(MASKED_HELLO)

    transports: list[asyncio.Transport] = []
    for number in range(devices):
        transport, _ = await loop.create_connection(Taker, "127.0.0.1", port)
        transports.append(transport)
        if sessions:
            transport.write(_handshake(sessions[number % len(sessions)]))
        await asyncio.sleep(1 / CONNECTED_A_SECOND)
    for _ in range(devices):
        await answered.acquire()
    tell({"ready": True})
    await asyncio.sleep(SETTLED_S + MEASURED_S + 1)
    tell({"taken": taken[0]})
    for transport in transports:
        transport.abort()


def _handshake(session: str) -> bytes:
    """Return the request that opens a WebSocket on which a session is played."""
    lines = (
        f"GET /xiaozhi/v1/?session={session} HTTP/1.1",
        "Host: 127.0.0.1",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {base64.b64encode(secrets.token_bytes(16)).decode()}",
        "Sec-WebSocket-Version: 13",
        "\r\n",
    )
    return "\r\n".join(lines).encode()


async def wheel(devices: int) -> None:
    """The reference, in a process of its own: sends ready-made messages when their slot is due."""
    loop = asyncio.get_running_loop()
    slots: list[list[asyncio.Transport]] = [[] for _ in range(SLOTS)]
    counts = [0, 0]
    message = binary_message(bytes(PACKET_BYTES))

    class Device(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            emptiest = min(slots, key=len)
            emptiest.append(cast("asyncio.Transport", transport))

    def turn(number: int, due_s: float) -> None:
        transports = slots[number % SLOTS]
        for transport in transports:
            if not transport.is_closing():
                transport.write(message)
        counts[loop.time() - due_s > LATE_S] += len(transports)
        loop.call_at(due_s + SLOT_S, turn, number + 1, due_s + SLOT_S)

    server = await loop.create_server(Device, "127.0.0.1", 0)
    tell({"port": server.sockets[0].getsockname()[1], "ready": True})
    turn(0, loop.time())
    while sum(map(len, slots)) < devices:
        await asyncio.sleep(0.05)
    await asyncio.sleep(SETTLED_S)
    before, cpu_s = list(counts), cpu_of(os.getpid())
    await asyncio.sleep(MEASURED_S)
    frames = sum(counts) - sum(before)
    used_s = cpu_of(os.getpid()) - cpu_s
    tell({"late": counts[1] - before[1], "frames": frames, "cpu_s": used_s})


@dataclass(slots=True)
class Rounds:
    """What several rounds found."""

    late_percent: list[float] = field(default_factory=list[float])
    cpu_us: list[float] = field(default_factory=list[float])
    kb_a_device: list[float] = field(default_factory=list[float])
    kb_kept: list[float] = field(default_factory=list[float])
    frames: int = 0

    def add(self, late: float, frames: float, cpu_s: float) -> None:
        self.late_percent.append(100 * late / frames)
        self.cpu_us.append(1e6 * cpu_s / frames)
        self.frames += int(frames)


async def measure(*, quick: bool) -> Measured:
    """Serve devices, then turn a bare wheel, in turn."""
    devices, count, rounds = (50, 5, 1) if quick else (1_000, 120, 5)
    measured = Measured(NAME, f"{devices} devices on {count} sessions, 60 ms frames")
    ours, bare = Rounds(), Rounds()
    async with system(with_workers=False) as running:
        gateway = _gateway()
        sessions = [await _session(running, devices / CONNECTED_A_SECOND) for _ in range(count)]
        for _ in range(rounds):
            await _serve(running, gateway, sessions, devices, ours)
            await _turn(devices, bare)
    name = "bare wheel"
    late = (ours.late_percent, name, bare.late_percent, "<= 1.2, or ours <= 0.5 %")
    measured.add("sent > 20 ms late", "% of frames", *late)
    measured.add("CPU a frame", "us", ours.cpu_us, name, bare.cpu_us)
    measured.add("memory a device, first round", "kB", ours.kb_a_device[:1])
    measured.add("kept of it after they left", "kB", ours.kb_kept[:1])
    measured.notes.append(
        f"{ours.frames:,} frames; lateness by each one's own count, against its own schedule; "
        "memory: what the gateway has more of than before the first device, by their number"
    )
    return measured


async def _session(running: System, connecting_s: float) -> str:
    """Have a session in the log whose packets are all there, and return it."""
    services = running.services
    described = services.sessions.described()
    frames = int((connecting_s + SETTLED_S + MEASURED_S + 5) / FRAME_S) // GROUP_FRAMES
    await services.journal.append(described)
    for group in range(frames):
        packets = tuple(secrets.token_bytes(PACKET_BYTES) for _ in range(GROUP_FRAMES))
        first = group * GROUP_FRAMES
        last = group == frames - 1
        record = DeviceFrames(
            session=described.session, first_frame=first, packets=packets, last=last
        )
        await services.journal.append(record)
    return described.session


async def _serve(
    running: System,
    gateway: psutil.Process,
    sessions: list[str],
    devices: int,
    found: Rounds,
) -> None:
    before_bytes = gateway.memory_full_info().uss
    port = running.services.settings.port
    async with child("pacing.py", "sink", port=port, devices=devices, sessions=sessions) as process:
        await process.heard()
        await asyncio.sleep(SETTLED_S - 1)
        before, cpu_s = await _counted(running), cpu_of(gateway.pid)
        await asyncio.sleep(MEASURED_S)
        after, used_s = await _counted(running), cpu_of(gateway.pid) - cpu_s
        playing_bytes = gateway.memory_full_info().uss
        await process.heard()
    late, in_time = after[0] - before[0], after[1] - before[1]
    found.add(late, late + in_time, used_s)
    found.kb_a_device.append((playing_bytes - before_bytes) / devices / 1000)
    await asyncio.sleep(SETTLED_S)
    found.kb_kept.append((gateway.memory_full_info().uss - before_bytes) / devices / 1000)


async def _turn(devices: int, found: Rounds) -> None:
    async with child("pacing.py", "wheel", devices=devices) as process:
        port = (await process.heard())["port"]
        async with child("pacing.py", "sink", port=port, devices=devices, sessions=()):
            result = await process.heard()
    found.add(result["late"], result["frames"], result["cpu_s"])


def _gateway() -> psutil.Process:
    """Return the gateway among the processes of this one."""
    for process in psutil.Process().children(recursive=True):
        if " rhapsode.ops gateway" in " ".join(process.cmdline()):
            return process
    raise UnreachableError("no gateway was started")


async def _counted(running: System) -> tuple[float, float]:
    """Return how many frames the gateway sent late and in time."""
    text = (await running.client.get("/metrics")).text

    def value(timing: str) -> float:
        name = f'rhapsode_device_frames_total{{timing="{timing}"}} '
        found = [line for line in text.splitlines() if line.startswith(name)]
        return float(found[0].removeprefix(name)) if found else 0.0

    return value("late"), value("on time")


if __name__ == "__main__":
    sys.exit(uvloop.run(subject_from({"sink": sink, "wheel": wheel})))
