"""``xiaozhi-sdk``, a client that we did not write, in a process of its own: it patches ctypes.

Run with a JSON object of arguments; prints a JSON object of what it heard.
"""

import asyncio
import base64
import json
import sys
from typing import Any

import numpy as np
from xiaozhi_sdk import XiaoZhiWebsocket

RATE_HZ = 16_000
PATIENCE_S = 60.0


async def hear(
    mac: str, *, ota_url: str | None, url: str | None, text: str, abort_after_s: float | None
) -> dict[str, Any]:
    """Bootstrap, greet, offer a tool, ask, and hear the answer to its end."""
    told: list[dict[str, Any]] = []
    over = asyncio.Event()

    async def on_message(message: dict[str, Any]) -> None:
        told.append(message)
        if (message["type"], message.get("state")) in (("tts", "stop"), ("websocket", "close")):
            over.set()

    def set_volume(arguments: dict[str, Any]) -> tuple[str, bool]:
        return f"{arguments['volume']} %", False

    device = XiaoZhiWebsocket(on_message, url=url, ota_url=ota_url, audio_sample_rate=RATE_HZ)
    tool = {
        "name": "self.audio_speaker.set_volume",
        "description": "Set the volume",
        "inputSchema": {"type": "object", "properties": {"volume": {"type": "integer"}}},
        "tool_func": set_volume,
    }
    await device.set_mcp_tool([tool])
    connected = await device.init_connection(mac)
    if connected and text:
        await device.send_text(text)
    aborted_at = -1
    if connected and abort_after_s is not None:
        async with asyncio.timeout(PATIENCE_S):
            while _samples(device) < abort_after_s * RATE_HZ:
                await asyncio.sleep(0.005)
        aborted_at = _samples(device)
        await device.send_abort()
    if connected:
        await asyncio.wait_for(over.wait(), PATIENCE_S)
        await asyncio.sleep(0.5)  # what would still come is part of what is told
    samples = np.concatenate([np.zeros(0, np.int16), *map(np.ravel, device.output_audio_queue)])
    await device.close()
    return {
        "connected": connected,
        "url": device.url,
        "told": told,
        "tools_listed": bool(device.mcp_tools_payload["result"]["tools"]),
        "aborted_at": aborted_at,
        "pcm": base64.b64encode(samples.astype("<i2").tobytes()).decode(),
    }


def _samples(device: XiaoZhiWebsocket) -> int:
    """Return how many samples were heard; the queue holds an array for each packet."""
    return sum(np.size(packet) for packet in device.output_audio_queue)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(hear(**json.loads(sys.argv[1])))))
