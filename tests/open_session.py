"""An open session by HTTP, and what sounds in it."""

import httpx
import numpy as np
from system import Running, rhapsode

from rhapsode.codecs.audio.files import decode
from rhapsode.codecs.hls.check import check

TONE_HZ = 1_000.0


def opened(client: httpx.Client, **fields: object) -> str:
    """Open a session; return its id."""
    answer = client.post("/v1/sessions", json={"open": True, **fields})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["session_id"])


def add(client: httpx.Client, session: str, **fields: object) -> int:
    """Add an item; return its position."""
    answer = client.post(f"/v1/sessions/{session}/items", json=fields)
    assert answer.status_code == 200, answer.text
    return int(answer.json()["seq"])


def sound(live: Running, session: str) -> np.ndarray:
    """Return a finished session's HLS audio, 48 kHz mono, having checked its rules."""
    folder = live.state / "media" / session
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert check(files) == []
    segments = b"".join(files[name] for name in sorted(files) if name.endswith(".m4s"))
    samples, rate_hz = decode(files["init.mp4"] + segments, max_seconds=600)
    assert rate_hz == 48_000
    return samples


def verify(live: Running, session: str) -> None:
    """Derive every byte again from the log of ``up``."""
    variables = live.variables | {"redis_url": f"unix://{live.state / 'valkey' / 'valkey.sock'}"}
    verified = rhapsode("replay", session, "--verify", **variables)
    assert verified.returncode == 0, verified.stdout + verified.stderr


def tone_seconds(samples: np.ndarray, rate_hz: int) -> float:
    """Return for how long a tone of `TONE_HZ` is clearly what sounds."""
    window = rate_hz // 20
    heard = 0
    for start in range(0, len(samples) - window, window):
        piece = samples[start : start + window].astype(np.float64) * np.hanning(window)
        spectrum = np.abs(np.fft.rfft(piece)) ** 2
        at = round(TONE_HZ * window / rate_hz)
        total = spectrum.sum()
        heard += total > 1e9 and spectrum[at - 2 : at + 3].sum() > 0.8 * total
    return heard * window / rate_hz
