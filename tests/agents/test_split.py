"""Words into chunks: all of them, once, the same from wherever the cutting is taken up."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from standins.in_memory import System

from rhapsode.agents.split import Split
from rhapsode.codecs.records import Chunk, Passage
from rhapsode.codecs.session import VoiceSettings

TEXT = """# The fox

A fox lived in the old wood. She was clever, quick, and rather vain; nobody minded.

One day it snowed.

# The owl

An owl watched her from above, without a word, for all of a long winter. Then it spoke.

# The end

Nobody knows what it said."""


def agent(system: System) -> Split:
    return Split(system.journal.of(Passage), system.journal.of(Chunk))


def passages(text: str, size: int, error: str = "", language: str = "en") -> list[Passage]:
    pieces = [text[start : start + size] for start in range(0, len(text), size)] or [""]
    return [
        Passage(
            session="s",
            seq=seq,
            text=piece,
            settings=VoiceSettings(language=language),
            last=seq == len(pieces) - 1,
            error=error if seq == len(pieces) - 1 else "",
        )
        for seq, piece in enumerate(pieces)
    ]


async def cut(coming: list[Passage]) -> list[Chunk]:
    system = System()
    await system.append(coming)
    await system.hand(agent(system), "s", coming)
    return await system.chapters(Chunk, "s")


async def test_chunks_are_the_text_in_order_with_chapters_apart() -> None:
    chunks = await cut(passages(TEXT, 1000))
    assert [chunk.seq for chunk in chunks] == list(range(len(chunks)))
    assert " ".join(TEXT[c.start_char : c.end_char] for c in chunks).split() == TEXT.split()
    said = [chunk.text for chunk in chunks if chunk.text]
    assert said[0] == "The fox"
    marks = [(chunk.chapter, chunk.boundary) for chunk in chunks if not chunk.text]
    assert marks == [(0, "chapter"), (1, "chapter"), (2, "end")]
    for chapter in range(3):
        inside = [chunk for chunk in chunks if chunk.chapter == chapter]
        assert [chunk.index for chunk in inside] == list(range(len(inside)))
        assert [chunk.last for chunk in inside] == [False] * (len(inside) - 1) + [True]
    assert TEXT[next(c for c in chunks if c.chapter == 1).start_char :].startswith("# The owl")


async def test_a_chapter_ends_in_the_batch_of_its_last_piece() -> None:
    system = System()
    batches = await system.hand(agent(system), "s", passages(TEXT, 1000))
    ends = [[chunk.text for chunk in batch if isinstance(chunk, Chunk)] for batch in batches]
    assert [texts for texts in ends if len(texts) > 1] == [
        ["One day it snowed.", ""],
        ["Then it spoke.", ""],
    ]


@settings(max_examples=20, deadline=None)
@given(size=st.integers(1, 200))
async def test_how_the_words_arrive_does_not_show(size: int) -> None:
    assert await cut(passages(TEXT, size)) == await cut(passages(TEXT, 1000))


@pytest.mark.parametrize("size", [7, 60, 1000])
@pytest.mark.parametrize("again", ["from the passage in hand", "from the first passage"])
async def test_a_restart_at_any_chunk_gives_the_same_chunks(size: int, again: str) -> None:
    coming = passages(TEXT, size)
    whole = await cut(coming)
    for stop_after in range(1, len(whole)):
        system = System()
        await system.append(coming)
        handed: list[Passage] = []
        await system.hand(agent(system), "s", noted(coming, handed), stop_after=stop_after)
        first = 0 if again == "from the first passage" else handed[-1].seq
        await system.hand(agent(system), "s", coming[first:])
        assert await system.chapters(Chunk, "s") == whole


def noted(coming: list[Passage], handed: list[Passage]):
    for passage in coming:
        handed.append(passage)
        yield passage


async def test_a_passage_that_comes_twice_is_cut_once() -> None:
    coming = passages(TEXT, 40)
    doubled = [passage for passage in coming for _ in range(2)]
    assert await cut(coming) == await cut_as_delivered(coming, doubled)
    assert await cut(coming) == await cut_as_delivered(coming, [*coming, *coming])


async def cut_as_delivered(coming: list[Passage], delivered: list[Passage]) -> list[Chunk]:
    system = System()
    await system.append(coming)
    await system.hand(agent(system), "s", delivered)
    return await system.chapters(Chunk, "s")


async def test_chunks_carry_how_they_are_to_be_spoken_and_why_the_text_ended() -> None:
    chunks = await cut(passages("Short. Text", 50, error="the model broke", language="de"))
    assert {chunk.settings.language for chunk in chunks} == {"de"}
    assert [chunk.error for chunk in chunks] == [""] * (len(chunks) - 1) + ["the model broke"]


async def test_a_text_of_nothing_is_only_an_end() -> None:
    chunks = await cut(passages("", 10, error="the model wrote nothing"))
    assert [(c.text, c.boundary, c.seq, c.index) for c in chunks] == [("", "end", 0, 0)]
