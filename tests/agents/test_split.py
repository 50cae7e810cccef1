"""Items into chunks: every word, once, the same from wherever the cutting is taken up."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from standins.in_memory import System, accepted

from rhapsode.agents.idle import Idle
from rhapsode.agents.split import ALL_IDLE_S, SENTENCE_IDLE_S, Split
from rhapsode.codecs.records import Chunk, Event, Item, Passage, text_items
from rhapsode.codecs.records.inputs import MAX_PIECE_CHARS

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
    return Split(journal.of(Item), journal.of(Passage), journal.of(Chunk), journal.of(Event))


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


async def test_chunks_are_the_text_in_order_with_chapters_apart() -> None:
    chunks = await cut(pieces(TEXT, 1000))
    assert " ".join(TEXT[c.start_char : c.end_char] for c in chunks).split() == TEXT.split()
    assert spoken(chunks)[0] == "The fox"
    marks = [(chunk.chapter, chunk.boundary) for chunk in chunks if chunk.kind == "mark"]
    assert marks == [(0, "chapter"), (1, "chapter"), (2, "end")]
    for chapter in range(3):
        inside = [chunk for chunk in chunks if chunk.chapter == chapter]
        assert [chunk.last for chunk in inside] == [False] * (len(inside) - 1) + [True]
    assert TEXT[next(c for c in chunks if c.chapter == 1).start_char :].startswith("# The owl")


async def test_a_chapter_ends_in_the_output_of_its_last_chunk() -> None:
    system = await with_items(pieces(TEXT, 1000))
    outputs = await system.hand(agent(system), "s", pieces(TEXT, 1000))
    ends = [[chunk.text for chunk in output if isinstance(chunk, Chunk)] for output in outputs]
    assert [texts for texts in ends if len(texts) > 1] == [
        ["One day it snowed.", ""],
        ["Then it spoke.", ""],
    ]


@settings(max_examples=20, deadline=None)
@given(size=st.integers(1, 200))
async def test_how_a_text_arrives_does_not_show(size: int) -> None:
    assert await cut(pieces(TEXT, size)) == await cut(pieces(TEXT, 1000))


async def test_a_text_of_100_000_characters_in_parts_is_cut_as_if_it_were_one() -> None:
    text = " ".join(f"Sentence number {number}, of many." for number in range(3_300))[:100_000]
    items = text_items("s", 0, text, last=True)
    assert len(items) == -(-len(text) // MAX_PIECE_CHARS) == 7
    chunks = await cut(items)
    assert " ".join(text[c.start_char : c.end_char] for c in chunks).split() == text.split()
    assert chunks == await cut(pieces(text, 999))
    assert chunks[-1].chars == len(text.rstrip())


async def test_every_item_has_offsets_of_its_own() -> None:
    chunks = await cut(mixed())
    heard = [(chunk.item, chunk.kind, chunk.text) for chunk in chunks if chunk.item < 9]
    assert heard[:-1] == [
        (0, "text", "The first text."),
        (0, "text", "It goes on"),
        (3, "text", "Another text, right behind it"),
        (4, "object", ""),
        (5, "silence", ""),
        (6, "text", "Heading"),
        (6, "text", "Body of it."),
        (6, "text", "# Next"),
        (6, "text", "More body"),
        (8, "silence", ""),
    ]
    first_text, second, behind = chunks[:3]
    assert (first_text.start_char, second.end_char) == (0, len("The first text. It goes on"))
    assert (behind.start_char, behind.end_char) == (0, len("Another text, right behind it"))
    song, pause = chunks[3:5]
    assert (song.object, song.etag, pause.seconds) == ("song.wav", '"1"', 2.5)
    assert " ".join(spoken(chunks, 9)) == LONG_TEXT.strip()
    assert chunks[-1].boundary == "end"


async def test_a_text_before_something_else_ends_as_a_paragraph() -> None:
    chunks = await cut([*mixed()[:6], Item(session="s", seq=6, kind="end", last=True)])
    assert [chunk.boundary for chunk in chunks if chunk.kind == "text"] == [
        "sentence",
        "paragraph",
        "paragraph",
    ]


async def test_after_something_else_sound_begins_anew_with_a_short_chunk() -> None:
    text = "After the song, there is a rather long sentence that has clauses, and goes on."
    song = Item(session="s", seq=1, kind="object", object="song.wav")
    items = [*text_items("s", 0, text), song, *text_items("s", 2, text, last=True)]
    chunks = await cut(items)
    assert spoken(chunks, 2) == spoken(chunks, 0)
    assert [chunk.ramp for chunk in chunks if chunk.item == 2 and chunk.kind == "text"] == [
        chunk.ramp for chunk in chunks if chunk.item == 0 and chunk.kind == "text"
    ]


def noted(items: Sequence[Input], handed: list[Input]):
    for item in items:
        handed.append(item)
        yield item


async def hold_to_restarts(items: Sequence[Input], stops: Sequence[int], back: int) -> None:
    """Crash after each of so many outputs, and be handed so many records again."""
    whole = await with_items(items)
    await whole.hand(agent(whole), "s", items)
    for stop_after in stops:
        system = await with_items(items)
        handed: list[Input] = []
        await system.hand(agent(system), "s", noted(items, handed), stop_after=stop_after)
        first = max(0, len(handed) - 1 - back)
        await system.hand(agent(system), "s", items[first:])
        assert await chunks_of(system) == await chunks_of(whole)
        assert await system.records(Event, "s/split") == await whole.records(Event, "s/split")


@pytest.mark.parametrize("size", [7, 60, 1000])
@pytest.mark.parametrize("back", [0, 1_000], ids=["the item in hand", "every item"])
async def test_a_restart_at_any_chunk_gives_the_same_chunks(size: int, back: int) -> None:
    items = pieces(TEXT, size)
    await hold_to_restarts(items, range(1, 14), back)


@pytest.mark.parametrize("back", [0, 2, 1_000])
async def test_a_restart_at_any_chunk_of_a_mixed_session_gives_the_same_chunks(back: int) -> None:
    await hold_to_restarts(mixed(), [*range(1, 20), 150, 307, 308, 309, 310], back)


async def test_a_restart_in_a_session_that_a_model_writes_gives_the_same_chunks() -> None:
    passages = [
        *(
            Passage(session="s", seq=seq, item=0, text=part, item_end=seq == 3)
            for seq, part in enumerate(("One. ", "Two, and ", "three. ", "Four."))
        ),
        Passage(session="s", seq=4, item=2, kind="object", object="song.wav"),
        *(
            Passage(session="s", seq=5 + seq, item=3, text=part, item_end=seq == 1)
            for seq, part in enumerate(("Five. ", "Six."))
        ),
        Passage(session="s", seq=7, item=5, kind="end", last=True),
    ]

    async def accepted_with() -> System:
        system = await accepted(mode="expand")
        await system.append(passages)
        return system

    whole = await accepted_with()
    await whole.hand(agent(whole), "s", passages)
    wanted = await chunks_of(whole)
    assert [(chunk.item, chunk.kind) for chunk in wanted if chunk.kind != "text"] == [
        (2, "object"),
        (0, "mark"),
    ]
    for stop_after in range(1, len(wanted)):
        system = await accepted_with()
        handed: list[Input] = []
        await system.hand(agent(system), "s", noted(passages, handed), stop_after=stop_after)
        await system.hand(agent(system), "s", passages[len(handed) - 1 :])
        assert await chunks_of(system) == wanted


async def test_only_what_the_model_made_is_cut_in_a_session_that_it_writes() -> None:
    passages = [Passage(session="s", seq=0, item=0, text="Written.", last=True, item_end=True)]
    prompt = text_items("s", 0, "Write something.", last=True)
    system = await accepted(mode="expand")
    await system.append([*prompt, *passages])
    await system.hand(agent(system), "s", [*prompt, *passages])
    assert spoken(await chunks_of(system)) == ["Written."]


async def test_an_item_that_comes_twice_is_cut_once() -> None:
    items = mixed()
    once = await cut(items)
    system = await with_items(items)
    doubled = [item for item in items for _ in range(2)]
    await system.hand(agent(system), "s", [*doubled, *items])
    assert await chunks_of(system) == once


async def test_the_end_tells_why_the_text_ended_and_how_long_it_was() -> None:
    passages = [
        Passage(session="s", seq=0, item=0, text="Short. "),
        Passage(session="s", seq=1, item=0, text="Text", last=True, error="the model broke"),
    ]
    system = await accepted(mode="expand")
    await system.append(passages)
    await system.hand(agent(system), "s", passages)
    chunks = await chunks_of(system)
    assert [chunk.error for chunk in chunks] == [""] * (len(chunks) - 1) + ["the model broke"]
    (event,) = await system.records(Event, "s/split")
    assert (event.kind, event.chars_total, event.last) == ("text", len("Short. Text"), True)


@pytest.mark.parametrize("crash", [False, True])
async def test_how_long_the_text_was_is_told_though_the_worker_crashed_before(
    crash: bool,
) -> None:
    items = pieces("One. Two.", 100)
    system = await with_items(items)
    if crash:
        await system.hand(agent(system), "s", items, stop_after=3)  # the end mark is written
        assert await system.records(Event, "s/split") == []
    await system.hand(agent(system), "s", items)
    await system.hand(agent(system), "s", items)
    assert len(await system.records(Event, "s/split")) == 1


async def test_a_text_of_nothing_is_only_an_end() -> None:
    chunks = await cut(pieces("", 10))
    assert [(c.kind, c.boundary, c.seq, c.index) for c in chunks] == [("mark", "end", 0, 0)]


async def test_a_finished_sentence_is_cut_after_a_while_without_its_successor() -> None:
    items = [*text_items("s", 0, "First one. Second one. And a th")]
    before = await cut(items, open=True)
    assert spoken(before) == ["First one.", "Second one."]
    items = [*text_items("s", 0, "First one. Second one.")]
    assert spoken(await cut(items, open=True)) == ["First one."]
    assert spoken(await cut([*items, A_LITTLE], open=True)) == ["First one.", "Second one."]


async def test_all_there_is_is_cut_after_longer_and_the_text_goes_on_behind_it() -> None:
    more = text_items("s", 1, "here. And the end.", last=True)
    items = [*text_items("s", 0, "First one. It stops "), A_LITTLE, LONG, *more]
    chunks = await cut(items, open=True)
    assert spoken(chunks) == ["First one.", "It stops", "here.", "And the end."]
    assert chunks[1].boundary == "clause"
    assert {chunk.item for chunk in chunks if chunk.kind == "text"} == {0}
    assert chunks[2].ramp == 0  # who listens has caught up


@settings(max_examples=25, deadline=None)
@given(
    size=st.integers(1, 60),
    idle=st.lists(st.sampled_from([None, A_LITTLE, LONG]), min_size=60, max_size=60),
    stop_after=st.integers(1, 12),
)
async def test_no_idle_time_loses_or_doubles_a_word_nor_does_a_crash_after_it(
    size: int, idle: list[Idle | None], stop_after: int
) -> None:
    items = pieces(TEXT, size)
    timed: list[Input] = []
    for item, tick in zip(items, idle * len(items), strict=False):
        timed += [item] if tick is None or item.last else [item, tick]
    system = await with_items(items, open=True)
    handed: list[Input] = []
    await system.hand(agent(system), "s", noted(timed, handed), stop_after=stop_after)
    delivered = sum(not isinstance(one, Idle) for one in handed)
    await system.hand(agent(system), "s", items[max(0, delivered - 1) :])
    chunks = await chunks_of(system)
    cut_text = "".join(TEXT[c.start_char : c.end_char] for c in chunks)
    assert "".join(cut_text.split()) == "".join(TEXT.split())


async def test_idle_time_before_anything_was_said_or_after_the_end_cuts_nothing() -> None:
    assert await cut([A_LITTLE, LONG], open=True) == []
    items = pieces("One. Two.", 100)
    assert await cut([*items, A_LITTLE, LONG], open=True) == await cut(items, open=True)
