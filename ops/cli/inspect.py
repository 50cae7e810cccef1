"""Commands that look: sessions, topics, topology, replay, doctor, settings."""

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from ...storage.errors import UnusableServerError
from ...storage.foreign_streams import usable_span
from ...topologies.draw import as_data, as_mermaid, as_text
from ...topologies.registry import STAGES, TOPOLOGIES
from ...topologies.stage import group_id
from ..progress import load_listed
from ..run.addresses import add_a_text, device_url, page_url, redis_cli
from ..services import Services
from ..settings import Settings, describe
from ..tools import doctor as health
from ..tools import replay as again
from .options import Force, Host, Json, Port, RedisUrl, State
from .output import check_folder, clear_folder
from .running import (
    check_session_id,
    fail,
    run,
    services_of,
    settings_of,
    show,
    show_json,
    wide_console,
)


def sessions(
    redis: RedisUrl = None,
    state: State = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 20,
    as_json: Json = False,
) -> None:
    """List the newest sessions."""
    settings = settings_of(redis_url=redis, state=state)
    run(lambda: _sessions(settings, limit, as_json=as_json))


async def _sessions(settings: Settings, limit: int, *, as_json: bool) -> int:
    async with services_of(settings) as services:
        found = await load_listed(services.journal, await services.session_index.newest(limit))
    if as_json:
        show_json([progress.as_json() for progress in found])
        return 0
    table = Table("session", "state", "audio", "segments", "first audio", "error")
    for progress in found:
        first = "" if progress.first_audio_s is None else f"{progress.first_audio_s:.3f} s"
        table.add_row(
            progress.session,
            progress.state,
            f"{progress.audio_s:.1f} s",
            str(progress.segments),
            first,
            progress.error[:60],
        )
    wide_console(120).print(table)
    return 0


def topics(redis: RedisUrl = None, state: State = None, as_json: Json = False) -> None:
    """List topics: their records, and how many each stage has yet to do."""
    settings = settings_of(redis_url=redis, state=state)
    run(lambda: _topics(settings, as_json=as_json))


async def _topics(settings: Settings, *, as_json: bool) -> int:
    async with services_of(settings) as services:
        names = sorted((await services.log.topics()).items())
        found = [await _topic(services, name, partitions) for name, partitions in names]
    if as_json:
        show_json(found)
        return 0
    table = Table("topic", "partitions", "records", "first offset", "yet to do")
    for topic in found:
        lags: dict[str, int] = topic["lag"]
        yet_to_do = ", ".join(f"{stage} {records}" for stage, records in lags.items())
        figures = (topic[name] for name in ("topic", "partitions", "records", "first_offset"))
        table.add_row(*(str(figure) for figure in figures), yet_to_do)
    wide_console(100).print(table)
    return 0


async def _topic(services: Services, topic: str, partitions: int) -> dict[str, Any]:
    every = [await usable_span(services.log, topic, number) for number in range(partitions)]
    spans = list(filter(None, every))
    namespace = services.settings.namespace
    readers = [stage.name for stage in STAGES if topic in stage.sources]
    return {
        "topic": topic,
        "partitions": partitions,
        "records": sum(span.next - span.first for span in spans),
        "first_offset": min((span.first for span in spans), default=0),
        "lag": {
            stage: sum((await services.log.lag(group_id(namespace, stage), topic)).values())
            for stage in readers
        },
    }


def topology(
    mermaid: Annotated[bool, typer.Option("--mermaid", help="As a Mermaid flowchart.")] = False,
    as_json: Json = False,
) -> None:
    """Print the topology: which stage reads and writes which topic."""
    if as_json:
        show_json(
            [
                {"topology": topology.name} | stage
                for topology in TOPOLOGIES
                for stage in as_data(topology.stages)
            ]
        )
    elif mermaid:
        show(as_mermaid(STAGES))
    else:
        for topology in TOPOLOGIES:
            show(f"{topology.name}:\n{as_text(topology.stages)}")


def replay(
    session: Annotated[str, typer.Argument(help="Session id.", show_default=False)],
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write the session's files there.")
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Compare everything derived, byte for byte.")
    ] = False,
    force: Force = False,
    as_json: Json = False,
    redis: RedisUrl = None,
    state: State = None,
) -> None:
    """Derive a session's segments and frames again from its audio in the log."""
    settings = settings_of(redis_url=redis, state=state)
    if out is None and not verify:
        fail("choose what to do: --verify, --out FOLDER, or both", 2)
    run(lambda: _replay(settings, session, out, verify=verify, force=force, as_json=as_json))


async def _replay(
    settings: Settings, session: str, out: Path | None, *, verify: bool, force: bool, as_json: bool
) -> int:
    """Derive a session again; status 1 where a byte differs."""
    check_session_id(session)
    if out is not None:
        await asyncio.to_thread(check_folder, out, force=force)
    async with services_of(settings) as services:
        store = services.store if verify else None
        if out is None:
            replayed, files = await again.derive(services.journal, session, store=store), []
        else:
            await asyncio.to_thread(clear_folder, out)
            replayed, files = await again.write(services.journal, session, out, store=store)
    differences = replayed.differences
    if as_json:
        show_json(
            {
                "session_id": session,
                "segments": replayed.segments,
                "device_frames": replayed.packets,
                "audio_s": round(replayed.audio_s, 3),
                "identical": not differences if verify else None,
                "media_kept": replayed.media_kept if verify else None,
                "differences": differences,
                "files": [str(path) for path in files],
            }
        )
        return 1 if differences else 0
    for path in files:
        show(str(path))
    for line in differences:
        show(f"differs: {line}")
    if verify and not differences:
        show(
            f"identical: {replayed.segments} segments and {replayed.packets} device "
            f"frames, {replayed.audio_s:.1f} s"
        )
    if verify and not replayed.media_kept:
        show("its media are not kept any more: compared with the digests in the log")
    return 1 if differences else 0


def doctor(
    redis: RedisUrl = None,
    state: State = None,
    host: Host = None,
    port: Port = None,
    as_json: Json = False,
) -> None:
    """Check whether the settings work on this machine, and what to do where they do not."""
    settings = settings_of(redis_url=redis, state=state, host=host, port=port)

    async def examined() -> int:
        findings: list[health.Finding] = []
        console = Console()
        async for finding in health.examine(settings):
            findings.append(finding)
            if not as_json:
                line = f"{finding.verdict:<8} {finding.what}: {finding.message}"
                console.print(line, soft_wrap=True, markup=False, highlight=False)
        works = health.works(findings)
        if as_json:
            show_json({"works": works, "findings": [asdict(one) for one in findings]})
        return 0 if works else 1

    run(examined)


def settings(
    redis: RedisUrl = None,
    state: State = None,
    host: Host = None,
    port: Port = None,
    as_json: Json = False,
) -> None:
    """List every setting with its value and what it means; secrets are masked."""
    chosen = settings_of(redis_url=redis, state=state, host=host, port=port)
    try:
        addresses = {
            "page": page_url(chosen),
            "device": device_url(chosen),
            "redis_cli": redis_cli(chosen),
            "add_a_text": add_a_text(chosen),
        }
    except UnusableServerError as error:
        fail(str(error), 2)
    rows = describe(chosen)
    if as_json:
        show_json({"settings": [asdict(row) for row in rows], "addresses": addresses})
        return
    for row in rows:
        default = "" if row.value == row.default else f" (default: {row.default or 'empty'})"
        show(f"# {row.help}{default}\n{row.variable}={row.value}\n")
    for name, value in addresses.items():
        show(f"# {name.replace('_', ' ')}: {value}")
