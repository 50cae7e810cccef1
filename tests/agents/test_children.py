"""A child ends with its parent, whatever is at work in it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
from standins.waiting import until

PARENT = """
import asyncio
from rhapsode.agents.voices.isolated import IsolatedVoice
from rhapsode.agents.voices.voice import Utterance
from rhapsode.codecs.session import VoiceSettings
from standins.frail_voice import FrailVoice

async def main():
    voice = IsolatedVoice(FrailVoice(), "standins.frail_voice:FrailVoice")
    await voice.prepare()
    await voice.speak(Utterance("hang", VoiceSettings()))

asyncio.run(main())
"""


async def test_children_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    variables = {"PYTHONPATH": str(Path(__file__).parents[1]), "FRAIL_VOICE_MARK": str(begun)}
    parent = subprocess.Popen(  # noqa: ASYNC220 - nothing else runs in this loop
        [sys.executable, "-c", PARENT], env=os.environ | variables
    )
    await until(begun.exists, 30)
    children = psutil.Process(parent.pid).children()
    assert children
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    # the one at work hangs in native code, where the loop that would notice does not run
    gone, alive = psutil.wait_procs(children, timeout=10)
    assert (len(gone), alive) == (len(children), [])
