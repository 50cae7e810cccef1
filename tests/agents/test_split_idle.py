"""Cuts that are made because nothing comes: what they take, and what comes behind them."""

from hypothesis import given, settings
from hypothesis import strategies as st
from standins.split_items import (
    A_LITTLE,
    LONG,
    TEXT,
    Input,
    agent,
    chunks_of,
    cut,
    noted,
    pieces,
    spoken,
    with_items,
)

from rhapsode.agents.idle import Idle
from rhapsode.codecs.records import text_items


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
