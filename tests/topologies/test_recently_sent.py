"""What a producer remembers of what it sent: exactly what was lost is sent again, in bounds."""

from faust.types.tuples import TP
from hypothesis import given
from hypothesis import strategies as st

from rhapsode.storage.log import NewEntry
from rhapsode.topologies.engine import recently_sent
from rhapsode.topologies.engine.recently_sent import RecentlySent, Sending


def beside(number: int) -> Sending:
    return Sending(NewEntry(key=b"%d" % number, value=b"%d" % number), None)


@given(
    sizes=st.lists(st.integers(1, 4), max_size=8),
    starts=st.lists(st.integers(0, 40), max_size=3),
)
def test_exactly_what_lies_behind_the_start_of_a_loss_is_lost_and_the_rest_is_kept(
    sizes: list[int], starts: list[int]
) -> None:
    recent, stored = RecentlySent(), list[Sending]()
    for size in sizes:
        some = [beside(len(stored) + number) for number in range(size)]
        recent.note(TP("out", 0), len(stored), some, epoch=0)
        recent.note(TP("other", 0), len(stored), some, epoch=0)
        stored += some
    for start in sorted(starts, reverse=True):
        lost = recent.lost(lambda _, start=start: {("out", 0): start})
        assert [one for _, _, missing in lost for one in missing] == stored[start:]
        assert {tp for _, tp, _ in lost} <= {TP("out", 0)}
        for number, _, missing in lost:
            recent.cut(number, len(missing))
        stored = stored[:start]
        assert recent.lost(lambda _, start=start: {("out", 0): start}) == []


def test_what_was_stored_since_is_not_lost() -> None:
    recent = RecentlySent()
    recent.note(TP("out", 0), 3, [beside(3)], epoch=0)
    recent.note(TP("out", 0), 3, [beside(4)], epoch=1)
    losses = {0: {("out", 0): 3}, 1: dict[tuple[str, int], int]()}
    assert recent.lost(losses.__getitem__) == [(0, TP("out", 0), [beside(3)])]


def test_what_is_kept_is_bounded() -> None:
    recent = RecentlySent()
    big = Sending(NewEntry(key=None, value=bytes(recently_sent.KEPT_BYTES // 4)), None)
    for offset in range(10):
        recent.note(TP("out", 0), offset, [big], epoch=0)
    assert len(recent.lost(lambda _: {("out", 0): 0})) == 3
