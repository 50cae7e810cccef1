"""Encodes pieces of the archive: ``python -m rhapsode.agents.piece_encoder_child FD``."""

import asyncio
import os
import sys

import msgspec

from ..codecs.archive import Contents, encode_piece
from .children import serve

NICENESS = 5
"""Whoever is heard comes first; yet where the machine is never idle the log has to shrink, too."""
_contents_from = msgspec.msgpack.Decoder(Contents)


async def answer(request: bytes) -> bytes:
    """Return the piece of what is asked to be one."""
    return encode_piece(_contents_from.decode(request))


if __name__ == "__main__":
    os.nice(NICENESS)
    asyncio.run(serve(int(sys.argv[1]), answer))
