"""What takes the sound that devices send: the port of a recogniser."""

from collections.abc import Callable
from typing import Protocol

from ...codecs.device.xiaozhi import AudioParams


class Uplink(Protocol):
    """Takes what one device hears. Calls come in order, and the device waits while one lasts.

    What it makes of it is its own business: text goes back through the device's `play` or `say`.
    """

    async def begin(self, device: str, audio: AudioParams) -> None:
        """Expect packets of a device, in the form that its hello told."""
        ...

    async def frame(self, packet: bytes) -> None:
        """Take a packet, 1 to 4,000 bytes: Opus, unless the form says PCM. Not checked further."""
        ...

    async def end(self) -> None:
        """The device has stopped listening, or has gone."""
        ...


Uplinks = Callable[[], Uplink]
"""Makes one for each connection."""
