"""Sound that comes over a socket: in order, in bounds, from one sender."""

import asyncio

import pytest
from standins.in_memory import System, accepted

from rhapsode.codecs.encoding import MalformedError
from rhapsode.codecs.records import UPLINK, Item, Uplink
from rhapsode.codecs.records.uplink import MAX_UPLINK_BYTES
from rhapsode.ops.gateway import sound_input
from rhapsode.ops.gateway.sound_input import SoundInput
from rhapsode.ops.refusals import ConflictError, SessionClosedError
from rhapsode.ops.sessions import Sessions


@pytest.fixture
async def system() -> System:
    return await accepted(open=True)


def sender(system: System) -> SoundInput:
    return SoundInput(Sessions(system.journal, system.objects), "s")


async def test_what_comes_is_in_the_log_in_pieces_of_its_item(system: System) -> None:
    sound = sender(system)
    seq = await sound.begin(last=False, seq=None)
    data = bytes(range(256)) * 400
    await sound.take(data)
    await sound.take(b"more")
    await sound.end()
    found = await system.records(Uplink, f"s/{seq}")
    assert b"".join(one.data for one in found) == data + b"more"
    assert all(len(one.data) <= MAX_UPLINK_BYTES for one in found)
    assert [one.last for one in found] == [False] * (len(found) - 1) + [True]
    (item,) = await system.records(Item, "s")
    assert (item.kind, item.object) == ("object", UPLINK)


async def test_of_two_senders_of_an_item_the_second_is_told(system: System) -> None:
    one, other = sender(system), sender(system)
    seq = await one.begin(last=False, seq=0)
    assert await other.begin(last=False, seq=0) == seq
    await one.take(b"mine")
    with pytest.raises(ConflictError, match="another client sends it"):
        await other.take(b"not mine")
    with pytest.raises(MalformedError):
        await other.take(b"not mine either")
    await one.take(b" too")
    await one.end()
    assert [one.data for one in await system.records(Uplink, f"s/{seq}")] == [b"mine", b" too", b""]


async def test_who_comes_back_goes_on_until_it_has_ended(system: System) -> None:
    one = sender(system)
    seq = await one.begin(last=False, seq=0)
    await one.take(b"first ")
    again = sender(system)
    await again.begin(last=False, seq=0)
    await again.take(b"second")
    await again.end()
    assert b"".join(one.data for one in await system.records(Uplink, f"s/{seq}")) == b"first second"
    with pytest.raises(ConflictError, match="has ended"):
        await sender(system).begin(last=False, seq=0)
    with pytest.raises(ConflictError, match="not taken any more"):
        await one.take(b"late")


async def test_a_session_that_is_finished_takes_none(system: System) -> None:
    sessions = Sessions(system.journal, system.objects)
    await sessions.finish("s")
    with pytest.raises(SessionClosedError):
        await sender(system).begin(last=False, seq=None)


async def test_who_sends_faster_than_sound_is_read_slower(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sound_input, "MOST_BYTES_PER_S", 1)
    sound = sender(system)
    await sound.begin(last=False, seq=None)
    await sound.take(bytes(sound_input.BURST_BYTES - 100))  # what a file's beginning may be
    waiting = asyncio.create_task(sound.take(bytes(10_000)))
    for _ in range(100):
        await asyncio.sleep(0)
    assert not waiting.done()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
