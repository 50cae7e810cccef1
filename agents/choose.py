"""What the rules leave open is put to a language model: which of the nearest titles is meant?"""

import asyncio
from typing import Protocol

import structlog

from ..codecs.catalogue.answers import Answer, Ask, NotFound, Play
from ..codecs.catalogue.limits import Limits
from ..codecs.catalogue.matching import Catalogue
from ..codecs.catalogue.titles import Title
from .models.model import ModelFailedError, ModelUnavailableError, ModelUnreachableError

SHORTLIST = 20
"""Titles that the model may choose from: the nearest ones."""
PATIENCE_S = 4.0
"""A listener waits meanwhile; then the rules' answer stands."""
log = structlog.get_logger()


class Chooser(Protocol):
    """Something that knows which of several titles a request means."""

    @property
    def name(self) -> str:
        """What it is, for whoever wants to know why something is played."""
        ...

    async def choose(self, text: str, titles: tuple[Title, ...]) -> Title | None:
        """Return the title that a request means, None where it means none of them.

        Raises:
            ModelUnavailableError, ModelFailedError, ModelUnreachableError: it does not tell.
        """
        ...

    async def close(self) -> None:
        """Release connections."""
        ...


async def choose(
    chooser: Chooser, catalogue: Catalogue, answer: Answer, text: str, limits: Limits
) -> Answer:
    """Return the rules' answer; where that is a question or nothing, the chooser's, if it has one.

    It chooses among titles that the listener may hear, so it can do no more harm than play one of
    them; a title that is there and not allowed is not looked for in its place.
    """
    if not _leaves_open(answer):
        return answer
    near = (title for title, _ in catalogue.search(text, 2 * SHORTLIST))
    titles = tuple(title for title in near if limits.allows(title))[:SHORTLIST]
    if not titles:
        return answer
    try:
        async with asyncio.timeout(PATIENCE_S):
            title = await chooser.choose(text, titles)
    except TimeoutError:
        log.warning("no answer in time, the rules' stands", model=chooser.name)
        return answer
    except (ModelUnavailableError, ModelFailedError, ModelUnreachableError) as error:
        log.warning("it does not choose, the rules' answer stands", why=str(error))
        return answer
    if title is None:
        return answer
    return Play(
        slots=answer.slots,
        reason=f"chosen by {chooser.name} among {len(titles)}; by the rules: {answer.reason}",
        titles=(title,),
        candidates=answer.candidates,
    )


def _leaves_open(answer: Answer) -> bool:
    if isinstance(answer, Ask):
        return True
    return isinstance(answer, NotFound) and bool(answer.wanted) and not answer.forbidden
