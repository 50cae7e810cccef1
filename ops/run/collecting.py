"""Memory: garbage collection where a pause is heard, and giving back what was freed."""

import asyncio
import ctypes
import gc

TRIM_EVERY_S = 10.0
TRIM_BYTES = 16_000_000
"""Freed since the last look: worth a trim."""
M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8  # mallopt(3), malloc.h
MAPPED_FROM_BYTES = 256 * 1024
ARENAS = 2


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


class _MemoryInfo(ctypes.Structure):
    """What ``mallinfo2`` of glibc tells (mallinfo(3))."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    )
    fordblks: int
    """Bytes of free blocks."""


async def give_back_freed_memory() -> None:
    """Have the C library return freed memory to the system now and then, until cancelled.

    By itself glibc keeps what lies between blocks in use: after 40 sessions at once a worker held
    470 MB, of which it used 63. Other C libraries have no such call, and are left alone.
    """
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallinfo2") or not hasattr(library, "malloc_trim"):
        return
    library.mallinfo2.restype = _MemoryInfo
    trimmed = 0
    while True:
        await asyncio.sleep(TRIM_EVERY_S)
        free = library.mallinfo2().fordblks
        # what was given back still counts as free, until it is used again
        if free > trimmed + TRIM_BYTES:
            await asyncio.to_thread(library.malloc_trim, 0)
            free = library.mallinfo2().fordblks
        trimmed = free
