"""Whether the settings work on this machine: log, store, voices, model, ports, disk, page."""

import shutil
import sys
import tempfile
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Literal

import httpx
import msgspec

from ...agents.models.model import ModelFailedError, ModelUnavailableError
from ...agents.voices.calibration import calibrate
from ...agents.voices.chain import MAX_REAL_TIME_FACTOR
from ...agents.voices.voice import (
    Utterance,
    Voice,
    VoiceFailedError,
    VoiceUnavailableError,
)
from ...codecs.session import VoiceSettings
from ...storage.log import LogError
from ...storage.objects.store import ObjectsRefusedError
from ...storage.redis.connection import RedisConnection, RedisSettings
from ...storage.redis.embedded import EmbeddedValkeyError
from ...storage.redis.scripts import LogScripts
from ...topologies.registry import processes
from ..gateway.app import PAGE
from ..run.addresses import page_url, port_problem
from ..run.log_server import log_server
from ..run.up import HIGHEST_PORT
from ..services import Services
from ..settings import Settings
from ..settings_reading import SettingsError
from ..voices import voices_from

Verdict = Literal["ok", "warning", "failed"]
PROBE_OBJECT = "rhapsode-doctor.txt"
LITTLE_SPACE_BYTES = 1_000_000_000
"""About two hours of speech: PCM in the log, AAC in the store."""
NO_SPACE_BYTES = 100_000_000
REMOTE = ("gtts", "openai")
"""Voices that send texts elsewhere, perhaps for money: they are given one word."""
ENGLISH = VoiceSettings(language="en")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    verdict: Verdict
    """``failed`` where texts cannot become audio with these settings."""
    message: str


def works(findings: list[Finding]) -> bool:
    """Tell whether texts can become audio."""
    return all(finding.verdict != "failed" for finding in findings)


async def examine(settings: Settings) -> AsyncGenerator[Finding]:
    """Yield a finding for everything the settings need, each as soon as it is known."""
    yield Finding("Python", "ok", ".".join(str(part) for part in sys.version_info[:3]))
    for finding in (*_state_folder(settings), *await _ports(settings)):
        yield finding
    async for finding in _log(settings):
        yield finding
    services = Services(settings)
    try:
        yield await _store(services)
        async for finding in _voices(settings):
            yield finding
        yield await _model(services)
    finally:
        await services.close()
    yield _page()


def _state_folder(settings: Settings) -> list[Finding]:
    folder = settings.state
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
        free = shutil.disk_usage(folder).free
    except OSError as error:
        message = f"cannot write to {folder}: {error.strerror}; choose another with --state"
        return [Finding("state folder", "failed", message)]
    space = f"{free / 1e9:.1f} GB free below {folder}"
    if free < NO_SPACE_BYTES:
        verdict: Verdict = "failed"
    else:
        verdict = "warning" if free < LITTLE_SPACE_BYTES else "ok"
    return [Finding("state folder", "ok", str(folder)), Finding("disk space", verdict, space)]


async def _ports(settings: Settings) -> list[Finding]:
    problem = port_problem(settings)
    if not problem:
        found = Finding("port", "ok", f"the gateway can listen at {page_url(settings)}")
    elif health := await _gateway_health(settings):
        found = Finding("port", "ok", f"a gateway answers at {page_url(settings)}")
        return [found, *_stages(health.waiting)]
    else:
        found = Finding("port", "failed", problem)
    return [found, *_metrics_ports(settings)]


class _Health(msgspec.Struct):
    """The answer of a gateway to ``GET /healthz``."""

    status: str
    waiting: list[str] = msgspec.field(default_factory=list[str])


async def _gateway_health(settings: Settings) -> _Health | None:
    """Return the health of the gateway at the port, None where something else listens."""
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=2.0) as client:
            answer = await client.get(f"{page_url(settings)}healthz")
        return msgspec.json.decode(answer.content, type=_Health)
    except (httpx.HTTPError, msgspec.DecodeError):
        return None


def _stages(waiting: list[str]) -> Iterator[Finding]:
    if waiting:
        names = " ".join(stage[:40] for stage in waiting)
        message = f"no worker for {names}: start 'rhapsode worker {names}'"
        yield Finding("workers", "warning", message)


def _metrics_ports(settings: Settings) -> Iterator[Finding]:
    for number in range(1, len(processes()) + 1):
        port = settings.port + number
        metrics = settings.model_copy(update={"host": "127.0.0.1", "port": port})
        if port > HIGHEST_PORT or port_problem(metrics):
            message = f"port {port} cannot be used: under 'up' that worker will have no metrics"
            yield Finding("metrics port", "warning", message)


async def _log(settings: Settings) -> AsyncGenerator[Finding]:
    if settings.redis_url.startswith("memory:"):
        yield Finding("log", "warning", "in memory: of one process, and gone with it")
        return
    try:
        async with log_server(settings) as (reachable, _):
            for finding in await _server(reachable, embedded=not settings.redis_url):
                yield finding
    except (OSError, LogError, EmbeddedValkeyError) as error:
        yield Finding("log", "failed", str(error))


