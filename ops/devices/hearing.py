"""What a device hears, put into the log as it comes; what is made of it is done there."""

from dataclasses import dataclass
from typing import Literal

from ...codecs.device.xiaozhi import AudioParams, ListenMode
from ...codecs.encoding import MalformedError
from ...codecs.records import Heard, Microphone
from ...codecs.records.heard import MAX_PACKETS
from ..listeners import Listeners
from ..refusals import ConflictError

PIECE_MS = 300
"""Of an utterance in one record: a pause in it is noticed no later."""


@dataclass(slots=True)
class _Utterance:
    listener: str
    first: int
    seq: int
    microphone: Microphone
    until: Literal["told", "silence"]
    packets: list[bytes]


class Hearing:
    """What one device says. Calls come in order, and the device waits while one lasts.

    Args:
        name: The listener's.
        owner: Of the listener; empty for nobody's.
        listeners: Where listeners are known.
    """

    def __init__(self, name: str, owner: str, listeners: Listeners) -> None:
        self._name, self._owner, self._listeners = name, owner, listeners
        self._journal = listeners.sessions.journal
        self._utterance: _Utterance | None = None

    def is_of(self, first: int) -> bool:
        """Tell whether the utterance that begins there is being listened to; then it is over."""
        if self._utterance is None or self._utterance.first != first:
            return False
        self._utterance = None
        return True

    async def begin(self, audio: AudioParams, mode: ListenMode) -> None:
        """Expect packets, in the form that the hello told.

        Raises:
            MalformedError: nobody can make sound of that form, or the name is none.
            UnreachableError: the log does not answer.
        """
        if audio.encoding == "pcm" and audio.channels != 1:
            raise MalformedError(f"{audio.channels} channels of PCM cannot be heard: send one")
        try:
            microphone = Microphone(audio.encoding, audio.sample_rate_hz, audio.frame_ms)
        except ValueError as error:
            raise MalformedError(f"what this device hears cannot be read: {error}") from None
        listener = await self._listeners.known(self._name, self._owner)
        first = (await self._journal.of(Heard).state(listener)).next
        until = "told" if mode == "manual" else "silence"
        self._utterance = _Utterance(listener, first, first, microphone, until, [])

    async def take(self, packet: bytes) -> None:
        """Take a packet, 1 to 4,000 bytes; what is in it is not looked at here.

        Raises:
            ConflictError: another device of that name speaks at the same time.
            UnreachableError: the log does not answer.
        """
        utterance = self._utterance
        if utterance is None:
            return
        utterance.packets.append(packet)
        count = len(utterance.packets)
        if count * utterance.microphone.frame_ms >= PIECE_MS or count == MAX_PACKETS:
            await self._store(utterance, ended=False)

    async def end(self) -> None:
        """Take it that the device listens no more, or has gone.

        Raises:
            ConflictError, UnreachableError: as `take`.
        """
        utterance, self._utterance = self._utterance, None
        if utterance is not None:
            await self._store(utterance, ended=True)

    async def _store(self, utterance: _Utterance, *, ended: bool) -> None:
        piece = Heard(
            session=utterance.listener,
            seq=utterance.seq,
            first=utterance.first,
            packets=tuple(utterance.packets),
            microphone=utterance.microphone,
            until=utterance.until,
            ended=ended,
        )
        utterance.packets = []
        if not await self._journal.of(Heard).append(piece):
            self._utterance = None
            raise ConflictError("another device of this name is being listened to")
        utterance.seq += 1
