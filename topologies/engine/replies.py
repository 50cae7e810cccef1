"""Answers to questions: a question that is delivered again is answered again, and heard once."""

from typing import Any
from weakref import WeakKeyDictionary

from faust.agents.replies import BarrierState, ReplyPromise

_fulfill, _fulfill_part = ReplyPromise.fulfill, BarrierState.fulfill
_HEARD: WeakKeyDictionary[BarrierState, set[str]] = WeakKeyDictionary()
"""The questions of each map that were answered."""


def _fulfill_once(self: ReplyPromise, correlation_id: str, value: Any) -> None:
    """Take the first answer. Upstream sets the second one, too, and the consumer of replies dies.

    A worker that is killed between its answer and its commit leaves the question to another, who
    answers it again: delivery is at least once.
    """
    if not self.done():
        _fulfill(self, correlation_id, value)


def _fulfill_part_once(self: BarrierState, correlation_id: str, value: Any) -> None:
    """Take the first answer to each question of a map; upstream counts the second one, too."""
    heard = _HEARD.setdefault(self, set())
    if correlation_id not in heard:
        heard.add(correlation_id)
        _fulfill_part(self, correlation_id, value)


def hear_answers_once() -> None:
    """Give all promises of the process this behaviour."""
    ReplyPromise.fulfill = _fulfill_once
    BarrierState.fulfill = _fulfill_part_once
