"""What a key may use, and what it is told where it has used it up."""

from time import time

import pytest
from standins.in_memory import System

from rhapsode.agents.journal import Journal
from rhapsode.codecs.records import Event
from rhapsode.ops.beginning import begin
from rhapsode.ops.callers import new_key
from rhapsode.ops.quotas import Quotas
from rhapsode.ops.refusals import ConflictError, QuotaError, SessionClosedError
from rhapsode.ops.sessions import Sessions
from rhapsode.storage.log import partition_of
from rhapsode.storage.memory.access_keys import MemoryAccessKeys
from rhapsode.storage.memory.session_index import MemorySessionIndex
from rhapsode.storage.redis.connection import RedisConnection
from rhapsode.storage.redis.log import RedisLog


async def door(**limits: int) -> tuple[Sessions, System, str]:
    """Return a door to sessions, and a key of these limits."""
    system, keys = System(), MemoryAccessKeys()
    await system.declare()
    key, _ = new_key("a client", **limits)
    await keys.add(key)
    quotas = Quotas(keys, system.journal, system.session_index)
    return Sessions(system.journal, quotas=quotas, index=system.session_index), system, key.id


async def test_characters_are_counted_over_sessions_and_items() -> None:
    sessions, _, owner = await door(chars_a_day=100)
    await sessions.start("x" * 60, sessions.described(owner=owner))
    opened = await sessions.open(sessions.described(owner=owner, open_=True))
    await sessions.add_text(opened.session, "y" * 30)
    with pytest.raises(QuotaError, match="11 characters are more than the 10 that are left"):
        await sessions.add_text(opened.session, "z" * 11)
    await sessions.add_text(opened.session, "z" * 10)
    with pytest.raises(QuotaError, match="the 0 that are left of this key's 100 a day"):
        await sessions.start("more", sessions.described(owner=owner))


async def test_what_is_sent_again_is_counted_once() -> None:
    sessions, _, owner = await door(chars_a_day=10)
    text = sessions.described(session="story", owner=owner)
    opened = await sessions.open(sessions.described(owner=owner, open_=True))
    for _ in range(3):  # the last time with nothing left
        await sessions.start("x" * 4, text)
        assert await sessions.add_text(opened.session, "y" * 6, seq=0) == 0
    with pytest.raises(QuotaError, match="the 0 that are left"):
        await sessions.add_text(opened.session, "y" * 6)


async def test_what_is_refused_is_not_counted() -> None:
    sessions, _, owner = await door(chars_a_day=10)
    text = sessions.described(session="story", owner=owner)
    await sessions.start("x" * 4, text)
    with pytest.raises(ConflictError, match="has another item"):
        await sessions.start("z" * 4, text)
    opened = await sessions.open(sessions.described(owner=owner, open_=True))
    with pytest.raises(ConflictError, match="cannot follow"):
        await sessions.add_text(opened.session, "y" * 6, seq=5)
    await sessions.finish(opened.session)
    with pytest.raises(SessionClosedError):
        await sessions.add_text(opened.session, "y" * 6)
    await sessions.start("z" * 6, sessions.described(owner=owner))


async def test_a_session_that_ended_makes_room_for_another() -> None:
    sessions, system, owner = await door(sessions_at_once=2, chars_a_day=1_000)
    first = await sessions.start("one", sessions.described(owner=owner))
    await sessions.start("two", sessions.described(owner=owner))
    with pytest.raises(QuotaError, match="2 unfinished sessions"):
        await sessions.start("x" * 900, sessions.described(owner=owner))
    done = Event(session=first.session, stage="publish", seq=0, kind="done", last=True)
    await system.append([done])
    await sessions.start("x" * 900, sessions.described(owner=owner))  # nothing was used up


async def test_a_session_that_was_deleted_or_that_the_log_does_not_know_takes_no_place() -> None:
    sessions, system, owner = await door(sessions_at_once=2)
    assert sessions.quotas is not None
    deleted = await sessions.start("one", sessions.described(owner=owner))
    partition = partition_of(deleted.session.encode(), system.journal.partitions)
    await system.log.forget(partition, deleted.session, refuse_s=60.0)
    await sessions.quotas.keys.begin(owner, "not-there-yet", int(time() * 1000))
    await sessions.start("two", sessions.described(owner=owner))
    with pytest.raises(QuotaError, match="2 unfinished sessions"):
        await sessions.start("three", sessions.described(owner=owner))
    await sessions.quotas.keys.end(owner, ["not-there-yet"])
    await sessions.quotas.keys.begin(owner, "never-there", 0)
    await sessions.start("three", sessions.described(owner=owner))


async def test_what_cannot_begin_where_it_should_is_counted_once(
    redis_log: RedisLog, redis_connection: RedisConnection
) -> None:
    keys, index = MemoryAccessKeys(), MemorySessionIndex()
    key, _ = new_key("a client", chars_a_day=8, sessions_at_once=1)
    await keys.add(key)
    journal = Journal(redis_log, 2)
    sessions = Sessions(journal, quotas=Quotas(keys, journal, index), index=index)
    theirs = redis_connection.keys.stream("session", 0)
    await redis_connection.command("XADD", theirs, "*", "not", "ours")
    described = sessions.described(owner=key.id)
    while partition_of(described.session.encode(), 2):
        described = sessions.described(owner=key.id)
    begun = await begin(sessions, described, "12345678")
    assert list(await keys.unfinished(key.id)) == [begun.session]
    assert begun.session != described.session


async def test_who_keeps_too_much_starts_nothing_until_something_is_removed() -> None:
    sessions, system, owner = await door(kept_mb=2)
    first = await sessions.start("one", sessions.described(owner=owner))
    await system.session_index.count(first.session, "media_bytes", 1_500_000)
    await sessions.start("two", sessions.described(owner=owner))
    await system.session_index.count(first.session, "archive_bytes", 600_000)
    with pytest.raises(QuotaError, match=r"2\.1 MB are kept .* and 2 is its limit: remove some"):
        await sessions.start("three", sessions.described(owner=owner))
    await system.session_index.remove([first.session])
    await sessions.start("three", sessions.described(owner=owner))


async def test_what_belongs_to_nobody_is_not_counted() -> None:
    sessions, _, _ = await door(chars_a_day=1, sessions_at_once=1)
    for _ in range(3):
        await sessions.start("as much as one likes")


async def test_a_revoked_key_adds_nothing_to_its_sessions() -> None:
    sessions, _, owner = await door()
    opened = await sessions.open(sessions.described(owner=owner, open_=True))
    assert sessions.quotas is not None
    await sessions.quotas.keys.revoke(owner)
    with pytest.raises(QuotaError, match="was revoked"):
        await sessions.add_text(opened.session, "more")
