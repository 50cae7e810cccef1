"""Hostile texts by every door, and records onto internal streams: each ends, and a bystander's
story beside them never runs dry; no process dies of it but a voice's child."""

import asyncio
import contextlib
import json
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import redis
import websockets
from system import Running, running

from rhapsode.ops.devices.client import listen
from rhapsode.ops.tools.stories import story

pytestmark = pytest.mark.timeout(1200)
SEED = 6
BY_DOOR = 75
"""Texts by HTTP, by WebSocket, by device and by stream."""
MOST_CHARS = 240
"""Of a mixture: what is spelled out, such as numbers, makes minutes of sound of a few lines."""
CHILD_MEMORY_BYTES = 1_000_000_000
WORKER_MEMORY_BYTES = 300_000_000
"""Of a worker with nearly all stages: 145 MB, and about 4 for each of 32 sessions in production."""
AT_ONCE = 8
WRITTEN = {"session", "text", "admission", "chunk", "speech", "audio-frame", "segment", "event"}
"""Topics that every story has records of."""

POISONS = (
    "A." * 150,
    "a\x00b",
    "؀" * 40,
    "ابجد هوز حطي كلمن " * 25,
    "🦊" * 37,
    "🏳️‍🌈" * 60,
    "9" * 400,
    "1.000.000.000.000,5 " * 20,
    "[[" + "x" * 200 + "]]",
    "<speak><break time='600s'/>" * 8,
    "\u202e" + "reversed " * 20,
    "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢" * 20,
    "\x1b[2J\x07" * 30,
    "क्ष्म्य" * 60,
    "ก็็็็็็็" * 30,
    "hello " * 400,
    "-" * 300,
    "!?" * 200,
    "a" * 2_000,
    "# " * 100,
    "https://" + "a/" * 300,
    "“" * 100 + "quoted" + "”" * 100,
    "\u00ad".join("soft" * 40),
    "\ufeff\u200b\u2060" * 50,
    "1/0 ∞ NaN 1e999 -0 0x" + "f" * 100,
)
ALPHABETS = (
    "abcdefghij .,;:!?\n",
    "0123456789.,%$€/ ",
    "абвгд ёжз. ",
    "漢字かなカナ、。 ",
    "अआइईउऊऋ।् ",
    "אבגד הוז ",
    "\x01\x02\x1f\x7f\x80\u0085 x",
    "🙂👩‍👩‍👧‍👦🇦🇹❤️ ",
    "*_`#>[]()!|~- \n",
    "ﷺ﷽ﬃⅧ①½",
)


def hostile_texts(count: int) -> list[str]:
    """Return the poisons that are known, and as many mixtures as are missing; the same each run."""
    chance = random.Random(SEED)
    texts = list(POISONS)
    while len(texts) < count:
        alphabet = "".join(chance.sample(ALPHABETS, chance.randint(1, 3)))
        words = ["".join(chance.choices(alphabet, k=chance.randint(1, 80))) for _ in range(6)]
        texts.append(" ".join(words * chance.randint(1, 4))[:MOST_CHARS])
    return texts[:count]


class Watch:
    """What the system's processes take, and which of them there are."""

    def __init__(self, system: Running) -> None:
        self._system = system
        self.workers = {process.pid for process in self._processes()}
        self.most: dict[str, int] = {"worker": 0, "child": 0}
        self.sessions = 0
        """That ended."""

    def _processes(self) -> list[psutil.Process]:
        up = psutil.Process(self._system.processes["up"].pid)
        everyone = up.children(recursive=True)
        return [one for one in everyone if _is_ours(one)]

    def look(self) -> None:
        for process in self._processes():
            assert process.pid in self.workers, f"restarted:\n{self._system.logs()}"
            self.most["worker"] = max(self.most["worker"], process.memory_info().rss)
            for child in process.children():
                try:
                    self.most["child"] = max(self.most["child"], child.memory_info().rss)
                except psutil.Error:
                    continue  # it has just died, as it may


def _is_ours(process: psutil.Process) -> bool:
    """Tell whether it is a worker or a gateway; one that died is back under another number."""
    try:
        return " rhapsode.ops " in " ".join(process.cmdline())
    except psutil.Error:
        return False  # a voice's child, which has just died, as it may


@pytest.fixture(params=["espeak", "piper,espeak"])
def system(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Running]:
    with running(tmp_path / "state", voices=request.param) as system:
        yield system


async def by_http(client: httpx.AsyncClient, text: str) -> str | None:
    """Return the session of a text, None where it was refused in one sentence."""
    body = json.dumps({"text": text})  # httpx would refuse a lone surrogate itself
    answer = await client.post("/v1/sessions", content=body, headers=JSON)
    assert answer.status_code in (201, 400), answer.text
    return answer.json().get("session_id") if answer.status_code == 201 else None


JSON = {"Content-Type": "application/json"}


async def by_socket(system: Running, text: str) -> str:
    """Stream a text in pieces; return its session."""
    async with websockets.connect(f"ws://127.0.0.1:{system.port}/v1/stream") as socket:
        await socket.send(json.dumps({"type": "open"}))
        session = json.loads(await socket.recv())["session_id"]
        for start in range(0, len(text), 97):
            await socket.send(json.dumps({"type": "text", "text": text[start : start + 97]}))
        await socket.send(json.dumps({"type": "finish"}))
        async for message in socket:
            if json.loads(message)["type"] in ("done", "failed"):
                break
    return str(session)


