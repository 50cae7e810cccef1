"""Objects are measured when they are first played, and come at the session's loudness from then."""

import numpy as np
import pytest
from standins.in_memory import accepted
from standins.master_items import PIECE, RATE_HZ, agent, other

from rhapsode.agents.kept_loudness import KeptLoudness
from rhapsode.agents.mastering import MOST_RAISED_DB
from rhapsode.codecs.audio import pcm
from rhapsode.codecs.records import AudioFrame, ObjectAudio
from rhapsode.codecs.session import Mastering
from rhapsode.storage.objects.memory import MemoryObjects
from rhapsode.storage.objects.store import ObjectsUnreachableError

ETAG = '"one"'


async def test_what_was_measured_is_kept_for_that_version_of_the_object() -> None:
    store = MemoryObjects()
    await KeptLoudness(store).keep("songs/दो चिड़िया.mp3", ETAG, -23.456)
    kept = KeptLoudness(store)
    assert await kept.of("songs/दो चिड़िया.mp3", ETAG) == -23.46
    assert await kept.of("songs/दो चिड़िया.mp3", '"two"') == 0.0
    assert await kept.of("songs/other.mp3", ETAG) == 0.0


async def test_a_url_is_known_however_it_is_signed() -> None:
    kept = KeptLoudness(MemoryObjects())
    await kept.keep("https://cdn.example/a.mp3?signature=1", ETAG, -20.0)
    assert await kept.of("https://cdn.example/a.mp3?signature=2", ETAG) == -20.0


@pytest.mark.parametrize("lufs", [float("-inf"), float("nan"), 3.0, -90.0])
async def test_what_no_programme_can_have_is_not_kept(lufs: float) -> None:
    kept = KeptLoudness(MemoryObjects())
    await kept.keep("a", ETAG, lufs)
    assert await kept.of("a", ETAG) == 0.0


@pytest.mark.parametrize("data", [b"", b"{}", b'{"lufs": "loud"}', b'{"lufs": 40}', b"\xff"])
async def test_what_somebody_else_left_in_its_place_is_passed_over(data: bytes) -> None:
    store = MemoryObjects()
    await KeptLoudness(store).keep("a", ETAG, -20.0)
    (name,) = await store.names("")
    await store.put(name, data, "application/json")
    assert await KeptLoudness(store).of("a", ETAG) == 0.0


async def test_a_store_that_is_away_keeps_nobody_waiting() -> None:
    class Away(MemoryObjects):
        async def get(self, name: str) -> None:
            raise ObjectsUnreachableError("away")

        async def put(self, name: str, data: bytes, content_type: str) -> None:
            raise ObjectsUnreachableError("away")

    kept = KeptLoudness(Away())
    assert await kept.of("a", ETAG) == 0.0
    await kept.keep("a", ETAG, -20.0)
    assert await kept.of("a", ETAG) == -20.0, "this process knows it all the same"


@pytest.mark.parametrize(
    ("level_db", "known", "even", "comes_evened"),
    [
        (0.0, True, True, True),
        (-12.0, True, True, True),
        (-12.0, False, True, False),
        (-12.0, True, False, False),
    ],
)
async def test_an_object_comes_at_the_sessions_loudness_where_its_own_is_known(
    level_db: float, known: bool, even: bool, comes_evened: bool
) -> None:
    sound = np.random.default_rng(2).normal(0, 1_700, 6 * RATE_HZ)
    sound = (sound * 10 ** (level_db / 20)).astype(np.int16)
    lufs = pcm.loudness_lufs(sound, RATE_HZ)
    system = await accepted(mastering=Mastering(even_objects=even))
    pieces = [sound[start : start + PIECE] for start in range(0, len(sound), PIECE)]
    records = [
        ObjectAudio(
            session="s",
            seq=0,
            index=0,
            piece=number,
            first_sample=number * PIECE,
            pcm=piece.tobytes(),
            lufs=lufs if known else 0.0,
            object_end=number == len(pieces) - 1,
        )
        for number, piece in enumerate(pieces)
    ]
    head, end = other(0, "object"), other(1, "mark", boundary="end", last=True)
    await system.append([head, *records, end])
    await system.hand(agent(system), "s", [head, *records, end])
    _, samples = await system.whole("s")
    wanted = min(-16.0, lufs + MOST_RAISED_DB) if comes_evened else lufs
    assert pcm.loudness_lufs(samples[: len(sound)], RATE_HZ) == pytest.approx(wanted, abs=0.3)
    assert (await system.records(AudioFrame, "s"))[-1].last
