"""Long speech of real voices: at its target loudness, its peaks below full scale after AAC."""

import io
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from standins.in_memory import System, accepted
from standins.mastered_speech import Piece, mastered, speech_of

from rhapsode.agents.pack import Packer
from rhapsode.agents.session_audio import SessionAudio
from rhapsode.agents.turns import CodecTurns, Turns
from rhapsode.agents.voices.espeak import EspeakVoice
from rhapsode.agents.voices.piper import PiperVoice
from rhapsode.agents.voices.voice import TARGET_LUFS, Voice
from rhapsode.codecs.audio import pcm
from rhapsode.codecs.hls.fmp4 import init_segment
from rhapsode.codecs.records import (
    AudioFrame,
)
from rhapsode.codecs.session import Mastering
from rhapsode.codecs.text.sentences import cut
from rhapsode.ops.tools import stories

STORY_CHARS = 450
"""About 28 s of the story that comes with the package."""


EDGE_KEEP_S = Mastering().edge_keep_s


async def decoded(system: System) -> NDArray[np.float32]:
    """Return the session's audio as a browser would hear it, at 48 kHz."""
    audio = SessionAudio(system.journal.of(AudioFrame), "s")
    await audio.load()
    packer = Packer(CodecTurns(Turns(1), await system.journal.describe("s")), audio, 0)
    data = bytearray(init_segment())
    while made := await packer.next():
        data += made[1]
    with av.open(io.BytesIO(bytes(data)), "r") as container:
        return np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])  # pyright: ignore[reportAttributeAccessIssue]  # opened to be read


@pytest.fixture(
    params=[
        pytest.param(EspeakVoice, id="espeak"),
        pytest.param(PiperVoice, id="piper", marks=pytest.mark.voice),
    ]
)
def voice_class(request: pytest.FixtureRequest) -> type[EspeakVoice] | type[PiperVoice]:
    pytest.importorskip(
        "piper" if request.param is PiperVoice else "espeakng_loader",
        reason="voices are extras: pip install '.[piper,espeak]'",
    )
    return request.param


async def test_a_long_text_has_the_target_loudness_and_its_peaks_survive_aac(
    voice_class: type[EspeakVoice] | type[PiperVoice],
) -> None:
    voice: Voice = voice_class()
    await voice.prepare()
    system = await accepted(system=System(voice=voice))
    story = (Path(stories.__file__).parent / "lighthouse.txt").read_text()[:STORY_CHARS]
    pieces: list[Piece] = []
    at = 0
    while piece := cut(story, at, seq=len(pieces), final=True, language="en"):
        pieces.append((piece.text, piece.boundary))
        at = piece.end_char
    _, samples = await mastered(system, await speech_of(system, [*pieces, ("", "end")]))
    await voice.close()
    assert len(samples) > 20 * 48_000
    assert pcm.loudness_lufs(samples, 48_000) == pytest.approx(TARGET_LUFS, abs=1.5)
    heard = await decoded(system)
    assert len(heard) == len(samples)
    as_int16 = np.clip(np.rint(heard * 32_768), -32_768, 32_767).astype(np.int16)
    assert pcm.true_peak_dbtp(as_int16, 48_000) < -1.5
