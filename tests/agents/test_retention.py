"""What is to go first: by age, by bytes, by count, and never what the log still knows."""

from dataclasses import replace

from rhapsode.agents.retention import PAGE, Removal, Retention, what_is_to_go
from rhapsode.storage.memory.session_index import MemorySessionIndex

DAY_MS = 86_400_000
NOW_MS = 1_000 * DAY_MS


async def index_of(count: int, *, ended: bool = True) -> MemorySessionIndex:
    """Return an index of sessions that ended 1, 2, 3 … days ago, the oldest of them ``s0000``."""
    index = MemorySessionIndex()
    for number in range(count):
        session, at_ms = f"s{number:04}", NOW_MS - (count - number) * DAY_MS
        await index.add(session, created_ms=at_ms)
        await index.count(session, "media_bytes", 1_000_000)
        await index.count(session, "archive_bytes", 2_000_000)
        if ended:
            await index.end(session, at_ms)
    return index


async def went(index: MemorySessionIndex, retention: Retention) -> list[Removal]:
    """Remove what is to go as it is named, as the one who cleans up does."""
    done: list[Removal] = []
    async for removal in what_is_to_go(index, retention, NOW_MS):
        done.append(removal)
        if removal.what == "session":
            await index.remove([removal.session])
        else:
            await index.count(removal.session, "media_bytes", -removal.media_bytes)
    return done


async def test_without_bounds_nothing_goes() -> None:
    assert await went(await index_of(3), Retention()) == []


async def test_sessions_that_ended_long_ago_go_and_younger_ones_stay() -> None:
    index = await index_of(5)
    done = await went(index, Retention(archive_age_s=2.5 * 86_400))
    assert [one.session for one in done] == ["s0000", "s0001", "s0002"]
    assert done[0] == Removal(
        "s0000", "session", "ended more than 2.5 days ago", 1_000_000, 2_000_000
    )
    assert (await index.totals()).sessions == 2


async def test_media_go_before_their_session_does() -> None:
    index = await index_of(5)
    bounds = Retention(media_age_s=1.5 * 86_400, archive_age_s=3.5 * 86_400)
    done = await went(index, bounds)
    assert [(one.session, one.what) for one in done] == [
        ("s0000", "session"),
        ("s0001", "session"),
        ("s0002", "media"),
        ("s0003", "media"),
    ]
    assert await went(index, bounds) == []


async def test_as_much_goes_as_is_over_the_bytes_and_not_more() -> None:
    index = await index_of(10)
    done = await went(index, Retention(media_bytes=7_500_000))
    assert [one.session for one in done] == ["s0000", "s0001", "s0002"]
    done = await went(index, Retention(archive_bytes=16_000_000))
    assert [one.what for one in done] == ["session", "session"]
    totals = await index.totals()
    assert (totals.media_bytes, totals.archive_bytes) == (7_000_000, 16_000_000)


async def test_only_so_many_sessions_are_kept_over_several_pages() -> None:
    index = await index_of(3 * PAGE + 7)
    done = await went(index, Retention(sessions=5))
    assert len(done) == 3 * PAGE + 2
    assert [one.session for one in await index.oldest(9)] == [
        f"s{number:04}" for number in range(3 * PAGE + 2, 3 * PAGE + 7)
    ]


async def test_what_the_log_knows_does_not_go() -> None:
    index = await index_of(3, ended=False)
    assert await went(index, Retention(archive_age_s=1.0, sessions=1, archive_bytes=1)) == []
    await index.end("s0001", NOW_MS - 5_000)
    done = await went(index, Retention(archive_age_s=1.0))
    assert [one.session for one in done] == ["s0001"]


async def test_to_ask_what_would_go_changes_nothing_and_names_the_same() -> None:
    index, bounds = await index_of(250), Retention(sessions=20, media_age_s=3 * 86_400)
    asked = [one async for one in what_is_to_go(index, bounds, NOW_MS)]
    assert (await index.totals()).sessions == 250
    assert asked == await went(index, bounds)
    assert replace(asked[0], session="") == replace(asked[1], session="")
