"""A device asks for packets of sessions that run, are over, are archived or are forgotten."""

from standins.in_memory import System
from standins.retention import TEXT, Clocked, let_go, remover_of

from rhapsode.codecs.records import DeviceFrames, DeviceRequest
from rhapsode.ops.devices.packets import request_packets


async def told(*, for_devices: bool) -> System:
    system = System(log=Clocked(), for_devices=for_devices)
    await system.narrated(TEXT)
    return system


async def test_packets_of_a_session_that_is_archived_are_made_when_they_are_asked_for() -> None:
    wanted = await (await told(for_devices=True)).records(DeviceFrames, "s")
    system = await told(for_devices=False)
    await let_go(system)
    assert await system.records(DeviceFrames, "s") == []
    async with system.running():
        assert await request_packets(system.journal, "s")
        await system.closed(DeviceFrames, "s")
    assert await system.records(DeviceFrames, "s") == wanted


async def test_asking_twice_is_asking_once() -> None:
    system = await told(for_devices=False)
    assert [await request_packets(system.journal, "s") for _ in range(2)] == [True, True]
    assert len(await system.records(DeviceRequest, "s")) == 1


async def test_a_forgotten_session_has_the_packets_it_had() -> None:
    for for_devices in (True, False):
        system = await told(for_devices=for_devices)
        await let_go(system)
        assert await remover_of(system).forget_if_over("s")
        assert await request_packets(system.journal, "s") is for_devices
