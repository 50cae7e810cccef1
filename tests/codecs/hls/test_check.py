import hashlib
import re
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rhapsode.codecs.hls.aac import RunEncoder
from rhapsode.codecs.hls.check import check, check_history, check_playlist
from rhapsode.codecs.hls.fmp4 import audio_specific_config, init_segment, media_segment
from rhapsode.codecs.hls.grid import Grid
from rhapsode.codecs.hls.m3u8 import MediaPlaylist, bandwidths, render_master

Files = dict[str, bytes]
GRID = Grid(segment_s=1.0)
NAMES = [f"audio_{k:03d}.m4s" for k in range(11)]


def media_playlist(count: int, *, ended: bool = True) -> MediaPlaylist:
    frames = [GRID.frames(k) for k in range(10)] + [17]
    return MediaPlaylist(
        target_duration_s=GRID.target_duration_s,
        map_uri="init.mp4",
        segments=tuple(zip(NAMES[:count], frames[:count], strict=True)),
        program_date_time_ms=1_700_000_000_000,
        ended=ended,
    )


@cache
def encoded() -> tuple[tuple[bytes, ...], ...]:
    """Encode a session of two runs: something like speech, with two segments of silence."""
    total = GRID.start(10) + 17
    t = np.arange(total * 1024) / 48_000
    phase = 2 * np.pi * np.cumsum(130 + 40 * np.sin(2 * np.pi * 0.7 * t)) / 48_000
    signal = 4000 * np.sum([np.sin(h * phase) / h for h in range(1, 20)], axis=0)
    signal[GRID.start(5) * 1024 - 4096 : GRID.start(7) * 1024 + 4096] = 0
    pcm = signal.astype("<i2").tobytes()
    segments: list[tuple[bytes, ...]] = []
    for run in (0, 1):
        encoder = RunEncoder(GRID, run)
        encoder.push(encoder.position, pcm[2 * encoder.position :])
        encoder.finish()
        segments += [tuple(encoder.take(k)) for k in range(8 * run, min(11, 8 * run + 8))]
    return tuple(segments)


def session() -> Files:
    files = {"init.mp4": init_segment(), "audio.m3u8": media_playlist(11).render().encode()}
    for k, packets in enumerate(encoded()):
        files[NAMES[k]] = media_segment(k, GRID.start(k), packets)
    sizes = [(len(files[name]), frames) for name, frames in media_playlist(11).segments]
    files["master.m3u8"] = render_master("audio.m3u8", *bandwidths(sizes, 1)).encode()
    return files


SESSION = session()


def playlist(change: Callable[[str], str]) -> Files:
    changed = change(SESSION["audio.m3u8"].decode()).encode()
    assert changed != SESSION["audio.m3u8"]
    return {**SESSION, "audio.m3u8": changed}


def replaced(old: str, new: str) -> Files:
    return playlist(lambda text: text.replace(old, new))


def moved(first: int, by_frames: int) -> Files:
    """Shift the decode times from segment ``first`` on."""
    later = {
        NAMES[k]: media_segment(k, GRID.start(k) + by_frames, encoded()[k])
        for k in range(first, 11)
    }
    return SESSION | later


def without_lines(k: int) -> str:
    text = SESSION["audio.m3u8"].decode()
    return re.sub(rf"#EXT-X-PROGRAM[^#]*#EXTINF[^#]*{NAMES[k]}\n", "", text)


def damaged(name: str, old: bytes, new: bytes) -> Files:
    assert old in SESSION[name]
    return {**SESSION, name: SESSION[name].replace(old, new, 1)}


def redated(*order: int) -> Files:
    """List segments in another order, with dates as they should be then."""
    listed = media_playlist(11)
    changed = MediaPlaylist(
        listed.target_duration_s,
        listed.map_uri,
        tuple(listed.segments[k] for k in order),
        listed.program_date_time_ms,
        ended=True,
    )
    return {**SESSION, "audio.m3u8": changed.render().encode()}


def corrupted() -> Files:
    """Overwrite the middle of segment 3's sound."""
    data = bytearray(SESSION[NAMES[3]])
    middle = data.index(b"mdat") + 2000
    data[middle : middle + 400] = bytes(b ^ 0x5A for b in data[middle : middle + 400])
    return {**SESSION, NAMES[3]: bytes(data)}


def run_size_wrong() -> Files:
    data = bytearray(SESSION[NAMES[3]])
    first_size = data.index(b"trun") + 16
    data[first_size + 3] ^= 1
    return {**SESSION, NAMES[3]: bytes(data)}


def with_packet(k: int, place: int, packet: bytes) -> Files:
    packets = list(encoded()[k])
    packets[place] = packet
    return {**SESSION, NAMES[k]: media_segment(k, GRID.start(k), packets)}


