"""A server that makes words of what is said, over a real socket; the server is a stand-in."""

import io
import wave
from collections.abc import AsyncIterator

import numpy as np
import pytest
from standins.faults import Fault
from standins.openai_server import OpenAIStandin, openai_standin

from rhapsode.agents.recognisers.openai import NO_SERVER, OpenAIRecogniser
from rhapsode.agents.recognisers.recogniser import (
    RATE_HZ,
    RecogniserFailedError,
    RecogniserUnavailableError,
    RecogniserUnreachableError,
)

SOUND = (8_000 * np.sin(np.arange(RATE_HZ) / 10)).astype(np.int16)


@pytest.fixture
async def server() -> AsyncIterator[OpenAIStandin]:
    async with openai_standin() as standin:
        yield standin


@pytest.fixture
async def recogniser(server: OpenAIStandin) -> AsyncIterator[OpenAIRecogniser]:
    found = OpenAIRecogniser(server.url, server.key, timeout_s=2.0)
    yield found
    await found.close()


async def test_it_sends_the_sound_as_wav_with_the_language(
    server: OpenAIStandin, recogniser: OpenAIRecogniser
) -> None:
    found = await recogniser.recognise(SOUND, "hi-IN")
    assert (found.text, found.language) == (server.words, "hi")
    (fields,) = server.heard
    file = fields.pop("file")
    assert fields == {"model": "whisper-1", "response_format": "json", "language": "hi"}
    with wave.open(io.BytesIO(file)) as reader:
        assert (reader.getframerate(), reader.getnchannels()) == (RATE_HZ, 1)
        assert reader.readframes(RATE_HZ) == SOUND.astype("<i2").tobytes()


@pytest.mark.parametrize("fault", ["500", "429", "reset", "truncated", "slow"])
async def test_what_passes_is_tried_again(
    server: OpenAIStandin, recogniser: OpenAIRecogniser, fault: Fault
) -> None:
    server.faults.coming.append(fault)
    assert (await recogniser.recognise(SOUND, "")).text == server.words
    assert len(server.heard) == 2


@pytest.mark.parametrize("fault", ["400", "empty", "broken"])
async def test_what_does_not_pass_is_told(
    server: OpenAIStandin, recogniser: OpenAIRecogniser, fault: Fault
) -> None:
    server.faults.coming.append(fault)
    with pytest.raises(RecogniserFailedError, match=server.url):
        await recogniser.recognise(SOUND, "")


async def test_a_key_that_is_refused_is_not_repeated(server: OpenAIStandin) -> None:
    recogniser = OpenAIRecogniser(server.url, "sk-a-secret")
    with pytest.raises(RecogniserFailedError) as refused:
        await recogniser.recognise(SOUND, "")
    assert "401" in str(refused.value)
    assert "sk-a-secret" not in str(refused.value)
    await recogniser.close()


async def test_a_server_that_is_not_there_is_unreachable() -> None:
    recogniser = OpenAIRecogniser("http://127.0.0.1:9/v1")
    with pytest.raises(RecogniserUnreachableError, match="does not answer now"):
        await recogniser.recognise(SOUND, "")
    await recogniser.close()


async def test_without_a_server_it_says_what_to_set() -> None:
    recogniser = OpenAIRecogniser("")
    assert recogniser.missing() == NO_SERVER
    with pytest.raises(RecogniserUnavailableError, match="RHAPSODE_OPENAI_TRANSCRIPTION_URL"):
        await recogniser.prepare()
