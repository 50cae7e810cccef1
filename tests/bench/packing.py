"""How fast the packer makes fMP4 segments of PCM, beside encoders alone on the same PCM."""

import asyncio
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import bare_encoder
from figures import Measured
from speech import spoken_pcm

from rhapsode.agents.journal import Journal
from rhapsode.agents.pack import Pack
from rhapsode.agents.turns import Turns
from rhapsode.codecs.audio.pcm import SAMPLE_RATE_HZ
from rhapsode.codecs.records import AudioFrame, Segment, Session
from rhapsode.codecs.session import Form, Rendition
from rhapsode.storage.memory.log import MemoryLog
from rhapsode.storage.objects.folder import FolderObjects
from rhapsode.topologies.in_memory import declare_topics

NAME = "packer"
FRAME_SAMPLES = 24_000


async def measure(*, quick: bool) -> Measured:
    """Pack and encode the same speech by each in turn, several times."""
    seconds, rounds = (60.0, 1) if quick else (180.0, 3)
    pcm = await spoken_pcm(seconds)
    measured = Measured(NAME, f"{seconds:.0f} s of speech to AAC, 48 kHz mono, 96 kb/s")
    runners: dict[str, Callable[[], float]] = {"packer": lambda: _own_cpu_s(pcm)}
    runners["bare"] = lambda: _bare_cpu_s(pcm)
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg:
        runners["same"] = lambda: _ffmpeg_cpu_s(ffmpeg, pcm, "-aac_coder", bare_encoder.CODER)
        runners["default"] = lambda: _ffmpeg_cpu_s(ffmpeg, pcm)
    else:
        measured.notes.append("the ffmpeg command was not run: it is not on the PATH")
    speeds: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, runner in runners.items():
            speeds.setdefault(name, []).append(seconds / await asyncio.to_thread(runner))
    unit = "x real time"
    packer = speeds["packer"]
    measured.add("packer", unit, packer, "bare PyAV encoder", speeds["bare"])
    if ffmpeg:
        name = "ffmpeg's hls muxer, same settings"
        measured.add("packer", unit, packer, name, speeds["same"], ">= 0.9")
        name = "ffmpeg's hls muxer, its default coder"
        measured.add("packer", unit, packer, name, speeds["default"], ">= 2")
    measured.notes.append(
        "seconds of sound by CPU seconds (user and system; ffmpeg's with its start-up); the stage "
        "is fed by a log in memory and stores fMP4 in a folder, as ffmpeg does; the bare encoder "
        "makes packets only"
    )
    return measured


def _own_cpu_s(pcm: bytes) -> float:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        return asyncio.run(_pack(pcm, Path(folder)))


async def _pack(pcm: bytes, folder: Path) -> float:
    """Run the stage's agent on frames as the log gives them; return its CPU seconds."""
    log = MemoryLog()
    await declare_topics(log, 1)
    journal = Journal(log, 1)
    form = Form(renditions=(Rendition(bit_rate=bare_encoder.BIT_RATE),))
    await journal.append(Session(session="session", form=form, last=True))
    frames = [
        AudioFrame(
            session="session",
            first_sample=start,
            samples=min(FRAME_SAMPLES, len(pcm) // 2 - start),
            pcm=pcm[2 * start : 2 * (start + FRAME_SAMPLES)],
            last=2 * (start + FRAME_SAMPLES) >= len(pcm),
        )
        for start in range(0, len(pcm) // 2, FRAME_SAMPLES)
    ]

    async def delivered() -> AsyncIterator[AudioFrame]:
        for frame in frames:
            await journal.append(frame)
            yield frame

    pack = Pack(FolderObjects(folder), Turns(1), journal.of(AudioFrame), journal.of(Segment))
    description = await journal.describe("session")
    started_s = time.process_time()
    segments = [output[0] async for output in pack(description, delivered())]
    if not segments[-1].last:
        raise AssertionError("the packer did not come to the end of the sound")
    return time.process_time() - started_s


def _bare_cpu_s(pcm: bytes) -> float:
    started_s = time.process_time()
    bare_encoder.encode(pcm)
    return time.process_time() - started_s


def _ffmpeg_cpu_s(ffmpeg: str, pcm: bytes, *coder: str) -> float:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        source = Path(folder) / "speech.pcm"
        source.write_bytes(pcm)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            [
                *(ffmpeg, "-v", "error", "-nostdin", "-threads", "1"),
                *("-f", "s16le", "-ar", str(SAMPLE_RATE_HZ), "-ac", "1", "-i", str(source)),
                *("-c:a", "aac", *coder, "-b:a", str(bare_encoder.BIT_RATE), "-threads", "1"),
                *("-f", "hls", "-hls_time", "2", "-hls_segment_type", "fmp4"),
                *("-hls_playlist_type", "event", str(Path(folder) / "audio.m3u8")),
            ],
            check=True,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
