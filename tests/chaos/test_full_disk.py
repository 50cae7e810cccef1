"""A disk that is full: everybody waits, nothing is lost, and all goes on when there is room."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from ports import free_port
from system import Running

from rhapsode.ops.tools.stories import story

pytestmark = pytest.mark.timeout(180)
DISK_MB = 120
FULL_S = 4.0
"""What stays full that long is the fault itself."""


def namespace() -> list[str]:
    """Return what runs a command with file systems of its own, where this system lets us."""
    command = ["unshare", "--user", "--map-root-user", "--mount"]
    try:
        subprocess.run([*command, "true"], check=True, capture_output=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        pytest.skip("a small disk needs user namespaces (unshare), which this system does not give")
    return command


class SmallDisk:
    """``rhapsode up`` with its state on a small file system that nobody else sees."""

    def __init__(self, folder: Path, fsync: str) -> None:
        self.state = folder / "disk" / "state"
        folder.joinpath("disk").mkdir()
        self.port = free_port()
        self.variables = {
            "state": str(self.state),
            "port": str(self.port),
            "voices": "espeak",
            "fsync": fsync,
        }
        named = {f"RHAPSODE_{name.upper()}": value for name, value in self.variables.items()}
        self._environment = {**os.environ, **named}
        mount = f'mount -t tmpfs -o size={DISK_MB}m tmpfs "$0" && exec "$@"'
        up = [sys.executable, "-m", "rhapsode.ops", "up"]
        self._log = folder / "up.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [*namespace(), "sh", "-c", mount, str(self.state.parent), *up],
                stdout=log,
                stderr=log,
                env=self._environment,
            )
        # as the process itself sees it
        self._fill = Path(f"/proc/{self.process.pid}/root{self.state.parent}/fill")

    def logs(self) -> str:
        return self._log.read_text(errors="replace")

    def fill(self) -> None:
        with self._fill.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(1 << 16))

    def free(self) -> None:
        self._fill.unlink()

    def rhapsode(self, *command: str) -> subprocess.CompletedProcess[str]:
        enter = ["nsenter", f"--target={self.process.pid}", "--user", "--mount"]
        return subprocess.run(
            [*enter, "--preserve-credentials", sys.executable, "-m", "rhapsode.ops", *command],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(20)
        finally:
            self.process.kill()


@pytest.fixture(params=["everysec", "always"])
def disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[SmallDisk]:
    disk = SmallDisk(tmp_path, request.param)
    try:
        yield disk
    finally:
        disk.stop()


def wait_until(holds: Callable[[], bool], disk: SmallDisk, deadline_s: float = 60.0) -> None:
    end = time.monotonic() + deadline_s
    while not holds():
        assert time.monotonic() < end, disk.logs()[-3_000:]
        time.sleep(0.02)


def test_a_full_disk_is_ridden_out_and_nothing_is_lost(disk: SmallDisk) -> None:
    system = Running(disk.state, disk.port, disk.variables)
    system.processes["up"] = disk.process
    with httpx.Client(base_url=system.url, trust_env=False, timeout=10) as client:

        def health() -> int:
            try:
                return client.get("/healthz").status_code
            except httpx.TransportError:
                return 0

        wait_until(lambda: health() == 200, disk)
        session = system.start(story("lighthouse"))
        wait_until(lambda: int(str(system.progress(session)["segments"] or 0)) >= 3, disk)
        disk.fill()
        wait_until(lambda: health() == 503, disk)
        refused = client.post("/v1/sessions", json={"text": "There is no room for it."})
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        time.sleep(FULL_S)
        assert disk.process.poll() is None, disk.logs()
        disk.free()
        progress = system.wait_finished(session)
        assert (progress["state"], progress["error"]) == ("SUCCESS", ""), disk.logs()
        wait_until(lambda: health() == 200, disk)
        assert client.post("/v1/sessions", json={"text": "Now there is."}).status_code == 201
    verified = disk.rhapsode("replay", session, "--verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert "Traceback" not in disk.logs()
