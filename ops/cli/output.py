"""Files that commands write for a user: none is overwritten in silence."""

import errno
import os
import re
from pathlib import Path

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
    """See that a session's files can be written to a folder; it need not exist yet.

    Raises:
        UsageError: one of them exists, and nobody said to overwrite it.
        OSError: it is no folder and cannot be made one, or cannot be written to.
    """
    nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not nearest.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
    if nearest != folder:
        return
    for path in _files_of_a_session(folder):
        check_file(path, force=force)


def clear_folder(folder: Path) -> None:
    """Make a checked folder, or remove a session's files from it.

    Segments of an earlier, longer session would seem to be part of the one that is written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for path in _files_of_a_session(folder):
        path.unlink()


def _files_of_a_session(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if _session_file.fullmatch(path.name))