def by_stream(client: Any, number: int, text: str) -> str:
    """Leave a text on the ingress key; return its session."""
    session = f"stream-{number}"
    client.xadd("rhapsode:in:text", {"text": text.encode("utf-8", "replace"), "session": session})
    return session


def onto_internal_streams(client: Any, bystander: str) -> None:
    """Write what is no record, and what pretends to be the bystander's, onto every topic."""
    streams = [key for key in client.scan_iter("{rhapsode:*}:log:*") if _is_stream(client, key)]
    topics = {key.rpartition(b":")[2].decode() for key in streams}
    assert topics >= WRITTEN, topics
    for key in streams:
        for value in (b"", b"\x00" * 100, b"\x81\xa4type\xa5bogus", b"{}"):
            client.xadd(key, {"k": bystander, "v": value, "t": "1"}, id="0-*")


def _is_stream(client: Any, key: bytes) -> bool:
    return client.type(key) == b"stream"


async def heard_without_underrun(system: Running, client: httpx.AsyncClient, session: str) -> None:
    """Follow a session as one who plays it from its first segment on: it is always ahead."""
    begun_s = None
    async with asyncio.timeout(600):
        while True:
            progress = (await client.get(f"/v1/sessions/{session}")).json()
            if progress["segments"] and begun_s is None:
                begun_s = time.monotonic()
            done = progress["state"] in ("SUCCESS", "FAILURE")
            if begun_s is not None and not done:
                played_s = time.monotonic() - begun_s
                assert progress["published_s"] > played_s, f"dry at {played_s:.1f} s: {progress}"
            if done:
                assert (progress["state"], progress["failed_chunks"]) == ("SUCCESS", 0), progress
                return
            await asyncio.sleep(0.1)


async def ended(client: httpx.AsyncClient, sessions: list[str]) -> dict[str, dict[str, object]]:
    """Wait until every session ended; return what became of them."""
    found: dict[str, dict[str, object]] = {}
    async with asyncio.timeout(900):
        while len(found) < len(sessions):
            for session in sessions:
                if session not in found:
                    progress = (await client.get(f"/v1/sessions/{session}")).json()
                    if progress.get("state") in ("SUCCESS", "FAILURE"):
                        found[session] = progress
            await asyncio.sleep(0.5)
    return found


async def all_ended(client: httpx.AsyncClient, sessions: list[str], watch: Watch) -> None:
    """Wait until every text of every door has ended, those of devices too."""
    listed = (await client.get("/v1/sessions", params={"limit": 200})).json()["sessions"]
    everyone = {*sessions, *(one["session_id"] for one in listed)}
    accepted = [s for s in everyone if (await client.get(f"/v1/sessions/{s}")).is_success]
    assert len(accepted) > 2 * BY_DOOR
    found = await ended(client, accepted)
    watch.sessions = len(found)
    for session, progress in found.items():
        assert progress["error"] or progress["percent"] == 100, (session, progress)


async def attack(system: Running, watch: Watch) -> None:
    texts = hostile_texts(4 * BY_DOOR)
    slots = asyncio.Semaphore(AT_ONCE)
    sessions: list[str] = []
    client = httpx.AsyncClient(base_url=system.url, timeout=60, trust_env=False)
    broker = redis.Redis(unix_socket_path=str(system.state / "valkey" / "valkey.sock"))

    async def http(text: str) -> None:
        async with slots:
            session = await by_http(client, text)
        if session:
            sessions.append(session)

    async def socket(text: str) -> None:
        async with slots:
            sessions.append(await by_socket(system, text))

    async def device(text: str) -> None:
        async with slots:
            url = f"ws://127.0.0.1:{system.port}/xiaozhi/v1/"
            with contextlib.suppress(ValueError):  # closed: not a text for a device
                await listen(url, text=text, abort_after_s=0.2)

    async def looking() -> None:
        while True:
            watch.look()
            await asyncio.sleep(0.2)

    async def looked_at_until_all_ended(bystander: str) -> None:
        looks = asyncio.create_task(looking())
        sessions.extend(by_stream(broker, n, text) for n, text in enumerate(texts[0::4]))
        doors = (http, socket, device)
        others = [text for n, text in enumerate(texts) if n % 4]
        await by_socket(system, "Now every stage has written something.")
        onto_internal_streams(broker, bystander)
        await asyncio.gather(*(doors[n % 3](text) for n, text in enumerate(others)))
        await all_ended(client, sessions, watch)
        assert not looks.done(), looks.exception()
        looks.cancel()

    async with client:
        bystander = (await client.post("/v1/sessions", json={"text": story("lighthouse")})).json()
        following = asyncio.create_task(
            heard_without_underrun(system, client, bystander["session_id"])
        )
        await asyncio.gather(following, looked_at_until_all_ended(bystander["session_id"]))


async def test_hostile_texts_end_each_in_sound_or_in_a_reason_and_disturb_nobody(
    system: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    watch = Watch(system)
    await attack(system, watch)
    with capsys.disabled():
        sys.stdout.write(f"\n{watch.sessions} sessions ended; most memory {watch.most}\n")
    assert watch.most["worker"] < WORKER_MEMORY_BYTES
    assert watch.most["child"] < CHILD_MEMORY_BYTES
    assert "Traceback" not in system.logs()
