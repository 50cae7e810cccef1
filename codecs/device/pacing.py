"""When a frame is due at a device: absolute deadlines, a lead built by ramp, no burst."""

from dataclasses import dataclass

FRAME_S = 0.060
"""Length of a frame by default."""
RAMP_S = 0.045
"""Spacing of such frames while the lead is built: a burst overruns the queues of small
firmwares."""
CATCH_UP_S = 0.020
"""Least spacing of such frames after a delay of ours."""
MOST_LEAD = 10
"""Frames that no device is sent ahead, whatever was asked for."""


@dataclass(slots=True)
class Pacer:
    """The schedule of one device's frames; without a clock: times come in and go out.

    Frame n is sent ``lead`` frames before it plays, once the ramp has built that lead. Sleeping
    a frame's length between frames would add up every delay; deadlines from the start do not.

    Numbers count what the device is sent, whichever session it is of: a track that follows
    another, or a place that was sought, goes on with the schedule, and no queue overflows.
    """

    lead: int = 5
    """Frames a device holds ahead, 0 to 10; 0 to 2 for an ESP32-C3."""
    frame_s: float = FRAME_S
    """Length of a frame; ramp and catch-up keep their proportion to it."""
    _origin_s: float = -1.0
    _origin_frame: int = 0
    _last_sent_s: float = -1.0

    def __post_init__(self) -> None:
        self.lead = max(0, min(self.lead, MOST_LEAD))

    def due(self, number: int, now_s: float) -> float:
        """Return when to send the frame, never before now.

        The first frame starts the schedule; a frame that comes when the device has run dry starts
        it anew, so the lead is built again.
        """
        if self._origin_s < 0 or now_s > self._plays_at(number):
            self._origin_s, self._origin_frame = now_s, number
        catch_up_s = CATCH_UP_S / FRAME_S * self.frame_s
        return max(self.deadline(number), self._last_sent_s + catch_up_s, now_s)

    def deadline(self, number: int) -> float:
        """Return the time by which the frame was to be sent by the present schedule."""
        since = number - self._origin_frame
        ramp_s = RAMP_S / FRAME_S * self.frame_s
        return self._origin_s + max(since * ramp_s, (since - self.lead) * self.frame_s)

    def sent(self, now_s: float) -> None:
        """Note that a frame went out."""
        self._last_sent_s = now_s

    def silent_at(self, number: int) -> float:
        """Return when the device has surely played all frames before this number."""
        return self._plays_at(number)

    def unplayed(self, number: int, now_s: float) -> int:
        """Return how many of the frames before this number the device has yet to play out."""
        if self._origin_s < 0:
            return 0
        played = self._origin_frame + int((now_s - self._origin_s) / self.frame_s)
        return max(0, min(number - played, number - self._origin_frame))

    def _plays_at(self, number: int) -> float:
        # a device that ran dry for less than a frame plays that much behind the schedule
        return self._origin_s + (number - self._origin_frame + 1) * self.frame_s
