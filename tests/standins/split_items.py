"""Items for tests of cutting, and the chunks that are made of them."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from rhapsode.agents.idle import Idle
from rhapsode.agents.split import Split
from rhapsode.agents.splitting import ALL_IDLE_S, SENTENCE_IDLE_S
from rhapsode.codecs.records import AudioFrame, Chunk, Control, Event, Item, Passage, text_items
from standins.in_memory import System, accepted

TEXT = """# The fox

A fox lived in the old wood. She was clever, quick, and rather vain; nobody minded.

One day it snowed.

# The owl

An owl watched her from above, without a word, for all of a long winter. Then it spoke.

# The end

Nobody knows what it said."""

LONG_TEXT = "A sentence of quite some words that fills the item, too. " * 300

Input = Item | Passage | Idle
A_LITTLE = Idle(SENTENCE_IDLE_S)
LONG = Idle(ALL_IDLE_S)


def agent(system: System) -> Split:
    journal = system.journal
    return Split(
        journal.of(Item),
        journal.of(Passage),
        journal.of(Chunk),
        journal.of(Event),
        system.gate,
        journal.of(AudioFrame),
        journal.of(Control),
    )


def pieces(text: str, size: int) -> list[Item]:
    """Return a text as items of so many characters, the last of which ends the session."""
    parts = [text[start : start + size] for start in range(0, len(text), size)] or [""]
    return [
        item
        for seq, part in enumerate(parts)
        for item in text_items("s", seq, part, last=seq == len(parts) - 1)
    ]


def mixed() -> list[Item]:
    """Return texts in pieces and parts, with an object and silences between them, and an end."""
    return [
        *text_items("s", 0, "The first te"),
        *text_items("s", 1, "xt. It goes o"),
        *text_items("s", 2, "n", item_end=True),
        *text_items("s", 3, "Another text, right behind it"),
        Item(session="s", seq=4, kind="object", object="song.wav", etag='"1"'),
        Item(session="s", seq=5, kind="silence", seconds=2.5),
        *text_items("s", 6, "# Heading\n\nBody of it. "),
        *text_items("s", 7, "# Next\n\nMore body"),
        Item(session="s", seq=8, kind="silence", seconds=0.5),
        *text_items("s", 9, LONG_TEXT),
        Item(session="s", seq=10, kind="end", last=True),
    ]


async def with_items(items: Sequence[Input], **fields: Any) -> System:
    system = await accepted(**fields)
    await system.append([item for item in items if not isinstance(item, Idle)])
    return system


async def cut(items: Sequence[Input], **fields: Any) -> list[Chunk]:
    """Return the chunks of items that are handed over in their order, idle times included."""
    system = await with_items(items, **fields)
    await system.hand(agent(system), "s", items)
    return await chunks_of(system)


async def chunks_of(system: System) -> list[Chunk]:
    """Return a session's chunks, whose numbers are without a gap."""
    chunks: list[Chunk] = await system.chapters(Chunk, "s")
    assert [chunk.seq for chunk in chunks] == list(range(len(chunks)))
    for before, after in pairwise(chunks):
        after_mark = before.boundary == "chapter"
        assert (after.chapter, after.index) == (
            (before.chapter + 1, 0) if after_mark else (before.chapter, before.index + 1)
        )
    for before, after in pairwise(chunk for chunk in chunks if chunk.kind == "text"):
        assert after.item > before.item or after.start_char >= before.end_char
    return chunks


def spoken(chunks: Sequence[Chunk], item: int = 0) -> list[str]:
    return [chunk.text for chunk in chunks if chunk.kind == "text" and chunk.item == item]


def noted(items: Sequence[Input], handed: list[Input]):
    for item in items:
        handed.append(item)
        yield item
