"""Pacing: absolute deadlines, a lead by ramp, no burst after a stall."""

from itertools import pairwise

from rhapsode.codecs.device.pacing import CATCH_UP_S, FRAME_S, RAMP_S, Pacer


def sent_at(pacer: Pacer, frames: int, ready_s: list[float] | None = None) -> list[float]:
    """Send frames on a clock turned by hand; each is ready at its time."""
    times: list[float] = []
    now = 0.0
    for number in range(frames):
        now = max(now, ready_s[number] if ready_s else 0.0)
        now = max(now, pacer.due(number, now))
        pacer.sent(now)
        times.append(now)
    return times


def test_the_first_frame_goes_at_once_and_the_lead_is_built_by_ramp() -> None:
    times = sent_at(Pacer(lead=5), 60)
    spacings = [later - earlier for earlier, later in pairwise(times)]
    assert times[0] == 0.0
    assert all(abs(spacing - RAMP_S) < 1e-9 for spacing in spacings[:19])
    assert all(abs(spacing - FRAME_S) < 1e-9 for spacing in spacings[21:])


def test_the_lead_is_never_more_than_asked_for() -> None:
    for lead in (0, 2, 5, 10):
        for number, at in enumerate(sent_at(Pacer(lead=lead), 400)):
            ahead = number - at / FRAME_S
            assert ahead <= lead + 1e-6


def test_delays_do_not_add_up() -> None:
    pacer = Pacer(lead=5)
    now = 0.0
    for number in range(500):
        now = max(now, pacer.due(number, now)) + 0.004  # every send is 4 ms late
        pacer.sent(now)
    assert abs(now - (499 - 5) * FRAME_S) < 0.01


def test_after_a_stall_frames_come_by_ramp_and_not_in_a_burst() -> None:
    ready = [0.0] * 50 + [6.0] * 50
    times = sent_at(Pacer(lead=5), 100, ready)
    assert times[50] == 6.0
    spacings = [later - earlier for earlier, later in pairwise(times[50:])]
    assert min(spacings) >= CATCH_UP_S - 1e-9
    assert all(abs(spacing - RAMP_S) < 1e-9 for spacing in spacings[:19])


def test_frames_of_another_length_keep_the_proportions() -> None:
    pacer = Pacer(lead=5, frame_s=0.020)
    spacings = [later - earlier for earlier, later in pairwise(sent_at(pacer, 60))]
    assert all(abs(spacing - 0.015) < 1e-9 for spacing in spacings[:19])
    assert all(abs(spacing - 0.020) < 1e-9 for spacing in spacings[21:])


def test_the_deadline_of_a_frame_does_not_move_while_it_waits() -> None:
    pacer = Pacer(lead=0)
    assert pacer.due(0, 10.0) == pacer.deadline(0) == 10.0
    pacer.sent(10.5)
    assert abs(pacer.deadline(3) - 10.18) < 1e-9
    assert abs(pacer.due(3, 10.2) - 10.52) < 1e-9  # late: at the least spacing behind the last
