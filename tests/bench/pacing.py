"""How late frames leave for paced devices, beside timers alone on the same schedule."""

import asyncio
import sys
from dataclasses import dataclass, field
from itertools import pairwise

import uvloop
from children import child, subject_from, tell
from figures import Measured, percentile
from servers import System, system
from speech import short_texts

from rhapsode.codecs.device.pacing import FRAME_S, RAMP_S, Pacer
from rhapsode.ops.devices.client import Heard, listen
from rhapsode.ops.devices.server import LATE_S

NAME = "pacing"
SESSIONS = 5
RAMP_FRAMES = 20
"""After them a lead of five frames is built, and the spacing changes."""
SPREAD_S = 0.5
"""Devices and timers begin spread over this long, as they do in life."""


async def timers(devices: int, frames: int) -> None:
    """The reference, in a process of its own: a task a device that only sleeps until it is due."""
    clock = asyncio.get_running_loop().time

    async def run(number: int) -> tuple[int, list[float]]:
        pacer = Pacer()
        late = 0
        woken_s: list[float] = []
        await asyncio.sleep(SPREAD_S * number / devices)
        for frame in range(frames):
            await asyncio.sleep(pacer.due(frame, clock()) - clock())
            now = clock()
            late += now - pacer.deadline(frame) > LATE_S
            woken_s.append(now)
            pacer.sent(now)
        return late, woken_s

    runs = await asyncio.gather(*(run(number) for number in range(devices)))
    tell(
        {
            "late": sum(late for late, _ in runs),
            "overdue_ms": [value for _, woken_s in runs for value in _overdue_ms(woken_s)],
        }
    )


@dataclass(slots=True)
class Lateness:
    """What several rounds found."""

    late_percent: list[float] = field(default_factory=list[float])
    p99_ms: list[float] = field(default_factory=list[float])
    heard_percent: list[float] = field(default_factory=list[float])
    frames: int = 0


async def measure(*, quick: bool) -> Measured:
    """Serve devices, then run timers, in turn."""
    devices, rounds = (20, 1) if quick else (50, 2)
    measured = Measured(NAME, f"{devices} devices on {SESSIONS} sessions, 60 ms frames")
    gateway, bare = Lateness(), Lateness()
    async with system() as running:
        sessions = [await running.start(text) for text in short_texts(SESSIONS)]
        for session in sessions:
            await running.finished(session)
        for _ in range(rounds):
            frames = await _serve(running, sessions, devices, gateway)
            async with child("pacing.py", "timers", devices=devices, frames=frames) as process:
                found = await process.heard()
            bare.late_percent.append(100 * found["late"] / (devices * frames))
            bare.p99_ms.append(percentile(found["overdue_ms"], 0.99))
    name = "timers alone"
    measured.add(
        "sent > 20 ms late",
        "% of frames",
        gateway.late_percent,
        name,
        bare.late_percent,
        "<= 1.2",
    )
    measured.add("overdue after the one before, p99", "ms", gateway.p99_ms, name, bare.p99_ms)
    measured.add("heard > 20 ms after its turn", "% of frames", gateway.heard_percent)
    measured.notes.append(
        f"{gateway.frames:,} frames; sent: by the gateway's own count, against its schedule; "
        "overdue: at the device, by how much the gap before a frame was longer than scheduled; "
        "heard: with the device's lead of 300 ms; all devices share one process"
    )
    return measured


async def _serve(running: System, sessions: list[str], devices: int, found: Lateness) -> int:
    """Play to all devices once; return a session's frames."""
    url = f"{running.url.replace('http', 'ws', 1)}/xiaozhi/v1/"
    before = await _counted(running)

    async def one(number: int) -> Heard:
        await asyncio.sleep(SPREAD_S * number / devices)
        return await listen(url, session=sessions[number % len(sessions)])

    heard = await asyncio.gather(*(one(number) for number in range(devices)))
    after = await _counted(running)
    late, in_time = after[0] - before[0], after[1] - before[1]
    found.frames += int(late + in_time)
    found.late_percent.append(100 * late / (late + in_time))
    overdue_ms = [ms for device in heard for ms in _overdue_ms(device.arrivals_s)]
    found.p99_ms.append(percentile(overdue_ms, 0.99))
    frames = sum(len(device.packets) for device in heard)
    found.heard_percent.append(100 * sum(device.late_frames for device in heard) / frames)
    return frames // devices


def _overdue_ms(times_s: list[float]) -> list[float]:
    """Return by how much each frame came later after the one before it than scheduled."""
    return [
        (later - earlier - (RAMP_S if frame <= RAMP_FRAMES else FRAME_S)) * 1000
        for frame, (earlier, later) in enumerate(pairwise(times_s), start=1)
    ]


async def _counted(running: System) -> tuple[float, float]:
    """Return how many frames the gateway sent late and in time."""
    text = (await running.client.get("/metrics")).text

    def value(timing: str) -> float:
        name = f'rhapsode_device_frames_total{{timing="{timing}"}} '
        found = [line for line in text.splitlines() if line.startswith(name)]
        return float(found[0].removeprefix(name)) if found else 0.0

    return value("late"), value("on time")


if __name__ == "__main__":
    sys.exit(uvloop.run(subject_from({"timers": timers})))
