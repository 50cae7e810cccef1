import hashlib
import platform
import subprocess
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from rhapsode.codecs.hls.aac import WARM_UP_FRAMES, RunEncoder
from rhapsode.codecs.hls.grid import RUN_SEGMENTS, Grid, frames_of
from rhapsode.codecs.libraries import force_portable_cpu

RATE_HZ = 48_000
# short segments, so that a few seconds have several runs
GRID = Grid(segment_s=0.3, ramp=True)
SECONDS = 10.0


def voice(seconds: float, seed: int = 7) -> bytes:
    """Make something like speech: gliding harmonics with syllables, hiss and rests."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    pitch_hz = 120 + 30 * np.sin(2 * np.pi * 0.7 * t) + 8 * np.sin(2 * np.pi * 5.1 * t)
    phase = 2 * np.pi * np.cumsum(pitch_hz) / RATE_HZ
    tone = sum(np.sin(h * phase + h * h) / h**1.2 for h in range(1, 30))
    syllables = np.clip(np.sin(2 * np.pi * 3.3 * t), 0, 1) ** 0.5
    noise = np.fft.rfft(rng.normal(0, 0.5, len(t)))
    noise[int(8000 * seconds) :] = 0  # as far up as speech has much to say
    hiss = np.fft.irfft(noise, len(t)) * np.clip(np.sin(2 * np.pi * 1.9 * t + 1), 0, 1) ** 4
    return (6000 * (tone * syllables + hiss)).clip(-32768, 32767).astype("<i2").tobytes()


PCM = voice(SECONDS)


def encode_run(
    grid: Grid, run: int, pcm: bytes, record: int = 24_000, *, live: bool = False
) -> dict[int, list[bytes]]:
    """Encode one run from a session's PCM; ``live`` takes each segment as soon as it is ready."""
    encoder = RunEncoder(grid, run)
    taken: dict[int, list[bytes]] = {}
    end = len(pcm) // 2
    segments = iter(range(run * RUN_SEGMENTS, (run + 1) * RUN_SEGMENTS))
    k = next(segments)
    while live:
        last = encoder.needs(k)[1]
        if last > end:
            break
        while encoder.position < last:
            stop = min(encoder.position + record, last)
            encoder.push(encoder.position, pcm[2 * encoder.position : 2 * stop])
        assert encoder.needs(k) == (last, last)
        taken[k] = encoder.take(k)
        k = next(segments, -1)
        if k < 0:
            return taken
    while encoder.position < end:
        stop = min(encoder.position + record, end)
        encoder.push(encoder.position, pcm[2 * encoder.position : 2 * stop])
    encoder.finish()
    while k >= 0:
        taken[k] = encoder.take(k)
        k = next(segments, -1)
    return taken


