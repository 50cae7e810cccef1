"""Numbers as people say and write them: digits, words and ordinals, in the series' languages."""

from catalogue import SOURCE, lines

NATIVE_ZERO = {"hi": "\u0966", "mr": "\u0966", "te": "\u0c66", "kn": "\u0ce6", "bn": "\u09e6"}
"""Scripts whose own digits people still write; Tamil and Malayalam texts use European ones."""


def _read() -> dict[str, list[str]]:
    counted = (line.split(" = ") for line in lines(SOURCE / "numbers.txt") if " = " in line)
    return {name: said.split() for name, said in counted}


WORDS = _read()


def ways(number: int, language: str, *, latin: bool) -> list[str]:
    """Return how ``number`` is said or written in ``language``, in Latin or its own script."""
    said = [str(number)]
    words = WORDS.get(f"{language} {'latin' if latin else 'native'}", [])
    if number <= len(words):
        said += [words[number - 1]] * 2
    if not latin and language in NATIVE_ZERO:
        zero = ord(NATIVE_ZERO[language])
        said.append("".join(chr(zero + int(digit)) for digit in str(number)))
    return said


def ordinals(number: int) -> list[str]:
    """Return the English ordinals of ``number``, in figures and, up to 20, in a word."""
    teen = 10 <= number % 100 <= 20
    ending = "th" if teen else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    word = WORDS["en ordinal"][number - 1 : number]
    return [f"{number}{ending}", *word, *word]
