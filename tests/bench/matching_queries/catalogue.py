"""Read the title lists in ``source/`` into catalogue entries and write ``titles.json``'s shape.

A list has sections ``# folder | language`` and lines ``title | romanized | alternative; …``, where
a Latin title needs no ``romanized``. ``{1..20}`` in a line makes one entry for each number; ``{n}``
repeats that number.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).parent / "source"
TITLE_LISTS = ("titles_english.txt", "titles_indian.txt")
_range = re.compile(r"\{(\d+)\.\.(\d+)\}")
_latin = re.compile(r"[A-Za-z]")


@dataclass(frozen=True)
class Title:
    """One thing that can be played; the fields are those of ``titles.json``."""

    object: str
    title: str
    romanized: str
    alternatives: tuple[str, ...]
    kind: str
    language: str
    category: str

    @property
    def stem(self) -> str:
        return self.object.rsplit("/", 1)[1].removesuffix(".mp3")

    def names(self) -> list[str]:
        """Everything that is called by, each once."""
        return list(dict.fromkeys((self.title, self.romanized, *self.alternatives)))


def lines(path: Path) -> Iterator[str]:
    """Yield the lines of a source file that say something."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.strip():
            yield line.strip()


def titles() -> list[Title]:
    """Return the whole catalogue, in the order of the lists."""
    found: list[Title] = []
    for name in TITLE_LISTS:
        folder = language = ""
        for line in lines(SOURCE / name):
            if line.startswith("# "):
                folder, language = (part.strip() for part in line[2:].split("|"))
            else:
                found += (_title(each, folder, language) for each in _expand(line))
    return found


def _expand(line: str) -> Iterator[str]:
    numbers = _range.search(line)
    if numbers is None:
        yield line
        return
    for number in range(int(numbers[1]), int(numbers[2]) + 1):
        yield _range.sub(str(number), line).replace("{n}", str(number))


def _title(line: str, folder: str, language: str) -> Title:
    # an English line has no romanized field: it is "title | alternatives"
    fields = [field.strip() for field in line.split("|")]
    if language == "en":
        fields.insert(1, "")
    fields += [""] * (3 - len(fields))
    title, romanized, others = fields
    top, _, branch = folder.partition("/")
    kind = "story" if top == "stories" else "music"
    return Title(
        object=f"{folder}/{romanized or title}.mp3",
        title=title,
        romanized=romanized or title,
        alternatives=tuple(part.strip() for part in others.split(";") if part.strip()),
        kind=kind,
        language=language,
        category="" if branch in LANGUAGE_FOLDERS else branch,
    )


LANGUAGE_FOLDERS = (
    "English", "Hindi", "Telugu", "Kannada", "Tamil", "Malayalam", "Bengali", "Marathi",
)  # fmt: skip


def is_latin(text: str) -> bool:
    """Say whether ``text`` is written in Latin letters."""
    return bool(_latin.search(text)) and text.isascii()
