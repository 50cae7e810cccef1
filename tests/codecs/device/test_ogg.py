import io

import av
import numpy as np
import pytest

from rhapsode.codecs.device.ogg import ogg_opus
from rhapsode.codecs.device.opus import DEVICE, Decoder, DeviceFormat, RunEncoder

LOOK_AHEAD_S = 312 / 48_000


def encoded(frames: int, form: DeviceFormat = DEVICE) -> list[bytes]:
    t = np.arange(frames * form.frame_samples) / form.sample_rate_hz
    sound = 6000 * np.sin(2 * np.pi * 220 * t) * (np.sin(2 * np.pi * 2 * t) > -0.5)
    packets: list[bytes] = []
    for run in range(-(-frames // form.run_frames)):
        encoder = RunEncoder(run, form)
        end = min(frames, (run + 1) * form.run_frames)
        for number in range(encoder.first_needed, end):
            start = number * form.frame_samples
            samples = sound[start : start + form.frame_samples].astype(np.int16)
            packet = encoder.encode(number, samples)
            packets += [] if packet is None else [packet]
    return packets


def heard_in(data: bytes) -> np.ndarray:
    with av.open(io.BytesIO(data), "r") as container:
        stream = container.streams.audio[0]
        assert (container.format.name, stream.codec_context.channels) == ("ogg", 1)
        return np.concatenate([f.to_ndarray().ravel() for f in container.decode(stream)])


PACKETS = encoded(150)


@pytest.mark.parametrize("count", [1, 16, 17, 150])
@pytest.mark.parametrize("cut", [0, 55])
def test_the_file_is_read_by_ffmpeg_to_the_sample(count: int, cut: int):
    samples = 960 * count - 104 - cut
    heard = heard_in(ogg_opus(PACKETS[:count], samples))
    assert len(heard) == 3 * samples
    decoder = Decoder()
    ours = np.concatenate([decoder.decode(packet) for packet in PACKETS[:count]])[104:][:samples]
    # FFmpeg decodes at 48 kHz: every third sample is near ours
    assert np.corrcoef(np.asarray(heard[::3], float), ours.astype(float))[0, 1] > 0.99


@pytest.mark.parametrize("form", [DeviceFormat(24_000, 20), DeviceFormat(48_000, 40)])
def test_other_formats_are_exact_too(form: DeviceFormat):
    packets = encoded(60, form)
    samples = 60 * form.frame_samples - round(LOOK_AHEAD_S * form.sample_rate_hz) - 33
    assert (
        len(heard_in(ogg_opus(packets, samples, form))) == samples * 48_000 // form.sample_rate_hz
    )


def test_a_file_without_a_length_keeps_all_there_is():
    assert len(heard_in(ogg_opus(PACKETS[:20]))) == 3 * (20 * 960 - 104)


def test_packets_beyond_the_length_are_left_out():
    assert ogg_opus(PACKETS, 960) == ogg_opus(PACKETS[:2], 960)


def test_the_same_packets_give_the_same_bytes_and_a_pre_skip():
    data = ogg_opus(PACKETS[:20])
    assert data == ogg_opus(PACKETS[:20])
    # version 1, one channel, pre-skip 312, 16 kHz, no gain, mapping family 0 (RFC 7845, 5.1)
    assert b"OpusHead" + bytes.fromhex("0101 3801 803e0000 0000 00") in data


@pytest.mark.parametrize(("count", "samples"), [(1, 960), (0, None), (1, 0), (1, -1)])
def test_lengths_that_cannot_be_are_refused(count: int, samples: int | None):
    with pytest.raises(ValueError, match=f"{count} packets do not hold {samples}"):
        ogg_opus(PACKETS[:count], samples)
