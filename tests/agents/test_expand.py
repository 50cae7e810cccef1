"""From prompts to the words that are said, also after a crash in the middle."""

from typing import Any

import pytest
from standins.in_memory import System, accepted

from rhapsode.agents.expand import DELTA_CHARS, Expand
from rhapsode.agents.models.model import ModelUnreachableError
from rhapsode.agents.models.reciter import Reciter
from rhapsode.codecs.encoding import MAX_RECORD_BYTES, encode
from rhapsode.codecs.records import Item, Passage, text_items
from rhapsode.codecs.records.inputs import MAX_PIECE_CHARS
from rhapsode.codecs.session import VoiceSettings

SCRIPT = "Once there was a lighthouse keeper who could not sleep, and so he counted ships."


def agent(system: System) -> Expand:
    journal = system.journal
    return Expand(system.model, journal.of(Item), journal.of(Passage), system.gate)


def prompt(text: str = "A story.", seq: int = 0, *, last: bool = True) -> tuple[Item, ...]:
    return text_items("s", seq, text, item_end=True, last=last)


def conversation() -> list[Item]:
    """Return prompts in pieces and in parts, with other items between them."""
    return [
        *text_items("s", 0, "Wri"),
        *text_items("s", 1, "te.", item_end=True),
        Item(session="s", seq=2, kind="object", object="song.wav", etag='"1"'),
        *text_items("s", 3, "x" * (MAX_PIECE_CHARS + 5)),
        *text_items("s", 4, "!"),
        Item(session="s", seq=5, kind="silence", seconds=0.5),
        *text_items("s", 6, "Again.", item_end=True),
        Item(session="s", seq=7, kind="end", last=True),
    ]


async def asked(items: list[Item] | tuple[Item, ...], model: Reciter, **fields: Any) -> System:
    """Return a system with these items, and what was made of them."""
    system = await with_items(items, model, **fields)
    await system.hand(agent(system), "s", items)
    return system


async def with_items(items: list[Item] | tuple[Item, ...], model: Reciter, **fields: Any) -> System:
    system = await accepted(system=System(model=model), mode="expand", **fields)
    await system.append(items)
    return system


async def passages_of(system: System) -> list[Passage]:
    passages = await system.records(Passage, "s")
    assert [passage.seq for passage in passages if passage.kind != "end"] == list(
        range(sum(passage.kind != "end" for passage in passages))
    )
    return passages


def written(passages: list[Passage], item: int = 0) -> str:
    return "".join(p.text for p in passages if p.item == item and p.kind == "text")


async def test_a_session_that_is_narrated_needs_no_passages() -> None:
    model = Reciter(SCRIPT)
    system = await accepted(system=System(model=model), mode="narrate")
    assert await system.hand(agent(system), "s", prompt()) == []
    assert model.prompts == []


async def test_a_model_is_heard_while_it_writes_in_the_language_of_the_session() -> None:
    model = Reciter(SCRIPT, delta_chars=3)
    system = await with_items(prompt(), model, voice=VoiceSettings(language="de"))
    outputs = await system.hand(agent(system), "s", prompt())
    passages = await passages_of(system)
    assert written(passages) == SCRIPT
    assert all(len(passage.text) < DELTA_CHARS + 3 for passage in passages)
    assert len(outputs) == len(passages) > 3
    assert [(p.item_end, p.last) for p in passages] == [(False, False)] * (len(passages) - 1) + [
        (True, True)
    ]
    assert model.prompts == [("A story.", "de")]


async def test_prompts_are_whole_items_and_everything_else_is_passed_on_in_its_order() -> None:
    model = Reciter(SCRIPT)
    passages = await passages_of(await asked(conversation(), model))
    long = "x" * (MAX_PIECE_CHARS + 5) + "!"
    assert [asked_for for asked_for, _ in model.prompts] == ["Write.", long, "Again."]
    order = [(p.item, p.kind) for p in passages if p.kind != "text" or p.item_end]
    assert order == [
        (0, "text"),
        (2, "object"),
        (3, "text"),
        (5, "silence"),
        (6, "text"),
        (7, "end"),
    ]
    song, pause, end = (p for p in passages if p.kind != "text")
    assert (song.object, song.etag) == ("song.wav", '"1"')
    assert pause.seconds == 0.5
    assert end.last
    assert all(written(passages, item) == SCRIPT for item in (0, 3, 6))


