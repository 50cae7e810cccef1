"""Items into chunks: every word, once, the same from wherever the cutting is taken up."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from standins.in_memory import System, accepted
from standins.split_items import (
    LONG_TEXT,
    TEXT,
    Input,
    agent,
    chunks_of,
    cut,
    mixed,
    noted,
    pieces,
    spoken,
    with_items,
)

from rhapsode.codecs.records import Chunk, Event, Item, Passage, text_items
from rhapsode.codecs.records.inputs import MAX_PIECE_CHARS


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
