"""Titles that fill a catalogue up to its size: made of common words, seeded, none twice."""

# ruff: noqa: E501, SIM905 - lists of words

import random

from rhapsode.codecs.catalogue.titles import Title

_QUALITIES = (
    "brave clever lazy hungry golden silver tiny giant happy lonely curious magic wooden crystal hidden "
    "frozen purple singing dancing flying sleeping wise foolish kind proud noisy gentle stubborn lucky "
    "lost secret broken shiny wandering polite grumpy royal humble spotted feathered"
).split()  # fmt: skip
_HEROES = (
    "rabbit elephant tiger peacock farmer potter weaver princess king queen fisherman giant dwarf wizard "
    "sparrow crow parrot goat donkey camel deer squirrel hedgehog badger whale dolphin turtle frog "
    "butterfly beetle firefly robot astronaut pilot baker tailor merchant minister soldier gardener "
    "shepherd painter drummer juggler ghost fairy dragon unicorn mermaid snowman scarecrow puppet"
).split()  # fmt: skip
_THINGS = (
    "river mountain forest lantern bridge bell mirror ladder kite drum flute basket umbrella necklace crown "
    "candle treasure island desert volcano waterfall library market temple palace windmill lighthouse train "
    "tractor balloon rocket bicycle wagon boat ship pumpkin mango coconut banana jasmine lotus banyan "
    "monsoon rainbow thunder comet shadow echo whistle button blanket pillow"
).split()  # fmt: skip
_HINDI = (
    "chalo aaja dekho suno nachegi gaye pyara sona mithi choti badi rang badal baarish hawa phool bagiya "
    "tara suraj pari gudiya bhalu cheeta mor koyal tota kabootar mendak machhar jugnu patang jhula rail "
    "gadi nadi pahad jungle gaon mela holi diwali rakhi mithai jalebi laddu halwa kheer imli aam kela"
).split()  # fmt: skip
_TELUGU = (
    "chinni ponni bujji papa babu kona kodi pilli kukka meka gurram avu puvvu malle mandaram vennela "
    "chukka konda yeru cheruvu polam palle bandi padava gaali jallu manchu tota koyila nemali chilaka "
    "pavuram lediri simham tabelu chepa kappa seethakoka bommala pandaga sankranti ugadi bommarillu"
).split()  # fmt: skip


def made_titles(count: int, seed: int = 11) -> list[Title]:
    """Return that many titles, half of them English stories and songs."""
    chance = random.Random(seed)
    made: dict[str, Title] = {}
    while len(made) < count:
        title = _made(chance)
        made.setdefault(title.object, title)
    return list(made.values())


def _made(chance: random.Random) -> Title:
    pick = chance.choice
    shape = chance.randrange(8)
    if shape < 2:
        text = f"The {pick(_QUALITIES)} {pick(_HEROES)} and the {pick(_QUALITIES)} {pick(_THINGS)}"
        folder, kind, language, category = "stories/Tales", "story", "", "Tales"
    elif shape == 2:
        text = f"How the {pick(_HEROES)} found a {pick(_QUALITIES)} {pick(_THINGS)}"
        folder, kind, language, category = "stories/Why", "story", "", "Why"
    elif shape < 5:
        text = f"{pick(_QUALITIES)} {pick(_THINGS)} {pick(_HEROES)} {pick(_THINGS)}"
        folder, kind, language, category = "music/English", "music", "en", ""
    else:
        words, folder, language = pick(((_HINDI, "Hindi", "hi"), (_TELUGU, "Telugu", "te")))
        text = " ".join(chance.sample(words, 4))
        folder, kind, category = f"music/{folder}", "music", ""
    text = text.title()
    return Title(
        f"{folder}/{text}.mp3",
        text,
        kind="story" if kind == "story" else "music",
        language=language,
        category=category,
    )
