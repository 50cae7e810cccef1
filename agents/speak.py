"""From chunks to speech."""

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass

import structlog

from ..codecs.records import Chunk, SequenceRecord, Speech
from .journal import History
from .turns import Turns
from .voices.voice import Spoken, Utterance, Voice, VoiceFailedError, VoiceUnavailableError

log = structlog.get_logger()
PART_BYTES = 48_000
"""PCM in one record of a chunk's speech: with words and text beside it under 64 KB."""


@dataclass(frozen=True, slots=True)
class Speak:
    """Ask the voice for each chunk; its audio becomes visible whole or not at all."""

    voice: Voice
    speech: History[Speech]
    turns: Turns

    async def __call__(
        self, chunks: AsyncIterator[Chunk]
    ) -> AsyncGenerator[tuple[SequenceRecord, ...]]:
        """Yield the speech of each chunk that has none yet.

        Raises:
            OSError: no voice can be reached; worth another try.
        """
        async for chunk in chunks:
            state = await self.speech.state(chunk.sequence)
            if state.closed or chunk.index < state.next:
                continue
            if chunk.index > state.next:
                yield (_missing(chunk, state.next),)
                continue
            if chunk.final or not chunk.text:
                yield (_mark(chunk, chunk.error),)
                continue
            try:
                async with self.turns.take(chunk.seq):
                    spoken = await self.voice.speak(Utterance(chunk.text, chunk.settings))
            except (VoiceFailedError, VoiceUnavailableError) as error:
                yield (_mark(chunk, str(error)),)
                continue
            except OSError:
                raise
            except Exception as error:
                # a voice that breaks down fails its chunk, never the stage
                log.exception("a voice broke down", session=chunk.session, chunk=chunk.seq)
                yield (_mark(chunk, f"the voice broke down: {error!r}"),)
                continue
            yield _parts(chunk, spoken)


def _mark(chunk: Chunk, error: str) -> Speech:
    return Speech(
        session=chunk.session,
        seq=chunk.seq,
        chapter=chunk.chapter,
        index=chunk.index,
        start_char=chunk.start_char,
        end_char=chunk.end_char,
        boundary="end" if error else chunk.boundary,
        error=error,
    )


def _missing(chunk: Chunk, index: int) -> Speech:
    """End the chapter at a chunk that was given up: nothing could follow its gap."""
    seq = chunk.seq - (chunk.index - index)
    return Speech(
        session=chunk.session,
        seq=seq,
        chapter=chunk.chapter,
        index=index,
        start_char=chunk.start_char,
        end_char=chunk.start_char,
        boundary="end",
        error=f"chunk {seq} was given up: the topic 'dead-letter' has the reason",
    )


def _parts(chunk: Chunk, spoken: Spoken) -> tuple[Speech, ...]:
    pcm = spoken.samples.astype("<i2").tobytes()
    pieces = [pcm[start : start + PART_BYTES] for start in range(0, len(pcm), PART_BYTES)] or [b""]
    return tuple(
        Speech(
            session=chunk.session,
            seq=chunk.seq,
            chapter=chunk.chapter,
            index=chunk.index,
            part=part,
            parts=len(pieces),
            rate_hz=spoken.rate_hz,
            pcm=piece,
            text=chunk.text if part == 0 else "",
            start_char=chunk.start_char,
            end_char=chunk.end_char,
            boundary=chunk.boundary,
            voice=spoken.voice,
            gain_db=spoken.gain_db,
            degraded=spoken.degraded,
            words=spoken.words if part == 0 else (),
        )
        for part, piece in enumerate(pieces)
    )
