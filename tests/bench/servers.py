"""What benchmarks run on: a log server of their own, or the whole system as a user starts it."""

import asyncio
import tempfile
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from ports import free_port

from rhapsode.ops.run.supervisor import Supervisor
from rhapsode.ops.run.up import everything
from rhapsode.ops.services import Services
from rhapsode.ops.settings import Fsync, Settings
from rhapsode.storage.redis.embedded import EmbeddedValkey
from rhapsode.topologies.registry import processes

READY_S = 60.0
FINISHED_S = 60.0


class NotReadyError(Exception):
    """The system did not come up, or did not finish what it was given."""


@contextmanager
def log_server(fsync: str = "everysec") -> Generator[tuple[EmbeddedValkey, Path]]:
    """Run a Valkey in a temporary folder; yield it and a folder for what runs on it."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        EmbeddedValkey(Path(folder) / "valkey", fsync=fsync) as server,
    ):
        yield server, Path(folder)


@dataclass(frozen=True, slots=True)
class System:
    """A running system: its gateway over HTTP, its log and store through a services of ours."""

    services: Services
    supervisor: Supervisor
    client: httpx.AsyncClient

    @property
    def url(self) -> str:
        settings = self.services.settings
        return f"http://{settings.host}:{settings.port}"

    async def start(self, text: str, **fields: object) -> str:
        """Post a text; return its session."""
        answer = await self.client.post("/v1/sessions", json={"text": text, **fields})
        answer.raise_for_status()
        return str(answer.json()["session_id"])

    async def finished(self, session: str) -> None:
        """Wait until the session has ended."""
        clock = asyncio.get_running_loop().time
        end = clock() + FINISHED_S
        while clock() < end:
            state = (await self.client.get(f"/v1/sessions/{session}")).json()["state"]
            if state == "SUCCESS":
                return
            if state == "FAILURE":
                break
            await asyncio.sleep(0.05)
        raise NotReadyError(f"session {session} did not come to its end")


@asynccontextmanager
async def system(
    *,
    voices: str = "espeak",
    fsync: Fsync = "everysec",
    with_workers: bool = True,
    **options: str,
) -> AsyncGenerator[System]:
    """Run log, workers and gateway as processes until the block is left; options are settings."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        stages = processes() if with_workers else ()
        chosen: dict[str, Any] = {"voices": voices, "fsync": fsync, **options}
        settings = Settings(state=Path(folder), port=free_port(), **chosen)
        async with everything(settings, workers=stages, quiet=True) as (reachable, supervisor):
            services = Services(reachable)
            url = f"http://{settings.host}:{settings.port}"
            async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=30) as client:
                try:
                    await _ready(client, with_workers)
                    yield System(services, supervisor, client)
                finally:
                    await services.close()


async def _ready(client: httpx.AsyncClient, with_workers: bool) -> None:
    clock = asyncio.get_running_loop().time
    end = clock() + READY_S
    while clock() < end:
        try:
            answer = await client.get("/healthz")
            if answer.status_code == 200 and not (with_workers and answer.json()["waiting"]):
                return
        except httpx.TransportError:
            pass  # not listening yet
        await asyncio.sleep(0.1)
    raise NotReadyError(f"the system did not come up within {READY_S:.0f} s")
