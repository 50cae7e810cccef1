"""Play-out by the firmware's rules, on a clock turned by hand: nothing is lost or clipped."""

import random
from dataclasses import dataclass
from functools import partial

import pytest
from standins.device_clock import HandClock, SimulatedWire
from standins.device_emulator import FRAME_S, Emulator

from rhapsode.codecs.device.conversation import (
    Conversation,
)
from rhapsode.codecs.device.effects import (
    Effect,
    Say,
)
from rhapsode.codecs.device.websocket_frames import text_message
from rhapsode.codecs.records import DeviceFrames
from rhapsode.ops.devices.player import MOST_BUFFERED_BYTES, STUCK_S, Ending, Player, Sound
from rhapsode.ops.devices.wheel import Wheel
from rhapsode.ops.devices.window import AHEAD_FRAMES, BEHIND_FRAMES, Window

HELLO = '{"type":"hello","version":%d}'


def packet(session: str, number: int) -> bytes:
    return f"{session}:{number}".encode()


def packets(session: str, frames: int) -> list[bytes]:
    return [packet(session, number) for number in range(frames)]


class Station:
    """A device, what plays to it, and how it goes."""

    def __init__(
        self, clock: HandClock, wheel: Wheel, *, lead: int = 5, queue: int = 40, version: int = 1
    ) -> None:
        self.clock = clock
        self.device = Emulator(queue, version)
        self.wire = SimulatedWire(clock, self.device)
        self.conversation = Conversation("c")
        self.conversation.received(HELLO % self.device.version, 0.0)
        self.endings: list[Ending] = []
        self.follows: list[tuple[str, Window]] = []
        messages = self.conversation.messages
        self.player = Player(
            wheel,
            self.wire,
            self.device.version,
            lead,
            on_ending=self._ended,
            on_source_end=self._source_ended,
            sentence=lambda text: text_message(messages.tts_sentence_start(text)),
        )

    def play(self, session: str, window: Window, frame: int = 0) -> None:
        started = self._tell(self.conversation.speak())
        if started:
            self.player.begin()
        self.player.play(session, window, frame)

    def abort(self) -> None:
        self.player.cut()
        self._tell(self.conversation.fall_silent())

    def _tell(self, effects: list[Effect]) -> bool:
        for effect in effects:
            assert isinstance(effect, Say)
            self.wire.write(text_message(effect.text))
        return bool(effects)

    def _ended(self, _: Sound, ending: Ending) -> None:
        self.endings.append(ending)
        if ending is Ending.PLAYED:
            self._tell(self.conversation.fall_silent())

    def _source_ended(self, _: Sound) -> None:
        if self.follows:
            self.play(*self.follows.pop(0))


@dataclass
class Produced:
    """A window that is filled in groups of five, as `frame` makes them."""

    clock: HandClock
    session: str
    frames: int

    def __post_init__(self) -> None:
        self.window = Window(0)

    def at_once(self) -> Window:
        for first in range(0, self.frames, 5):
            self._add(first)
        return self.window

    def over_time(self, ready_s: list[float]) -> Window:
        for group, after_s in enumerate(ready_s):
            self.clock.call_at(self.clock.time() + after_s, partial(self._add, 5 * group))
        return self.window

    def _add(self, first: int) -> None:
        end = min(first + 5, self.frames)
        made = tuple(packet(self.session, number) for number in range(first, end))
        self.window.add(
            DeviceFrames(
                session=self.session, first_frame=first, packets=made, last=end == self.frames
            )
        )


def a_system() -> tuple[HandClock, Wheel]:
    clock = HandClock()
    return clock, Wheel(clock)


def check_heard(device: Emulator, expected: list[bytes]) -> None:
    assert device.unexpected == []
    assert device.overflown == []
    assert device.cleared == []
    assert device.heard == expected


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize(("queue", "lead"), [(5, 5), (10, 5), (40, 5), (5, 0), (5, 2), (40, 10)])
def test_every_frame_is_heard_whatever_the_firmware_and_the_lead(
    version: int, queue: int, lead: int
):
    clock, wheel = a_system()
    station = Station(clock, wheel, lead=lead, queue=queue, version=version)
    station.play("s", Produced(clock, "s", 303).at_once())
    clock.turn(303 * FRAME_S + 2)
    check_heard(station.device, packets("s", 303))
    assert (station.device.starts, station.device.stops) == (1, 1)
    assert station.endings == [Ending.PLAYED]
    # one frame in play-out is the decoder's; the lead is behind it, and a network's delay
    assert station.device.most_held <= lead + 1