def encode_session(grid: Grid, pcm: bytes, record: int = 24_000) -> dict[int, list[bytes]]:
    runs = grid.run_of(grid.segment_of(max(0, frames_of(len(pcm) // 2) - 1))) + 1
    return {
        k: packets
        for run in range(runs)
        for k, packets in encode_run(grid, run, pcm, record).items()
        if packets
    }


def encode_continuously(pcm: bytes, coder: str = "fast") -> list[bytes]:
    """Encode with one bare PyAV encoder, for comparison."""
    force_portable_cpu()
    encoder = av.CodecContext.create("aac", "w")
    encoder.sample_rate, encoder.layout, encoder.format = RATE_HZ, "mono", "fltp"
    encoder.bit_rate, encoder.thread_count = 96_000, 1
    encoder.time_base = Fraction(1, RATE_HZ)
    encoder.options = {"flags": "+bitexact", "aac_coder": coder}
    samples = np.frombuffer(pcm, "<i2").astype(np.float32) / 32768
    packets: list[bytes] = []
    for start in range(0, len(samples), 1024):
        block = samples[start : start + 1024]
        frame = av.AudioFrame.from_ndarray(
            np.pad(block, (0, 1024 - len(block))).reshape(1, -1), format="fltp", layout="mono"
        )
        frame.sample_rate, frame.pts = RATE_HZ, start
        frame.time_base = Fraction(1, RATE_HZ)
        packets += [bytes(packet) for packet in encoder.encode(frame)]
    return packets + [bytes(packet) for packet in encoder.encode(None)]


def decode(packets: Sequence[bytes]) -> np.ndarray:
    """Decode raw packets to float samples at int16 scale, the priming cut off."""
    decoder = av.CodecContext.create("aac", "r")
    decoder.extradata = bytes.fromhex("1188")
    frames = [f for p in packets for f in decoder.decode(av.Packet(p))]
    return np.concatenate([f.to_ndarray()[0] for f in frames])[1024:] * 32768


def snr_db(source: np.ndarray, heard: np.ndarray) -> float:
    noise = np.sum((heard - source) ** 2)
    return float(10 * np.log10(np.sum(source**2) / noise))


def digest(segments: dict[int, list[bytes]]) -> str:
    return hashlib.sha256(repr(sorted(segments.items())).encode()).hexdigest()


def test_a_session_has_one_packet_a_frame_and_one_of_priming():
    segments = encode_session(GRID, PCM)
    frames = frames_of(len(PCM) // 2)
    assert sum(map(len, segments.values())) == frames + 1
    assert len(segments[0]) == GRID.frames(0) + 1
    assert all(len(segments[k]) == GRID.frames(k) for k in segments if 0 < k < max(segments))


def test_the_bytes_do_not_depend_on_how_the_pcm_was_cut():
    whole = encode_run(GRID, 1, PCM, record=10**9)
    for record in (1, 333, 1024, 12_000):
        short = PCM[: 2 * 1024 * (GRID.start(9) + 2)] if record == 1 else PCM
        cut = encode_run(GRID, 1, short, record=record)
        assert cut[8] == whole[8]
        assert record == 1 or cut == whole


def test_taking_segments_as_they_come_gives_the_same_bytes_as_at_the_end():
    for run in (0, 1, 2):
        assert encode_run(GRID, run, PCM, live=True) == encode_run(GRID, run, PCM)


@pytest.mark.parametrize("extra_samples", [1, 700, 1024, 1500, 2047])
def test_a_session_that_ends_in_the_look_ahead_gives_its_complete_segments_the_same_bytes(
    extra_samples: int,
):
    # what follows the end is silence either way: said in PCM, or by finish
    k = 9
    end = GRID.start(k + 1) * 1024 + extra_samples
    ends_there = encode_run(GRID, 1, PCM[: 2 * end])
    goes_on_silently = encode_run(GRID, 1, PCM[: 2 * end] + bytes(200_000), live=True)
    assert ends_there[8] == goes_on_silently[8]
    assert ends_there[k] == goes_on_silently[k]
    assert len(ends_there[k + 1]) == frames_of(extra_samples)
    assert ends_there[k + 2] == []


def test_what_comes_after_the_look_ahead_is_not_heard_in_a_segment():
    k = 9
    enough = (GRID.start(k + 1) + 2) * 1024
    one = encode_run(GRID, 1, PCM[: 2 * enough])
    other = encode_run(GRID, 1, PCM[: 2 * enough] + voice(3, seed=8))
    assert (one[8], one[9]) == (other[8], other[9])
    assert one[10] != other[10]


def test_a_lost_run_encoded_again_in_a_fresh_process_gives_the_same_bytes(tmp_path: Path):
    (tmp_path / "session.pcm").write_bytes(PCM)
    again = subprocess.run(
        [sys.executable, str(Path(__file__)), str(tmp_path / "session.pcm"), "1", "2"],
        check=True,
        capture_output=True,
        text=True,
    )
    here = [digest(encode_run(GRID, run, PCM)) for run in (1, 2)]
    assert again.stdout.split() == here


@pytest.mark.skipif(
    (sys.platform, platform.machine(), av.__version__) != ("linux", "x86_64", "18.1.0"),
    reason="bytes are promised for one architecture and build",
)
def test_this_build_gives_the_bytes_it_always_gave():
    # integers alone, so that no other library has a say
    steps = np.arange(160_000, dtype=np.int64)
    saw = (steps * (220 + steps // 4000) // 7 % 24_000 - 12_000) * (steps // 9000 % 3) // 2
    run = encode_run(GRID, 1, saw.astype("<i2").tobytes())
    assert sum(map(len, run.values())) == 157 - GRID.start(8)
    assert digest(run)[:16] == "ee918c2104cfbe09"


def test_the_first_run_equals_a_running_encoder():
    ours = [packet for k in range(8) for packet in encode_run(GRID, 0, PCM)[k]]
    assert ours == encode_continuously(PCM)[: len(ours)]


def test_seams_between_runs_sound_like_a_running_encoder():
    segments = encode_session(GRID, PCM)
    source = np.frombuffer(PCM, "<i2").astype(float)
    ours = decode([p for k in sorted(segments) for p in segments[k]])[: len(source)]
    running = decode(encode_continuously(PCM))[: len(source)]
    for k in range(RUN_SEGMENTS, max(segments), RUN_SEGMENTS):
        seam = GRID.start(k) * 1024
        for at in range(seam - 4096, seam + 8192, 2048):
            window = slice(at, at + 2048)
            if np.sqrt(np.mean(source[window] ** 2)) < 200:
                continue
            here = snr_db(source[window], ours[window])
            assert here > snr_db(source[window], running[window]) - 3.0
            worst = np.max(np.abs(running[window] - source[window]))
            assert np.max(np.abs(ours[window] - source[window])) < 2 * worst + 50


def test_the_lag_to_the_source_is_constant():
    segments = encode_session(GRID, PCM)
    source = np.frombuffer(PCM, "<i2").astype(float)
    heard = decode([p for k in sorted(segments) for p in segments[k]])[: len(source)]
    size = RATE_HZ // 2
    for start in range(0, len(source) - size + 1, size):
        a, b = source[start : start + size], heard[start : start + size]
        product = np.fft.rfft(b, 2 * size) * np.conj(np.fft.rfft(a, 2 * size))
        assert int(np.argmax(np.fft.irfft(product))) == 0


def test_fast_is_the_better_coder_at_this_rate():
    source = np.frombuffer(PCM, "<i2").astype(float)
    snr = {
        coder: snr_db(source, decode(encode_continuously(PCM, coder))[: len(source)])
        for coder in ("fast", "twoloop")
    }
    assert snr["fast"] > snr["twoloop"] + 3


def test_needs_names_the_warm_up_and_the_look_ahead():
    encoder = RunEncoder(GRID, 1)
    first = (GRID.start(8) - WARM_UP_FRAMES) * 1024
    assert encoder.needs(8) == (first, (GRID.start(9) + 2) * 1024)
    encoder.push(first, PCM[2 * first : 2 * (first + 100)])
    assert encoder.needs(8) == (first + 100, (GRID.start(9) + 2) * 1024)
    encoder.finish()
    assert encoder.needs(8)[0] == encoder.needs(8)[1]


def test_pcm_out_of_place_is_refused():
    encoder = RunEncoder(GRID, 0)
    encoder.push(0, PCM[:2000])
    with pytest.raises(ValueError, match="begins at sample 999, expected 1000"):
        encoder.push(999, PCM[:2000])
    with pytest.raises(ValueError, match="3 bytes are not whole"):
        encoder.push(1000, b"abc")
    encoder.finish()
    encoder.finish()
    with pytest.raises(ValueError, match="session has ended"):
        encoder.push(1000, PCM[:2000])


def test_segments_are_taken_in_order_and_only_when_ready():
    encoder = RunEncoder(GRID, 0)
    assert not encoder.ready(0)
    with pytest.raises(ValueError, match="next one is 0"):
        encoder.take(1)
    with pytest.raises(ValueError, match="needs PCM up to sample 12288"):
        encoder.take(0)
    encoder.push(0, PCM)
    assert encoder.ready(0)
    for k in range(8):
        encoder.take(k)
    with pytest.raises(ValueError, match="segment 8 cannot be taken"):
        encoder.take(8)


@pytest.mark.parametrize("run", [0, 1])
def test_a_session_without_a_sample_has_no_packets(run: int):
    encoder = RunEncoder(GRID, run)
    encoder.finish()
    assert encoder.take(run * RUN_SEGMENTS) == []


def test_a_session_of_one_sample_has_one_frame():
    assert [len(packets) for packets in encode_session(GRID, PCM[:2]).values()] == [2]


if __name__ == "__main__":
    log = Path(sys.argv[1]).read_bytes()
    for number in sys.argv[2:]:
        sys.stdout.write(digest(encode_run(GRID, int(number), log)) + "\n")
