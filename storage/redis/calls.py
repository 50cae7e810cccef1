"""Scripts that run on the server, and calls of them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha1
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent / "lua"
_PART = re.compile(r"^-- part: (\w+)\n", re.MULTILINE)
"""Where a script wants what a file in ``lua/parts/`` defines."""


@dataclass(frozen=True, slots=True)
class Script:
    """A script's source and the digest by which a server that has it runs it."""

    text: str
    digest: str
    """SHA-1 of the text, in hexadecimal (EVALSHA)."""


def _source(name: str) -> str:
    return (_FOLDER / f"{name}.lua").read_text(encoding="utf-8")


@cache
def script(name: str) -> Script:
    """Return the script in ``lua/<name>.lua``, read once."""
    text = _PART.sub(lambda part: _source(f"parts/{part[1]}"), _source(name))
    return Script(text, sha1(text.encode(), usedforsecurity=False).hexdigest())


@dataclass(frozen=True, slots=True)
class Call:
    """A script with the keys and arguments that its head comment asks for."""

    script: Script
    keys: Sequence[str]
    arguments: Sequence[Any] = ()

    @property
    def command(self) -> list[Any]:
        """The EVALSHA command; a server without the script replies NOSCRIPT and does nothing."""
        return ["EVALSHA", self.script.digest, len(self.keys), *self.keys, *self.arguments]

    @property
    def load_command(self) -> list[Any]:
        """The SCRIPT LOAD command that gives the script to a server."""
        return ["SCRIPT LOAD", self.script.text]


def info_field(info: bytes, name: str) -> str:
    """Return a field of the reply to INFO, empty where it has none."""
    fields = (line.partition(":") for line in info.decode(errors="replace").splitlines())
    return next((value for field, _, value in fields if field == name), "")
