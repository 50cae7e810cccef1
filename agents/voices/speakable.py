"""What is taken out of a text before any engine sees it."""

import re
import unicodedata

MAX_DOTS = 8
"""Dots without a word of three letters between them that are spoken as they are written."""
MAX_UNSPACED_CHARS = 60

_word = re.compile(r"(\w{3,})")
_unspaced = re.compile(
    rf"(\S{{40,{MAX_UNSPACED_CHARS - 1}}}[^\w\s]|\S{{{MAX_UNSPACED_CHARS}}})(?=\S)"
)


def speakable(text: str) -> str:
    """Return the text with spaces in place of what engines are known not to survive.

    - Control characters and lone surrogates: NUL ends a C string, a surrogate has no UTF-8.
    - More than 60 characters without a space are parted, after punctuation where there is some, and
      more than 8 dots without a word of three letters between them (``A. A. A. …``) are left out:
      espeak-ng up to 1.52, which is in Piper too, copies such words into buffers of a fixed size
      and writes past their end (espeak-ng pull requests 2428 and 2495).
    """
    text = "".join(" " if unicodedata.category(char) in ("Cc", "Cs") else char for char in text)
    text = _unspaced.sub(r"\1 ", text)
    return "".join(
        part.replace(".", " ") if part.count(".") > MAX_DOTS else part for part in _word.split(text)
    )
