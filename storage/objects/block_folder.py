"""Blocks of objects in a folder, bounded: what was not read for longest goes first."""

import hashlib
import os
import secrets
from pathlib import Path

BLOCK_BYTES = 256 * 1024
"""As much as decoders ask for at a time."""
LOOK_BYTES = 16 << 20
"""Written between two looks at how much there is: several processes write."""
FILLED_AFTER = 0.9
"""How full the folder is left when something had to go."""
_DIGEST_BYTES = 16


class BlockFolder:
    """Keeps blocks of bytes by an owner's key and a number, for several processes at once.

    Each is a file behind a digest of its own, since a power cut may leave any bytes in a file that
    was being written: a block that is not what it was is none.

    Args:
        folder: Where; made when the first block is kept.
        most_bytes: Bound of all together.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        self._unseen_bytes = LOOK_BYTES  # what another process has left is looked at first

    def get(self, key: str, number: int) -> bytes | None:
        """Return a block, None where there is none."""
        path = self._path(key, number)
        try:
            data = path.read_bytes()
            os.utime(path)
        except OSError:
            return None
        digest, block = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
        return block if _digest(block) == digest else None

    def put(self, key: str, number: int, block: bytes) -> None:
        """Keep a block.

        Raises:
            OSError: the folder cannot be written.
        """
        path = self._path(key, number)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        written = path.with_name(f"~{secrets.token_hex(8)}")
        try:
            written.write_bytes(_digest(block) + block)
            written.replace(path)
        finally:
            written.unlink(missing_ok=True)
        self._unseen_bytes += len(block)
        if self._unseen_bytes >= min(LOOK_BYTES, self._most_bytes // 10):
            self._unseen_bytes = 0
            self._make_room()

    def _path(self, key: str, number: int) -> Path:
        name = hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()
        return self._folder / name[:2] / f"{name[2:]}-{number}"

    def _make_room(self) -> None:
        kept: list[tuple[float, int, Path]] = []
        for path in self._folder.glob("??/*"):
            try:
                status = path.stat()
            except FileNotFoundError:  # another process has been here
                continue
            kept.append((status.st_mtime, status.st_size, path))
        total = sum(size for _, size, _ in kept)
        if total <= self._most_bytes:
            return
        for _, size, path in sorted(kept):
            path.unlink(missing_ok=True)
            total -= size
            if total <= self._most_bytes * FILLED_AFTER:
                return


def _digest(block: bytes) -> bytes:
    return hashlib.blake2b(block, digest_size=_DIGEST_BYTES).digest()
