"""What is installed, how quick the voices are here, and how to get what is missing."""

import shutil
import sys
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass

from rich.console import Console

from ...agents.models.model import ModelFailedError, ModelUnavailableError
from ...agents.voices.calibration import calibrate
from ...agents.voices.voice import VoiceFailedError, VoiceUnavailableError
from ...storage.log import LogError
from ...storage.objects.store import ObjectsRefusedError
from ...storage.redis.embedded import EmbeddedValkeyError, find_server
from ..gateway.app import PAGE
from ..services import Services
from ..settings import Settings
from ..voices import MAKERS


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    fine: bool
    says: str
    needed: bool = False
    """True where the main job cannot be done without it."""


async def examine(settings: Settings, console: Console) -> int:
    """Print one line for everything that matters; return 1 where something needed is missing."""
    services = Services(settings)
    looks: list[Callable[[], Awaitable[list[Finding]]]] = [
        _python,
        lambda: _log(settings, services),
        lambda: _store(services),
        lambda: _voices(settings),
        lambda: _model(services),
        _page,
        _commands,
    ]
    missing = False
    spoke = False
    for look in looks:
        for finding in await look():
            mark = "ok     " if finding.fine else "MISSING" if finding.needed else "absent "
            console.print(f"{mark} {finding.what}: {finding.says}", soft_wrap=True, markup=False)
            missing = missing or (finding.needed and not finding.fine)
            spoke = spoke or (finding.what.startswith("voice") and finding.fine)
    if not spoke:
        console.print("MISSING a voice: pip install 'rhapsode[piper,espeak]'", markup=False)
    await services.close()
    return 1 if missing or not spoke else 0


async def _python() -> list[Finding]:
    version = ".".join(str(part) for part in sys.version_info[:3])
    return [Finding("Python", sys.version_info >= (3, 11), version, needed=True)]


async def _log(settings: Settings, services: Services) -> list[Finding]:
    if not settings.redis_url:
        try:
            return [Finding("log", True, f"embedded server {find_server()}", needed=True)]
        except EmbeddedValkeyError as error:
            return [Finding("log", False, str(error), needed=True)]
    try:
        topics = await services.log.topics()
    except (OSError, LogError) as error:
        return [Finding("log", False, str(error), needed=True)]
    return [Finding("log", True, f"{len(topics)} topics at the given URL", needed=True)]


async def _store(services: Services) -> list[Finding]:
    try:
        await services.store.prepare()
    except (OSError, ObjectsRefusedError) as error:
        return [Finding("media store", False, str(error), needed=True)]
    where = services.store.url("session").removesuffix("/session")
    return [Finding("media store", True, where, needed=True)]


async def _voices(settings: Settings) -> list[Finding]:
    findings: list[Finding] = []
    for name, make in MAKERS.items():
        if name == "gtts" and not settings.gtts_url:
            findings.append(
                Finding("voice gtts", False, "sends text to Google, so it is not tried here")
            )
            continue
        if name == "openai" and not settings.openai_speech_url:
            findings.append(
                Finding("voice openai", False, "set RHAPSODE_OPENAI_SPEECH_URL to use one")
            )
            continue
        try:
            voice = make(settings)
            measured = await calibrate(voice)
        except (OSError, VoiceFailedError, VoiceUnavailableError) as error:
            findings.append(Finding(f"voice {name}", False, str(error)))
            continue
        findings.append(
            Finding(
                f"voice {voice.name}",
                True,
                f"{1 / measured.real_time_factor:.1f} x real time, first clause after "
                f"{measured.first_audio_s:.3f} s, {measured.loudness_lufs:.1f} LUFS",
            )
        )
        await voice.close()
    return findings


async def _model(services: Services) -> list[Finding]:
    try:
        model = services.model
        async with aclosing(model.write("A very short story about rain.", "en")) as words:
            await anext(words, "")
    except (OSError, ModelUnavailableError, ModelFailedError) as error:
        return [Finding("language model", False, f"{error} (narrate needs none)")]
    return [Finding("language model", True, model.name)]


async def _page() -> list[Finding]:
    has = (PAGE / "hls.min.js").is_file()
    says = "beside the page" if has else "the page takes it from a CDN; 'make page' fetches it"
    return [Finding("hls.js", has, says)]


async def _commands() -> list[Finding]:
    return [
        Finding(f"command {name}", path is not None, path or "only tests and checks use it")
        for name in ("ffmpeg", "chromium", "node")
        for path in (shutil.which(name),)
    ]
