"""What is asked for: sessions, their items, what models made of them, and control."""

from typing import ClassVar, Literal

from ..session import Form, Mastering, Mode, Pace, PausePolicy, VoiceSettings
from .record import SequenceRecord, check_session

MAX_PIECE_CHARS = 15_000
"""A text is cut into records of so many characters: under 64 KB in any script."""

ItemKind = Literal["text", "object", "silence", "end"]


class Session(SequenceRecord, tag="session/1", frozen=True, kw_only=True, omit_defaults=True):
    """What a session is: topic ``session``, one record, written when it is accepted.

    When that was is the log's timestamp of this record.
    """

    TOPIC: ClassVar[str] = "session"

    kind: Literal["speech", "listener"] = "speech"
    """``speech`` is heard; a ``listener`` asks for what is to be heard, and has no sound itself."""
    mode: Mode = "narrate"
    voice: VoiceSettings = VoiceSettings()
    form: Form = Form()
    mastering: Mastering = Mastering()
    pauses: PausePolicy = PausePolicy()
    pace: Pace = Pace()
    open: bool = False
    """True where items may be added after it was accepted."""
    idle_close_s: float = 600.0
    """An open session that gets no item for so long is closed, 1 s to 1 day."""
    owner: str = ""
    codec_build: str = ""
    """The build whose bytes were promised: `replay --verify` names another."""

    def __post_init__(self) -> None:
        check_session(self.session)
        if not 1.0 <= self.idle_close_s <= 86_400.0:
            raise ValueError(f"idle_close_s {self.idle_close_s} is not between 1 and 86400")


class Item(SequenceRecord, tag="text/2", frozen=True, kw_only=True, omit_defaults=True):
    """Something to be heard: topic ``text``, position = ``seq``.

    Texts that follow each other are one running text, until one has ``item_end`` or another kind
    comes. A text longer than 15,000 characters is several records (parts) at one position, stored
    all or none.
    """

    TOPIC: ClassVar[str] = "text"

    seq: int
    part: int = 0
    parts: int = 1
    kind: ItemKind = "text"
    text: str = ""
    item_end: bool = False
    """True where the running text ends here: nothing more will be joined to its last word."""
    object: str = ""
    """Name of an audio object in the object source."""
    etag: str = ""
    """The object's version: another one fails the item."""
    seconds: float = 0.0
    """Of silence."""

    def __post_init__(self) -> None:
        check_session(self.session)
        if self.kind == "end" and not self.last:
            raise ValueError("an end is the last item of its session")
        if self.kind == "object" and not self.object:
            raise ValueError("an object item names an object")
        if self.kind == "silence" and not 0.0 < self.seconds <= 600.0:
            raise ValueError(f"a silence of {self.seconds} s is not between 0 and 600 s")
        if len(self.text) > MAX_PIECE_CHARS:
            raise ValueError(
                f"{len(self.text)} characters in one record are over {MAX_PIECE_CHARS}"
            )

    @property
    def start(self) -> int:
        return self.seq

    @property
    def end(self) -> int:
        return self.seq + (self.kind != "end")


class Passage(SequenceRecord, tag="passage/2", frozen=True, kw_only=True, omit_defaults=True):
    """What a model made of an item: topic ``passage``, in sessions of mode ``expand``.

    Items of other kinds are passed on, so the passages alone are what is to be heard.
    """

    TOPIC: ClassVar[str] = "passage"

    seq: int
    item: int
    """``seq`` of the first record of the item it was made from."""
    kind: ItemKind = "text"
    text: str = ""
    item_end: bool = False
    object: str = ""
    etag: str = ""
    seconds: float = 0.0
    error: str = ""
    """Why the text ends here, where the model failed; empty otherwise."""

    @property
    def start(self) -> int:
        return self.seq

    @property
    def end(self) -> int:
        return self.seq + (self.kind != "end")


class Admission(SequenceRecord, tag="admission/1", frozen=True, kw_only=True, omit_defaults=True):
    """The session may be produced: topic ``admission``, one record.

    Until it is there, the first stage passes over the session's items.
    """

    TOPIC: ClassVar[str] = "admission"


class DeviceRequest(
    SequenceRecord, tag="device-request/1", frozen=True, kw_only=True, omit_defaults=True
):
    """A voice device is to hear the session: topic ``device-request``, one record.

    Until it is there, no packets are made; then, from the session's first sample on.
    """

    TOPIC: ClassVar[str] = "device-request"


class Control(SequenceRecord, tag="control/1", frozen=True, kw_only=True, omit_defaults=True):
    """What an owner or a listener asks of a running session: topic ``control``, position = seq."""

    TOPIC: ClassVar[str] = "control"

    seq: int
    verb: Literal["cancel", "listening", "produce"]
    """``cancel`` ends the session where its audio is; ``listening`` reports that somebody hears
    it, so that an open session without items goes on with silence; ``produce`` lets a session that
    has a pace go on."""
    position_s: float = -1.0
    """Seconds of the session that a listener is at; negative where nobody knows."""
    until_s: float = 0.0
    """Up to where there may be sound, in seconds of the session."""

    @property
    def start(self) -> int:
        return self.seq


def text_items(
    session: str, seq: int, text: str, *, item_end: bool = False, last: bool = False
) -> tuple[Item, ...]:
    """Return a text as the records (parts) of one position of its session's items."""
    starts = range(0, max(1, len(text)), MAX_PIECE_CHARS)
    return tuple(
        Item(
            session=session,
            seq=seq,
            part=part,
            parts=len(starts),
            text=text[start : start + MAX_PIECE_CHARS],
            item_end=item_end and part == len(starts) - 1,
            last=last and part == len(starts) - 1,
        )
        for part, start in enumerate(starts)
    )
