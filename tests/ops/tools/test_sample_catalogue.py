"""The sample catalogue: every title of it can be asked for, and its file sounds."""

import wave
from pathlib import Path

import pytest

from rhapsode.agents.catalogue import CatalogueReader
from rhapsode.agents.voices.tone import ToneVoice
from rhapsode.agents.voices.voice import Spoken, Utterance, VoiceFailedError
from rhapsode.codecs.catalogue.answers import Play
from rhapsode.ops.tools.sample_catalogue import TALES, TUNES, make_sample
from rhapsode.storage.objects.folder_source import FolderSource


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    made = await make_sample(tmp_path, ToneVoice())
    assert (made.files, made.left_out) == (len(TUNES) + len(TALES), ())
    return tmp_path


async def test_every_title_is_found_by_its_name_its_romanisation_and_its_alternatives(
    folder: Path,
) -> None:
    reader = CatalogueReader(FolderSource(folder), refresh_s=0.0)
    catalogue = await reader.current()
    assert not [one.problems for one in reader.folders.values() if one.problems]
    assert len(catalogue) == len(TUNES) + len(TALES)
    for title in catalogue.titles:
        for name in (title.title, title.romanized, *title.alternatives):
            answer = catalogue.answer(f"Play {name}")
            assert isinstance(answer, Play), name
            assert [one.object for one in answer.titles] == [title.object], name


async def test_every_file_has_sound(folder: Path) -> None:
    reader = CatalogueReader(FolderSource(folder), refresh_s=0.0)
    for title in (await reader.current()).titles:
        with wave.open(str(folder / title.object)) as file:
            assert file.getnframes() > file.getframerate(), title.object
            assert any(file.readframes(file.getnframes())), title.object


class EnglishOnly(ToneVoice):
    """A voice that cannot tell the tales of other languages."""

    async def speak(self, utterance: Utterance) -> Spoken:
        if utterance.settings.language != "en":
            raise VoiceFailedError("no such language here")
        return await super().speak(utterance)


async def test_what_no_voice_can_tell_is_left_out_and_named(tmp_path: Path) -> None:
    made = await make_sample(tmp_path, EnglishOnly())
    others = [tale.title for tale in TALES if tale.language != "en"]
    assert [reason.partition(":")[0] for reason in made.left_out] == others
    catalogue = await CatalogueReader(FolderSource(tmp_path), refresh_s=0.0).current()
    assert len(catalogue) == made.files


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


async def test_it_may_be_made_again_over_itself(folder: Path) -> None:
    before = contents(folder)
    await make_sample(folder, ToneVoice())
    assert contents(folder) == before