def test_a_hundred_sessions_under_jitter_and_a_stalling_producer_lose_nothing():
    clock, wheel = a_system()
    chance = random.Random(4)
    stations: list[tuple[Station, list[bytes]]] = []
    for number in range(100):
        session, frames = f"s{number}", chance.randint(1, 400)
        lead, queue = chance.choice([(5, 5), (5, 10), (5, 40), (2, 5), (0, 5)])
        station = Station(clock, wheel, lead=lead, queue=queue)
        station.wire.jitter_s, station.wire.chance = 0.08, random.Random(number)
        ready_s, at_s = list[float](), chance.random()
        for _ in range(-(-frames // 5)):
            at_s += chance.choice([0.05, 0.1, 0.2, 0.28]) + (chance.random() < 0.03) * 5
            ready_s.append(at_s)
        window = Produced(clock, session, frames).over_time(ready_s)
        clock.turn(chance.random() / 20)
        station.play(session, window)
        stations.append((station, packets(session, frames)))
    clock.turn(900)
    for station, expected in stations:
        check_heard(station.device, expected)
        assert (station.device.starts, station.device.stops) == (1, 1)


def test_without_jitter_and_stalls_there_is_no_gap():
    clock, wheel = a_system()
    station = Station(clock, wheel)
    station.play("s", Produced(clock, "s", 1000).at_once())
    clock.turn(70)
    assert [gap for gap in station.device.gaps_s if gap > 1e-6] == []
    check_heard(station.device, packets("s", 1000))


def test_after_a_stall_the_lead_is_built_again():
    clock, wheel = a_system()
    station = Station(clock, wheel, queue=5)
    ready_s = [0.0] * 10 + [10.0] * 50
    station.play("s", Produced(clock, "s", 300).over_time(ready_s))
    clock.turn(15)
    assert len(station.device.gaps_s) == 1
    assert station.device.most_held >= 4
    clock.turn(30)
    check_heard(station.device, packets("s", 300))


@pytest.mark.parametrize("lead", [0, 2, 5])
def test_an_abort_is_silent_within_the_lead(lead: int):
    clock, wheel = a_system()
    station = Station(clock, wheel, lead=lead)
    station.play("s", Produced(clock, "s", 500).at_once())
    clock.turn(5)
    station.abort()
    written = station.wire.written
    clock.turn(30)
    assert station.wire.written == written
    assert len(station.device.cleared) <= lead + 1
    heard, lost = station.device.heard, station.device.cleared
    assert heard + lost == packets("s", len(heard) + len(lost))


def test_what_is_played_next_follows_without_stop_and_start():
    clock, wheel = a_system()
    station = Station(clock, wheel, queue=5)
    for name in ("b", "c"):
        station.follows.append((name, Produced(clock, name, 57).at_once()))
    station.play("a", Produced(clock, "a", 103).at_once())
    clock.turn(20)
    check_heard(station.device, packets("a", 103) + packets("b", 57) + packets("c", 57))
    assert (station.device.starts, station.device.stops) == (1, 1)
    assert [gap for gap in station.device.gaps_s if gap > 0.011] == []


def test_another_session_takes_over_behind_what_was_sent_ahead():
    clock, wheel = a_system()
    station = Station(clock, wheel, queue=5)
    station.play("a", Produced(clock, "a", 500).at_once())
    clock.turn(6)
    heard_before = len(station.device.heard)
    station.play("b", Produced(clock, "b", 100).at_once())
    clock.turn(20)
    of_a = [one for one in station.device.heard if one.startswith(b"a:")]
    assert len(of_a) <= heard_before + 6
    check_heard(station.device, packets("a", len(of_a)) + packets("b", 100))
    assert (station.device.starts, station.device.stops) == (1, 1)


def test_where_a_device_is_lags_behind_what_it_was_sent():
    clock, wheel = a_system()
    station = Station(clock, wheel)
    station.play("s", Produced(clock, "s", 500).at_once())
    clock.turn(10)
    playing = len(station.device.heard)
    assert playing - 1 <= station.player.heard <= playing + 1
    assert station.player.cursor - station.player.heard in (5, 6)


def test_a_peer_that_takes_nothing_waits_at_its_place_and_is_given_up_in_the_end():
    clock, wheel = a_system()
    station = Station(clock, wheel)
    station.play("s", Produced(clock, "s", 500).at_once())
    clock.turn(5)
    station.wire.buffered_bytes = MOST_BUFFERED_BYTES + 1
    sent = station.player.cursor
    clock.turn(STUCK_S / 2)
    assert station.player.cursor == sent
    station.wire.buffered_bytes = 0
    clock.turn(5)
    assert station.player.cursor > sent
    check_heard(station.device, packets("s", len(station.device.heard)))
    station.wire.buffered_bytes = MOST_BUFFERED_BYTES + 1
    clock.turn(STUCK_S + 1)
    assert station.endings == [Ending.STUCK]


def test_a_window_is_bounded_and_tells_who_has_fallen_out_of_it():
    clock, wheel = a_system()
    window = Window(0)
    slow, quick = Station(clock, wheel), Station(clock, wheel)
    slow.play("s", window)
    quick.play("s", window)
    slow.wire.buffered_bytes = MOST_BUFFERED_BYTES + 1
    for first in range(0, 430, 5):
        while not window.wants_more:
            clock.turn(0.3)
        made = tuple(packet("s", number) for number in range(first, first + 5))
        window.add(DeviceFrames(session="s", first_frame=first, packets=made))
        assert window.end - window.first <= AHEAD_FRAMES + BEHIND_FRAMES + 10
    slow.wire.buffered_bytes = 0
    clock.turn(1)
    assert slow.endings == [Ending.OUTSIDE]
    assert quick.endings == []
    check_heard(quick.device, packets("s", len(quick.device.heard)))


def test_packets_are_framed_once_for_all_devices_of_a_version():
    window = Produced(HandClock(), "s", 5).at_once()
    first = window.message(3, 2)
    assert first is not None
    assert window.message(3, 2) is first
    assert window.message(5, 2) is None
