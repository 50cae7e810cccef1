"""How soon the gateway answers a start, the session being in the log by then."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
import uvicorn
import uvloop
from children import child, subject_from, tell
from figures import Measured, percentile
from ports import free_port
from servers import system

from rhapsode.ops.settings import Fsync

NAME = "answer"
RATE_HZ = 50
TEXT = "Once upon a time there was a lighthouse keeper who counted the waves."


async def constant(port: int) -> None:
    """The reference, in a process of its own: uvicorn with an application that says one thing."""
    body = b'{"status":"ok"}'
    head: dict[str, Any] = {
        "type": "http.response.start",
        "status": 201,
        "headers": [(b"content-type", b"application/json"), (b"content-length", b"15")],
    }

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await receive()
            await send(head)
            await send({"type": "http.response.body", "body": body})

    config = uvicorn.Config(application, port=port, log_level="warning", lifespan="off")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    tell({"ready": True})
    await serving


async def measure(*, quick: bool) -> Measured:
    """Post at a steady rate to each server in turn, several times."""
    rounds, requests = (1, 60) if quick else (3, 100)
    measured = Measured(
        NAME, f"answer to POST /v1/sessions, {rounds * requests} at {RATE_HZ} a second"
    )
    times_ms: dict[str, list[list[float]]] = {}
    async with AsyncExitStack() as stack:
        clients = {
            "constant": await stack.enter_async_context(_constant_client()),
            "everysec": (await stack.enter_async_context(system(with_workers=False))).client,
            "always": (
                await stack.enter_async_context(system(with_workers=False, fsync="always"))
            ).client,
        }
        for client in clients.values():
            await _post(client)
        for _ in range(rounds):
            for name, client in clients.items():
                times_ms.setdefault(name, []).append(await _steadily(client, requests))
            found = await _steadily(clients["everysec"], requests, path="/healthz")
            times_ms.setdefault("healthz", []).append(found)
    _report(measured, times_ms)
    return measured


def _report(measured: Measured, times_ms: dict[str, list[list[float]]]) -> None:
    def of(name: str, share: float) -> list[float]:
        return [percentile(run, share) for run in times_ms[name]]

    rows = (
        ("fsync everysec", "everysec", "constant", "bare uvicorn, a constant"),
        ("fsync everysec", "everysec", "healthz", "GET /healthz of the gateway"),
        ("fsync always", "always", "constant", "bare uvicorn, a constant"),
    )
    for share, label in ((0.50, "p50"), (0.99, "p99")):
        for what, ours, theirs, reference in rows:
            wanted = "< 25 ms" if share == 0.99 and theirs == "constant" else ""
            words = (f"{what}, {label}", "ms", of(ours, share), reference, of(theirs, share))
            measured.add(*words, wanted=wanted)
    measured.notes.append(
        "medians of the rounds' percentiles; one client process, so its own cost is in all of "
        "them; no worker runs, so nothing else wants the processor but what the load says"
    )


@asynccontextmanager
async def _gateway_client(fsync: Fsync) -> AsyncGenerator[httpx.AsyncClient]:
    async with system(with_workers=False, fsync=fsync) as running:
        yield running.client


@asynccontextmanager
async def _constant_client() -> AsyncGenerator[httpx.AsyncClient]:
    port = free_port()
    async with child("answering.py", "constant", port=port) as server:
        await server.heard()
        url = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=30) as client:
            yield client


async def _post(client: httpx.AsyncClient) -> None:
    (await client.post("/v1/sessions", json={"text": TEXT})).raise_for_status()


async def _steadily(client: httpx.AsyncClient, count: int, *, path: str = "") -> list[float]:
    """Send at a steady rate, whatever the answers take; return each answer's ms."""
    clock = asyncio.get_running_loop().time
    begin_s = clock() + 0.05

    async def one(number: int) -> float:
        await asyncio.sleep(begin_s + number / RATE_HZ - clock())
        started_s = time.perf_counter()
        if path:
            (await client.get(path)).raise_for_status()
        else:
            await _post(client)
        return (time.perf_counter() - started_s) * 1000

    return list(await asyncio.gather(*(one(number) for number in range(count))))


if __name__ == "__main__":
    uvloop.run(subject_from({"constant": constant}))
