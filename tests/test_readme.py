"""The README's examples, run as they are printed."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import structlog.testing

from rhapsode.topologies.registry import STAGES
from rhapsode.topologies.stage import Stage
from rhapsode.topologies.testing import InMemorySystem

README = (Path(__file__).parents[1] / "README.md").read_text()


def example(begins: str) -> str:
    """Return the Python example that begins with these words."""
    found = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    (code,) = [code for code in found if code.startswith(begins)]
    return code


def test_the_twenty_lines_say_what_they_print(tmp_path: Path) -> None:
    environment = {n: v for n, v in os.environ.items() if not n.startswith("RHAPSODE_")}
    ended = subprocess.run(
        [sys.executable, "-c", example("import asyncio")],
        env=environment | {"RHAPSODE_STATE": str(tmp_path), "RHAPSODE_VOICES": "espeak"},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert re.fullmatch(r"[\d.]+ s to the first audio, playlist at file://.*\n", ended.stdout)


def test_the_benchmark_finds_all_that_it_measures() -> None:
    ended = subprocess.run(
        [sys.executable, Path(__file__).parent / "bench" / "run.py", "--help"],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert "--only" in ended.stdout


async def test_the_stage_example_announces_each_session_once() -> None:
    code = example('"""Announces').replace("from ..", "from rhapsode.")
    names: dict[str, Any] = {"Stage": Stage}
    exec(code.replace("from .", "from rhapsode.agents."), names)
    stage = eval(example("Stage("), names)
    assert stage.begins == "latest"
    system = InMemorySystem()
    with structlog.testing.capture_logs() as logs:
        async with system.running((*STAGES, stage)):
            await system.narrate("One. Two.", session="s")
            await system.finished("s")
    heard = [line["session"] for line in logs if line["event"] == "can be heard"]
    assert heard == ["s"]
