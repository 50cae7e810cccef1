"""Device tokens: good for one device, for thirty days, for the owner that they name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhapsode.codecs.device.tokens import (
    AHEAD_S,
    LIFE_S,
    TokenError,
    looks_like_token,
    make_token,
    owner_of_token,
)

SECRET = b"s" * 32
ids = st.text(
    st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="|"), min_size=1
)


@given(ids, ids, st.integers(0, 10**10), st.from_regex(r"[0-9a-f]{0,12}", fullmatch=True))
def test_a_token_tells_its_owner(device: str, client: str, issued_s: int, owner: str):
    token = make_token(SECRET, device, client, issued_s, owner)
    assert looks_like_token(token)
    assert " " not in token
    assert owner_of_token(SECRET, token, device, client, issued_s + 1) == owner


@pytest.mark.parametrize(
    ("secret", "device", "client", "later_s"),
    [
        (b"t" * 32, "d", "c", 0),
        (SECRET, "e", "c", 0),
        (SECRET, "d", "e", 0),
        (SECRET, "d", "c", LIFE_S + 1),
        (SECRET, "d", "c", -AHEAD_S - 1),
    ],
)
def test_it_is_good_for_nothing_else(secret: bytes, device: str, client: str, later_s: int):
    token = make_token(SECRET, "d", "c", 1_000_000, "owner")
    with pytest.raises(TokenError, match="/xiaozhi/ota/"):
        owner_of_token(secret, token, device, client, 1_000_000 + later_s)


def test_its_parts_cannot_be_changed():
    signature, issued, owner = make_token(SECRET, "d", "c", 1_000_000, "owner").split(".")
    for changed in (
        f"{signature}.1000001.{owner}",
        f"{signature}.{issued}.other",
        f"{signature}.{issued}",
        f"{signature[1:]}A.{issued}.{owner}",
    ):
        with pytest.raises(TokenError, match="not this device's"):
            owner_of_token(SECRET, changed, "d", "c", 1_000_000)


@given(st.text(max_size=200))
def test_any_other_text_is_no_token(text: str):
    with pytest.raises(TokenError):
        owner_of_token(SECRET, text, "d", "c", 0.0)


@pytest.mark.parametrize("name", ["", "a b", "a|b", "ä", "\ud800", "x" * 129, "a\n"])
def test_an_id_that_is_none_gets_no_token(name: str):
    with pytest.raises(TokenError, match="visible ASCII"):
        make_token(SECRET, name, "c", 0)
    with pytest.raises(TokenError, match="visible ASCII"):
        make_token(SECRET, "d", name, 0)
