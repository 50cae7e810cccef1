"""What `fetch` and a decoder in a process of its own say to each other: MessagePack."""

import msgspec

PIECE_SAMPLES = 24_000
"""Half a second at 48 kHz: 48 KB in a record."""
RUNNING = -1
"""Size of what has none: its bytes come as they come, each once."""


class Open(msgspec.Struct, tag="open", frozen=True):
    """Begin to decode an object; answered as `More` is."""

    number: int
    """By which it is asked for; others may be open."""
    size_bytes: int
    rate_hz: int
    max_seconds: float
    piece_samples: int
    skip_samples: int
    """Decoded and dropped: who resumes has them."""
    closed: tuple[int, ...] = ()
    """Objects that nobody asks for any more."""


class More(msgspec.Struct, tag="more", frozen=True):
    """Give the next pieces of an object."""

    number: int
    pieces: int
    closed: tuple[int, ...] = ()


class Data(msgspec.Struct, tag="data", frozen=True):
    """The bytes that were needed."""

    data: bytes


class Need(msgspec.Struct, tag="need", frozen=True):
    """Before the answer: give me the object's bytes ``[start, end)``.

    Of what is running any that come next will do, none at the end.
    """

    start: int
    end: int


class Pieces(msgspec.Struct, tag="pieces", frozen=True):
    """The next pieces of sound."""

    pcm: list[bytes]
    """Signed 16-bit little-endian mono, each of the length asked for but the object's last."""
    end: bool
    """True where the object ends behind them."""
    error: str = ""
    """Why it ends there, empty where its sound does."""
    lufs: float | None = None
    """With the end: how loud the whole object is, in LUFS; None for one that is silent."""


class Broken(msgspec.Struct, tag="broken", frozen=True):
    """A bug in the decoder."""

    message: str


Request = Open | More | Data
Reply = Need | Pieces | Broken
encode = msgspec.msgpack.Encoder().encode
decode_request = msgspec.msgpack.Decoder(Request).decode
decode_reply = msgspec.msgpack.Decoder(Reply).decode
