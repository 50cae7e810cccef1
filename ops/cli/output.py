"""Files that commands write for a user: none is overwritten in silence."""

import re
from pathlib import Path

from ..tools.replay import Replayed, write
from .running import UsageError

_session_file = re.compile(
    r"audio\.(m3u8|wav)|audio_\d+\.m4s|master\.m3u8|init\.mp4|device\.(ogg|wav)"
)


def check_file(path: Path, *, force: bool) -> None:
    """See that a file can be written.

    Raises:
        UsageError: it exists, and nobody said to overwrite it.
    """
    if path.exists() and not force:
        raise UsageError(
            f"{path} exists: choose another place with --out, or overwrite it with --force"
        )


def check_folder(folder: Path, *, force: bool) -> None:
    """Make a folder, and see that a session's files can be written there.

    Raises:
        UsageError: one of them exists, and nobody said to overwrite it.
        OSError: the folder cannot be made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for path in _files_of_a_session(folder):
        check_file(path, force=force)


def write_session(replayed: Replayed, folder: Path) -> list[Path]:
    """Write the session into a checked folder; return its files."""
    # segments of an earlier, longer session would seem to be part of this one
    for path in _files_of_a_session(folder):
        path.unlink()
    return write(replayed, folder)


def _files_of_a_session(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if _session_file.fullmatch(path.name))
