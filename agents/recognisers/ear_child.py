"""What devices send, decoded in a process of its own: ``python -m <this module> FD``.

Packets come from outside, and their decoder is native code.
"""

import asyncio
import sys
from collections import OrderedDict
from collections.abc import Callable

from ...codecs.audio.pcm import Samples, from_bytes, resample, to_bytes
from ...codecs.audio.speech_activity import SpeechActivity
from ...codecs.device.opus import Decoder, OpusFormatError
from ...codecs.records import Microphone
from ..children import serve
from .messages import Activity, Failed, Give, Listen, Reply, Sound, decode_request, encode
from .recogniser import RATE_HZ

MOST_KEPT = 32
"""Utterances; of the longest, two minutes, each takes 4 MB."""
MOST_S = 125.0


class Utterance:
    """What was heard of one utterance."""

    def __init__(self, microphone: Microphone) -> None:
        self.packets = self.broken = 0
        self.activity = SpeechActivity()
        self.pcm = bytearray()
        # libopus resamples what another rate was recorded at
        self._decode: Callable[[bytes], Samples] = (
            Decoder(RATE_HZ).decode
            if microphone.encoding == "opus"
            else lambda packet: _from_pcm(packet, microphone.rate_hz)
        )

    def take(self, packets: tuple[bytes, ...]) -> None:
        """Take in more packets; what is none of that sort is counted and passed over."""
        for packet in packets:
            self.packets += 1
            if self.activity.total_s > MOST_S:
                continue
            try:
                samples = self._decode(packet)
            except OpusFormatError:
                self.broken += 1
                continue
            self.activity.take(samples)
            self.pcm += to_bytes(samples)


class Server:
    """Keeps the utterances that it was last told of."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Utterance] = OrderedDict()

    async def answer(self, data: bytes) -> bytes:
        """Answer a request."""
        request = decode_request(data)
        reply: Reply
        if isinstance(request, Listen):
            reply = self._listen(request)
        elif isinstance(request, Give):
            known = self._known.pop(request.utterance, None)
            reply = Sound(None if known is None else bytes(known.pcm))
        else:
            reply = Failed("failed", f"an ear does not {type(request).__name__.lower()}")
        return encode(reply)

    def _listen(self, request: Listen) -> Activity:
        if request.at == 0:
            self._known[request.utterance] = Utterance(request.microphone)
        known = self._known.get(request.utterance)
        if known is None or known.packets != request.at:
            return Activity(0 if known is None else known.packets)
        self._known.move_to_end(request.utterance)
        while len(self._known) > MOST_KEPT:
            self._known.popitem(last=False)
        known.take(request.packets)
        heard = known.activity
        return Activity(known.packets, heard.spoken_s, heard.silent_s, heard.total_s, known.broken)


def _from_pcm(packet: bytes, rate_hz: int) -> Samples:
    return resample(from_bytes(packet[: len(packet) // 2 * 2]), rate_hz, RATE_HZ)


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), Server().answer))
