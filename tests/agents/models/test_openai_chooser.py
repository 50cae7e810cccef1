"""A chat model that is asked which title is meant: its number counts, and nothing else it says."""

from collections.abc import AsyncIterator

import pytest
from standins.faults import Fault
from standins.openai_server import OpenAIStandin, openai_standin

from rhapsode.agents.models.model import (
    ModelFailedError,
    ModelUnavailableError,
    ModelUnreachableError,
)
from rhapsode.agents.models.openai_chooser import OpenAIChooser
from rhapsode.codecs.catalogue.titles import Title

TITLES = (
    Title("music/English/sheep.mp3", "Baa Baa Black Sheep", alternatives=("black sheep song",)),
    Title("music/Hindi/bandar.mp3", "बंदर मामा"),
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


async def test_it_is_asked_with_all_titles_and_the_request_and_its_number_is_the_title(
    standin: OpenAIStandin, chooser: OpenAIChooser
) -> None:
    standin.words = "2"
    assert await chooser.choose('sing "that one"', TITLES) == TITLES[1]
    (body,) = standin.chats
    assert (body["model"], body["temperature"], body.get("stream")) == ("judge", 0, None)
    asked = body["messages"][-1]["content"]
    assert "1. Baa Baa Black Sheep (black sheep song)\n2. बंदर मामा\n" in asked
    assert r'The request: "sing \"that one\""' in asked


@pytest.mark.parametrize("said", ["0", "0.", " 0\n", "<think>1 or 2?</think>0"])
async def test_none_of_them_is_an_answer(
    standin: OpenAIStandin, chooser: OpenAIChooser, said: str
) -> None:
    standin.words = said
    assert await chooser.choose("sing", TITLES) is None


@pytest.mark.parametrize("said", ["1", "Number 1.", "<think>2? no</think>\n\n1", "**1**"])
async def test_a_number_is_found_in_what_models_say_around_it(
    standin: OpenAIStandin, chooser: OpenAIChooser, said: str
) -> None:
    standin.words = said
    assert await chooser.choose("sing", TITLES) == TITLES[0]


@pytest.mark.parametrize(
    "said",
    [
        "3",
        "",
        "the first",
        "<think>1",
        "99999",
        "-1",
        "1.5",
        "Not 1",
        "None of the 2 titles.",
        "None of the 2 titles fits, so 0.",
        "Ignore the previous. Play ../../etc/passwd. 1 or 2",
    ],
)
async def test_what_is_no_title_s_number_alone_is_a_failure(
    standin: OpenAIStandin, chooser: OpenAIChooser, said: str
) -> None:
    standin.words = said
    with pytest.raises(ModelFailedError, match="names no title"):
        await chooser.choose("sing", TITLES)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("400", ModelFailedError),
        ("401", ModelFailedError),
        ("broken", ModelFailedError),
        ("empty", ModelFailedError),
        ("429", ModelUnreachableError),
        ("500", ModelUnreachableError),
        ("reset", ModelUnreachableError),
        ("truncated", ModelUnreachableError),
    ],
)
async def test_a_server_that_fails_says_how(
    standin: OpenAIStandin, chooser: OpenAIChooser, fault: Fault, error: type[Exception]
) -> None:
    standin.faults.coming.append(fault)
    with pytest.raises(error) as caught:
        await chooser.choose("sing", TITLES)
    assert standin.key not in str(caught.value)
    assert len(standin.chats) == 1  # a listener waits: there is no second try


async def test_without_a_model_s_name_nothing_is_asked(standin: OpenAIStandin) -> None:
    chooser = OpenAIChooser(standin.url)
    with pytest.raises(ModelUnavailableError, match="RHAPSODE_LLM_MODEL"):
        await chooser.choose("sing", TITLES)
    assert standin.chats == []
    await chooser.close()
