"""``rhapsode catalogue``: what listeners may ask for, and what would be played."""

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from ...agents.catalogue import CatalogueReader
from ...codecs.catalogue.answers import Answer, Ask, Control, NotFound, Play
from ...codecs.catalogue.matching import Catalogue
from ...storage.objects.source import ObjectSource
from ...storage.objects.store import ObjectsRefusedError
from ..settings import Settings
from ..stores import open_objects, open_uploads
from ..tools.sample_catalogue import make_sample
from ..tools.sync_catalogue import sync_catalogue
from ..voices import voice_from
from .options import Json, State
from .running import UsageError, fail, run, settings_of, show, show_json

app = typer.Typer(help="The songs and stories that listeners may ask for.")
MOST_SHOWN = 20
Text = Annotated[str, typer.Argument(metavar="TEXT", help="A request, as somebody would say it.")]
Language = Annotated[str, typer.Option("--lang", help="What the listener speaks, such as 'hi'.")]


@app.command()
def check(state: State = None, as_json: Json = False) -> None:
    """Read the catalogue, and tell what is wrong with it; status 1 where something is."""
    settings = settings_of(state=state)
    run(lambda: _check(settings, as_json=as_json))


async def _check(settings: Settings, *, as_json: bool) -> int:
    objects = open_objects(settings)
    try:
        reader, catalogue = await _read(objects)
        problems = {name: list(one.problems) for name, one in reader.folders.items()}
        missing = [
            title.object for title in catalogue.titles if await objects.stat(title.object) is None
        ]
    finally:
        await objects.close()
    faulty = bool(missing) or any(problems.values())
    if as_json:
        show_json({"titles": len(catalogue), "problems": problems, "missing": missing})
        return int(faulty)
    for name, folder in reader.folders.items():
        show(f"{name}: {len(folder.titles)} titles")
        for problem in folder.problems:
            show(f"  {problem}")
    for name in missing[:MOST_SHOWN]:
        show(f"there is no file {name}")
    if len(missing) > MOST_SHOWN:
        show(f"and {len(missing) - MOST_SHOWN} more are missing")
    if not reader.folders:
        show("there is no catalogue: put music/<language>/metadata.json among the audio files")
    show(f"{len(catalogue)} titles, {len(missing)} without a file")
    return int(faulty)


@app.command()
def search(text: Text, lang: Language = "", state: State = None, as_json: Json = False) -> None:
    """Tell how a request is understood, what would be played for it, and what comes close."""
    settings = settings_of(state=state)
    run(lambda: _search(settings, text, lang, as_json=as_json))


async def _search(settings: Settings, text: str, language: str, *, as_json: bool) -> int:
    objects = open_objects(settings)
    try:
        _, catalogue = await _read(objects)
    finally:
        await objects.close()
    answer = catalogue.answer(text, language=language)
    if as_json:
        told: dict[str, Any] = msgspec.to_builtins(answer)
        show_json(told)
        return 0
    show(_told(answer))
    show(f"because {answer.reason}")
    slots: dict[str, Any] = msgspec.to_builtins(answer.slots)
    said = ", ".join(f"{name} {value}" for name, value in slots.items() if value not in ("", None))
    show(f"understood: {said}")
    for title, score in catalogue.search(text, 5):
        show(f"  {score:5.1f}  {title.title}  ({title.object})")
    return 0


@app.command()
def sample(state: State = None) -> None:
    """Put a few public-domain tunes and short tales, in six languages, among the audio files."""
    settings = settings_of(state=state)
    run(lambda: _sample(settings, state))


async def _sample(settings: Settings, state: Path | None) -> int:
    if settings.objects_bucket:
        raise UsageError("the sample is made in a folder: leave RHAPSODE_OBJECTS_BUCKET empty")
    voice = voice_from(settings)
    try:
        made = await make_sample(settings.objects_folder, voice)
    finally:
        await voice.close()
    for reason in made.left_out:
        show(f"left out: {reason}")
    show(f"{made.files} titles in {settings.objects_folder}: ask for one, such as")
    where = "" if state is None else f" --state {shlex.quote(str(state))}"
    show(f"  rhapsode catalogue search 'Play Baa Baa Black Sheep'{where}")
    return 0


@app.command()
def sync(
    folder: Annotated[
        Path, typer.Argument(help="That has music/<language> and stories/<category>.")
    ],
    state: State = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would come.")] = False,
    as_json: Json = False,
) -> None:
    """Bring a folder's catalogue to the bucket, or folder, that listeners are played from."""
    settings = settings_of(state=state)
    if not settings.objects_bucket and settings.objects_folder.resolve() == folder.resolve():
        fail("this folder is played from already: name another one, or set a bucket", 2)
    run(lambda: _sync(settings, folder, dry_run=dry_run, as_json=as_json))


async def _sync(settings: Settings, folder: Path, *, dry_run: bool, as_json: bool) -> int:
    uploads = open_uploads(settings)
    try:
        synced = await sync_catalogue(folder, uploads, dry_run=dry_run)
    finally:
        await uploads.close()
    faulty = bool(synced.missing or synced.problems)
    if as_json:
        show_json(asdict(synced))
        return int(faulty)
    for name in synced.brought[:MOST_SHOWN]:
        show(f"{'would bring' if dry_run else 'brought'} {name}")
    if len(synced.brought) > MOST_SHOWN:
        show(f"and {len(synced.brought) - MOST_SHOWN} more")
    for problem in (*synced.problems, *(f"there is no file {name}" for name in synced.missing)):
        show(problem)
    show(f"{len(synced.brought)} files brought, {synced.same} there already")
    return int(faulty)


async def _read(objects: ObjectSource) -> tuple[CatalogueReader, Catalogue]:
    reader = CatalogueReader(objects, refresh_s=0.0)
    try:
        return reader, await reader.current()
    except ObjectsRefusedError as error:
        raise UsageError(str(error)) from None


def _told(answer: Answer) -> str:
    if isinstance(answer, Play):
        return "play " + ", then ".join(title.title for title in answer.titles)
    if isinstance(answer, Ask):
        return "ask: " + " or ".join(title.title for title in answer.titles)
    if isinstance(answer, Control):
        value = "" if answer.value is None else f" {answer.value:g}"
        return f"do: {answer.action}{value}"
    assert isinstance(answer, NotFound)
    return f"not found: {answer.wanted or 'nothing was named'}"
