"""Which answers of HTTP services are worth another try, and how long to wait for it."""

import asyncio

import httpx
import pytest
import stamina

from rhapsode.agents.http_answers import (
    JITTER_S,
    MAX_WAIT_S,
    BusyError,
    RefusedError,
    backoff,
    check_status,
    public_url,
    retry_after_s,
    tries,
)


def answer(status: int = 429, text: str = "", **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, text=text, headers=named)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry_after": "0"}, 0.0),
        ({"retry_after": " 3 "}, 3.0),
        ({"retry_after": "-1"}, None),
        ({"retry_after": "soon"}, None),
        ({"retry_after": "1e9"}, None),
        (
            {
                "date": "Tue, 01 Sep 2026 10:00:00 GMT",
                "retry_after": "Tue, 01 Sep 2026 10:00:04 GMT",
            },
            4.0,
        ),
        ({"retry_after": "Fri, 31 Dec 1999 23:59:59 GMT"}, 0.0),
    ],
)
def test_the_server_may_name_seconds_or_a_date(headers, seconds):
    assert retry_after_s(answer(**headers)) == seconds


def test_at_least_what_the_server_asks_for_is_waited():
    waits = [backoff(BusyError("busy", 2.0)) for _ in range(50)]
    assert all(2.0 <= wait_s <= 2.0 + JITTER_S for wait_s in waits)
    assert len(set(waits)) > 1


@pytest.mark.parametrize("asked_s", [MAX_WAIT_S + 1, float("9" * 400)])
def test_a_server_that_wants_a_longer_rest_is_not_asked_again(asked_s):
    assert backoff(BusyError("busy", asked_s)) is False


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (BusyError("status 503"), True),
        (httpx.ConnectError("refused"), True),
        (httpx.ReadTimeout("silent"), True),
        (RefusedError("status 400"), False),
        (ValueError("a bug"), False),
    ],
)
def test_only_what_may_pass_is_tried_again(error, again):
    assert backoff(error) is again


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504])
async def test_a_status_about_the_moment(status):
    with pytest.raises(BusyError, match=f"status {status} overloaded"):
        await check_status(answer(status, "overloaded"))


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 413, 422])
async def test_a_status_about_the_request(status):
    with pytest.raises(RefusedError, match=f"status {status}"):
        await check_status(answer(status))


async def test_messages_are_short_and_without_the_key():
    with pytest.raises(RefusedError) as caught:
        await check_status(answer(401, "no key sk-secret, " * 1000), "sk-secret")
    assert "sk-secret" not in str(caught.value)
    assert len(str(caught.value)) < 300


async def test_tries_end_with_the_last_error():
    tried: list[int] = []

    async def ask() -> None:
        async for attempt in tries(3, 0.1):
            with attempt:
                tried.append(attempt.num)
                raise BusyError(f"try {attempt.num}")

    with stamina.set_testing(True, attempts=3), pytest.raises(BusyError, match="try 3"):
        await ask()
    assert tried == [1, 2, 3]


async def test_a_cancelled_request_is_not_tried_again():
    tried: list[int] = []

    async def ask() -> None:
        async for attempt in tries(3, 0.0):
            with attempt:
                tried.append(attempt.num)
                await asyncio.Event().wait()

    asking = asyncio.create_task(ask())
    while not tried:
        await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert tried == [1]


def test_a_url_is_shown_without_what_is_secret_in_it():
    assert public_url("https://me:pw@host:1/v1?key=k") == "https://host:1/v1"
