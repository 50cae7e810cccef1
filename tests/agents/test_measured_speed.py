"""How many sessions the measured speed of a machine allows."""

import pytest

from rhapsode.agents.admission import SAMPLE_S, Speed


class Machine(Speed):
    """What is measured on a machine, by a clock of its own."""

    now_s = 100.0

    def work(self, samples: list[float], at_work: int) -> None:
        """Let so many sessions make so many seconds of audio a second, sample after sample."""
        self.note(self.now_s, 0.0, at_work)
        for value in samples:
            self.now_s += SAMPLE_S
            self.note(self.now_s, value * SAMPLE_S, at_work)


def speed(limit: int = 8, most: int = 100) -> Machine:
    return Machine(limit=limit, most=most)


def test_the_limit_is_most_of_the_speed_that_was_measured() -> None:
    measured = speed()
    measured.work([50.0] * 10, at_work=8)
    assert measured.value == pytest.approx(50.0)
    assert measured.limit == 40


def test_a_few_sessions_that_make_little_lower_nothing() -> None:
    measured = speed()
    measured.work([50.0] * 10, at_work=8)
    measured.work([3.0] * 50, at_work=1)
    assert measured.limit == 40


def test_where_every_place_is_taken_the_limit_follows_the_speed_down_to_one_session() -> None:
    measured = speed()
    measured.work([50.0] * 10, at_work=8)
    measured.work([10.0] * 50, at_work=60)
    assert measured.limit == 8
    measured.work([0.0] * 200, at_work=60)
    assert measured.limit == 1


def test_an_idle_machine_is_no_slow_one() -> None:
    measured = speed()
    measured.work([50.0] * 10, at_work=8)
    measured.work([0.0] * 100, at_work=0)
    assert measured.limit == 40
    # the first sample after it counts from when there was work again
    measured.work([50.0], at_work=40)
    assert measured.value == pytest.approx(50.0)


def test_the_limit_stays_below_what_was_set() -> None:
    measured = speed(most=20)
    measured.work([500.0] * 10, at_work=8)
    assert measured.limit == 20