async def test_a_prompt_waits_for_its_end() -> None:
    system = await asked(conversation()[:1], Reciter(SCRIPT), open=True)
    assert await system.records(Passage, "s") == []


async def test_what_was_written_is_not_asked_for_again() -> None:
    items = conversation()
    system = await asked([*items, *items], Reciter(SCRIPT))
    model = system.model = Reciter(SCRIPT)
    assert await system.hand(agent(system), "s", items) == []
    assert model.prompts == []


async def test_a_worker_that_crashes_anywhere_is_continued_and_not_repeated() -> None:
    items = conversation()
    wanted = await passages_of(await asked(items, Reciter(SCRIPT, delta_chars=DELTA_CHARS)))
    for stop_after in range(1, len(wanted)):
        for redelivered in (0, 1, len(items)):
            system = await with_items(items, Reciter(SCRIPT, delta_chars=DELTA_CHARS))
            handed: list[Item] = []
            await system.hand(agent(system), "s", noted(items, handed), stop_after=stop_after)
            # at least the item in hand comes again; of a prompt in parts perhaps the last one only
            first = max(0, len(handed) - 1 - redelivered)
            await system.hand(agent(system), "s", items[first:])
            assert await passages_of(system) == wanted


def noted(items: list[Item], handed: list[Item]):
    for item in items:
        handed.append(item)
        yield item


async def test_a_model_goes_on_from_what_it_has_written() -> None:
    class Remembers(Reciter):
        so_far: str | None = None

        def write(self, prompt: str, language: str, so_far: str = ""):
            self.so_far = so_far
            return super().write(prompt, language, so_far)

    system = await with_items(prompt(), Reciter(SCRIPT, delta_chars=5))
    await system.hand(agent(system), "s", prompt(), stop_after=2)
    before = written(await passages_of(system))
    model = system.model = Remembers(SCRIPT, delta_chars=5)
    await system.hand(agent(system), "s", prompt())
    assert model.so_far == before != ""
    assert written(await passages_of(system)) == SCRIPT


async def test_a_model_that_fails_ends_the_session_with_what_it_wrote_and_why() -> None:
    system = await asked(conversation(), Reciter(SCRIPT, fails_at=30))
    passages = await passages_of(system)
    assert written(passages) == SCRIPT[:30]
    assert [passage.error for passage in passages] == [""] * (len(passages) - 1) + [
        "the model lost the thread"
    ]
    assert passages[-1].last
    assert await system.hand(agent(system), "s", conversation()) == []


@pytest.mark.parametrize("script", ["", " \n "])
async def test_a_model_that_writes_nothing_has_failed(script: str) -> None:
    passages = await passages_of(await asked(prompt(), Reciter(script)))
    assert passages[-1].last
    assert passages[-1].error == "the model reciter wrote nothing"


async def test_a_model_that_cannot_be_reached_is_left_to_be_tried_again() -> None:
    class Away(Reciter):
        async def write(self, prompt: str, language: str, so_far: str = ""):
            raise ModelUnreachableError("nobody answers")
            yield ""

    system = await with_items(prompt(), Away(""))
    with pytest.raises(OSError, match="nobody answers"):
        await system.hand(agent(system), "s", prompt())
    assert await system.records(Passage, "s") == []


async def test_a_model_that_sends_all_at_once_is_cut_into_records() -> None:
    script = "\U0001d11e" * 40_000  # four bytes each
    passages = await passages_of(await asked(prompt(), Reciter(script, delta_chars=60_000)))
    assert written(passages) == script
    assert all(len(encode(passage)) <= MAX_RECORD_BYTES for passage in passages)
    assert passages[-1].error == ""
