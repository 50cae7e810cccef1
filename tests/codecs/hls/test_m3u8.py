from dataclasses import replace
from itertools import pairwise

import m3u8 as reference
import pytest
from hypothesis import given
from hypothesis import strategies as st
from m3u8.parser import ParseError

from rhapsode.codecs.hls.grid import Grid
from rhapsode.codecs.hls.m3u8 import (
    MediaPlaylist,
    PlaylistError,
    bandwidths,
    date_time,
    parse,
    render_master,
)

START_MS = 1_700_000_000_123
GRID = Grid()


def session(count: int, *, ended: bool = False) -> MediaPlaylist:
    return MediaPlaylist(
        target_duration_s=GRID.target_duration_s,
        map_uri="init.mp4",
        segments=tuple((f"audio_{k:03d}.m4s", GRID.frames(k)) for k in range(count)),
        program_date_time_ms=START_MS,
        ended=ended,
    )


uris = st.from_regex(r"[a-zA-Z0-9_./%?=&~-]{1,30}", fullmatch=True)


@st.composite
def media_playlists(draw: st.DrawFn) -> MediaPlaylist:
    segments = draw(st.lists(st.tuples(uris, st.integers(1, 140)), max_size=20))
    return MediaPlaylist(
        target_duration_s=draw(st.integers(3, 20)),
        map_uri=draw(uris),
        segments=tuple(segments),
        # without a segment there is no line that could say it
        program_date_time_ms=draw(st.integers(0, 4_000_000_000_000)) if segments else 0,
        ended=draw(st.booleans()),
        discontinuities=frozenset(
            draw(st.sets(st.integers(0, len(segments) - 1))) if segments else ()
        ),
    )


playlists = media_playlists()


def test_where_the_sound_does_not_go_on_a_discontinuity_is_told():
    listed = replace(session(3), discontinuities=frozenset({1}))
    lines = listed.render().splitlines()
    assert lines.index("#EXT-X-DISCONTINUITY") == lines.index("audio_000.m4s") + 1


def test_a_playlist_reads_as_it_should():
    assert session(2, ended=True).render() == (
        "#EXTM3U\n"
        "#EXT-X-VERSION:6\n"
        "#EXT-X-TARGETDURATION:2\n"
        "#EXT-X-MEDIA-SEQUENCE:0\n"
        "#EXT-X-PLAYLIST-TYPE:EVENT\n"
        "#EXT-X-INDEPENDENT-SEGMENTS\n"
        "#EXT-X-START:TIME-OFFSET=0\n"
        "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES\n"
        '#EXT-X-MAP:URI="init.mp4"\n'
        "#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:20.123Z\n"
        "#EXTINF:0.213333,\n"
        "audio_000.m4s\n"
        "#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:20.336Z\n"
        "#EXTINF:0.426667,\n"
        "audio_001.m4s\n"
        "#EXT-X-ENDLIST\n"
    )


@given(playlists)
def test_what_is_written_is_read_back(playlist: MediaPlaylist):
    assert parse(playlist.render()) == playlist


@given(st.text(max_size=200))
def test_any_text_is_a_playlist_or_a_playlist_error(text: str):
    for candidate in (text, "#EXTM3U\n" + text + "\n", session(2).render() + text + "\n"):
        try:
            playlist = parse(candidate)
        except PlaylistError:
            continue
        assert parse(playlist.render()) == playlist


@given(playlists)
def test_a_growing_playlist_only_appends(playlist: MediaPlaylist):
    texts = [
        replace(playlist, segments=playlist.segments[:count], ended=False).render()
        for count in range(len(playlist.segments) + 1)
    ]
    texts.append(replace(playlist, ended=True).render())
    for shorter, longer in pairwise(texts):
        assert longer.startswith(shorter)


@given(playlists)
def test_the_reference_parser_agrees(playlist: MediaPlaylist):
    read = reference.M3U8(playlist.render(), strict=True)
    assert [segment.uri for segment in read.segments] == [uri for uri, _ in playlist.segments]
    assert read.target_duration == playlist.target_duration_s
    assert read.is_endlist == playlist.ended
    assert read.playlist_type == "event"
    assert read.start.time_offset == 0.0
    assert read.server_control.can_block_reload == "YES"
    for segment, (_, frames) in zip(read.segments, playlist.segments, strict=True):
        assert segment.duration == pytest.approx(frames * 1024 / 48_000, abs=1e-6)
        assert segment.init_section is not None
        assert segment.init_section.uri == playlist.map_uri


def test_durations_add_up_to_within_a_microsecond_a_segment():
    read = reference.M3U8(session(500).render(), strict=True)
    exact = GRID.start(500) * 1024 / 48_000
    assert abs(sum(segment.duration or 0 for segment in read.segments) - exact) < 500e-6


def test_dates_are_the_start_plus_media_time():
    assert date_time(0, 0) == "1970-01-01T00:00:00.000Z"
    assert date_time(START_MS, 46_875) == "2023-11-14T22:30:00.123Z"
    assert date_time(0, 1) == "1970-01-01T00:00:00.021Z"
    assert date_time(0, 2) == "1970-01-01T00:00:00.043Z"


