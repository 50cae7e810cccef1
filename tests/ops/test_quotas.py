"""What a key may use, and what it is told where it has used it up."""

import pytest
from standins.in_memory import System

from rhapsode.codecs.records import Event
from rhapsode.ops.callers import new_key
from rhapsode.ops.quotas import Quotas
from rhapsode.ops.refusals import QuotaError
from rhapsode.ops.sessions import Sessions
from rhapsode.storage.memory.access_keys import MemoryAccessKeys


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


async def test_a_session_that_ended_makes_room_for_another() -> None:
    sessions, system, owner = await door(sessions_at_once=2, chars_a_day=1_000)
    first = await sessions.start("one", sessions.described(owner=owner))
    await sessions.start("two", sessions.described(owner=owner))
    with pytest.raises(QuotaError, match="2 unfinished sessions"):
        await sessions.start("x" * 900, sessions.described(owner=owner))
    done = Event(session=first.session, stage="publish", seq=0, kind="done", last=True)
    await system.append([done])
    await sessions.start("x" * 900, sessions.described(owner=owner))  # nothing was used up


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
