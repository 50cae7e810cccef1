"""Texts in many scripts for tests, and how they are cut into pieces."""

# ruff: noqa: RUF001 - the texts are in many scripts

from hypothesis import strategies as st

from rhapsode.codecs.text.sentences import IdleState, Piece, cut

TITLE_AND_TALE = (
    "# The Mill\n\nOnce upon a time, there was a fox. Dr. Smith paid $4.50 at 3 p.m. to see "
    'https://example.com/a.b?c=d. "Really?" she said. Then...\n\n## Chapter 2\nThe end — or was '
    "it?\n\n* * *\n\n- one thing\n- another\n"
)


MARKED = (
    ("en", "Dr. Smith met Mrs. Jones at St. Mary's.| They left at 5 p.m. on Friday."),
    ("en", "The price is $4.50 today.| Version 2.1.3 is out."),
    ("en", "See https://example.com/a?b=c.d for more.| Or write to a.b@example.org."),
    ("en", '"Stop!" he cried.| Nobody moved.'),
    ("en", '"Really?" she asked, and laughed.| "Yes."| He nodded.'),
    ("en", "Wait... what?| Hmm... All right."),
    ("en", "She lives in the U.S. now.| J. R. R. Tolkien wrote it, i.e. the book."),
    ("en", "Look at fig. 3 and no. 7.| Then stop.| Now!| Go."),
    ("en", "It was 1984.| He was 42.| She wasn't."),
    ("en", "The end (or so he thought.)| Then it rained."),
    ("hi", "एक समय की बात है।| एक राजा था।| वह बहुत दयालु था।"),
    ("hi", "डॉ. शर्मा आए।| क्या आप ठीक हैं?| हाँ!| चलो।"),
    ("hi", "उसने ३.५ रुपये दिए।| फिर वह गया।"),
    ("zh", "从前有一座山。|山里有一座庙。|你好吗？|很好！"),
    ("zh", "圆周率是3.14。|他说：“走吧！”|大家都走了。"),
    ("zh", "《红楼梦》很长……|我读完了。|真的？！|是的。"),
    ("ja", "昔々、おじいさんがいました。|山へ行きました。|本当？|はい！"),
    ("ja", "「行こう。」と彼は言った。|円周率は３．１４です。|終わり。"),
    ("ja", "価格は2.5ドルです。|高いですね。"),
    ("es", "El Sr. García llegó a las 3.30 h.| ¿Qué pasó?| ¡Nada!| Se fue."),
    ("es", "La Sra. López vive en EE. UU. desde 1999.| Le gusta."),
    ("es", "—¿Vienes? —preguntó ella.| —No.| Él se quedó."),
    ("de", "Am 3. Oktober kam Dr. Müller.| Es war z. B. kalt.| Na und?"),
    ("de", "„Hallo!“, rief sie.| Er schwieg.| Das kostet 4,50 Euro bzw. mehr."),
    ("de", "Er wurde 1990 geboren.| Kaiser Wilhelm II. starb 1941.| Nun gut."),
    ("fr", "M. Dupont arriva à 8 h. 30 env.| Il pleuvait.| « Oui ! » dit-il."),
    ("fr", "Voir p. 12, etc. pour la suite.| Mme Curie l'a dit.| Vraiment ?| Oui !"),
    ("ar", "كان يا ما كان.| هل تعلم؟| نعم!| ذهب الملك إلى المدينة."),
    ("ar", "السعر 4.5 دولار.| شكرا."),
)
"""A person's choice: ``|`` stands where a sentence ends and another begins, 55 times."""


def pieces_of(text: str, language: str = "en", start: int = 0, seq: int = 0) -> list[Piece]:
    found: list[Piece] = []
    while piece := cut(text, start, seq=seq, final=True, language=language):
        found.append(piece)
        start, seq = piece.end_char, seq + 1
    return found


def pieces_as_they_arrive(
    arrivals: list[str], language: str, idles: list[IdleState] | None = None
) -> list[Piece]:
    """Cut after every arrival; ``idles`` are what may go undecided after each."""
    found: list[Piece] = []
    text, start = "", 0
    for number, arrival in enumerate([*arrivals, ""]):
        text += arrival
        final = number == len(arrivals)
        idle = "" if final or idles is None else idles[number]
        while piece := cut(text, start, seq=len(found), final=final, language=language, idle=idle):
            found.append(piece)
            start = piece.end_char
    return found


def ranges_covered(text: str, pieces: list[Piece]) -> bool:
    """Return whether the pieces, in order, hold every visible character exactly once."""
    edges = [0, *(edge for piece in pieces for edge in (piece.start_char, piece.end_char))]
    gaps = [text[a:b] for a, b in zip(edges[::2], [*edges[1::2], len(text)], strict=True)]
    return edges == sorted(edges) and all(not gap.strip() for gap in gaps)


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
