import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyloudnorm
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rhapsode.codecs.audio import pcm
from rhapsode.codecs.audio.limiter import limit
from rhapsode.codecs.audio.loudness import gated_lufs, step_powers
from rhapsode.codecs.audio.pcm import Samples
from rhapsode.codecs.device.frames import device_frame

sounds = arrays(np.int16, st.integers(0, 3000), elements=st.integers(-32_768, 32_767))


def tone(frequency_hz: float, seconds: float, level_dbfs: float, rate_hz: int = 48_000) -> Samples:
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    amplitude = 32_768 * 10 ** (level_dbfs / 20)
    return pcm.to_int16((amplitude * np.sin(2 * np.pi * frequency_hz * t)).astype(np.float32))


def noise(seconds: float, level_dbfs: float, rate_hz: int = 48_000, seed: int = 3) -> Samples:
    rng = np.random.default_rng(seed)
    spectrum = np.fft.rfft(rng.normal(0, 1, round(seconds * rate_hz)))
    spectrum[round(0.3 * seconds * rate_hz) :] = 0
    signal = np.fft.irfft(spectrum, round(seconds * rate_hz))
    signal *= 32_768 * 10 ** (level_dbfs / 20) / np.std(signal)
    return pcm.to_int16(signal.astype(np.float32))


def error_dbfs(one: np.ndarray, other: np.ndarray) -> float:
    difference = one.astype(float) - other.astype(float)
    return float(20 * np.log10(max(1e-9, np.max(np.abs(difference)) / 32_768)))


@given(sounds)
def test_bytes_and_samples_are_the_same_thing(samples: Samples):
    assert np.array_equal(pcm.from_bytes(pcm.to_bytes(samples)), samples)


