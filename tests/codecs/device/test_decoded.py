"""Packets as raw samples: those of one decoder, and nearly those wherever a device begins."""

import numpy as np
import pytest

from rhapsode.codecs.audio.pcm import from_bytes, to_bytes
from rhapsode.codecs.device.decoded import Decoded
from rhapsode.codecs.device.opus import DEVICE_FRAME_SAMPLES, Decoder, RunEncoder

FRAMES = 40


@pytest.fixture(scope="module")
def packets() -> dict[int, bytes]:
    time_s = np.arange(FRAMES * DEVICE_FRAME_SAMPLES) / 16_000
    tone = (8_000 * np.sin(2 * np.pi * (300 + 40 * time_s) * time_s)).astype(np.int16)
    encoder = RunEncoder(0)
    made: dict[int, bytes] = {}
    for number in range(FRAMES):
        start = number * DEVICE_FRAME_SAMPLES
        packet = encoder.encode(number, tone[start : start + DEVICE_FRAME_SAMPLES])
        assert packet is not None
        made[number] = packet
    return made


@pytest.fixture(scope="module")
def plain(packets: dict[int, bytes]) -> list[bytes]:
    """Give what one decoder makes of them all."""
    decoder = Decoder()
    return [to_bytes(decoder.decode(packet)) for packet in packets.values()]


def test_one_after_another_they_are_what_one_decoder_gives(
    packets: dict[int, bytes], plain: list[bytes]
) -> None:
    decoded = Decoded(packets.get)
    assert [decoded.frame(number) for number in range(FRAMES)] == plain
    assert {len(frame) for frame in plain} == {1_920}


@pytest.mark.parametrize("first", [0, 2, 17])
def test_whoever_begins_in_the_middle_hears_no_more_than_a_faint_difference(
    packets: dict[int, bytes], plain: list[bytes], first: int
) -> None:
    decoded = Decoded(packets.get)
    decoded.frame(30)  # another device is there
    heard = np.concatenate([from_bytes(decoded.frame(number)) for number in range(first, 30)])
    wanted = np.concatenate([from_bytes(frame) for frame in plain[first:30]])
    noise = heard.astype(float) - wanted
    assert 10 * np.log10(np.mean(wanted.astype(float) ** 2) / (np.mean(noise**2) + 1e-9)) > 30


@pytest.mark.parametrize("broken", [None, b"", b"\xff" * 40])
def test_a_frame_that_is_none_is_silent_and_the_next_ones_sound(
    packets: dict[int, bytes], broken: bytes | None
) -> None:
    decoded = Decoded(lambda number: broken if number == 5 else packets[number])
    frames = [decoded.frame(number) for number in range(10)]
    assert {len(frame) for frame in frames} == {1_920}
    assert np.abs(from_bytes(frames[8])).max() > 4_000
