"""The chain of voices: the best that is installed, another where it fails, and what is refused."""

import numpy as np
import pytest
from standins.openai_server import openai_standin

from rhapsode.agents.voices.calibration import calibrate
from rhapsode.agents.voices.chain import COOL_DOWN_S, Chain, KnownVoice
from rhapsode.agents.voices.espeak import EspeakVoice
from rhapsode.agents.voices.openai import OpenAIVoice
from rhapsode.agents.voices.piper import PiperVoice
from rhapsode.agents.voices.tone import ToneVoice
from rhapsode.agents.voices.voice import (
    Spoken,
    Utterance,
    VoiceFailedError,
    VoiceUnavailableError,
    VoiceUnreachableError,
)
from rhapsode.codecs.session import VoiceSettings

pytest.importorskip("espeakng_loader", reason="espeak-ng is an extra: pip install '.[espeak]'")


class Clock:
    """Time that passes when it is told to."""

    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def standin(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    async with openai_standin() as server:
        yield server


@pytest.fixture
async def chain(standin, clock):
    made = Chain([OpenAIVoice(standin.url, standin.key, tries=1), EspeakVoice()], clock)
    await made.prepare()
    yield made
    await made.close()


@pytest.fixture
async def missing(tmp_path):
    made = PiperVoice(tmp_path / "en_US-nobody-low.onnx")
    yield made
    await made.close()


class EnglishTones(ToneVoice):
    """A voice of one language."""

    def languages(self) -> tuple[str, ...]:
        return ("en",)

    def speaks(self, language: str) -> bool:
        return language.startswith("en")


def utterance(text: str = "Hello there.", **settings) -> Utterance:
    return Utterance(text, VoiceSettings(**settings))


async def test_the_first_voice_speaks(chain):
    spoken = await chain.speak(utterance())
    assert (spoken.voice, spoken.degraded) == ("openai:alloy", False)
    assert chain.resolve(VoiceSettings()).name == "openai:alloy"


@pytest.mark.parametrize("name", ["espeak", "openai", "openai:alloy"])
async def test_a_named_voice_speaks(chain, name):
    spoken = await chain.speak(utterance(voice=name))
    assert spoken.voice.startswith(name)
    assert not spoken.degraded


@pytest.mark.parametrize("fault", ["400", "401", "500", "broken", "empty", "reset"])
@pytest.mark.parametrize("name", ["auto", "openai"])
async def test_the_next_voice_stands_in_for_one_that_fails(chain, standin, fault, name):
    standin.faults.coming.append(fault)
    spoken = await chain.speak(utterance(voice=name))
    assert (spoken.voice, spoken.degraded) == ("espeak", True)
    assert np.any(spoken.samples)


async def test_voices_before_a_named_one_stand_in_for_it_too(standin, missing):
    chain = Chain([OpenAIVoice(standin.url, standin.key), missing])
    await chain.prepare()
    spoken = await chain.speak(utterance(voice="piper"))
    assert (spoken.voice, spoken.degraded) == ("openai:alloy", True)
    await chain.close()


async def test_a_voice_that_did_not_answer_is_left_alone_for_a_while(chain, standin, clock):
    standin.faults.coming.append("500")
    await chain.speak(utterance())
    assert len(standin.spoken) == 1

    clock.now_s += COOL_DOWN_S - 0.1
    spoken = await chain.speak(utterance())
    assert (spoken.voice, spoken.degraded) == ("espeak", True)
    assert len(standin.spoken) == 1

    clock.now_s += 0.2
    spoken = await chain.speak(utterance())
    assert (spoken.voice, spoken.degraded) == ("openai:alloy", False)


async def test_a_voice_that_refuses_is_asked_again_at_once(chain, standin):
    standin.faults.coming.append("400")
    assert (await chain.speak(utterance())).voice == "espeak"
    assert (await chain.speak(utterance())).voice == "openai:alloy"


async def test_a_language_goes_to_the_first_voice_that_speaks_it():
    chain = Chain([EnglishTones(), EspeakVoice()])
    assert chain.resolve(VoiceSettings(language="en-GB")).name == "tone"
    assert chain.resolve(VoiceSettings(language="hi")).name == "espeak"
    spoken = await chain.speak(utterance("एक राजा था।", language="hi"))
    assert (spoken.voice, spoken.degraded) == ("espeak", False)


async def test_a_voice_that_is_not_installed_degrades_only_those_who_named_it(missing):
    chain = Chain([missing, EspeakVoice()])
    await chain.prepare()
    spoken = await chain.speak(utterance())
    assert (spoken.voice, spoken.degraded) == ("espeak", False)
    named = await chain.speak(utterance(voice="piper:nobody"))
    assert (named.voice, named.degraded) == ("espeak", True)
    await chain.close()


async def test_a_voice_that_is_too_slow_here_comes_last(chain):
    chain.mark_slow("openai:alloy")
    spoken = await chain.speak(utterance())
    assert (spoken.voice, spoken.degraded) == ("espeak", False)
    assert (await chain.speak(utterance(voice="openai"))).voice == "openai:alloy"


async def test_an_unknown_name_fails_with_the_known_ones(chain):
    with pytest.raises(VoiceFailedError, match="voices are auto, openai:alloy, espeak"):
        await chain.speak(utterance(voice="nobody"))


async def test_a_language_that_no_voice_speaks_fails():
    chain = Chain([EspeakVoice()])
    assert not chain.speaks("xx")
    with pytest.raises(VoiceFailedError, match="no installed voice speaks 'xx'"):
        await chain.speak(utterance(language="xx"))


async def test_without_any_voice_the_error_has_all_reasons(missing):
    chain = Chain([missing, OpenAIVoice("")])
    with pytest.raises(VoiceUnavailableError) as caught:
        await chain.prepare()
    for part in ("piper:nobody", "RHAPSODE_OPENAI_SPEECH_URL", "pip install"):
        assert part in str(caught.value)
    with pytest.raises(VoiceFailedError, match="pip install"):
        await chain.speak(utterance())
    await chain.close()


async def test_only_unreachable_voices_are_worth_another_try(standin):
    chain = Chain([OpenAIVoice(standin.url, standin.key, tries=1)])
    standin.faults.coming.extend(["500", "503", "400"])
    for _ in range(2):  # resting, it is still asked where there is no other
        with pytest.raises(VoiceUnreachableError, match="status 50"):
            await chain.speak(utterance())
    with pytest.raises(VoiceFailedError, match="status 400"):
        await chain.speak(utterance())
    assert np.any((await chain.speak(utterance())).samples)
    await chain.close()


async def test_the_check_passes_what_can_be_spoken_before_anything_is_loaded(standin, missing):
    chain = Chain([OpenAIVoice(standin.url, standin.key), missing, EspeakVoice()])
    for settings in (
        VoiceSettings(),
        VoiceSettings(language="hi"),
        VoiceSettings(voice="espeak", language="pt-BR"),
        VoiceSettings(voice="openai:alloy"),
        VoiceSettings(voice="piper"),  # not installed: others stand in, marked as degraded
    ):
        chain.check(settings)
    assert standin.spoken == []
    await chain.close()


@pytest.mark.parametrize("prepared", [False, True])
@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"voice": "nobody"}, "no voice 'nobody'; the voices are auto, piper:nobody, espeak "),
        ({"language": "xx"}, r"speaks 'xx'; the voices are piper:nobody \(.*\), espeak$"),
    ],
)
async def test_the_check_refuses_what_no_voice_can_speak(missing, prepared, settings, sentence):
    chain = Chain([missing, EspeakVoice()])
    if prepared:
        await chain.prepare()
    with pytest.raises(VoiceFailedError, match=sentence):
        chain.check(VoiceSettings(**settings))


