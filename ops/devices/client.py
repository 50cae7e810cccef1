"""A simulated voice device: it greets, receives a session, keeps it, and counts late frames."""

import asyncio
import json
import uuid
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import websockets
from numpy.typing import NDArray

from ...codecs.audio.files import wav
from ...codecs.device.opus import DEVICE_FRAME_MS, DEVICE_RATE_HZ, Decoder

FRAME_S = DEVICE_FRAME_MS / 1000
LATE_S = 0.020


@dataclass(slots=True)
class Heard:
    """What a device received and when."""

    packets: list[bytes] = field(default_factory=list[bytes])
    arrivals_s: list[float] = field(default_factory=list[float])
    sentences: list[str] = field(default_factory=list[str])
    complete: bool = False
    """True once the server said ``tts stop``."""
    alert: str = ""

    @property
    def seconds(self) -> float:
        """Audio heard."""
        return len(self.packets) * FRAME_S

    @property
    def late_frames(self) -> int:
        """Frames that came more than 20 ms after their turn to play.

        Play-out starts with the first frame; a frame the device had to wait for moves the turns
        of those behind it.
        """
        late = 0
        plays_at = self.arrivals_s[0] if self.arrivals_s else 0.0
        for arrival in self.arrivals_s:
            if arrival > plays_at + LATE_S:
                late += 1
                plays_at = arrival
            plays_at += FRAME_S
        return late

    def as_json(self) -> dict[str, object]:
        """Return the figures for programs."""
        return {
            "complete": self.complete,
            "frames": len(self.packets),
            "audio_s": round(self.seconds, 3),
            "late_frames": self.late_frames,
            "sentences": self.sentences,
        }

    def samples(self) -> NDArray[np.int16]:
        """Decode what was heard: 16 kHz mono."""
        decoder = Decoder()
        decoded = [decoder.decode(packet) for packet in self.packets]
        return np.concatenate(decoded) if decoded else np.zeros(0, np.int16)

    def save(self, path: Path) -> None:
        """Write what was heard as WAV."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(wav(self.samples(), DEVICE_RATE_HZ))


async def listen(
    url: str,
    *,
    session: str | None = None,
    text: str | None = None,
    abort_after_s: float | None = None,
) -> Heard:
    """Connect as a device, hear one session (or what ``text`` becomes) to its end.

    Args:
        url: WebSocket URL such as ``ws://127.0.0.1:8080/xiaozhi/v1/``.
        session: session to hear.
        text: said to the server instead, as a headless client does.
        abort_after_s: press the button after so many seconds of sound.

    Raises:
        OSError: the server does not answer.
        ValueError: it answers something that is not the protocol.
    """
    device = "02:00:00:" + uuid.uuid4().bytes[:3].hex(":")
    headers = {"Protocol-Version": "1", "Device-Id": device, "Client-Id": str(uuid.uuid4())}
    target = f"{url}?session={session}" if session else url
    try:
        async with websockets.connect(
            target, additional_headers=headers, compression=None, max_size=1_000_000, proxy=None
        ) as connection:
            await _shake_hands(connection)
            if text is not None:
                said = {"type": "listen", "state": "detect", "text": text}
                await connection.send(json.dumps(said))
            return await _hear(connection, abort_after_s)
    except websockets.ConnectionClosed as error:
        raise ValueError(f"{url} closed the connection in the middle: {error}") from None
    except (websockets.InvalidHandshake, websockets.InvalidURI) as error:
        raise ValueError(f"{url} is not a voice device server: {error}") from None


async def _shake_hands(connection: websockets.ClientConnection) -> None:
    params = {
        "format": "opus",
        "sample_rate": DEVICE_RATE_HZ,
        "channels": 1,
        "frame_duration": DEVICE_FRAME_MS,
    }
    hello = {"type": "hello", "version": 1, "transport": "websocket", "audio_params": params}
    await connection.send(json.dumps(hello))
    answer = json.loads(await asyncio.wait_for(connection.recv(), 10))
    if answer.get("type") != "hello" or answer.get("transport") != "websocket":
        raise ValueError(f"the server answered the hello with {answer}")


async def _hear(connection: websockets.ClientConnection, abort_after_s: float | None) -> Heard:
    heard = Heard()
    clock = asyncio.get_running_loop().time
    aborted = False
    async for message in connection:
        if isinstance(message, bytes):
            heard.packets.append(message)
            heard.arrivals_s.append(clock())
            if abort_after_s is not None and not aborted and heard.seconds >= abort_after_s:
                aborted = True
                await connection.send(json.dumps({"type": "abort"}))
            continue
        said = json.loads(message)
        if said.get("type") == "alert":
            heard.alert = str(said.get("message", ""))
            return heard
        if said.get("type") != "tts":
            continue
        if said.get("state") == "sentence_start":
            heard.sentences.append(str(said.get("text", "")))
        elif said.get("state") == "stop":
            heard.complete = True
            return heard
    return heard
