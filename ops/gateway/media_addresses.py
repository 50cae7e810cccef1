"""Addresses of playlists and segments: plain ones, or signed ones that are good for a while.

The signature is a part of the path. Playlists name their segments relative to themselves, so any
player and any cache fetches a whole session by its first address, without headers or cookies.
"""

import base64
import hmac
from time import time

from ...storage.access_keys import AccessKeys

STEP_S = 3_600
"""Addresses change once an hour, so that caches see the same one for all listeners."""
SIGNATURE_BYTES = 16


class MediaAddresses:
    """Makes addresses, and checks those that are asked for.

    Args:
        prefix: URL path that all of them begin with.
        hours: They are good for so long, and for at most an hour more; 0 makes plain ones.
        keys: Has the secret that all gateways of a namespace sign with.
    """

    def __init__(self, prefix: str, hours: float, keys: AccessKeys) -> None:
        self.prefix = prefix
        self.signed = hours > 0
        self._good_for_s = hours * 3_600
        self._keys = keys
        self._secret = b""

    async def open(self) -> None:
        """Learn the secret; to be called before any other method.

        Raises:
            UnreachableError: the log's server does not answer.
        """
        if self.signed:
            self._secret = await self._keys.secret()

    def of(self, session: str, name: str) -> str:
        """Return the address of one of a session's objects, from the root of the gateway."""
        if not self.signed:
            return f"{self.prefix}/{session}/{name}"
        until_s = (int(time() + self._good_for_s) // STEP_S + 1) * STEP_S
        return f"{self.prefix}/{until_s}.{self._signature(until_s, session)}/{session}/{name}"

    def admits(self, session: str, signature: str) -> bool:
        """Tell whether a signature is the session's, and good still."""
        until_s, _, given = signature.partition(".")
        if len(until_s) > 12 or not (until_s.isascii() and until_s.isdecimal()):
            return False
        expected = self._signature(int(until_s), session)
        return hmac.compare_digest(given.encode(), expected.encode()) and int(until_s) > time()

    def _signature(self, until_s: int, session: str) -> str:
        digest = hmac.digest(self._secret, f"media {until_s} {session}".encode(), "sha256")
        return base64.urlsafe_b64encode(digest[:SIGNATURE_BYTES]).decode().rstrip("=")