async def test_without_any_voice_the_check_says_how_to_install_one(missing):
    chain = Chain([missing, OpenAIVoice("")])
    assert "pip install" in chain.missing()
    with pytest.raises(VoiceFailedError, match=r"RHAPSODE_OPENAI_SPEECH_URL.*pip install"):
        chain.check(VoiceSettings())
    await chain.close()


async def test_all_voices_are_listed_with_their_languages(standin, missing):
    espeak = EspeakVoice()
    chain = Chain([OpenAIVoice(standin.url), missing, espeak])
    openai, piper, last = chain.known_voices()
    assert openai == KnownVoice("openai:alloy", ("*",), "")
    assert (piper.name, piper.languages) == ("piper:nobody", ("en",))
    assert "en_US-nobody-low.onnx" in piper.missing
    assert last == KnownVoice("espeak", espeak.languages(), "")
    assert {"hi", "pt-br", "cmn"} <= set(last.languages)
    assert all(espeak.speaks(tag) for tag in last.languages)
    assert chain.languages() == ("*",)
    await chain.close()


async def test_calibration_measures_what_it_costs_and_how_loud_it_is():
    measured = await calibrate(EspeakVoice())
    assert 0 < measured.real_time_factor < 1
    assert measured.loudness_lufs == pytest.approx(-21, abs=1)
    assert measured.first_audio_s > 0


@pytest.mark.voice
async def test_piper_knows_its_cost_once_it_is_prepared():
    pytest.importorskip("piper", reason="Piper is an extra: pip install '.[piper]'")
    piper = PiperVoice()
    chain = Chain([piper, EspeakVoice()])
    await chain.prepare()
    assert piper.real_time_factor > 0
    assert (await chain.speak(utterance(voice="piper"))).voice == "piper:joe"
    await chain.close()


async def test_a_voice_that_breaks_down_is_stood_in_for() -> None:
    class Broken(ToneVoice):
        async def speak(self, utterance: Utterance) -> Spoken:
            raise ValueError("embedded null byte")

    chain = Chain([Broken(), EspeakVoice()])
    await chain.prepare()
    spoken = await chain.speak(utterance("Hello."))
    assert spoken.voice == "espeak"
    assert spoken.degraded
    alone = Chain([Broken()])
    with pytest.raises(VoiceFailedError, match="embedded null byte"):
        await alone.speak(utterance("Hello."))
