"""From what listeners ask in words to what they hear."""

from ..agents.journal import Journal
from ..agents.match import Match
from ..codecs.records import Answered, Item
from .stage import Resources, Stage, Topology


def _match(resources: Resources, journal: Journal) -> Match:
    return Match(resources.catalogue, resources.objects, journal.of(Answered), journal.of(Item))


async def _prepare_catalogue(resources: Resources) -> None:
    await resources.catalogue.prepare()


REQUESTS = Topology(
    "requests",
    (
        Stage(
            "match",
            sources=("request",),
            sinks=("session", "text", "answer"),
            build=_match,
            prepare=_prepare_catalogue,
        ),
    ),
)
"""What is asked, how it was understood and why something is played are in the log."""