def _may_evict(info: dict[str, str]) -> bool:
    return info.get("maxmemory_policy") != "noeviction" and info.get("maxmemory") != "0"


async def _server(settings: Settings, *, embedded: bool) -> list[Finding]:
    where = RedisSettings(settings.redis_url, settings.namespace)
    connection = RedisConnection(where)
    try:
        await LogScripts(connection).probe()  # refuses a server that is too old, or evicts
        servers = [_info(told) for told in await connection.each("INFO")]
    finally:
        await connection.close()
    info = servers[0]
    name = "Valkey" if "valkey_version" in info else "Redis"
    version = info.get("valkey_version") or info.get("redis_version", "of unknown version")
    one = "server" if len(servers) == 1 else f"{len(servers)} masters,"
    kind = "embedded" if embedded else one
    findings = [Finding("log", "ok", f"{kind} {name} {version} at {where.safe_url}")]
    evicting = [info for info in servers if _may_evict(info)]
    policy = (evicting or servers)[0].get("maxmemory_policy", "unknown")
    if not evicting:
        findings.append(Finding("log eviction", "ok", f"maxmemory-policy {policy}"))
    else:
        message = f"maxmemory-policy {policy} may throw the log away: set it to noeviction"
        findings.append(Finding("log eviction", "failed", message))
    if all(info.get("aof_enabled") == "1" for info in servers):
        findings.append(Finding("log persistence", "ok", "append-only file on"))
    else:
        message = "append-only file off: a restart of the server loses sessions; set appendonly yes"
        findings.append(Finding("log persistence", "warning", message))
    return findings


def _info(reply: Any) -> dict[str, str]:
    text = reply.decode(errors="replace") if isinstance(reply, bytes) else str(reply)
    pairs = (line.partition(":") for line in text.splitlines())
    return {name: value for name, colon, value in pairs if colon}


async def _store(services: Services) -> Finding:
    content = b"written by rhapsode doctor"
    try:
        store = services.store
        await store.prepare()
        await store.put(PROBE_OBJECT, content, "text/plain")
        stored = await store.get(PROBE_OBJECT)
        await store.delete(PROBE_OBJECT)
    except (OSError, ObjectsRefusedError, ValueError) as error:
        return Finding("media store", "failed", str(error))
    where = store.url("session").removesuffix("/session")
    if stored is None or stored.data != content:
        return Finding("media store", "failed", f"{where} did not return what was written to it")
    return Finding("media store", "ok", f"written to and read from {where}")


async def _voices(settings: Settings) -> AsyncGenerator[Finding]:
    try:
        voices = voices_from(settings)
    except SettingsError as error:
        yield Finding("voices", "failed", str(error))
        return
    spoke: list[tuple[bool, str]] = []
    for number, voice in enumerate(voices, start=1):
        finding, speaks = await _voice(number, voice)
        yield finding
        if speaks:
            spoke.append((finding.verdict != "ok", voice.name))
        await voice.close()
    if spoke:
        # as the chain has it: in their order, those too slow for this machine last
        _, first = min(spoke, key=lambda one: one[0])
        yield Finding("English", "ok", f"{first} speaks first")
    else:
        message = "no voice of RHAPSODE_VOICES can speak: pip install 'rhapsode[piper,espeak]'"
        yield Finding("English", "failed", message)


async def _voice(number: int, voice: Voice) -> tuple[Finding, bool]:
    """Return what is found of a voice, and whether it spoke English."""
    what = f"voice {number}, {voice.name}"
    try:
        if voice.name.partition(":")[0] in REMOTE:
            await voice.prepare()
            await voice.speak(Utterance("Hello.", ENGLISH))
            return Finding(what, "ok", "its server answers"), True
        measured = await calibrate(voice)
    except (OSError, VoiceFailedError, VoiceUnavailableError) as error:
        return Finding(what, "warning", str(error)), False
    figures = (
        f"{1 / measured.real_time_factor:.1f} x real time, first clause after "
        f"{measured.first_audio_s:.3f} s, {measured.loudness_lufs:.1f} LUFS"
    )
    if measured.real_time_factor > MAX_REAL_TIME_FACTOR:
        return Finding(what, "warning", f"too slow here to be preferred: {figures}"), True
    return Finding(what, "ok", figures), True


async def _model(services: Services) -> Finding:
    needed = services.settings.default_mode == "expand"
    try:
        model = services.model
        async with aclosing(model.write("A very short story about rain.", "en")) as words:
            await anext(words, "")
    except (OSError, ModelUnavailableError, ModelFailedError) as error:
        if needed:
            return Finding("language model", "failed", str(error))
        return Finding("language model", "warning", f"{error} (only the mode 'expand' needs one)")
    return Finding("language model", "ok", model.name)


def _page() -> Finding:
    if (PAGE / "hls.min.js").is_file():
        return Finding("page", "ok", "hls.js is beside the page")
    message = "hls.js is not beside the page, which takes it from a CDN; 'make page' fetches it"
    return Finding("page", "warning", message)