def test_a_vod_copy_offers_no_blocking_reload():
    text = replace(session(3, ended=True), kind="VOD").render()
    assert "#EXT-X-PLAYLIST-TYPE:VOD\n" in text
    assert "SERVER-CONTROL" not in text
    assert parse(text).kind == "VOD"


def test_the_master_names_codec_and_rates():
    text = render_master("audio.m3u8", 112_000, 98_000)
    read = reference.M3U8(text, strict=True)
    info = read.playlists[0].stream_info
    assert (info.bandwidth, info.average_bandwidth, info.codecs) == (112_000, 98_000, "mp4a.40.2")
    assert read.playlists[0].uri == "audio.m3u8"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"target_duration_s": 0}, "not at least 1"),
        ({"target_duration_s": 1}, "do not fit a target duration of 1 s"),
        ({"map_uri": 'a"b'}, "cannot be a URI"),
        ({"segments": (("a\n#EXT-X-ENDLIST", 5),)}, "cannot be a URI"),
        ({"segments": (("#a", 5),)}, "cannot be a URI"),
        ({"segments": (("", 5),)}, "cannot be a URI"),
        ({"segments": (("a", 0),)}, "0 frames do not fit"),
        ({"program_date_time_ms": -1}, "not a date"),
        ({"program_date_time_ms": 10**15}, "not a date"),
        ({"kind": "VOD"}, "must have ended"),
    ],
)
def test_fields_that_would_break_the_text_are_refused(fields: dict[str, object], message: str):
    with pytest.raises(PlaylistError, match=message):
        replace(session(5), **fields)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("#EXTM3U\n", "", "first line"),
        ("#EXTM3U\n", "\ufeff#EXTM3U\n", "first line"),
        ("#EXT-X-ENDLIST\n", "#EXT-X-ENDLIST", "cut off"),
        ("TARGETDURATION:2\n", "TARGETDURATION:2.0\n", "not a whole number"),
        ("TARGETDURATION:2\n", "TARGETDURATION:1\n", "do not fit"),
        ("#EXT-X-TARGETDURATION:2\n", "", "not a whole number"),
        ("#EXT-X-MAP", "#EXT-X-MOP", "MAP is missing"),
        (":EVENT", ":LIVE", "neither EVENT nor VOD"),
        ("EXTINF:2.048000,\n", "EXTINF:2.0,\n", "six decimals"),
        ("EXTINF:2.048000,\n", "EXTINF:2.050000,\n", "no whole number"),
        ("#EXTINF:2.048000,\n", "", "EXTINF '' is not seconds"),
        ("T22:13:20.123Z", "T22:13:21.123Z", "start plus media time"),
        ("#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:20.336Z\n", "", "start plus media time"),
        ("2023-11-14T22:13:20.123Z", "yesterday", "not a date"),
        ("2023-11-14T22:13:20.123Z", "2023-11-14T22:13:20.123", "not a date"),
        ("#EXT-X-ENDLIST\n", "#EXT-X-ENDLIST\nmore.m4s\n", "follows EXT-X-ENDLIST"),
    ],
)
def test_faults_in_the_text_are_named(old: str, new: str, message: str):
    text = session(5, ended=True).render()
    assert old in text
    with pytest.raises(PlaylistError, match=message):
        parse(text.replace(old, new, 1))


def test_a_last_segment_without_date_is_named():
    text = session(2).render() + "#EXTINF:0.021333,\nlast.m4s\n"
    with pytest.raises(PlaylistError, match="start plus media time"):
        parse(text)


def test_masters_that_lie_are_refused():
    with pytest.raises(PlaylistError, match="do not match"):
        render_master("audio.m3u8", 90_000, 98_000)
    with pytest.raises(PlaylistError, match="cannot be a URI"):
        render_master("a b", 98_000, 90_000)


def test_the_reference_parser_refuses_what_we_refuse():
    # so that its agreement above means something
    text = session(5).render().replace("TARGETDURATION:2\n", "TARGETDURATION:2.0\n")
    with pytest.raises((ParseError, ValueError)):
        reference.M3U8(text, strict=True)


def test_bandwidth_is_measured_over_about_a_target_duration():
    # 12 kB in half a second count only together with their neighbours
    segments = [(12_000, 24), (24_000, 96), (24_000, 96), (48_000, 96)]
    peak, average = bandwidths(segments, 2)
    assert peak == -(-8 * 48_000 * 48_000 // (96 * 1024))
    assert average == -(-8 * 108_000 * 48_000 // (312 * 1024))


def test_a_short_session_has_one_rate_and_an_empty_one_none():
    assert bandwidths([(1000, 10)], 2) == (37_500, 37_500)
    assert bandwidths([], 2) == (0, 0)


def test_a_playlist_counts_frames_at_its_sample_rate():
    playlist = MediaPlaylist(
        2, "init.mp4", (("a", 90), ("b", 45)), START_MS, ended=True, sample_rate_hz=44_100
    )
    text = playlist.render()
    assert "#EXTINF:2.089796," in text
    # 90 frames of 1024 samples at 44.1 kHz are 2089.80 ms
    assert date_time(START_MS, 90, 44_100) == "2023-11-14T22:13:22.213Z"
    assert parse(text, 44_100) == playlist
    with pytest.raises(PlaylistError, match="no whole number of AAC frames"):
        parse(text)
    assert bandwidths([(1000, 90)], 2, 44_100) == (3829, 3829)
