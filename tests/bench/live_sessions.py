"""What a live session of pre-made audio takes of the workers' memory."""

import asyncio
import statistics
import time

import psutil
from figures import Measured
from heard import until_ended
from many_at_once import uss_mb
from sample_audio import encoded, sweep
from servers import System, system

NAME = "live-sessions"
AHEAD_S = 20.0
LENGTH_S = 300.0
WARM, COUNTS, QUICK_COUNTS = 2, (20, 60), (5,)
WATCHED_S = 30.0
SOUNDS_S = 120.0


async def measure(*, quick: bool) -> Measured:
    """Open sessions that play a file, each as far ahead as a listener needs."""
    counts = QUICK_COUNTS if quick else COUNTS
    measured = Measured(NAME, f"sessions of an MP3, produced {AHEAD_S:.0f} s ahead")
    async with system(voices="espeak") as running:
        _store(running)
        await _cancel(running, await _live(running, WARM))
        base = statistics.median(await _watched(running))
        sessions: list[str] = []
        before, sounding_before = base, 0
        for count in counts:
            sessions += await _live(running, count - len(sessions))
            workers = max(await _watched(running))
            places = await running.services.admissions.places()
            live = await _heard(running, sessions)
            what = f"{live} of {count} sounding"
            measured.add(f"{what}: workers", "MB", [workers], "idle, warm", [base])
            each = (workers - base) / max(1, live)
            measured.add(f"{what}: for each", "MB", [each], wanted="< 1")
            further = (workers - before) / max(1, live - sounding_before)
            measured.add(f"{what}: for each beyond {sounding_before}", "MB", [further])
            before, sounding_before = workers, live
            measured.add(f"{what}: decoders beside them", "MB", [_decoders_mb(running)])
            measured.add(f"{what}: places", "", [float(places.limit if places else 0)])
    measured.notes.append(
        "USS of all workers together, the most of half a minute, beyond what they take after two "
        "such sessions; decoders: processes of their own, of which there are at most a few"
    )
    return measured


def _store(running: System) -> None:
    folder = running.services.settings.objects_folder
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tune.mp3").write_bytes(encoded("mp3", sweep(44_100, LENGTH_S)))


async def _live(running: System, count: int) -> list[str]:
    """Begin so many sessions; wait until each sounds, or for as long as may be expected."""
    sessions: list[str] = []
    for _ in range(count):
        answer = await running.client.post("/v1/sessions", json={"open": True, "ahead_s": AHEAD_S})
        answer.raise_for_status()
        sessions.append(str(answer.json()["session_id"]))
        item = {"object": "tune.mp3", "last": True}
        added = await running.client.post(f"/v1/sessions/{sessions[-1]}/items", json=item)
        added.raise_for_status()
    end_s = time.monotonic() + SOUNDS_S
    while await _heard(running, sessions) < count and time.monotonic() < end_s:
        await asyncio.sleep(1)
    return sessions


async def _heard(running: System, sessions: list[str]) -> int:
    answers = [await running.client.get(f"/v1/sessions/{session}") for session in sessions]
    return sum(bool(answer.json()["segments"]) for answer in answers)


async def _cancel(running: System, sessions: list[str]) -> None:
    for session in sessions:
        await running.client.post(f"/v1/sessions/{session}/cancel")
    await until_ended(running, sessions)


async def _watched(running: System) -> list[float]:
    """Return what the workers take together, second by second."""
    found: list[float] = []
    for _ in range(int(WATCHED_S)):
        await asyncio.sleep(1)
        found.append(sum(map(uss_mb, _workers(running))))
    return found


def _workers(running: System) -> list[int]:
    children = running.supervisor.children
    return [one.process.pid for one in children if one.process and one.name.startswith("worker")]


def _decoders_mb(running: System) -> float:
    children = [child for pid in _workers(running) for child in psutil.Process(pid).children()]
    return sum(uss_mb(child.pid) for child in children)
