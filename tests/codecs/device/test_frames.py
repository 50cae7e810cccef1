import numpy as np
import pytest
import soxr

from rhapsode.codecs.device.frames import device_frame, device_window, margin_samples
from rhapsode.codecs.device.opus import DEVICE, DeviceFormat


def session(sample_rate_hz: int) -> np.ndarray:
    t = np.arange(4 * sample_rate_hz) / sample_rate_hz
    noise = np.random.default_rng(3).normal(0, 3000, len(t))
    tones = 6000 * np.sin(2 * np.pi * 150 * t) + 6000 * np.sin(2 * np.pi * 6000 * t)
    return (tones + noise).clip(-32_768, 32_767).astype(np.int16)


@pytest.mark.parametrize(
    ("form", "sample_rate_hz"),
    [
        (DEVICE, 48_000),
        (DEVICE, 44_100),
        (DEVICE, 24_000),
        (DeviceFormat(24_000, 60), 48_000),
        (DeviceFormat(24_000, 20), 48_000),
        (DeviceFormat(8_000, 20), 48_000),
        (DeviceFormat(48_000, 20), 48_000),
    ],
)
def test_device_frames_join_to_the_whole_session_resampled(form, sample_rate_hz):
    samples = session(sample_rate_hz)
    size = sample_rate_hz * form.frame_ms // 1000
    margin = margin_samples(form, sample_rate_hz)
    count = -(-len(samples) // size)
    padded = np.pad(samples, (margin, margin + count * size - len(samples)))
    frames: list[np.ndarray] = []
    for number in range(count):
        first, end = device_window(number, form, sample_rate_hz)
        window = padded[first + margin : end + margin]
        frames.append(device_frame(window, form, sample_rate_hz))
    joined = np.concatenate(frames).astype(float)
    assert len(joined) == form.frame_samples * count
    whole = soxr.resample(samples.astype(np.float32), sample_rate_hz, form.sample_rate_hz)
    error = np.abs(joined[: len(whole)] - np.clip(whole, -32_768, 32_767))
    # but for the first few samples, where soxr begins from nothing
    assert np.max(error[5:]) < 32_768 * 10 ** (-80 / 20)


def test_device_windows_begin_before_the_session():
    assert device_window(0) == (-480, 3360)
    assert device_window(7) == (7 * 2880 - 480, 8 * 2880 + 480)


def test_a_window_of_another_length_is_refused():
    with pytest.raises(ValueError, match="has 3840 samples, not 3000"):
        device_frame(np.zeros(3000, np.int16))


def test_rates_without_a_common_grid_are_refused():
    with pytest.raises(ValueError, match="do not fall on whole samples of 11025 Hz"):
        device_window(0, sample_rate_hz=11_025)
    with pytest.raises(ValueError, match="do not fall on whole samples of 22050 Hz"):
        device_window(0, sample_rate_hz=22_050)
