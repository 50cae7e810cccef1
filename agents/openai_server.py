"""A server with an API like OpenAI's: its address, its key, and what its failures mean."""

from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx

from .http_answers import (
    BusyError,
    RefusedError,
    TooLongError,
    check_status,
    described,
    public_url,
    tries,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Failures:
    """The errors of whoever asks."""

    failed: type[Exception]
    """To ask again would change nothing."""
    unreachable: type[Exception]
    """It may answer later."""


class OpenAIServer:
    """One endpoint, which is posted to.

    Args:
        base_url: Such as ``https://api.openai.com/v1``; empty: not configured.
        path: Of the endpoint, such as ``audio/speech``.
        key: Sent as a bearer token, unless empty, and left out of every message.
        timeout_s: Longest silence of the server before a request counts as failed.
        connect_s: The same until it is connected.
        failures: What is raised.
    """

    def __init__(
        self,
        base_url: str,
        path: str,
        key: str,
        *,
        timeout_s: float,
        connect_s: float,
        failures: Failures,
    ) -> None:
        self.url = f"{base_url.rstrip('/')}/{path}" if base_url else ""
        self.public_url = public_url(self.url)
        """The address as it may be told: without a password."""
        self._key = key
        self._failures = failures
        self.client = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=httpx.Timeout(timeout_s, connect=connect_s),
        )

    async def check(self, response: httpx.Response) -> None:
        """Raise what `http_answers.check_status` does, unless the server accepts."""
        await check_status(response, self._key)

    @contextmanager
    def told(self) -> Generator[None]:
        """Raise the failures of the block as the caller's, with the server's address."""
        try:
            yield
        except RefusedError as error:
            raise self._failures.failed(f"{self.public_url} refuses: {error}") from None
        except TooLongError as error:
            raise self._failures.failed(f"{self.public_url} sent {error}") from None
        except (BusyError, httpx.TransportError) as error:
            raise self._failures.unreachable(
                f"{self.public_url} does not answer now: {described(error)}"
            ) from error

    async def answer(
        self,
        read: Callable[[httpx.Response], Awaitable[T]],
        *,
        most_tries: int,
        first_wait_s: float,
        **request: Any,
    ) -> T:
        """Post a request (httpx's arguments), again where that may help; return what is read."""
        with self.told():
            async for attempt in tries(most_tries, first_wait_s):
                with attempt:
                    async with self.client.stream("POST", self.url, **request) as response:
                        await self.check(response)
                        return await read(response)
        raise AssertionError("the last try returns or raises")

    async def close(self) -> None:
        """Close its connections."""
        await self.client.aclose()