def overloaded() -> Files:
    """Raise global_gain, 8 bits after 3 of element and 4 of tag (14496-3, table 4.50), by 24 dB."""
    packet = encoded()[3][20]
    bits = int.from_bytes(packet) + (16 << 8 * len(packet) - 15)
    return with_packet(3, 20, bits.to_bytes(len(packet)))


def too_late() -> Files:
    data = SESSION[NAMES[4]]
    at = data.index(b"tfdt") + 8
    return {**SESSION, NAMES[4]: data[:at] + (2**63 + 5).to_bytes(8) + data[at + 8 :]}


PLANTED: dict[str, tuple[Files, str]] = {
    "decode time one frame late from a segment on": (moved(3, 1), "begins at"),
    "decode time one frame early from a segment on": (moved(3, -1), "begins at"),
    "decode time restarting": (moved(3, -GRID.start(3) + 1), "begins at 2048, not at"),
    "every EXTINF a little too long": (
        playlist(lambda text: re.sub(r"EXTINF:[\d.]+", "EXTINF:1.100000", text)),
        "no whole number of AAC frames",
    ),
    "one EXTINF a frame too long": (
        replaced("EXTINF:0.362667", "EXTINF:0.384000"),
        "date is not the start plus media time|packets, EXTINF counts",
    ),
    "repeated content with right decode time": (
        {**SESSION, NAMES[4]: media_segment(4, GRID.start(4), encoded()[3])},
        "segment 4 repeats the sound of segment 3",
    ),
    "a segment missing in the playlist": (redated(*range(4), *range(5, 11)), "not in audio.m3u8"),
    "the last segment missing in the playlist": (redated(*range(10)), "not in audio.m3u8"),
    "a segment listed twice": (redated(0, 1, 2, 2, *range(3, 11)), "listed 2 times"),
    "segments in the wrong order": (redated(0, 1, 2, 4, 3, *range(5, 11)), "sequence number"),
    "lines of a segment lost": (playlist(lambda _: without_lines(5)), "media time"),
    "target duration too small": (
        {**SESSION, "audio.m3u8": SESSION["audio.m3u8"].replace(b"DURATION:1\n", b"DURATION:0\n")},
        "whole number of seconds",
    ),
    "target duration not an integer": (replaced("DURATION:1\n", "DURATION:1.0\n"), "whole number"),
    "an EXTINF over the target duration": (
        replaced("EXTINF:1.024000", "EXTINF:1.600000"),
        "do not fit a target duration",
    ),
    "version 3 with a map": (replaced("VERSION:6", "VERSION:3"), "version 3 is too low"),
    "no version": (replaced("#EXT-X-VERSION:6\n", ""), "VERSION occurs 0 times"),
    "no map": (replaced('#EXT-X-MAP:URI="init.mp4"\n', ""), "MAP is missing"),
    "an event without end": (replaced("#EXT-X-ENDLIST\n", ""), "ENDLIST occurs 0 times"),
    "a VOD without end": (
        playlist(lambda t: t.replace(":EVENT", ":VOD").replace("#EXT-X-ENDLIST\n", "")),
        "VOD playlist must have ended",
    ),
    "two target durations": (
        replaced("#EXT-X-ENDLIST", "#EXT-X-TARGETDURATION:1\n#EXT-X-ENDLIST"),
        "TARGETDURATION occurs 2 times",
    ),
    "a start at the live edge": (replaced("#EXT-X-START:TIME-OFFSET=0\n", ""), "join at the end"),
    "a media sequence that moved": (replaced("SEQUENCE:0", "SEQUENCE:4"), "media sequence 0"),
    "parts that stayed": (
        replaced("#EXT-X-ENDLIST", '#EXT-X-PART:DURATION=0.2,URI="p"\n#EXT-X-ENDLIST'),
        "still has #EXT-X-PART",
    ),
    "a byte order mark": (playlist(lambda text: "\ufeff" + text), "byte order mark"),
    "another encoding": ({**SESSION, "audio.m3u8": b"#EXTM3U\n#\xe9\n"}, "not UTF-8"),
    "a date that moved": (replaced("T22:13:21", "T22:13:31"), "media time"),
    "a segment that is not there": (
        {name: data for name, data in SESSION.items() if name != NAMES[4]},
        "listed but missing",
    ),
    "no playlist": ({"init.mp4": SESSION["init.mp4"]}, "audio.m3u8 is missing"),
    "no init segment": (
        {name: data for name, data in SESSION.items() if name != "init.mp4"},
        "init.mp4 is missing",
    ),
    "an init segment cut off": ({**SESSION, "init.mp4": SESSION["init.mp4"][:-3]}, "init.mp4: box"),
    "an init segment of another rate": ({**SESSION, "init.mp4": init_segment(44_100)}, "44100 Hz"),
    "another decoder": (
        {**SESSION, "init.mp4": init_segment(asc=audio_specific_config(channels=2))},
        "do not agree",
    ),
    "sound overwritten": (corrupted(), "segment 3"),
    "a size in trun wrong": (run_size_wrong(), "are not mdat's"),
    "a segment cut off": ({**SESSION, NAMES[5]: SESSION[NAMES[5]][:-1]}, "box b'mdat' at"),
    "a packet missing": (
        {**SESSION, NAMES[4]: media_segment(4, GRID.start(4), encoded()[4][:-1])},
        "packets, EXTINF counts",
    ),
    "a sequence number that does not rise": (
        damaged(NAMES[2], b"mfhd\0\0\0\0\0\0\0\x81", b"mfhd\0\0\0\0\0\0\0\x01"),
        "sequence number 1 after 65",
    ),
    "a packet that is no sound": (with_packet(4, 5, b"\xe0"), "decodes to 48128 samples"),
    "a packet without bytes": (with_packet(4, 5, b""), "packet without bytes"),
    "packets far too loud": (overloaded(), "segment 3 decodes to .* times full scale"),
    "a decode time out of this world": (too_late(), "FFmpeg does not read"),
    "boxes written by another hand": (
        damaged(NAMES[4], b"stypcmfs", b"stypcmfX"),
        "differs from what its position",
    ),
    "an init segment written by another hand": (
        damaged("init.mp4", b"sound\0", b"noise\0"),
        "differs from the init segment",
    ),
    "a line by another hand": (replaced("RELOAD=YES", "RELOAD=NO"), "that we do not write"),
    "a master that promises too little": (
        {**SESSION, "master.m3u8": render_master("audio.m3u8", 9000, 9000).encode()},
        "BANDWIDTH=9000, measured",
    ),
    "a master with another codec": (
        damaged("master.m3u8", b"mp4a.40.2", b"mp4a.40.5"),
        "the sound is mp4a.40.2",
    ),
    "a master that repeats a tag": (
        damaged("master.m3u8", b"#EXTM3U\n", b"#EXTM3U\n#EXT-X-INDEPENDENT-SEGMENTS\n"),
        "in the master and in the media",
    ),
    "a master without stream": ({**SESSION, "master.m3u8": b"#EXTM3U\n"}, "no playlist with one"),
}


