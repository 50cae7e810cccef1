"""Chat completions as a stream, against the stand-in: what is spoken, and what never is."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standins.openai_server import openai_standin

from rhapsode.agents.models.model import (
    ModelFailedError,
    ModelUnavailableError,
    ModelUnreachableError,
)
from rhapsode.agents.models.openai import MAX_CHARS, OpenAIModel, Thoughts

pytest.importorskip("espeakng_loader", reason="the stand-in's other half speaks with espeak-ng")


@pytest.fixture
async def standin(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    async with openai_standin() as server:
        yield server


@pytest.fixture
async def model(standin):
    made = OpenAIModel(standin.url, standin.key, "tiny")
    yield made
    await made.close()


async def written(model: OpenAIModel, prompt: str = "Of a fox.", so_far: str = "") -> list[str]:
    return [words async for words in model.write(prompt, "en-GB", so_far)]


async def test_words_are_yielded_as_they_arrive(model, standin):
    standin.say("Once ", "upon ", "a time, 从前 ", "🦊.")
    assert await written(model) == ["Once ", "upon ", "a time, 从前 ", "🦊."]
    (asked,) = standin.chats
    assert asked["stream"] is True
    assert asked["model"] == "tiny"
    system, user = asked["messages"]
    assert "en-GB" in system["content"]
    assert user == {"role": "user", "content": "Of a fox."}


@pytest.mark.parametrize("write_bytes", [1, 2, 3, 5, 1000])
async def test_where_the_network_cuts_the_stream_does_not_matter(model, standin, write_bytes):
    standin.say("从前", "有 🦊 é", "<think>思考</think>", "\u2028.")
    standin.events.insert(2, ": keep-alive 从前")
    standin.write_bytes = write_bytes
    assert await written(model) == ["从前", "有 🦊 é", "\u2028."]


async def test_after_a_crash_it_continues_from_what_was_written(model, standin):
    standin.say("jumped.")
    assert await written(model, so_far="The fox ") == ["jumped."]
    roles = [message["role"] for message in standin.chats[0]["messages"]]
    assert roles == ["system", "user", "assistant", "user"]
    assert standin.chats[0]["messages"][2]["content"] == "The fox "


async def test_only_content_is_spoken(model, standin):
    standin.events = [
        ": keep-alive",
        'data: {"choices":[{"delta":{"role":"assistant","content":null}}]}',
        'data: {"choices":[{"delta":{"reasoning_content":"Hmm."}}]}',
        'data: {"choices":[{"delta":{}}]}',
        'data: {"choices":[{"delta":null}]}',
        'data: {"choices":[{"delta":{"content":"Said."}}]}',
        'data: {"choices":[{"delta":{"content":""},"finish_reason":"stop"}]}',
        'data: {"choices":[],"usage":{"total_tokens":9}}',
        "data: [DONE]",
        'data: {"choices":[{"delta":{"content":"after the end"}}]}',
    ]
    assert await written(model) == ["Said."]


async def test_thoughts_are_not_spoken(model, standin):
    standin.say("<thi", "nk>Let me", " see.</th", "ink>\n\nThe fox", " is <", "b>old.")
    assert "".join(await written(model)) == "\n\nThe fox is <b>old."


@pytest.mark.parametrize(
    ("events", "says"),
    [
        (["data: {not json"], "no JSON"),
        (["data: [1]"], "no chat"),
        (['data: {"error":{"message":"overloaded"}}'], "overloaded"),
    ],
)
async def test_nonsense_in_the_stream_is_a_failure(model, standin, events, says):
    standin.events = events
    with pytest.raises(ModelFailedError, match=says):
        await written(model)


@pytest.mark.parametrize("fault", ["429", "500", "503"])
async def test_a_passing_fault_is_tried_again(model, standin, fault):
    standin.say("Once.")
    standin.faults.coming.append(fault)
    assert await written(model) == ["Once."]
    assert len(standin.chats) == 2


@pytest.mark.parametrize("fault", ["500", "reset"])
async def test_a_lasting_fault_is_unreachable(model, standin, fault):
    standin.faults.coming.extend([fault] * 2)
    with pytest.raises(ModelUnreachableError, match="does not answer now"):
        await written(model)


async def test_a_server_that_wants_a_long_rest_is_not_asked_again(model, standin):
    standin.faults.retry_after_s = 3600
    standin.faults.coming.append("429")
    with pytest.raises(ModelUnreachableError, match="429"):
        await written(model)
    assert len(standin.chats) == 1


async def test_an_empty_answer_is_worth_another_try(model, standin):
    standin.faults.coming.append("empty")
    with pytest.raises(ModelUnreachableError, match="stopped in the middle"):
        await written(model)


async def test_what_came_before_the_connection_broke_comes_once(model, standin):
    deltas = ["Once ", "upon ", "a ", "time, ", "there ", "was ", "a ", "fox."]
    standin.say(*deltas)
    standin.faults.coming.append("truncated")
    words: list[str] = []

    async def collect() -> None:
        async for word in model.write("Of a fox.", "en"):
            words.append(word)

    with pytest.raises(ModelUnreachableError, match="does not answer now"):
        await collect()
    assert words
    assert words == deltas[: len(words)] != deltas
    assert len(standin.chats) == 1  # another answer would begin at the beginning


async def test_an_end_without_done_is_an_end_all_the_same(model, standin):
    standin.say("Once.")
    standin.events.remove("data: [DONE]")
    assert await written(model) == ["Once."]


async def test_a_silent_server_is_unreachable(standin):
    model = OpenAIModel(standin.url, model="tiny", silent_s=0.2)
    standin.faults.coming.extend(["slow"] * 2)
    with pytest.raises(ModelUnreachableError, match="ReadTimeout"):
        await written(model)
    await model.close()


@pytest.mark.parametrize(("fault", "says"), [("401", "refuses: status 401"), ("broken", "stream")])
async def test_a_refusal_is_final(model, standin, fault, says):
    standin.faults.coming.append(fault)
    with pytest.raises(ModelFailedError, match=says):
        await written(model)
    assert len(standin.chats) == 1


async def test_a_model_that_does_not_stop_is_stopped(model, standin):
    standin.say(*["word " * 1000] * 20)
    assert len("".join(await written(model))) == MAX_CHARS


async def test_closing_the_generator_ends_the_request(model, standin):
    standin.say(*["word "] * 1000)
    words = model.write("Of a fox.", "en")
    assert await anext(words) == "word "
    await words.aclose()
    standin.say("Once.")
    assert await written(model) == ["Once."]


async def test_without_a_model_name_the_error_names_the_setting(standin):
    model = OpenAIModel(standin.url)
    with pytest.raises(ModelUnavailableError, match="RHAPSODE_LLM_MODEL"):
        await written(model)
    await model.close()


@given(st.lists(st.sampled_from(["<think>", "</think>", "<", "think", ">", "/", "a b"])), st.data())
def test_how_thoughts_are_cut_does_not_matter(scraps, data):
    text = "".join(scraps)
    places = data.draw(st.lists(st.integers(0, len(text))).map(sorted))
    edges = [0, *places, len(text)]
    whole, cut = Thoughts(), Thoughts()
    expected = whole.spoken(text) + whole.rest()
    deltas = [text[start:end] for start, end in pairwise(edges)]
    assert "".join([*map(cut.spoken, deltas), cut.rest()]) == expected
