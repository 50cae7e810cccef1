"""Memory: garbage collection where a pause is heard, and giving back what was freed."""

import asyncio
import ctypes
import gc
import resource
from pathlib import Path

TRIM_EVERY_S, QUIET_S = 1.0, 4.0
"""Between two looks, and where the last one found nothing new: each wakes the process."""
TRIM_BYTES = 2_000_000
"""More than after the last trim: worth another."""
TRIM_ANYWAY_S = 5.0
"""What was in use at the last trim may be free since."""
M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8  # mallopt(3), malloc.h
MAPPED_FROM_BYTES = 256 * 1024
ARENAS = 2
STATM = Path("/proc/self/statm")
"""proc_pid_statm(5), of Linux."""


def exempt_what_is_loaded() -> None:
    """Exempt all objects there are now from garbage collection, for good.

    Modules, schemas and models live as long as the process; a full collection that walks them
    again and again stopped a worker for 90 to 190 ms each time, and every session in it.
    """
    gc.collect()
    gc.freeze()


def keep_memory_compact() -> None:
    """Have glibc map large blocks by themselves, and share its heaps among threads.

    By itself it learns from each large block that is freed to take the next one from a heap, where
    those that live longer keep it from being given back: with 35 sessions in production a worker
    held 523 MB, with this 305. Other C libraries have no such call, and are left alone.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(M_MMAP_THRESHOLD, MAPPED_FROM_BYTES)
        library.mallopt(M_ARENA_MAX, ARENAS)


async def give_back_freed_memory() -> None:
    """Have the C library return freed memory to the system now and then, until cancelled.

    By itself glibc keeps what lies between blocks in use: after 40 sessions at once a worker held
    470 MB, of which it used 63. Other C libraries have no such call, and are left alone.
    """
    library = ctypes.CDLL(None)
    if not hasattr(library, "malloc_trim"):
        return
    least_bytes = trimmed_bytes = _resident_bytes()
    waited_s, seen_bytes, pause_s = 0.0, least_bytes, TRIM_EVERY_S
    while True:
        await asyncio.sleep(pause_s)
        waited_s += pause_s
        # what the library counts as free says nothing: what was given back is counted, too
        before_bytes, seen_bytes = seen_bytes, _resident_bytes()
        pause_s = QUIET_S if seen_bytes == before_bytes else TRIM_EVERY_S
        has_grown = seen_bytes > trimmed_bytes + TRIM_BYTES
        if has_grown or (waited_s >= TRIM_ANYWAY_S and trimmed_bytes > least_bytes + TRIM_BYTES):
            await asyncio.to_thread(library.malloc_trim, 0)
            trimmed_bytes = _resident_bytes()
            least_bytes = min(least_bytes, trimmed_bytes)
            seen_bytes = trimmed_bytes
            waited_s = 0.0


def _resident_bytes() -> int:
    """Return what this process has in memory, 0 where the system does not tell."""
    try:
        return int(STATM.read_text().split()[1]) * resource.getpagesize()
    except OSError:
        return 0
