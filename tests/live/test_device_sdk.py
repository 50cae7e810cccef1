"""``xiaozhi-sdk``, a client that we did not write, against a running system."""

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

from rhapsode.codecs.audio.files import decode
from rhapsode.codecs.audio.pcm import resample_signal

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


def hls_at_16k(live: Running, session: str) -> NDArray[np.float32]:
    """Return a session's audio as browsers get it, at the device's rate."""
    folder = live.state / "media" / session
    segments = b"".join(path.read_bytes() for path in sorted(folder.glob("*.m4s")))
    samples, rate_hz = decode((folder / "init.mp4").read_bytes() + segments, max_seconds=600)
    mono = samples.reshape(len(samples), -1).mean(axis=1) if samples.ndim > 1 else samples
    return resample_signal(mono.astype(np.float32), rate_hz, 16_000)


def snr_db(source: NDArray[np.float32], heard: NDArray[np.float32]) -> float:
    """Return how far the difference is below the source, at the delay that fits best."""
    best = -99.0
    for lag in range(-400, 2_400):
        shifted = source[max(0, -lag) :]
        delayed = heard[max(0, lag) :]
        length = min(len(shifted), len(delayed), 48_000)
        noise = shifted[:length] - delayed[:length]
        ratio = float(np.mean(shifted[:length] ** 2) / max(1e-9, float(np.mean(noise**2))))
        best = max(best, 10 * float(np.log10(ratio)))
    return best


def newest(live: Running) -> str:
    """Return the session that was started last."""
    answer = httpx.get(f"{live.url}/v1/sessions", timeout=10, trust_env=False).json()
    return str(answer["sessions"][0]["session_id"])


def test_from_ota_to_the_last_frame(live: Running):
    heard = sdk(live, "02:00:00:00:00:01")
    kinds = [(one["type"], one.get("state")) for one in heard["told"]]
    assert heard["connected"]
    assert heard["url"] == f"ws://127.0.0.1:{live.port}/xiaozhi/v1/"
    assert kinds.count(("tts", "start")) == kinds.count(("tts", "stop")) == 1
    assert ("stt", None) in kinds
    assert ("tts", "sentence_start") in kinds
    session = newest(live)
    live.wait_finished(session)
    source = hls_at_16k(live, session)
    print(len(heard["samples"]), len(source), snr_db(source, heard["samples"].astype(np.float32)))
