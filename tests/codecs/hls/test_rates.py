"""HLS at sample rates other than 48 kHz: grid, encoder, boxes and playlist agree on the rate."""

import io

import av
import numpy as np
import pytest

from rhapsode.codecs.hls.aac import RunEncoder
from rhapsode.codecs.hls.check import check
from rhapsode.codecs.hls.fmp4 import init_segment, media_segment
from rhapsode.codecs.hls.grid import Grid
from rhapsode.codecs.hls.m3u8 import MediaPlaylist
from rhapsode.codecs.hls.names import INIT_NAME, MEDIA_NAME, segment_name

SEGMENTS = 11  # of two runs


def session(sample_rate_hz: int) -> tuple[dict[str, bytes], np.ndarray]:
    """Return a session's files, and the sound that went into them."""
    grid = Grid(segment_s=1.0, sample_rate_hz=sample_rate_hz)
    t = np.arange(grid.start(SEGMENTS) * 1024) / sample_rate_hz
    sound = 8_000 * np.sin(2 * np.pi * (300 * t + 20 * t * t))
    pcm = sound.astype("<i2").tobytes()
    files = {INIT_NAME: init_segment(sample_rate_hz)}
    for run in (0, 1):
        encoder = RunEncoder(grid, run)
        encoder.push(encoder.position, pcm[2 * encoder.position :])
        encoder.finish()
        for k in range(8 * run, min(SEGMENTS, 8 * run + 8)):
            files[segment_name(k)] = media_segment(k, grid.start(k), encoder.take(k))
    listed = MediaPlaylist(
        target_duration_s=grid.target_duration_s,
        map_uri=INIT_NAME,
        segments=tuple((segment_name(k), grid.frames(k)) for k in range(SEGMENTS)),
        ended=True,
        sample_rate_hz=sample_rate_hz,
    )
    return {**files, MEDIA_NAME: listed.render().encode()}, sound


@pytest.mark.parametrize("sample_rate_hz", [8_000, 16_000, 24_000, 44_100])
def test_a_session_of_any_rate_is_sound(sample_rate_hz: int):
    files, sound = session(sample_rate_hz)
    assert check(files, sample_rate_hz=sample_rate_hz) == []
    data = files[INIT_NAME] + b"".join(files[segment_name(k)] for k in range(SEGMENTS))
    with av.open(io.BytesIO(data), "r") as container:
        frames = list(container.decode(audio=0))
    assert {frame.sample_rate for frame in frames} == {sample_rate_hz}
    heard = np.concatenate([frame.to_ndarray().ravel() for frame in frames]) * 32_768
    assert len(heard) == len(sound)
    assert np.std(heard - sound) < 0.05 * np.std(sound)


def test_a_session_is_not_of_another_rate():
    files, _ = session(24_000)
    assert "the sound has 24000 Hz, EXTINF counts in 48000" in check(files)
