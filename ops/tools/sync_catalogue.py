"""Bringing the catalogue of a folder to where listeners are played from."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from ...agents.catalogue import METADATA, CatalogueReader
from ...storage.objects.folder_source import FolderSource
from ...storage.objects.store import ObjectsRefusedError
from ...storage.objects.uploads import Uploads

AT_ONCE = 8
"""Files that are compared or brought at the same time."""


@dataclass(slots=True)
class Synced:
    """What came of it."""

    brought: list[str] = field(default_factory=list[str])
    """Files that were not there, or not with these bytes."""
    same: int = 0
    """Files that were there already."""
    missing: list[str] = field(default_factory=list[str])
    """Files that a title names and the folder lacks."""
    problems: list[str] = field(default_factory=list[str])
    """Entries of metadata that are left out, a sentence each."""


async def sync_catalogue(folder: Path, uploads: Uploads, *, dry_run: bool = False) -> Synced:
    """Bring what has changed; nothing is removed.

    A folder's metadata comes behind its files: nobody is offered a title whose file is on its way.
    Metadata that cannot be read stays where it is.

    Args:
        folder: That has ``music/<language>`` and ``stories/<category>``.
        uploads: Where it is brought to.
        dry_run: Only tell what would be brought.

    Raises:
        ObjectsUnreachableError, ObjectsRefusedError: it cannot be read, or brought.
    """
    source = FolderSource(folder)
    reader = CatalogueReader(source, refresh_s=0.0)
    await reader.refresh()
    synced = Synced()
    for name, read in reader.folders.items():
        synced.problems += [f"{name}: {problem}" for problem in read.problems]
        if read.problems and not read.titles:
            continue  # what is there is better than what cannot be read
        wanted = sorted({title.object for title in read.titles})
        there = [one for one in wanted if await _is_there(source, one)]
        synced.missing += sorted(set(wanted) - set(there))
        turns = asyncio.Semaphore(AT_ONCE)

        async def bring(one: str, turns: asyncio.Semaphore = turns) -> None:
            async with turns:
                await _bring(folder, one, uploads, synced, dry_run=dry_run)

        await asyncio.gather(*(bring(one) for one in there))
        await bring(f"{name}/{METADATA}")
    if not reader.folders:
        raise ObjectsRefusedError(
            f"{folder} has no catalogue: put music/<language>/{METADATA} into it"
        )
    return synced


async def _is_there(source: FolderSource, name: str) -> bool:
    try:
        return await source.stat(name) is not None
    except ObjectsRefusedError:  # a link that leads out of the folder
        return False


async def _bring(folder: Path, name: str, uploads: Uploads, into: Synced, *, dry_run: bool) -> None:
    file = folder / name
    if await uploads.has(name, file):
        into.same += 1
        return
    if not dry_run:
        await uploads.put(name, file)
    into.brought.append(name)
