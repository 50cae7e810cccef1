"""From what listeners say, or ask in words, to what they hear."""

from ..agents.journal import Journal
from ..agents.match import Match
from ..agents.recognise import Recognise
from ..codecs.records import Allowance, Answered, Heard, Item, Request
from .stage import Resources, Stage, Topology


def _recognise(resources: Resources, journal: Journal) -> Recognise:
    heard, requests = journal.of(Heard), journal.of(Request)
    return Recognise(resources.recogniser, resources.ears, heard, requests)


def _match(resources: Resources, journal: Journal) -> Match:
    return Match(
        resources.catalogue,
        resources.objects,
        journal.of(Request),
        journal.of(Answered),
        journal.of(Allowance),
        journal.of(Item),
        resources.chooser,
    )


async def _prepare_catalogue(resources: Resources) -> None:
    await resources.catalogue.prepare()


REQUESTS = Topology(
    "requests",
    (
        Stage(
            "recognise",
            sources=("heard",),
            sinks=("request",),
            build=_recognise,
        ),
        Stage(
            "match",
            sources=("request",),
            sinks=("session", "text", "answer"),
            reads=("limits",),
            build=_match,
            prepare=_prepare_catalogue,
        ),
    ),
)
"""What is heard and asked, how it was understood and why something is played are in the log."""
