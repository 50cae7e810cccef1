"""What the rules leave open a model may choose, among what may be heard, and within its time."""

from collections.abc import AsyncIterator

import pytest
from standins.openai_server import OpenAIStandin, openai_standin

from rhapsode.agents import choose as module
from rhapsode.agents.choose import choose
from rhapsode.agents.models.openai_chooser import OpenAIChooser
from rhapsode.codecs.catalogue.answers import Answer, Ask, Control, NotFound, Play
from rhapsode.codecs.catalogue.limits import Limits
from rhapsode.codecs.catalogue.matching import Catalogue
from rhapsode.codecs.catalogue.titles import Title

CATALOGUE = Catalogue(
    (
        Title("music/English/sheep.mp3", "Baa Baa Black Sheep", language="en"),
        Title("music/English/bat.mp3", "Twinkle Twinkle Little Bat", language="en"),
        Title("music/English/star.mp3", "Twinkle Twinkle Little Star", language="en"),
        Title("stories/Ghosts/mill.mp3", "The Ghost of the Mill", kind="story", category="Ghosts"),
    )
)


@pytest.fixture
async def standin() -> AsyncIterator[OpenAIStandin]:
    async with openai_standin() as standin:
        yield standin


@pytest.fixture
async def chooser(standin: OpenAIStandin) -> AsyncIterator[OpenAIChooser]:
    chooser = OpenAIChooser(standin.url, standin.key, "judge")
    yield chooser
    await chooser.close()


async def answered(chooser: OpenAIChooser, text: str, limits: Limits | None = None) -> Answer:
    limits = limits or Limits()
    answer = CATALOGUE.answer(text, allow=limits.allows)
    return await choose(chooser, CATALOGUE, answer, text, limits)


@pytest.mark.parametrize("text", ["play twinkle twinkle little", "play the twinkling farm song"])
async def test_what_is_open_is_chosen_and_the_log_says_by_whom(
    standin: OpenAIStandin, chooser: OpenAIChooser, text: str
) -> None:
    assert isinstance(CATALOGUE.answer(text), Ask | NotFound)
    standin.words = "1"
    answer = await answered(chooser, text)
    assert isinstance(answer, Play)
    first = CATALOGUE.search(text, 1)[0][0]
    assert answer.titles == (first,)
    assert "chosen by judge" in answer.reason
    assert "by the rules:" in answer.reason


@pytest.mark.parametrize(
    "text", ["Play Baa Baa Black Sheep", "play something", "pause", "tell me a story", "!?"]
)
async def test_what_the_rules_decide_is_nobody_elses_business(
    standin: OpenAIStandin, chooser: OpenAIChooser, text: str
) -> None:
    assert await answered(chooser, text) == CATALOGUE.answer(text)
    assert standin.chats == []


async def test_none_of_them_leaves_the_rules_answer(
    standin: OpenAIStandin, chooser: OpenAIChooser
) -> None:
    standin.words = "0"
    text = "play twinkle twinkle little"
    assert await answered(chooser, text) == CATALOGUE.answer(text)
    assert len(standin.chats) == 1


async def test_what_a_listener_may_not_hear_is_not_offered(
    standin: OpenAIStandin, chooser: OpenAIChooser
) -> None:
    standin.words = "1"
    limits = Limits(never=("Ghosts",))
    answer = await answered(chooser, "the phantom of that mill house", limits)
    assert not isinstance(answer, Play) or answer.titles[0].category != "Ghosts"
    assert all("Ghost" not in chat["messages"][-1]["content"] for chat in standin.chats)
    # and nothing is looked for in the place of what is there, and not allowed
    standin.chats.clear()
    refused = await answered(chooser, "Tell me The Ghost of the Mill", limits)
    assert isinstance(refused, NotFound)
    assert standin.chats == []


async def test_a_model_that_is_away_or_slow_leaves_the_rules_answer(
    standin: OpenAIStandin, chooser: OpenAIChooser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0.1)
    text = "play twinkle twinkle little"
    standin.words = "1"
    for fault in ("500", "slow", "broken"):
        standin.faults.coming.append(fault)
        assert await answered(chooser, text) == CATALOGUE.answer(text)
    assert isinstance(await answered(chooser, text), Play)


async def test_a_control_stays_one(standin: OpenAIStandin, chooser: OpenAIChooser) -> None:
    assert isinstance(await answered(chooser, "next song"), Control)
