"""Who calls: API keys, the short-lived tokens made from them, and what is stored of both."""

import base64
import hmac
import secrets
from collections import OrderedDict
from dataclasses import dataclass
from hashlib import sha256
from time import time

import msgspec

from ..storage.access_keys import AccessKey, AccessKeys

KEY_BYTES = 32
"""256 random bits: nobody guesses one, so a plain SHA-256 is enough to keep."""
KEY_MARK, TOKEN_MARK = "rk_", "rt_"
TOKEN_S = 3_600.0
"""The longest that a token is good for."""
KNOWN_S = 5.0
"""A key that was looked up is believed for so long: a revoked one is refused after that."""
MOST_KNOWN = 10_000
MOST_CREDENTIAL_CHARS = 1_000


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls."""

    owner: str = ""
    """Id of the key; empty for whoever needs none, who may see every session."""
    session: str = ""
    """The only session that may be asked for; empty for all of the owner's."""
    by_token: bool = False
    """True where a token was shown: it makes no tokens, or it would live for ever."""

    def owns(self, owner: str) -> bool:
        """Tell whether the caller may see what belongs to an owner."""
        return not self.owner or self.owner == owner


class _Token(msgspec.Struct, frozen=True):
    key: str
    until_s: float
    session: str


def new_key(
    name: str, *, chars_a_day: int = 0, sessions_at_once: int = 0, kept_mb: int = 0
) -> tuple[AccessKey, str]:
    """Return a key as it is stored, and the text that is shown once and never again."""
    key_id = secrets.token_hex(6)
    text = f"{KEY_MARK}{key_id}_{secrets.token_urlsafe(KEY_BYTES)}"
    return AccessKey(
        id=key_id,
        name=name,
        sha256=sha256(text.encode()).hexdigest(),
        created_ms=round(time() * 1000),
        chars_a_day=chars_a_day,
        sessions_at_once=sessions_at_once,
        kept_mb=kept_mb,
    ), text


class Callers:
    """Tells callers by what they show, and makes tokens."""

    def __init__(self, keys: AccessKeys) -> None:
        self._keys = keys
        self._known: OrderedDict[str, tuple[float, AccessKey | None]] = OrderedDict()
        self._secret: bytes | None = None

    async def identify(self, credential: str) -> Caller | None:
        """Return whose key or token it is, None where it is nobody's, or not any more.

        Raises:
            UnreachableError: the log's server does not answer.
        """
        if len(credential) > MOST_CREDENTIAL_CHARS or not credential.isascii():
            return None
        if credential.startswith(TOKEN_MARK):
            return await self._of_token(credential)
        key_id = credential.removeprefix(KEY_MARK).partition("_")[0]
        key = await self._key(key_id) if credential.startswith(KEY_MARK) else None
        shown = sha256(credential.encode()).hexdigest()
        if key is None or not hmac.compare_digest(key.sha256, shown):
            return None
        return Caller(key.id)

    async def token(self, caller: Caller, seconds: float, session: str = "") -> str:
        """Return a token of the caller's, good for so long, and for one session where named."""
        until_s = time() + min(seconds, TOKEN_S)
        payload = _encoded(msgspec.json.encode(_Token(caller.owner, until_s, session)))
        return f"{TOKEN_MARK}{payload}.{await self._signature(payload)}"

    async def _of_token(self, credential: str) -> Caller | None:
        payload, _, signature = credential.removeprefix(TOKEN_MARK).partition(".")
        if not hmac.compare_digest(await self._signature(payload), signature):
            return None
        token = msgspec.json.decode(base64.urlsafe_b64decode(payload), type=_Token)
        if token.until_s < time() or (token.key and await self._key(token.key) is None):
            return None
        return Caller(token.key, token.session, by_token=True)

    async def _signature(self, payload: str) -> str:
        if self._secret is None:
            self._secret = await self._keys.secret()
        return _encoded(hmac.digest(self._secret, payload.encode(), "sha256"))

    async def _key(self, key_id: str) -> AccessKey | None:
        looked_up_s, key = self._known.get(key_id, (0.0, None))
        if time() - looked_up_s > KNOWN_S:
            key = await self._keys.get(key_id)
            self._known[key_id] = (time(), key)
            self._known.move_to_end(key_id)
            if len(self._known) > MOST_KNOWN:
                self._known.popitem(last=False)
        return key


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode()
