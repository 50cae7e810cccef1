"""Titles of a catalogue, and the ``metadata.json`` of a folder they are read from."""

import json
import re
import unicodedata
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Literal, cast

from .folding import plain_words, sound
from .vocabulary_words import LANGUAGES

MAX_METADATA_BYTES = 64 * 1024 * 1024
MAX_ENTRIES = 200_000
MAX_NAME_CHARS = 300
MAX_ALTERNATIVES = 40
MAX_DEPTH = 8
MAX_PROBLEMS = 100
"""Problems told one by one; the rest is counted."""

Kind = Literal["music", "story"]

_KIND_OF_FOLDER: dict[str, Kind] = {"music": "music", "stories": "story"}
_LANGUAGE_OF_SOUND = {
    sound(word): code
    for code, words in LANGUAGES.items()
    for name in words.split()
    for word in plain_words(name)
}
_BRACKETS_OR_STRING = re.compile(r'[\[{]|[\]}]|"(?:[^"\\]|\\.)*"?', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Title:
    """Something a catalogue has."""

    object: str
    """Path below the catalogue's root, such as ``music/Hindi/Bandar Mama.mp3``."""
    title: str
    romanized: str = ""
    alternatives: tuple[str, ...] = ()
    kind: Kind = "music"
    language: str = ""
    """BCP 47, such as "hi"; empty where unknown."""
    category: str = ""
    """Such as "Fantasy" or "Phonics"; empty where there is none."""
    duration_s: float | None = None


class MetadataError(ValueError):
    """A metadata file nothing can be read from."""


def read_metadata(folder: str, raw: bytes) -> tuple[tuple[Title, ...], tuple[str, ...]]:
    """Return the titles of a folder (``music/Hindi``) and what is wrong with its other entries.

    ``raw`` is ``{title: {"romanized", "filename", "alternatives", "duration_s"}}``, all but
    ``filename`` optional. The folder's name is the language of its titles where it is one's name,
    else their category. Each problem is one sentence; its entry is left out and the rest serves.

    Raises:
        MetadataError: the folder is neither below ``music`` nor ``stories``, or the bytes are over
            64 MB, no UTF-8, no JSON object, or nested deeper than 8.
    """
    kind, language, category = _meaning_of(folder)
    problems: list[str] = []
    titles: dict[str, Title] = {}
    entries = _parse(folder, raw, problems)
    for name, entry in islice(entries, MAX_ENTRIES):
        try:
            title = _title(folder, name, entry)
        except ValueError as error:
            problems.append(f"{_shown(name)} in {folder} is left out: {error}")
            continue
        if title.object in titles:
            problems.append(
                f"{_shown(name)} in {folder} is left out: its file {_shown(title.object)} is also "
                f"that of {_shown(titles[title.object].title)}"
            )
            continue
        titles[title.object] = _with_place(title, kind, language, category)
    if len(entries) > MAX_ENTRIES:
        problems.append(f"{folder} has {len(entries)} entries: only {MAX_ENTRIES} are read")
    if len(problems) > MAX_PROBLEMS:
        more = len(problems) - MAX_PROBLEMS
        problems = [*problems[:MAX_PROBLEMS], f"{folder} has {more} more problems of this kind"]
    return tuple(titles.values()), tuple(problems)


def _meaning_of(folder: str) -> tuple[Kind, str, str]:
    top, _, name = folder.partition("/")
    if top not in _KIND_OF_FOLDER or not name or not _is_path(folder):
        raise MetadataError(
            f"{_shown(folder)} is no folder of a catalogue: call it music/<language> or "
            "stories/<category>"
        )
    words = plain_words(name)
    language = _LANGUAGE_OF_SOUND.get(sound(words[0]), "") if len(words) == 1 else ""
    return _KIND_OF_FOLDER[top], language, "" if language else name


def _parse(folder: str, raw: bytes, problems: list[str]) -> list[tuple[str, Any]]:
    """Return names and entries as they are written, a name that comes twice included."""
    if len(raw) > MAX_METADATA_BYTES:
        raise MetadataError(f"metadata of {folder} has {len(raw)} bytes: split it, 64 MB are read")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MetadataError(
            f"metadata of {folder} is not UTF-8 at byte {error.start}: save it as UTF-8"
        ) from None
    _check_depth(folder, text)
    try:
        parsed = json.loads(text, object_pairs_hook=_Pairs, parse_int=_number, parse_float=_number)
    except ValueError as error:
        raise MetadataError(f"metadata of {folder} is not JSON: {error}") from None
    if not isinstance(parsed, _Pairs):
        raise MetadataError(f"metadata of {folder} is not a JSON object of titles")
    seen: set[str] = set()
    for name, _ in parsed.pairs:
        if name in seen:
            problems.append(f"{_shown(name)} in {folder} comes twice: give each its own title")
        seen.add(name)
    return parsed.pairs


class _Pairs:
    """A JSON object as it is written: a plain one would hide names that come twice."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        self.pairs = pairs


def _number(digits: str) -> float:
    return float(digits[:40])


def _check_depth(folder: str, text: str) -> None:
    depth = 0
    for match in _BRACKETS_OR_STRING.finditer(text):
        first = match[0][0]
        depth += (first in "[{") - (first in "]}")
        if depth > MAX_DEPTH:
            raise MetadataError(f"metadata of {folder} is nested deeper than {MAX_DEPTH}")


def _title(folder: str, name: str, entry: object) -> Title:
    if not isinstance(entry, _Pairs):
        raise ValueError('write it as {"filename": ..., "romanized": ..., "alternatives": [...]}')  # noqa: TRY004 - of a file
    fields = dict(entry.pairs)
    filename = fields.get("filename")
    if not isinstance(filename, str) or not filename:
        raise ValueError("it names no file: add a filename")
    if not _is_path(filename) or len(filename) > MAX_NAME_CHARS:
        raise ValueError(f"its filename {_shown(filename)} is no path below its folder")
    romanized = fields.get("romanized") or ""
    alternatives: object = fields.get("alternatives") or []
    if not isinstance(alternatives, list):
        raise ValueError("its alternatives are no list")  # noqa: TRY004 - of a file
    listed = cast("list[object]", alternatives)
    if len(listed) > MAX_ALTERNATIVES:
        raise ValueError(f"it has {len(listed)} alternatives: keep at most {MAX_ALTERNATIVES}")
    title = _clean(name, "title")
    if not plain_words(title):
        raise ValueError("its title has neither letters nor digits")
    return Title(
        object=f"{folder}/{filename}",
        title=title,
        romanized=_clean(romanized, "romanized"),
        alternatives=tuple(cleaned for each in listed if (cleaned := _clean(each, "alternative"))),
        duration_s=_duration(fields.get("duration_s")),
    )


def _with_place(title: Title, kind: Kind, language: str, category: str) -> Title:
    return replace(title, kind=kind, language=language, category=category)


def _clean(value: object, what: str) -> str:
    """Return a name without control characters, its spaces made one."""
    if not isinstance(value, str):
        raise ValueError(f"its {what} is no text")  # noqa: TRY004 - of a file
    if len(value) > MAX_NAME_CHARS:
        raise ValueError(f"its {what} of {len(value)} characters is over {MAX_NAME_CHARS}")
    if any("\ud800" <= char <= "\udfff" for char in value):
        raise ValueError(f"its {what} holds half of a surrogate pair")
    kept = (" " if unicodedata.category(char) == "Cc" else char for char in value)
    return " ".join("".join(kept).split())


def _duration(value: object) -> float | None:
    if value is None:
        return None
    if not isinstance(value, float) or not 0.0 < value < 1e6:
        raise ValueError("its duration_s is no number of seconds between 0 and 1000000")
    return value


def _is_path(path: str) -> bool:
    """Return whether a path stays below its folder and can be part of any object's name."""
    parts = path.split("/")
    return (
        all(part.strip() not in {"", ".", ".."} for part in parts)
        and "\\" not in path
        and not any(unicodedata.category(char) in {"Cc", "Cs"} for char in path)
    )


def _shown(text: object) -> str:
    """Return the beginning of a name as a report can show it."""
    shown = json.dumps(str(text)[:80], ensure_ascii=False)
    return shown.encode("utf-8", "backslashreplace").decode()
