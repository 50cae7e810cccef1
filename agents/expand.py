"""From what was asked to the words that are said."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass

from ..codecs.encoding import check_text
from ..codecs.records import Event, Passage, SequenceRecord, Text
from .journal import History
from .models.model import Model, ModelFailedError, ModelUnavailableError

PASSAGE_CHARS = 8_000
"""A passage stays under the log's 64 KB in any script."""
DELTA_CHARS = 24
"""A model's tokens are put together to about this length: a record for each would cost more."""


@dataclass(frozen=True, slots=True)
class Expand:
    """Take the text as it is (``narrate``), or have the model write it (``expand``)."""

    model: Model
    passages: History[Passage]

    async def __call__(
        self, texts: AsyncIterator[Text]
    ) -> AsyncGenerator[tuple[SequenceRecord, ...]]:
        """Yield the passages of each text; what a crash left behind is continued, not repeated.

        Raises:
            MalformedError: the text is out of bounds.
            OSError: the model is out of reach; worth another try.
        """
        async for text in texts:
            check_text(text)
            said = await self.passages.records(text.session, 0)
            if said and said[-1].last:
                continue
            if text.mode == "narrate":
                yield (*_slices(text), _event(text, len(text.text)))
                continue
            async for batch in self._written(text, said):
                yield batch

    async def _written(
        self, text: Text, said: list[Passage]
    ) -> AsyncGenerator[tuple[SequenceRecord, ...]]:
        so_far = "".join(passage.text for passage in said)
        seq = len(said)
        pending = ""
        error = ""
        try:
            writing = self.model.write(text.text, text.settings.language, so_far)
            async with aclosing(writing) as deltas:  # a session let go of must not write on
                async for delta in deltas:
                    pending += delta
                    while len(pending) >= DELTA_CHARS:  # some servers send all of it at once
                        piece, pending = pending[:PASSAGE_CHARS], pending[PASSAGE_CHARS:]
                        yield (_passage(text, seq, piece),)
                        so_far, seq = so_far + piece, seq + 1
        except (ModelFailedError, ModelUnavailableError) as failure:
            error = str(failure)
        if not error and not (so_far + pending).strip():
            error = f"the model {self.model.name} wrote nothing"
        last = Passage(
            session=text.session,
            seq=seq,
            text=pending,
            settings=text.settings,
            last=True,
            error=error,
        )
        yield (last, _event(text, len(so_far) + len(pending)))


def _slices(text: Text) -> tuple[Passage, ...]:
    pieces = [
        text.text[start : start + PASSAGE_CHARS]
        for start in range(0, len(text.text), PASSAGE_CHARS)
    ]
    return tuple(
        Passage(
            session=text.session,
            seq=seq,
            text=piece,
            settings=text.settings,
            last=seq == len(pieces) - 1,
        )
        for seq, piece in enumerate(pieces)
    )


def _passage(text: Text, seq: int, words: str) -> Passage:
    return Passage(session=text.session, seq=seq, text=words, settings=text.settings)


def _event(text: Text, chars: int) -> Event:
    return Event(
        session=text.session, stage="expand", seq=0, kind="text", chars_total=chars, last=True
    )
