"""Keys and tokens: whose they are, and whose they are no longer."""

import base64
import re

import msgspec
import pytest

from rhapsode.ops import callers
from rhapsode.ops.callers import Caller, Callers, new_key
from rhapsode.storage.memory.access_keys import MemoryAccessKeys


@pytest.fixture
def keys() -> MemoryAccessKeys:
    return MemoryAccessKeys()


@pytest.fixture(autouse=True)
def without_a_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look keys up each time, so that no test waits until a revoked one is forgotten."""
    monkeypatch.setattr(callers, "KNOWN_S", -1.0)


async def added(keys: MemoryAccessKeys, name: str = "a client") -> tuple[str, str]:
    """Return a new key's id and its text."""
    key, text = new_key(name)
    await keys.add(key)
    return key.id, text


async def test_a_key_is_known_by_its_text_alone_and_the_text_is_not_stored(
    keys: MemoryAccessKeys,
) -> None:
    key_id, text = await added(keys)
    assert await Callers(keys).identify(text) == Caller(key_id)
    (stored,) = await keys.all()
    assert text not in str(stored)
    assert re.fullmatch(r"rk_[0-9a-f]{12}_[A-Za-z0-9_-]{43}", text)


async def test_wrong_keys_are_nobodys(keys: MemoryAccessKeys) -> None:
    _, text = await added(keys)
    other_id, other = await added(keys, "another")
    swapped = f"rk_{other_id}_{text.split('_', 2)[2]}"
    for wrong in ("", "rk_", text[:-1], text + "x", text.upper(), swapped, "é" * 40, "x" * 2_000):
        assert await Callers(keys).identify(wrong) is None
    assert await Callers(keys).identify(other) == Caller(other_id)


async def test_a_revoked_key_and_its_tokens_are_nobodys(keys: MemoryAccessKeys) -> None:
    key_id, text = await added(keys)
    known = Callers(keys)
    token = await known.token(Caller(key_id), 60)
    assert await known.identify(token) == Caller(key_id, by_token=True)
    await keys.revoke(key_id)
    assert await known.identify(text) is None
    assert await known.identify(token) is None


async def test_a_token_is_good_in_every_process_for_its_session_and_its_time(
    keys: MemoryAccessKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    key_id, _ = await added(keys)
    token = await Callers(keys).token(Caller(key_id), 60, "s")
    assert await Callers(keys).identify(token) == Caller(key_id, "s", by_token=True)
    now_s = callers.time()
    monkeypatch.setattr(callers, "time", lambda: now_s + 61)
    assert await Callers(keys).identify(token) is None


async def test_no_token_is_good_for_longer_than_an_hour(
    keys: MemoryAccessKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    key_id, _ = await added(keys)
    token = await Callers(keys).token(Caller(key_id), 1e9)
    now_s = callers.time()
    monkeypatch.setattr(callers, "time", lambda: now_s + callers.TOKEN_S + 1)
    assert await Callers(keys).identify(token) is None


async def test_a_token_that_was_changed_or_signed_elsewhere_is_nobodys(
    keys: MemoryAccessKeys,
) -> None:
    key_id, _ = await added(keys)
    known = Callers(keys)
    token = await known.token(Caller(key_id), 60, "s")
    payload, _, signature = token.removeprefix("rt_").partition(".")
    fields = msgspec.json.decode(base64.urlsafe_b64decode(payload))
    wider = base64.urlsafe_b64encode(msgspec.json.encode(fields | {"session": ""})).decode()
    foreign = await Callers(MemoryAccessKeys()).token(Caller(key_id), 60)
    for wrong in (f"rt_{wider}.{signature}", f"rt_{payload}.", "rt_", "rt_.", "rt_x.y", foreign):
        assert await known.identify(wrong) is None
