"""What listeners ask in words, and what was made of it."""

from typing import ClassVar, Literal

import msgspec

from ..catalogue.answers import Answer
from ..catalogue.limits import Limits
from .record import SequenceRecord

MAX_REQUEST_CHARS = 2_000
MOST_OBJECTS = 100
"""Titles of one request."""
Source = Literal["device", "speech", "http", "topic"]
"""Who said it: a device's text, a recogniser, a program over HTTP, or one by ``XADD``."""


class Track(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something to be played to a listener: a session of its own."""

    session: str
    title: str
    object: str = ""
    """Of the catalogue; empty for what is spoken."""
    sort: tuple[str, ...] = ()
    """Kind, category and language of that title, by which it may be allowed."""


class Request(SequenceRecord, tag="request/1", frozen=True, kw_only=True, omit_defaults=True):
    """What a listener asks: topic ``request``, position = seq; the session is the listener's."""

    TOPIC: ClassVar[str] = "request"

    seq: int
    text: str
    objects: tuple[str, ...] = ()
    """Titles of the catalogue by their files, to be played in this order: a playlist; no text."""
    language: str = ""
    """BCP 47, as a recogniser heard it; empty for the listener's own."""
    source: Source = "http"
    utterance: int = -1
    """Of what a recogniser heard: position of its first piece in topic ``heard``."""
    trouble: str = ""
    """Why there are no words of that, such as that nobody spoke."""
    entry: str = ""
    """Id of the entry of the ingress key that it was left in."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.text) > MAX_REQUEST_CHARS:
            raise ValueError(f"a request of {len(self.text)} characters is over 2,000")
        if len(self.objects) > MOST_OBJECTS:
            raise ValueError(f"a request for {len(self.objects)} titles is over {MOST_OBJECTS}")

    @property
    def start(self) -> int:
        return self.seq


class Allowance(SequenceRecord, tag="limits/1", frozen=True, kw_only=True, omit_defaults=True):
    """What a listener may hear from now on: topic ``limits``, position = seq. The last counts."""

    TOPIC: ClassVar[str] = "limits"

    seq: int
    limits: Limits

    @property
    def start(self) -> int:
        return self.seq


class Answered(SequenceRecord, tag="answer/1", frozen=True, kw_only=True, omit_defaults=True):
    """How a request was understood, and why: topic ``answer``, at the request's position.

    The sessions of its tracks are in the log before it.
    """

    TOPIC: ClassVar[str] = "answer"

    seq: int
    answer: Answer
    said: str = ""
    """What the listener is told, in the language of the request."""
    tracks: tuple[Track, ...] = ()
    """To be played in this order; of what is said, the one that says it."""

    @property
    def start(self) -> int:
        return self.seq
