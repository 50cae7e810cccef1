"""Records as bytes: MessagePack maps whose ``type`` field names kind and version.

Unknown fields are ignored, so a reader understands the records of a newer minor writer; another
version number in ``type`` is malformed to it.
"""

from typing import Any, TypeVar

import msgspec

from .records import KINDS, Record
from .records.record import MAX_RECORD_BYTES

R = TypeVar("R", bound=Record)

_encoder = msgspec.msgpack.Encoder()
_any: Any = KINDS[0]
for _kind in KINDS[1:]:
    _any |= _kind
_decoder: msgspec.msgpack.Decoder[Record] = msgspec.msgpack.Decoder(_any)


class MalformedError(ValueError):
    """Bytes or fields that are no record; no retry can mend them."""


def encode(record: Record) -> bytes:
    """Return the record's bytes.

    Raises:
        MalformedError: they would be over 64 KB, more than the log takes.
    """
    value = _encoder.encode(record)
    if len(value) > MAX_RECORD_BYTES:
        raise MalformedError(f"a record of {len(value)} bytes is over {MAX_RECORD_BYTES}")
    return value


def decode(value: bytes, *kinds: type[R]) -> R:
    """Return the record of one of the given kinds.

    Raises:
        MalformedError: the bytes are no record, another kind of record, or contradict themselves.
    """
    try:
        record = _decoder.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedError(f"not a record: {error}") from None
    if not isinstance(record, kinds):
        wanted = " or ".join(kind.__name__ for kind in kinds)
        raise MalformedError(f"expected a {wanted} record, got a {type(record).__name__}")
    return record
