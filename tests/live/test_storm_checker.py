"""The storm's checker: it counts what is lost, doubled and out of order, and nothing else."""

from chaos.storm.checker import Verdict, judged


def test_what_came_once_and_in_order_is_held() -> None:
    came = [(0, 0), (1, 0), (0, 1), (1, 1), (0, 2)]
    assert judged({0: 3, 1: 2}, came) == Verdict(5, 0, 0, 0)
    assert judged({0: 3, 1: 2}, came).held


def test_what_comes_again_is_doubled_and_still_held() -> None:
    verdict = judged({0: 3}, [(0, 0), (0, 1), (0, 0), (0, 1), (0, 2)])
    assert verdict == Verdict(3, 0, 2, 0)
    assert verdict.held


def test_what_never_comes_is_lost() -> None:
    verdict = judged({0: 4}, [(0, 0), (0, 3)])
    assert verdict == Verdict(4, 2, 0, 0)
    assert not verdict.held


def test_what_first_comes_behind_a_later_one_is_reordered() -> None:
    verdict = judged({0: 3}, [(0, 0), (0, 2), (0, 1)])
    assert verdict == Verdict(3, 0, 0, 1)
    assert not verdict.held
