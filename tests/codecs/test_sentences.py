"""The splitter: what it cuts, that nothing is lost, and that arrivals do not matter."""

# ruff: noqa: RUF001 - the texts are in many scripts

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from rhapsode.codecs.sentences import Piece, cut

TITLE_AND_TALE = (
    "# The Mill\n\nOnce upon a time, there was a fox. Dr. Smith paid $4.50 at 3 p.m. to see "
    'https://example.com/a.b?c=d. "Really?" she said. Then...\n\n## Chapter 2\nThe end — or was '
    "it?\n\n* * *\n\n- one thing\n- another\n"
)


def pieces_of(text: str, language: str = "en", start: int = 0, seq: int = 0) -> list[Piece]:
    found: list[Piece] = []
    while piece := cut(text, start, seq=seq, final=True, language=language):
        found.append(piece)
        start, seq = piece.end_char, seq + 1
    return found


def pieces_as_they_arrive(arrivals: list[str], language: str) -> list[Piece]:
    found: list[Piece] = []
    text, start = "", 0
    for number, arrival in enumerate([*arrivals, ""]):
        text += arrival
        final = number == len(arrivals)
        while piece := cut(text, start, seq=len(found), final=final, language=language):
            found.append(piece)
            start = piece.end_char
    return found


def texts(language: str = "en") -> list[str]:
    return [piece.text for piece in pieces_of("".join(TALES[language]), language)]


TALES = {
    "en": "Once upon a time, a fox lived by the mill. It was old.",
    "hi": "एक समय की बात है, एक राजा था। वह बहुत दयालु था। डॉ. शर्मा आए।",
    "zh": "从前，有一座山。山里有一座庙，庙里有个老和尚在讲故事。他说：“走吧！”大家都走了。",
    "ja": "昔々、おじいさんがいました。「行こう。」と彼は言った。円周率は３．１４です。",
    "fr": "« Oui ! » dit-il. M. Dupont arriva : il pleuvait ; tant pis !",
    "de": "Am 3. Oktober kam er. „Hallo!“ sagte sie. Es war z. B. kalt.",
    "ar": "كان يا ما كان، في قديم الزمان. هل تعلم؟ نعم!",
}
scraps = st.sampled_from(
    [
        *TALES.values(),
        TITLE_AND_TALE,
        "Chapter 7\n",
        "Chap",
        "# ",
        "\n\n",
        "\n",
        " ",
        ". ",
        "3.",
        "14",
        "…",
        "? ",
        "»",
        "“",
        "— ",
        ", ",
        "Dr. ",
        "x" * 300,
        "7" * 90,
        "山" * 60,
        "a\u0301" * 200,
        "\U0001f1e9\U0001f1ea" * 40,
        "กขคง" * 50,
        "www.a-b.org/" + "z" * 120,
        "- ",
        "1. ",
        "***",
        "word " * 40,
    ]
)
any_text = st.lists(scraps | st.text(max_size=12), max_size=12).map("".join)
any_language = st.sampled_from([*TALES, "es", "th", "xx", "pt-BR"])


class TestPromises:
    @given(any_text, any_language, st.data())
    def test_how_the_text_arrives_does_not_matter(self, text, language, data):
        places = data.draw(st.lists(st.integers(0, len(text)), max_size=20).map(sorted))
        edges = [0, *places, len(text)]
        arrivals = [text[a:b] for a, b in pairwise(edges)]
        assert pieces_as_they_arrive(arrivals, language) == pieces_of(text, language)

    def test_letter_by_letter_a_tale_is_cut_as_in_one(self):
        assert pieces_as_they_arrive(list(TITLE_AND_TALE), "en") == pieces_of(TITLE_AND_TALE)

    @given(any_text, any_language)
    def test_every_visible_character_is_in_exactly_one_piece(self, text, language):
        pieces = pieces_of(text, language)
        edges = [0, *(edge for piece in pieces for edge in (piece.start_char, piece.end_char))]
        assert edges == sorted(edges)
        gaps = [text[a:b] for a, b in zip(edges[::2], [*edges[1::2], len(text)], strict=True)]
        assert all(not gap.strip() for gap in gaps)
        assert all(text[piece.start_char : piece.end_char].strip() for piece in pieces)

    @given(any_text, any_language)
    def test_a_piece_is_never_longer_than_250_characters(self, text, language):
        assert all(piece.end_char - piece.start_char <= 250 for piece in pieces_of(text, language))

    @given(any_text, any_language, st.data())
    def test_a_restart_after_any_piece_gives_the_same_ones(self, text, language, data):
        pieces = pieces_of(text, language)
        done = data.draw(st.integers(0, len(pieces)))
        start = pieces[done - 1].end_char if done else 0
        assert pieces_of(text, language, start, done) == pieces[done:]

    def test_a_long_text_is_cut_in_linear_work(self):
        sentence = "He went to the mill, and she left in the morning; it was a fine day. "
        asked: list[int] = []

        class Counted(str):
            __slots__ = ()

            def __getitem__(self, key):
                found = str.__getitem__(self, key)
                asked.append(len(found))
                return found

        for repeats in (100, 400):
            pieces_of(Counted(sentence * repeats))
            asked.append(-1)
        short, long = asked[: asked.index(-1)], asked[asked.index(-1) + 1 : -1]
        assert sum(long) < 4.5 * sum(short)
