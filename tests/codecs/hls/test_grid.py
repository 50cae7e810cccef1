import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhapsode.codecs.hls.grid import (
    GRID_RATES_HZ,
    Grid,
    duration_s,
    frames_of,
    round_half_up,
)

grids = st.builds(
    Grid,
    segment_s=st.floats(0.3, 10.0),
    ramp=st.booleans(),
    sample_rate_hz=st.sampled_from(GRID_RATES_HZ),
)


def test_two_second_segments_ramp_up_from_a_fifth_of_a_second():
    grid = Grid()
    assert [grid.frames(k) for k in range(7)] == [10, 20, 40, 80, 96, 96, 96]
    assert [grid.start(k) for k in range(6)] == [0, 10, 30, 70, 150, 246]
    assert grid.target_duration_s == 2


def test_without_a_ramp_every_segment_is_steady():
    grid = Grid(segment_s=6.0, ramp=False)
    assert {grid.frames(k) for k in range(50)} == {288}
    assert grid.target_duration_s == 6


@given(grids, st.integers(0, 100_000))
def test_no_segment_is_longer_than_the_target_duration(grid: Grid, k: int):
    assert round_half_up(grid.duration_s(grid.frames(k))) <= grid.target_duration_s
    assert 0 < grid.frames(k) <= grid.steady_frames


@given(grids)
def test_the_steady_length_is_whole_parts_and_near_what_was_asked_for(grid: Grid):
    assert grid.steady_frames % grid.part_frames == 0
    assert abs(grid.duration_s(grid.steady_frames) - grid.segment_s) < 2 * 1024 * 16 / 48_000


@given(grids, st.integers(0, 1_000_000))
def test_every_frame_lies_in_its_segment(grid: Grid, frame: int):
    k = grid.segment_of(frame)
    assert grid.start(k) <= frame < grid.start(k + 1)


@given(grids, st.integers(0, 300))
def test_starts_are_the_sums_of_the_frames_before(grid: Grid, k: int):
    assert grid.start(k) == sum(grid.frames(i) for i in range(k))


def test_the_doubling_never_outruns_a_source_at_twice_real_time():
    grid = Grid(segment_s=10.0)
    for k in range(1, 12):
        assert grid.frames(k) <= grid.start(k) + grid.frames(0)


def test_eight_segments_share_a_run():
    grid = Grid()
    assert [grid.run_of(k) for k in (0, 7, 8, 15, 16)] == [0, 0, 1, 1, 2]


@pytest.mark.parametrize("segment_s", [0.0, 0.29, 10.1, float("nan")])
def test_lengths_out_of_range_are_refused(segment_s: float):
    with pytest.raises(ValueError, match=r"choose 0\.3 to 10"):
        Grid(segment_s=segment_s)


def test_other_sample_rates_keep_the_lengths_in_seconds():
    grid = Grid(sample_rate_hz=44_100)
    assert [grid.frames(k) for k in range(6)] == [9, 18, 36, 72, 90, 90]
    assert grid.part_frames == 15
    assert duration_s(90, 44_100) == pytest.approx(2.089796, abs=1e-6)
    assert [Grid(sample_rate_hz=24_000).frames(k) for k in range(5)] == [5, 10, 20, 40, 48]


@pytest.mark.parametrize("sample_rate_hz", [47_999, 96_000, 0, -48_000])
def test_a_sample_rate_that_cannot_be_packed_is_refused(sample_rate_hz: int):
    with pytest.raises(ValueError, match=f"{sample_rate_hz} Hz: choose one of"):
        Grid(sample_rate_hz=sample_rate_hz)


def test_negative_numbers_are_refused():
    with pytest.raises(ValueError, match="no segment -1"):
        Grid().start(-1)
    with pytest.raises(ValueError, match="no frame -1"):
        Grid().segment_of(-1)


def test_the_last_frame_of_a_session_may_be_partly_filled():
    assert [frames_of(samples) for samples in (0, 1, 1024, 1025)] == [0, 1, 1, 2]
