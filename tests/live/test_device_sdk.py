"""``xiaozhi-sdk``, a client that we did not write, against a running system."""

import asyncio
import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from system import Running

from rhapsode.codecs.audio.files import wav
from rhapsode.codecs.audio.pcm import resample_signal
from rhapsode.codecs.records import AudioFrame
from rhapsode.ops.run.addresses import with_log_url
from rhapsode.ops.services import Services
from rhapsode.ops.settings import Settings

pytestmark = pytest.mark.timeout(180)
CLIENT = Path(__file__).parents[1] / "standins" / "device_sdk.py"
TEXT = "The keeper climbed the stairs every evening and lit the lamp. Far out a boat turned home."


def sdk(live: Running, mac: str, **arguments: Any) -> dict[str, Any]:
    """Run the client to its end; return what it heard."""
    chosen = {"ota_url": f"{live.url}/xiaozhi/ota", "url": None, "text": TEXT} | arguments
    given = json.dumps({"mac": mac, "abort_after_s": None, **chosen})
    done = subprocess.run(
        [sys.executable, str(CLIENT), given],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    answer: dict[str, Any] = json.loads(done.stdout)
    answer["samples"] = np.frombuffer(base64.b64decode(answer.pop("pcm")), "<i2")
    return answer


async def source_of(live: Running, session: str) -> NDArray[np.float32]:
    """Return a session's audio as the log has it, at the device's rate."""
    services = Services(with_log_url(Settings(state=live.state)))
    try:
        frames = services.journal.of(AudioFrame).stream(session)
        pcm = b"".join([frame.pcm async for frame in frames])
    finally:
        await services.close()
    return resample_signal(np.frombuffer(pcm, "<i2").astype(np.float32), 48_000, 16_000)


def snr_db(source: NDArray[np.float32], heard: NDArray[np.float32]) -> float:
    """Return how far the difference is below the source, at the decoder's delay that fits best."""
    ratios: list[float] = []
    for lag in range(400):
        length = min(len(source), len(heard) - lag)
        noise = source[:length] - heard[lag : lag + length]
        ratios.append(float(np.sum(source[:length] ** 2) / np.sum(noise**2)))
    return 10 * float(np.log10(max(ratios)))


def newest(live: Running) -> str:
    """Return the session that was started last."""
    answer = httpx.get(f"{live.url}/v1/sessions", timeout=10, trust_env=False).json()
    return str(answer["sessions"][0]["session_id"])


def test_from_ota_to_the_last_frame(live: Running) -> None:
    heard = sdk(live, "02:00:00:00:00:01")
    kinds = [(one["type"], one.get("state")) for one in heard["told"]]
    assert heard["connected"]
    assert heard["url"] == f"ws://127.0.0.1:{live.port}/xiaozhi/v1/"
    assert kinds.count(("tts", "start")) == kinds.count(("tts", "stop")) == 1
    assert kinds.index(("stt", None)) < kinds.index(("tts", "start"))
    said = [one["text"] for one in heard["told"] if one.get("state") == "sentence_start"]
    assert " ".join(said) == TEXT
    assert heard["tools_listed"]
    session = newest(live)
    live.wait_finished(session)
    source = asyncio.run(source_of(live, session))
    samples = heard["samples"].astype(np.float32)
    assert len(samples) == -(-len(source) // 960) * 960
    # speech at 24 kb/s: what the codec leaves of it, measured 11 dB
    assert snr_db(source, samples) > 8


def test_a_tone_is_heard_as_it_is_in_the_log(live: Running) -> None:
    (live.state / "objects").mkdir(exist_ok=True)
    times_s = np.arange(6 * 48_000) / 48_000
    loudness = 8_000 * np.sin(np.pi * times_s / 6)
    tone = (loudness * np.sin(2 * np.pi * 440 * times_s)).astype(np.int16)
    (live.state / "objects" / "tone.wav").write_bytes(wav(tone, 48_000))
    with httpx.Client(base_url=live.url, trust_env=False, timeout=20) as client:
        session = client.post("/v1/sessions", json={"open": True}).json()["session_id"]
        items = f"/v1/sessions/{session}/items"
        assert client.post(items, json={"object": "tone.wav"}).status_code == 200
        assert client.post(f"/v1/sessions/{session}/finish").status_code == 200
    url = f"ws://127.0.0.1:{live.port}/xiaozhi/v1/?session={session}"
    heard = sdk(live, "02:00:00:00:00:04", ota_url=None, url=url, text="")
    source = asyncio.run(source_of(live, session))
    samples = heard["samples"].astype(np.float32)
    assert len(samples) == -(-len(source) // 960) * 960
    assert snr_db(source, samples) > 20


def test_an_abort_is_silent_within_the_lead(live: Running) -> None:
    heard = sdk(live, "02:00:00:00:00:02", abort_after_s=0.9)
    after_s = (len(heard["samples"]) - heard["aborted_at"]) / 16_000
    # what was on its way when the server read the abort, of a lead of five frames
    assert after_s <= 0.3
    assert [one["state"] for one in heard["told"] if one["type"] == "tts"][-1] == "stop"


def test_by_a_direct_address_without_a_token(live: Running) -> None:
    url = f"ws://127.0.0.1:{live.port}/xiaozhi/v1"
    heard = sdk(live, "02:00:00:00:00:03", ota_url=None, url=url, text="A direct address.")
    assert heard["connected"]
    assert len(heard["samples"]) > 8_000
