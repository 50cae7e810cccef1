"""Tokens of voice devices: given with the OTA answer, shown with each connection.

The form is that of xiaozhi-esp32-server (``core/auth.py``), with the owner behind it where there
is one::

    base64url(HMAC-SHA256(key, client|device|issued|owner)) . issued [. owner]

``issued`` is in Unix seconds. Firmware keeps the token and takes it for any text without spaces.
"""

import base64
import hmac
import re

LIFE_S = 30 * 86_400
"""For so long a token is good."""
AHEAD_S = 300
"""A token from a clock of another machine may be so much in the future."""
MAX_ID_CHARS = 128

_ids = re.compile(r"[!-{}~]{1,128}")
"""Visible ASCII but ``|``, which separates them."""
_token = re.compile(r"([A-Za-z0-9_-]{43})\.([0-9]{1,12})(?:\.([0-9A-Za-z_-]{1,64}))?")


class TokenError(ValueError):
    """A token that is not good for this device; the message says why and what to do."""


def looks_like_token(credential: str) -> bool:
    """Tell whether a credential has the form of a device's token."""
    return _token.fullmatch(credential) is not None


def check_id(name: str, value: str) -> str:
    """Return a Device-Id or Client-Id that a token can be made for.

    Raises:
        TokenError: it is empty, too long, or holds what no id holds.
    """
    if _ids.fullmatch(value) is None:
        raise TokenError(
            f"{name} {value[:40]!r} is not 1 to {MAX_ID_CHARS} visible ASCII characters without '|'"
        )
    return value


def make_token(secret: bytes, device: str, client: str, issued_s: int, owner: str = "") -> str:
    """Return a token for a device, issued at a Unix time, for sessions of ``owner``.

    Raises:
        TokenError: an id is not one.
    """
    check_id("Device-Id", device)
    check_id("Client-Id", client)
    signature = _signature(secret, device, client, issued_s, owner)
    return f"{signature}.{issued_s}.{owner}" if owner else f"{signature}.{issued_s}"


def owner_of_token(secret: bytes, token: str, device: str, client: str, now_s: float) -> str:
    """Return the owner for whom a device's token was made, empty where it was for nobody's key.

    Raises:
        TokenError: it is not a token, not this device's, or no longer good.
    """
    found = _token.fullmatch(token)
    if found is None:
        raise TokenError("this is no device token: ask for one at /xiaozhi/ota/")
    issued_s, owner = int(found[2]), found[3] or ""
    expected = _signature(secret, device, client, issued_s, owner)
    if not hmac.compare_digest(expected, found[1]):
        raise TokenError("this token is not this device's: ask for another at /xiaozhi/ota/")
    if not issued_s - AHEAD_S <= now_s <= issued_s + LIFE_S:
        raise TokenError("this token is too old: ask for another at /xiaozhi/ota/")
    return owner


def _signature(secret: bytes, device: str, client: str, issued_s: int, owner: str) -> str:
    # a key of its own: what else the secret signs is never taken for a device's token
    key = hmac.digest(secret, b"voice device token", "sha256")
    signed = "|".join((client, device, str(issued_s), owner))
    digest = hmac.digest(key, signed.encode(errors="surrogatepass"), "sha256")
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
