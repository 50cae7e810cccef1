"""A small catalogue to try requests with: public-domain tunes, and short tales that a voice tells.

The tunes are old and belong to nobody; the tales are told after Aesop, in words of our own.
"""

import asyncio
import json
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...agents.voices.voice import Utterance, Voice, VoiceFailedError, VoiceUnavailableError
from ...codecs.audio.tunes import RATE_HZ, tune
from ...codecs.session import VoiceSettings


@dataclass(frozen=True, slots=True)
class Tune:
    """A melody of the catalogue."""

    folder: str
    title: str
    melody: str
    alternatives: tuple[str, ...] = ()
    romanized: str = ""


@dataclass(frozen=True, slots=True)
class Tale:
    """A text of the catalogue."""

    folder: str
    title: str
    text: str
    language: str = "en"
    alternatives: tuple[str, ...] = ()
    romanized: str = ""


_TWINKLE = (
    "c c g g a a g2 f f e e d d c2 g g f f e e d2 g g f f e e d2 c c g g a a g2 f f e e d d c2"
)
TUNES = (
    Tune(
        "music/English",
        "Baa Baa Black Sheep",
        "c c g g a/2 b/2 c'/2 a/2 g2 f f e e d d c2 g g/2 g/2 f f e e/2 e/2 d2 "
        "g g/2 g/2 f/2 g/2 a/2 f/2 e d/2 d/2 c2",
        ("black sheep song", "have you any wool"),
    ),
    Tune(
        "music/English", "Twinkle Twinkle Little Star", _TWINKLE, ("twinkle twinkle", "star song")
    ),
    Tune(
        "music/English",
        "Mary Had a Little Lamb",
        "e d c d e e e2 d d d2 e g g2 e d c d e e e e d d e d c2",
        ("mary's lamb",),
    ),
    Tune(
        "music/English",
        "Row, Row, Row Your Boat",
        "c2 c2 c d/2 e2 e d e/2 f g4 c' c'/2 g g/2 e e/2 c c/2 g f/2 e d/2 c2",
        ("row your boat",),
    ),
    Tune("music/English", "Hot Cross Buns", "e2 d2 c4 e2 d2 c4 c c c c d d d d e2 d2 c4"),
    Tune(
        "music/English",
        "London Bridge Is Falling Down",
        "g a/2 g/2 f e f g2 d e f2 e f g2 g a/2 g/2 f e f g2 d2 g2 e c2",
        ("london bridge",),
    ),
    Tune(
        "music/French",
        "Frère Jacques",
        "c d e c c d e c e f g2 e f g2 g/2 a/2 g/2 f/2 e c g/2 a/2 g/2 f/2 e c c g, c2 c g, c2",
        ("brother john", "are you sleeping"),
        "Frere Jacques",
    ),
    Tune(
        "music/German",
        "Alle meine Entchen",
        "c d e f g2 g2 a a a a g4 a a a a g4 f f f f e2 e2 d d d d c4",
        ("all my ducklings",),
    ),
    Tune(
        "music/Hindi",
        "सा रे गा मा",
        "c d e f g a b c'2 - c' b a g f e d c2 c e d f e g f a g b a c'2",
        ("sargam", "सरगम"),
        "Sa Re Ga Ma",
    ),
)
TALES = (
    Tale(
        "stories/Fables",
        "The Fox and the Grapes",
        "A hungry fox saw grapes hanging high on a vine. He jumped, and jumped again, and "
        "could not reach them. At last he walked away and said: They are sour anyway.",
        alternatives=("sour grapes", "fox story"),
    ),
    Tale(
        "stories/Fables",
        "The Tortoise and the Hare",
        "A hare laughed at a tortoise for being slow, and they agreed to race. The hare was so far "
        "ahead that he lay down to sleep. The tortoise walked on, step by step, and when the hare "
        "woke, the tortoise was already at the tree.",
        alternatives=("the race", "slow and steady"),
    ),
    Tale(
        "stories/Bedtime",
        "The Moon and the Pond",
        "Every night the moon looked into a small pond to see whether it was still round. The pond "
        "held very still, so as not to break the picture. And while it held still, everything that "
        "lived in it fell asleep. Good night.",
    ),
    Tale(
        "stories/Hindi",
        "प्यासा कौआ",
        "एक प्यासा कौआ घड़े के पास आया। पानी बहुत नीचे था। उसने घड़े में कंकड़ डाले, एक के बाद एक। पानी ऊपर आया, "
        "और कौए ने पानी पिया।",
        "hi",
        ("the thirsty crow", "crow story"),
        "Pyaasa Kauwa",
    ),
    Tale(
        "stories/Telugu",
        "కుందేలు మరియు తాబేలు",
        "ఒక కుందేలు తాబేలును చూసి నవ్వింది. పందెం మొదలైంది. కుందేలు నిద్రపోయింది. తాబేలు నెమ్మదిగా నడిచి గెలిచింది.",
        "te",
        ("the hare and the tortoise in telugu",),
        "Kundelu Mariyu Tabelu",
    ),
)


@dataclass(frozen=True, slots=True)
class Made:
    """What was written."""

    files: int
    left_out: tuple[str, ...]
    """Titles that no voice here could tell, each with the reason."""


async def make_sample(folder: Path, voice: Voice) -> Made:
    """Write the catalogue below a folder; what is there under the same names is replaced.

    Raises:
        OSError: the folder cannot be written to.
    """
    metadata: dict[str, dict[str, dict[str, object]]] = {}
    left_out: list[str] = []
    files = 0
    for piece in TUNES:
        await asyncio.to_thread(_write, folder, piece, tune(piece.melody), RATE_HZ)
        metadata.setdefault(piece.folder, {})[piece.title] = _entry(piece)
        files += 1
    for tale in TALES:
        settings = VoiceSettings(language=tale.language, speed=0.9)
        try:
            spoken = await voice.speak(Utterance(tale.text, settings))
        except (VoiceFailedError, VoiceUnavailableError, OSError) as error:
            left_out.append(f"{tale.title}: {error}")
            continue
        await asyncio.to_thread(_write, folder, tale, spoken.samples, spoken.rate_hz)
        metadata.setdefault(tale.folder, {})[tale.title] = _entry(tale)
        files += 1
    for name, titles in metadata.items():
        text = json.dumps(titles, ensure_ascii=False, indent=2)
        (folder / name / "metadata.json").write_text(text + "\n", encoding="utf-8")
    return Made(files, tuple(left_out))


def _entry(piece: Tune | Tale) -> dict[str, object]:
    return {
        "romanized": piece.romanized or piece.title,
        "filename": _file_name(piece),
        "alternatives": list(piece.alternatives),
    }


def _file_name(piece: Tune | Tale) -> str:
    return f"{piece.title}.wav"


def _write(folder: Path, piece: Tune | Tale, samples: np.ndarray, rate_hz: int) -> None:
    path = folder / piece.folder / _file_name(piece)
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name("new.part")
    with wave.open(str(new), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(samples.astype("<i2").tobytes())
    new.replace(path)  # who reads meanwhile has the one before, whole
