"""What damaged, endless and failing files do to the decoder: nothing but an error of their kind."""

import io
import wave

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sample_audio import FORMATS, decoded, encoded_as, film, moved_to_the_front, sample_file, sweep

from rhapsode.codecs.audio import bounded_file
from rhapsode.codecs.audio.bounded_file import BoundedFile
from rhapsode.codecs.audio.decoding import PieceDecoder
from rhapsode.codecs.audio.files import AudioFormatError, wav


def test_audio_that_is_longer_than_allowed_is_refused_at_that_point():
    data = sample_file("mp3", 3.0)
    assert len(decoded(data, max_seconds=3.1)) == 144_000
    with PieceDecoder(io.BytesIO(data), max_seconds=2.0) as decoder:
        pieces = decoder.pieces(4_800)
        heard = sum(len(next(pieces)) for _ in range(19))
        assert heard == 19 * 4_800
        with pytest.raises(AudioFormatError, match="longer than 2 s"):
            list(pieces)


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_that_was_cut_short_gives_what_is_left(name: str):
    data = sample_file(name, 8.0, "stereo")
    if FORMATS[name][0] == "ipod":
        data = moved_to_the_front(data)
    heard = decoded(data[: len(data) * 3 // 4])
    assert 4.5 * 48_000 < len(heard) < 6.5 * 48_000  # Ogg loses its last page
    whole = decoded(data)
    assert np.array_equal(heard[:200_000], whole[:200_000])


def test_an_m4a_with_its_index_in_front_may_be_cut_short_too():
    data = moved_to_the_front(sample_file("m4a", 30.0), "faststart")
    assert data.index(b"moov") < data.index(b"mdat")
    heard = decoded(data[: len(data) // 2])
    assert len(heard) == pytest.approx(15 * 48_000, rel=0.05)
    assert np.array_equal(heard[:500_000], decoded(data)[:500_000])


@pytest.mark.parametrize("name", ["mp3", "aac", "flac", "ogg opus", "ogg vorbis", "m4a"])
def test_damage_in_the_middle_is_skipped(name: str):
    data = bytearray(sample_file(name, 8.0, "stereo"))
    middle = len(data) // 2
    data[middle : middle + 600] = np.random.default_rng(1).bytes(600)
    heard = decoded(bytes(data))
    # Ogg loses whole pages, here of a second or more
    assert (5.0 if "ogg" in name else 7.0) * 48_000 < len(heard) < 8.2 * 48_000
    assert np.array_equal(heard[:90_000], decoded(sample_file(name, 8.0, "stereo"))[:90_000])


def test_a_file_that_turns_into_garbage_is_refused_after_what_was_sound():
    data = bytearray(sample_file("m4a", 30.0))
    start = data.index(b"mdat") + 40_000
    end = data.index(b"moov") - 4
    data[start:end] = b"\xff" * (end - start)
    with PieceDecoder(io.BytesIO(bytes(data))) as decoder:
        pieces = decoder.pieces(4_800)
        assert len(next(pieces)) == 4_800
        with pytest.raises(AudioFormatError, match="damaged"):
            list(pieces)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not an audio file"),
        (b"no audio at all" * 100, "not an audio file"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "not an audio file"),
        (bytes(1000), "not an audio file"),
        (wav(b"", 48_000), "no sound"),
        (wav(b"\1\0" * 100, 1), "1 Hz is not between"),
        (b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n/etc/passwd\n", "not an audio file"),
        (b"ffconcat version 1.0\nfile '/etc/hostname'\n", "not an audio file"),
    ],
)
def test_what_is_no_audio_is_refused(data: bytes, message: str):
    with pytest.raises(AudioFormatError, match=message):
        decoded(data)


def test_a_codec_that_is_not_on_the_list_is_refused():
    data = encoded_as("wav", "adpcm_ms", 48_000, sweep(48_000, 1.0))
    with pytest.raises(AudioFormatError, match="codec that is not decoded"):
        decoded(data)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damage_anywhere_is_survived(data: st.DataObject):
    name = data.draw(st.sampled_from(list(FORMATS)))
    whole = bytearray(sample_file(name, 0.3, "stereo"))
    for _ in range(data.draw(st.integers(1, 30))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(whole)))
    try:
        heard = decoded(bytes(whole[:cut] if cut % 2 else whole), max_seconds=30)
    except AudioFormatError:
        return
    assert len(heard) <= 30 * 48_000


@settings(max_examples=100, deadline=None)
@given(
    st.binary(max_size=2000),
    st.sampled_from(
        [
            b"",
            b"RIFF\xff\xff\xff\xffWAVE",
            b"fLaC",
            b"OggS",
            b"ID3\x04\0\0\x7f\x7f\x7f\x7f",
            b"\xff\xfb\x90\x64",
            b"\xff\xf1\x50\x80",
            b"\0\0\0\x18ftypM4A ",
        ]
    ),
)
def test_random_bytes_are_survived(noise: bytes, start: bytes):
    try:
        decoded(start + noise, max_seconds=30)
    except AudioFormatError:
        return


class Endless:
    """A file without an end: the same bytes again and again behind its first ones."""

    def __init__(self, first: bytes, again: bytes) -> None:
        self.first, self.again, self.at, self.given = first, again, 0, 0

    def seekable(self) -> bool:
        return True

    def read(self, size: int, /) -> bytes:
        size = min(size, 1 << 16)
        if self.at < len(self.first):
            data = self.first[self.at : self.at + size]
        else:
            data = (self.again * (size // len(self.again) + 1))[:size]
        self.at += len(data)
        self.given += len(data)
        return data

    def seek(self, offset: int, whence: int = 0, /) -> int:
        self.at = (0, self.at, 1 << 40)[whence] + offset
        return self.at

    def tell(self) -> int:
        return self.at


@pytest.mark.parametrize(
    ("first", "again"),
    [
        (b"", b"\0"),
        (b"ID3\x04\0\0\x7f\x7f\x7f\x7f", b"\0"),
        (b"RIFF\xff\xff\xff\xffWAVE", b"JUNK\x10\0\0\0" + bytes(16)),
        (b"fLaC", b"\x01\xff\xff\xff" + bytes(400)),
        (b"OggS", b"\xff"),
        (b"\0\0\0\x18ftypM4A \0\0\0\0M4A mp42", b"\0\0\0\x10free" + bytes(8)),
    ],
)
def test_an_endless_header_ends(monkeypatch: pytest.MonkeyPatch, first: bytes, again: bytes):
    monkeypatch.setattr(bounded_file, "MAX_IDLE_BYTES", 4 << 20)
    monkeypatch.setattr(bounded_file, "MAX_IDLE_STEPS", 5_000)
    file = Endless(first, again)
    with pytest.raises(AudioFormatError), PieceDecoder(file) as decoder:
        list(decoder.pieces(48_000))
    assert file.given < 8 << 20


class Failing(io.BytesIO):
    """A file that cannot be read beyond a point."""

    fails_at = 0

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() >= self.fails_at:
            raise ConnectionResetError("the line is dead")
        return super().read(size)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("share", [0.0, 0.5, 0.9])
def test_a_read_that_fails_is_never_taken_for_the_end(name: str, share: float):
    data = sample_file(name, 8.0, "stereo")
    file = Failing(data)
    file.fails_at = int(share * len(data))
    with pytest.raises(ConnectionResetError), PieceDecoder(file) as decoder:
        list(decoder.pieces(48_000))


def test_a_file_that_keeps_changing_its_rate_is_refused():
    one, other = (encoded_as("adts", "aac", rate, sweep(rate, 0.2)) for rate in (32_000, 48_000))
    with pytest.raises(AudioFormatError, match="keeps changing"):
        decoded((one + other) * 40)


def test_a_film_without_sound_is_refused():
    with pytest.raises(AudioFormatError, match="no audio in the file"):
        decoded(film())


def test_more_channels_than_anything_has_are_refused():
    pcm = bytes(2 * 17 * 1000)
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((17, 2, 48_000, 0, "NONE", ""))
        writer.writeframes(pcm)
    with pytest.raises(AudioFormatError, match="17 channels are too many"):
        decoded(file.getvalue())


class Unseekable(io.BytesIO):
    """A file that cannot be moved about in, and tells so late."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        if offset or whence:
            raise OSError("no way back")
        return super().seek(offset, whence)


def test_a_seek_that_fails_is_never_taken_for_the_end():
    with (
        pytest.raises(OSError, match="no way back"),
        PieceDecoder(Unseekable(sample_file("m4a", 8.0))) as decoder,
    ):
        list(decoder.pieces(48_000))


def test_a_bounded_file_remembers_its_error_and_refuses_offsets_before_its_start():
    file = BoundedFile(io.BytesIO(b"abc"))
    assert (file.read(2), file.tell(), file.seek(-1), file.tell()) == (b"ab", 2, -1, 2)
    broken = Failing(b"abc")
    again = BoundedFile(broken)
    with pytest.raises(ConnectionResetError):
        again.read(1)
    broken.fails_at = 9
    with pytest.raises(ConnectionResetError):
        again.read(1)