def test_a_session_as_we_make_it_has_no_problem():
    assert check(SESSION) == []


def test_silence_may_repeat():
    # otherwise the silent segments in the session would have been told above
    assert encoded()[5][5:20] == encoded()[6][5:20]


@pytest.mark.parametrize("fault", PLANTED)
def test_planted_faults_are_found(fault: str):
    files, message = PLANTED[fault]
    problems = check(files)
    assert any(re.search(message, problem) for problem in problems), problems


def test_damage_that_decodes_shows_in_the_digest():
    logged = {name: hashlib.sha256(SESSION[name]).hexdigest() for name in NAMES}
    assert check(SESSION, sha256=logged) == []
    last_bit = bytearray(SESSION[NAMES[3]])
    last_bit[-1] ^= 1
    assert f"{NAMES[3]} is not what the log names: its sha256 differs" in check(
        {**SESSION, NAMES[3]: bytes(last_bit)}, sha256=logged
    )


def test_a_session_without_sound_may_end():
    empty = MediaPlaylist(1, "init.mp4", (), 0, ended=True)
    files = {"init.mp4": init_segment(), "audio.m3u8": empty.render().encode()}
    assert check(files) == []


@settings(max_examples=60)
@given(st.sampled_from(sorted(SESSION)), st.integers(0, 10**6), st.binary(min_size=1, max_size=40))
def test_any_damage_is_told_and_never_raised(name: str, at: int, junk: bytes):
    data = bytearray(SESSION[name])
    at %= len(data)
    data[at : at + len(junk)] = junk
    assert all(isinstance(problem, str) for problem in check({**SESSION, name: bytes(data)}))


@settings(max_examples=40)
@given(st.binary(max_size=300))
def test_any_bytes_as_a_playlist_are_told_and_never_raised(data: bytes):
    assert check_playlist(data) != []


def test_a_growing_playlist_has_no_problem_and_a_rewritten_one_has():
    texts = [media_playlist(count, ended=False).render() for count in range(12)]
    texts.append(media_playlist(11).render())
    assert check_history(texts) == []
    as_vod = texts[-1].replace(":EVENT", ":VOD")
    assert check_history([*texts, as_vod]) == [
        "state 13 of the playlist does not begin with the state before"
    ]
    assert len(check_history([texts[3], texts[2], texts[4]])) == 1
