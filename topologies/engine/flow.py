"""Flow control that loses nothing between a seek and the moment flow resumes."""

from typing import Any

from mode.utils.queues import FlowControlEvent


class KeepingFlow(FlowControlEvent):
    """Faust's flow control, but queues keep what they hold when flow resumes.

    Upstream empties every queue of the app at each `resume`. In two rebalances close together the
    recovery of the first may resume flow while the second is under way; what is then delivered
    between the second's seek and its own `resume` would be thrown away, though the position has
    moved behind it. What is stale is dropped all the same: `clear` empties the queues when
    partitions are revoked, and streams pass over messages of another generation.
    """

    def resume(self) -> None:
        self._suspend.clear()
        self._resume.set()


def keep_on_resume(flow_control: Any) -> None:
    """Give an app's flow control, whose queues are registered with it already, this behaviour."""
    if type(flow_control) is FlowControlEvent:
        flow_control.__class__ = KeepingFlow
