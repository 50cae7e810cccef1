"""Child processes that are measured: each says when it is ready, and at its end what it found."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PATIENCE_S = 120.0
ANSWER_BYTES = 16_000_000
"""One line, with the latency of every record."""
TICKS_HZ = os.sysconf("SC_CLK_TCK")


class ChildFailedError(Exception):
    """A measured process ended without a result."""


def tell(message: dict[str, Any]) -> None:
    """Say something to the parent: one line of JSON."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


class Child:
    """One measured process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        return self._process.pid

    async def heard(self) -> dict[str, Any]:
        """Return the next thing it says."""
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), PATIENCE_S)
        if not line:
            raise ChildFailedError(f"the measured process ended with {await self._process.wait()}")
        message: dict[str, Any] = json.loads(line)
        return message


@asynccontextmanager
async def child(script: str, subject: str, **options: object) -> AsyncGenerator[Child]:
    """Run ``script`` of this folder until the block is left."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(HERE / script),
        subject,
        json.dumps(options),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        limit=ANSWER_BYTES,
    )
    try:
        yield Child(process)
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), 10)
            except TimeoutError:
                process.kill()
                await process.wait()


async def run(script: str, subject: str, **options: object) -> dict[str, Any]:
    """Run a child to its result."""
    async with child(script, subject, **options) as process:
        message = await process.heard()
        while message.get("ready"):
            message = await process.heard()
        return message


def subject_from(subjects: dict[str, Callable[..., Any]]) -> Any:
    """In the child: call the subject that the command line names, with its options."""
    name, options = sys.argv[1], json.loads(sys.argv[2])
    return subjects[name](**options)


def cpu_of(pid: int) -> float:
    """Return the CPU seconds another process has used (Linux; 10 ms steps); 0 where unknown."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS_HZ
