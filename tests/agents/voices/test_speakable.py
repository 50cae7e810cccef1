"""What is left of hostile text, and that no engine dies of it."""

import json
import subprocess
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhapsode.agents.voices.speakable import MAX_UNSPACED_CHARS, speakable
from rhapsode.agents.voices.voice import Utterance
from rhapsode.codecs.session import VoiceSettings

HOSTILE = {
    "NUL": "a\0b",
    "lone surrogates": "a\ud800b \udfff",
    "controls": "".join(map(chr, range(1, 32))) + "word\x7f\x80\x9f end",
    "terminal": "\x1b[31mred\x1b[0m",
    "bidi": "\u202eabc\u202c \u2066def\u2069 he\u200ello \ufeffx",
    "emoji": "🦊" * 250,
    "joined emoji": "👩‍👩‍👧‍👦" * 60,
    "dotted letters": "A." * 150,
    "dotted letters, spaced": "ä. " * 150,
    "dots twice": "中.." * 150,
    "suffixes": "s's" * 150,
    "prefixes": "un" * 150,
    "one word": "x" * 1999,
    "digits": "9" * 1000,
    "marks": "e" + "\u0301" * 500,
    "tags": "<speak>" * 100,
    "phonemes": "[[" * 100,
    "quotes": "'" * 900,
    "not characters": "a\ufffe\uffff b",
    "nothing": "",
}
SPEAKER = """
import asyncio, importlib, json, sys
import numpy as np
from rhapsode.agents.voices.voice import Utterance, VoiceFailedError
from rhapsode.codecs.session import VoiceSettings

async def main():
    texts, language = json.loads(sys.argv[3]), sys.argv[4]
    voice = getattr(importlib.import_module(sys.argv[1]), sys.argv[2])()
    await voice.prepare()
    for name, text in texts.items():
        print(name, end=": ", flush=True)
        try:
            spoken = await voice.speak(Utterance(text, VoiceSettings(language=language)))
        except VoiceFailedError:
            print("failed", flush=True)
        else:
            print("sound" if np.any(spoken.samples) else "silence", flush=True)
    await voice.close()

asyncio.run(main())
"""


def outcomes(voice: str, language: str) -> dict[str, str]:
    """Speak every text in a process of its own: native code that crashes takes that one down."""
    ran = subprocess.run(
        [
            *(sys.executable, "-c", SPEAKER, f"rhapsode.agents.voices.{voice.lower()}"),
            *(f"{voice}Voice", json.dumps(HOSTILE), language),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, f"{ran.stdout[-200:]} died ({ran.returncode}): {ran.stderr[-2000:]}"
    return dict(line.split(": ") for line in ran.stdout.splitlines())


@pytest.mark.parametrize("language", ["en", "de", "hi"])
def test_espeak_survives_hostile_text(language):
    pytest.importorskip("espeakng_loader", reason="an extra: pip install '.[espeak]'")
    outcome = outcomes("Espeak", language)
    assert outcome.keys() == HOSTILE.keys()
    assert set(outcome.values()) <= {"sound", "silence", "failed"}
    assert outcome["NUL"] == outcome["dotted letters"] == "sound"


@pytest.mark.voice
@pytest.mark.timeout(180)
def test_piper_survives_hostile_text():
    pytest.importorskip("piper", reason="an extra: pip install '.[piper]'")
    outcome = outcomes("Piper", "en")
    assert outcome.keys() == HOSTILE.keys()
    assert set(outcome.values()) <= {"sound", "silence", "failed"}
    assert outcome["NUL"] == outcome["dotted letters"] == "sound"


@pytest.mark.parametrize(
    "text",
    [
        "Once upon a time, there was a fox.",
        "J. R. R. Tolkien, e.g., met C. S. Lewis at 3 p.m. in the U.S.A.",
        "See https://example.com/a/story?of=a&fox=1 … she isn't the cat's mother’s.",  # noqa: RUF001
        "从前有一座山。एक राजा था।",
        "नमस्ते\u200dक्\u200cष 👩‍👩‍👧‍👦 e\u0301",
        "Donaudampfschifffahrtselektrizitätenhauptbetriebswerk",
    ],
)
def test_ordinary_text_stays_as_it_is(text):
    assert speakable(text) == text


def test_controls_and_lone_surrogates_become_spaces():
    assert speakable("a\0b\x1b[c\ud800d\te\x85f") == "a b [c d e f"


def test_a_long_run_without_spaces_is_parted_after_punctuation():
    url = "https://example.com/" + "a-quite-long-path/" * 6
    parts = speakable(url).split()
    assert "".join(parts) == url
    assert all(part.endswith(("-", "/")) for part in parts)


@given(st.text(alphabet=st.characters() | st.sampled_from(".'sA é\0\ud800"), max_size=300))
def test_what_is_left_is_bounded_and_encodable(text):
    clean = speakable(text)
    clean.encode()
    assert all(unicodedata.category(char) != "Cc" for char in clean)
    assert all(len(part) <= MAX_UNSPACED_CHARS for part in clean.split())
    letters = [char for char in text if char.isalnum()]
    assert [char for char in clean if char.isalnum()] == letters


def test_no_utterance_carries_anything_else():
    assert Utterance("a\0b", VoiceSettings()).text == "a b"
