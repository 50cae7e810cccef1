"""What the cutter promises: nothing is lost, and how the text arrives does not matter."""

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sample_texts import (
    TITLE_AND_TALE,
    any_language,
    any_text,
    pieces_as_they_arrive,
    pieces_of,
    ranges_covered,
)

from rhapsode.codecs.text.lines import View
from rhapsode.codecs.text.sentences import IdleState, Piece, cut


class TestPromises:
    @given(any_text, any_language, st.data())
    def test_how_the_text_arrives_does_not_matter(self, text, language, data):
        places = data.draw(st.lists(st.integers(0, len(text)), max_size=20).map(sorted))
        edges = [0, *places, len(text)]
        arrivals = [text[a:b] for a, b in pairwise(edges)]
        assert pieces_as_they_arrive(arrivals, language) == pieces_of(text, language)

    @given(any_text, any_language, st.data())
    def test_with_idle_cuts_anywhere_every_character_is_in_exactly_one_piece(
        self, text, language, data
    ):
        places = data.draw(st.lists(st.integers(0, len(text)), max_size=20).map(sorted))
        arrivals = [text[a:b] for a, b in pairwise([0, *places, len(text)])]
        kinds: st.SearchStrategy[IdleState] = st.sampled_from(("", "sentence", "all"))
        idles = data.draw(st.lists(kinds, min_size=len(arrivals), max_size=len(arrivals)))
        assert ranges_covered(text, pieces_as_they_arrive(arrivals, language, idles))

    @given(any_text, any_language)
    def test_an_idle_cut_of_all_leaves_nothing_but_white_space(self, text, language):
        start = seq = 0
        while piece := cut(text, start, seq=seq, final=False, language=language, idle="all"):
            start, seq = piece.end_char, seq + 1
        assert not text[start:].strip()

    def test_letter_by_letter_a_tale_is_cut_as_in_one(self):
        assert pieces_as_they_arrive(list(TITLE_AND_TALE), "en") == pieces_of(TITLE_AND_TALE)

    @given(any_text, any_language)
    def test_every_visible_character_is_in_exactly_one_piece(self, text, language):
        pieces = pieces_of(text, language)
        assert ranges_covered(text, pieces)
        assert all(text[piece.start_char : piece.end_char].strip() for piece in pieces)

    @given(any_text, any_language)
    def test_a_piece_is_never_longer_than_250_characters(self, text, language):
        assert all(piece.end_char - piece.start_char <= 250 for piece in pieces_of(text, language))

    @given(st.lists(st.from_regex(r"[A-Za-z0-9]{1,20}[.,:;!?]?", fullmatch=True)), any_language)
    @example([f"item{number}." for number in range(40)], "en")
    def test_words_of_usual_length_are_never_cut(self, words, language):
        text = " ".join(words)
        ends = [piece.end_char for piece in pieces_of(text, language)]
        assert all(text[end : end + 1] in (" ", "") for end in ends)

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


class TestWaiting:
    def test_a_sentence_goes_as_soon_as_the_next_begins(self):
        assert cut("The fox ran. ", 0, seq=1, final=False, language="en") is None
        piece = cut("The fox ran. T", 0, seq=1, final=False, language="en")
        assert piece == Piece("The fox ran.", 0, 12, "sentence")

    def test_a_finished_sentence_goes_when_nothing_comes(self):
        for text in ("The fox ran.", "The fox ran. ", 'He said: "Run!"', "走吧。", "Title\n\n"):
            piece = cut(text, 0, seq=1, final=False, language="en", idle="sentence")
            assert piece is not None
            assert piece.end_char == len(text.rstrip())

    @pytest.mark.parametrize(
        "text", ["", "The fox", "The fox ran,", "It costs 3.", "He met Dr.", "The U.S.", "One. Tw"]
    )
    def test_what_may_go_on_waits_all_the_same(self, text):
        start = text.rfind("One.") + 4 if "One." in text else 0
        assert cut(text, start, seq=1, final=False, language="en", idle="sentence") is None

    @pytest.mark.parametrize(
        ("text", "boundary"),
        [
            ("The fox", "clause"),
            ("The fox ran,", "clause"),
            ("It costs 3.", "clause"),
            ("He met Dr.", "clause"),
            ("The fox ran.", "sentence"),
            ("The fox ran. ", "sentence"),
            ("The fox ran\n\n", "paragraph"),
        ],
    )
    def test_everything_goes_when_all_may_and_ends_as_what_it_is(self, text, boundary):
        piece = cut(text, 0, seq=1, final=False, language="en", idle="all")
        assert piece == Piece(" ".join(text.split()), 0, len(text.rstrip()), boundary)

    def test_all_that_is_there_goes_in_pieces_of_the_usual_length(self):
        text = "One. " + "word " * 100
        start = 4
        lengths: list[int] = []
        while piece := cut(text, start, seq=1, final=False, language="en", idle="all"):
            lengths.append(piece.end_char - piece.start_char)
            start = piece.end_char
        assert start == len(text.rstrip())
        assert max(lengths) <= 110

    def test_white_space_alone_is_nothing_to_go(self):
        assert cut(" \n", 0, seq=0, final=False, language="en", idle="all") is None


class TestGraphemes:
    @pytest.mark.parametrize(
        "cluster",
        [
            "e\u0301\u0323",
            "👩\u200d👩\u200d👧",
            "👍\U0001f3fd",
            "🇮🇳",
            "한",  # conjoining jamo
            "क्षि",
            "กำ",
            "1\ufe0f\u20e3",
        ],
    )
    def test_no_cluster_is_cut(self, cluster):
        for before in ("", "x"):
            view = View(before + cluster * 20, True, "th")
            found = [i for i in range(1, len(view.text)) if view.begins_grapheme(0, i)]
            wanted = range(len(before), len(view.text), len(cluster))
            assert found == [i for i in wanted if i]
            assert view.begins_grapheme(0, found[0])  # asked again from the start
