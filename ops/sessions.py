"""Accepting texts, and listing the sessions they became."""

import secrets
import time
from contextlib import suppress
from dataclasses import dataclass

from ..agents.journal import History
from ..codecs.encoding import MalformedError, check_text, unpack
from ..codecs.records import Mode, Text, VoiceSettings
from ..storage.log import Log
from ..topologies.keyed_runner import batches
from .progress import Progress, load_progress


def new_session_id() -> str:
    """Return a session id that nobody can guess."""
    return secrets.token_hex(16)


def new_text(
    text: str,
    *,
    mode: Mode = "narrate",
    settings: VoiceSettings | None = None,
    session: str | None = None,
) -> Text:
    """Return the record of a text that is accepted now.

    Raises:
        MalformedError: it is out of bounds; the message says what is allowed.
    """
    return check_text(
        Text(
            session=session or new_session_id(),
            text=text,
            mode=mode,
            settings=settings or VoiceSettings(),
            created_ms=time.time_ns() // 1_000_000,
        )
    )


@dataclass(frozen=True, slots=True)
class Sessions:
    """The door through which texts enter: durable before the answer."""

    log: Log
    partitions: int

    async def start(
        self,
        text: str,
        *,
        mode: Mode = "narrate",
        settings: VoiceSettings | None = None,
        session: str | None = None,
    ) -> Text:
        """Append the text to the log and return its record.

        Raises:
            MalformedError: it is out of bounds; the message says what is allowed.
            UnreachableError: the log does not answer.
        """
        record = new_text(text, mode=mode, settings=settings, session=session)
        history = History(self.log, Text, self.partitions)
        await self.log.append_at(history.partition(record.sequence), batches((record,)))
        return record

    async def recent(self, limit: int = 50) -> list[Progress]:
        """Return the newest sessions, newest first."""
        texts: list[tuple[int, str]] = []
        for number in range(self.partitions):
            span = await self.log.span(Text.TOPIC, number)
            first = max(span.first, span.next - limit)
            found = await self.log.read({(Text.TOPIC, number): first}, limit=limit)
            for entry in (entry for entries in found.values() for entry in entries):
                with suppress(MalformedError):  # what is no text is in the dead letters
                    text = unpack(entry.value or b"", Text)
                    texts.append((entry.timestamp_ms, text.session))
        newest = sorted(texts, reverse=True)[:limit]
        loaded = [await load_progress(self.log, self.partitions, session) for _, session in newest]
        return [progress for progress in loaded if progress is not None]