@given(st.binary(max_size=500), st.integers(1, 100))
def test_records_join_to_what_was_split(data: bytes, most: int):
    data = data[: len(data) // 2 * 2]
    records = pcm.split_records(data, most)
    assert pcm.join(records) == data
    assert all(len(record) == 2 * most for record in records[:-1])
    assert all(0 < len(record) <= 2 * most for record in records)


def test_half_samples_and_empty_records_are_refused():
    with pytest.raises(ValueError, match="not whole"):
        pcm.from_bytes(b"abc")
    with pytest.raises(ValueError, match="not whole"):
        pcm.split_records(b"abc", 5)
    with pytest.raises(ValueError, match="choose at least 1"):
        pcm.split_records(b"ab", 0)


@pytest.mark.parametrize("from_hz", [16_000, 22_050, 24_000, 44_100])
def test_resampling_keeps_length_level_and_pitch(from_hz: int):
    heard = pcm.resample(tone(1000, 1.0, -6, from_hz), from_hz, 48_000)
    assert len(heard) == 48_000
    assert error_dbfs(heard[2000:-2000], tone(1000, 1.0, -6)[2000:-2000]) < -80


def test_resampling_to_the_same_rate_changes_nothing():
    samples = noise(0.1, -20)
    assert pcm.resample(samples, 48_000, 48_000) is samples
    assert len(pcm.resample(samples[:0], 22_050, 48_000)) == 0


@given(
    st.integers(0, 5_000), st.sampled_from([(24_000, 44_100), (32_000, 48_000), (48_000, 16_000)])
)
def test_how_many_samples_resampling_makes_is_known_before(count: int, rates: tuple[int, int]):
    heard = pcm.resample(np.ones(count, np.int16), *rates)
    assert len(heard) == pcm.resampled_length(count, *rates)


def test_resampling_piece_by_piece_is_resampling_at_once():
    samples = noise(3.3, -20)
    whole = pcm.to_int16(pcm.resample_signal(samples.astype(np.float32), 22_050, 48_000))
    assert np.array_equal(pcm.resample(samples, 22_050, 48_000), whole)


@given(sounds, st.sampled_from([8_000, 22_050, 48_000]))
def test_nothing_fails_on_any_sound(samples: Samples, rate_hz: int):
    pcm.resample(samples, rate_hz, 16_000)
    assert len(pcm.fade_edges(samples, rate_hz)) == len(samples)
    assert len(pcm.trim_edges(samples, rate_hz)) <= len(samples)
    assert len(limit(samples, rate_hz)) == len(samples)
    assert pcm.peak_dbfs(samples) <= pcm.true_peak_dbtp(samples, rate_hz)
    assert pcm.loudness_lufs(samples, rate_hz) <= 10.0


def test_peaks_are_relative_to_full_scale():
    assert pcm.peak_dbfs(np.array([0, -32_768], np.int16)) == 0.0
    assert pcm.peak_dbfs(np.array([16_384, 0], np.int16)) == pytest.approx(-6.02, abs=0.01)
    assert pcm.peak_dbfs(pcm.silence(0.1, 48_000)) == float("-inf")
    assert pcm.true_peak_dbtp(pcm.silence(0.1, 48_000), 48_000) == float("-inf")


def test_the_true_peak_lies_between_the_samples():
    # a quarter of the rate at 45 degrees: every sample is 3 dB below the top of the wave
    t = np.arange(4800)
    wave = (16_384 * np.sin(2 * np.pi * t / 4 + np.pi / 4)).astype(np.float32)
    samples = pcm.fade_edges(pcm.to_int16(wave), 48_000)
    assert pcm.peak_dbfs(samples) == pytest.approx(-9.03, abs=0.01)
    assert pcm.true_peak_dbtp(samples, 48_000) == pytest.approx(-6.02, abs=0.05)


def test_gain_is_decibels_and_clips_at_full_scale():
    samples = tone(440, 0.1, -20)
    assert pcm.peak_dbfs(pcm.apply_gain_db(samples, 6)) == pytest.approx(-14, abs=0.05)
    assert np.max(pcm.apply_gain_db(samples, 40)) == 32_767
    assert np.min(pcm.apply_gain_db(samples, 40)) == -32_768
    assert pcm.apply_gain_db(samples, 0.0) is samples


@pytest.mark.parametrize("rate_hz", [16_000, 22_050, 48_000])
@pytest.mark.parametrize("level_dbfs", [-30.0, -20.0])
def test_loudness_agrees_with_pyloudnorm(rate_hz: int, level_dbfs: float):
    loud = noise(4, level_dbfs, rate_hz)
    quiet = noise(3, level_dbfs - 25, rate_hz, seed=4)
    samples = np.concatenate((loud, pcm.silence(1.5, rate_hz), quiet, tone(700, 2, -18, rate_hz)))
    # DeMan's is the closed form behind the standard's table; pyloudnorm's own K-weighting is an
    # approximation of it that wanders off at low rates
    exact = pyloudnorm.Meter(rate_hz, filter_class="DeMan")
    heard = pcm.loudness_lufs(samples, rate_hz)
    assert heard == pytest.approx(exact.integrated_loudness(samples / 32_768), abs=0.001)
    if rate_hz == 48_000:
        meter = pyloudnorm.Meter(rate_hz)
        assert heard == pytest.approx(meter.integrated_loudness(samples / 32_768), abs=0.1)


def test_a_tone_of_1_khz_is_as_loud_as_the_standard_says():
    # BS.1770-4, annex 1: a 0 dBFS sine of 997 Hz in one channel reads -3.01 LKFS
    samples = tone(997, 5, -20)
    assert pcm.loudness_lufs(samples, 48_000) == pytest.approx(-23.01, abs=0.05)


def test_silence_has_no_loudness_and_short_sound_is_one_block():
    assert pcm.loudness_lufs(pcm.silence(1, 48_000), 48_000) == float("-inf")
    assert pcm.loudness_lufs(pcm.silence(0, 48_000), 48_000) == float("-inf")
    assert pcm.loudness_lufs(tone(997, 0.2, -20), 48_000) == pytest.approx(-23.01, abs=0.3)
    assert pcm.loudness_lufs(tone(997, 0.05, -20), 48_000) == pytest.approx(-23.01, abs=0.5)


def test_a_running_meter_can_add_up_steps():
    samples = noise(6, -20)
    parts = [step_powers(samples[start : start + 96_000], 48_000) for start in (0, 96_000, 192_000)]
    running = gated_lufs(np.concatenate(parts))
    assert running == pytest.approx(pcm.loudness_lufs(samples, 48_000), abs=0.02)


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.sampled_from([16_000, 24_000, 48_000]), st.floats(0, 20))
def test_the_limiter_holds_the_true_peak(seed: int, rate_hz: int, gain_db: float):
    bursts = noise(0.5, -14, rate_hz, seed)
    bursts[rate_hz // 8 : rate_hz // 4] //= 30
    heard = limit(bursts, rate_hz, -2.5, gain_db)
    assert pcm.true_peak_dbtp(heard, rate_hz) <= -2.4


def test_the_limiter_leaves_what_is_low_enough():
    samples = tone(440, 0.5, -6)
    assert np.array_equal(limit(samples, 48_000), samples)
    assert np.array_equal(limit(samples, 48_000, gain_db=-6), pcm.apply_gain_db(samples, -6))


def test_the_limiter_lets_go_after_a_peak():
    samples = tone(440, 1.0, -12)
    samples[4800:4810] = 32_767
    heard = limit(samples, 48_000)
    assert np.array_equal(heard[:4500], samples[:4500])
    assert np.array_equal(heard[4800 + 6000 :], samples[4800 + 6000 :])
    assert np.max(np.abs(heard[4800:4810].astype(int))) < 24_600


def test_the_limiter_glides():
    samples = tone(100, 1.0, -12)
    samples[20_000:30_000] *= 4
    heard = limit(samples, 48_000).astype(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        gain_db = 20 * np.log10(np.abs(heard / samples))
    steady = np.flatnonzero(np.abs(samples.astype(int)) > 4000)
    steps = np.abs(np.diff(gain_db[steady])) / np.diff(steady)
    assert 0.01 < np.max(steps) < 0.1


@pytest.mark.parametrize("level_dbfs", [-3.0, -12.0, -25.0])
def test_trimming_leaves_the_word_and_its_margin(level_dbfs: float):
    rate_hz = 22_050
    word = tone(300, 0.5, level_dbfs, rate_hz)
    hush = noise(1.0, -75, rate_hz)
    samples = np.concatenate((hush, word, hush))
    trimmed = pcm.trim_edges(samples, rate_hz, keep_s=0.08)
    assert len(word) + 2 * 0.08 * rate_hz - 500 < len(trimmed) < len(word) + 2 * 0.09 * rate_hz
    start = next(
        n for n in range(len(samples)) if np.array_equal(samples[n : n + 300], trimmed[:300])
    )
    assert start < len(hush) - 0.07 * rate_hz
    assert start + len(trimmed) > len(hush) + len(word) + 0.07 * rate_hz


def test_trimming_keeps_a_faint_fricative_before_the_word():
    rate_hz = 22_050
    fricative, word = noise(0.1, -46, rate_hz), tone(200, 0.3, -6, rate_hz)
    samples = np.concatenate(
        (pcm.silence(0.5, rate_hz), fricative, word, pcm.silence(0.5, rate_hz))
    )
    trimmed = pcm.trim_edges(samples, rate_hz, keep_s=0.02)
    assert len(trimmed) >= len(fricative) + len(word) + 0.03 * rate_hz


def test_trimming_leaves_a_noisy_recording_whole_and_cuts_pure_silence():
    assert len(pcm.trim_edges(noise(1, -30), 48_000)) == 48_000
    assert len(pcm.trim_edges(pcm.silence(1, 48_000), 48_000, keep_s=0.05)) == 2400


def test_fades_begin_and_end_at_nothing_and_leave_the_middle():
    samples = np.full(4800, 10_000, np.int16)
    faded = pcm.fade_edges(samples, 48_000, fade_ms=5)
    assert abs(int(faded[0])) < 5
    assert abs(int(faded[-1])) < 5
    assert np.array_equal(faded[240:-240], samples[240:-240])
    assert np.all(np.diff(faded[:240].astype(int)) >= 0)
    assert np.array_equal(faded, faded[::-1])


def test_silence_is_as_long_as_asked():
    assert len(pcm.silence(0.35, 48_000)) == 16_800
    assert not pcm.silence(0.35, 48_000).any()


def everything() -> str:
    samples = noise(2, -8)
    results = (
        pcm.resample(samples, 22_050, 48_000),
        limit(samples, 48_000),
        pcm.fade_edges(samples, 48_000),
        pcm.trim_edges(samples, 48_000),
        device_frame(samples[:3840]),
    )
    return hashlib.sha256(b"".join(map(pcm.to_bytes, results))).hexdigest()


def test_another_process_gives_the_same_samples():
    again = subprocess.run(
        [sys.executable, str(Path(__file__))], check=True, capture_output=True, text=True
    )
    assert again.stdout == everything() == everything()


if __name__ == "__main__":
    sys.stdout.write(everything())
