"""Segments into a playlist that only ever grows, whoever writes it and however often."""

from itertools import pairwise

import pytest
from msgspec import structs
from standins.in_memory import System, accepted, having_lost_its_end
from standins.recorded_objects import RecordedObjects

from rhapsode.agents.publish import Publish
from rhapsode.codecs.hls import check as hls_check
from rhapsode.codecs.hls.m3u8 import parse
from rhapsode.codecs.hls.names import PLAYLIST_TYPE, segment_name
from rhapsode.codecs.records import Event, Segment
from rhapsode.storage.memory.log import MemoryLog

PLAYLIST = "s/audio.m3u8"
CREATED_MS = 1_700_000_000_000


def agent(system: System) -> Publish:
    return Publish(system.store, system.journal.of(Segment), system.journal.of(Event))


def segments(count: int, error: str = "") -> list[Segment]:
    made: list[Segment] = []
    for number in range(count):
        made.append(
            Segment(
                session="s",
                number=number,
                name=f"audio_{number:03d}.m4s",
                first_frame=10 * number,
                frames=10,
                size_bytes=100,
                sha256="0" * 64,
                last=number == count - 1,
                error=error if number == count - 1 else "",
            )
        )
    return made


async def with_session(store: RecordedObjects | None = None) -> System:
    system = System(log=MemoryLog(lambda: CREATED_MS), store=store or RecordedObjects())
    return await accepted(system=system)


async def published_live(system: System, coming: list[Segment]) -> None:
    """Let segments come one by one, to one worker."""

    async def live():
        for segment in coming:
            await system.append([segment])
            yield segment

    async for batch in agent(system)(await system.journal.describe("s"), live()):
        await system.append(batch)


async def test_each_segment_makes_a_longer_playlist_from_the_logged_start_on() -> None:
    system = await with_session()
    await published_live(system, segments(5))
    versions = [parse(text) for text in system.recorded.versions(PLAYLIST)]
    assert [len(playlist.segments) for playlist in versions] == [1, 2, 3, 4, 5]
    assert [playlist.ended for playlist in versions] == [False] * 4 + [True]
    assert {playlist.program_date_time_ms for playlist in versions} == {CREATED_MS}
    assert hls_check.check_history(system.recorded.versions(PLAYLIST)) == []
    assert len(system.recorded.versions("s/master.m3u8")) == 1


async def test_events_count_segments_and_seconds() -> None:
    system = await with_session()
    await published_live(system, segments(3))
    events: list[Event] = await system.records(Event, "s/publish")
    assert [(e.seq, e.kind, e.count, e.last) for e in events] == [
        (0, "segment", 1, False),
        (1, "segment", 2, False),
        (2, "done", 3, True),
    ]
    assert [event.audio_s for event in events] == pytest.approx(
        [n * 10 * 1024 / 48_000 for n in (1, 2, 3)]
    )


async def test_a_backlog_is_listed_at_once_and_reported_one_by_one() -> None:
    system = await with_session()
    coming = segments(6)
    await system.append(coming)
    await system.hand(agent(system), "s", coming)
    live = await with_session()
    await published_live(live, coming)
    assert len(system.recorded.versions(PLAYLIST)) == 1
    assert system.store.files == live.store.files
    assert await system.records(Event, "s/publish") == await live.records(Event, "s/publish")


@pytest.mark.parametrize("first", [0, 1, 4])
async def test_old_segments_that_come_again_never_make_it_shorter(first: int) -> None:
    system = await with_session()
    coming = segments(5)
    await published_live(system, coming)
    before = dict(system.store.files)
    assert await system.hand(agent(system), "s", coming[first:]) == []
    assert system.store.files == before
    assert hls_check.check_history(system.recorded.versions(PLAYLIST)) == []


async def test_a_restart_after_any_event_gives_the_same_playlists() -> None:
    coming = segments(5)
    live = await with_session()
    await published_live(live, coming)
    for stop_after in range(1, 5):
        system = await with_session()
        await system.append(coming[:stop_after])
        await system.hand(agent(system), "s", coming[:stop_after], stop_after=stop_after)
        await system.append(coming[stop_after:])
        await system.hand(agent(system), "s", coming[max(0, stop_after - 2) :])
        assert system.store.files == live.store.files
        assert hls_check.check_history(system.recorded.versions(PLAYLIST)) == []


async def test_a_playlist_that_a_sleeper_made_shorter_is_made_whole_by_itself() -> None:
    class Sleepy(RecordedObjects):
        """Falls asleep before a put; meanwhile another worker goes on to the end."""

        asleep = False

        async def put(self, name: str, data: bytes, content_type: str) -> None:
            if name == PLAYLIST and len(parse(data.decode()).segments) == 2 and not self.asleep:
                self.asleep = True
                await system.append(coming[2:])
                await system.hand(agent(system), "s", coming)
                assert parse(self.files[PLAYLIST].decode()).ended
            await super().put(name, data, content_type)

    system = await with_session(Sleepy())
    coming = segments(5)
    await published_live(system, coming[:2])
    assert len(parse(system.store.files[PLAYLIST].decode()).segments) == 5
    assert parse(system.store.files[PLAYLIST].decode()).ended


async def test_a_failed_session_ends_with_its_reason() -> None:
    system = await with_session()
    await published_live(system, segments(2, error="the voice broke"))
    events: list[Event] = await system.records(Event, "s/publish")
    assert (events[-1].kind, events[-1].error) == ("failed", "the voice broke")
    assert parse(system.store.files[PLAYLIST].decode()).ended


async def test_a_session_without_a_segment_has_an_empty_playlist_that_ended() -> None:
    system = await with_session()
    bare = Segment(
        session="s", number=0, first_frame=0, frames=0, size_bytes=0, last=True, error="nothing"
    )
    await published_live(system, [bare])
    playlist = parse(system.store.files[PLAYLIST].decode())
    assert (playlist.segments, playlist.ended) == ((), True)
    (event,) = await system.records(Event, "s/publish")
    assert (event.kind, event.count, event.error) == ("failed", 0, "nothing")
    assert await system.hand(agent(system), "s", [bare]) == []


async def test_both_playlists_are_in_the_store_before_the_first_segment_is_reported() -> None:
    system = await with_session()
    await system.append(segments(2))
    await system.hand(agent(system), "s", segments(2), stop_after=1)
    assert system.store.files.keys() == {"s/master.m3u8", PLAYLIST}
    assert "audio.m3u8" in system.store.files["s/master.m3u8"].decode()
    versions = system.recorded.versions(PLAYLIST)
    assert all(len(after) >= len(before) for before, after in pairwise(versions))


async def test_a_playlist_never_shrinks_and_tells_where_the_sound_does_not_go_on() -> None:
    before, system = await with_session(), await with_session()
    await published_live(before, segments(9)[:6])
    known = before.recorded.of("s")["audio.m3u8"]
    await system.store.put(PLAYLIST, known, PLAYLIST_TYPE)
    having_lost_its_end(system)  # segment 4 and what followed
    coming = [
        structs.replace(one, name=segment_name(one.number, int(one.number in {4, 5})))
        for one in segments(9)
    ]
    await published_live(system, coming)
    versions = [parse(text) for text in system.recorded.versions(PLAYLIST)]
    assert [len(playlist.segments) for playlist in versions] == [6, 6, 7, 8, 9]
    assert versions[-1].discontinuities == {4}
    assert [name for name, _ in versions[-1].segments] == [one.name for one in coming]
