"""What a foreign program leaves on the ingress key: plain stream fields, read and bounded.

The fields are documented in docs/topics.md. Values are UTF-8 text.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from .encoding import MalformedError
from .records import check_session
from .session import LIMITS, Mode, VoiceSettings

_decimal = re.compile(r"(\d{1,6}(\.\d{0,9})?|\.\d{1,9})", re.ASCII)

_ITEM_FIELDS = frozenset(
    ("text", "object", "silence", "session", "seq", "last", "mode", "voice", "lang", "speed")
) | frozenset(("accent",))
_REQUEST_FIELDS = frozenset(("listener", "text", "objects", "lang"))


@dataclass(frozen=True, slots=True)
class IngressItem:
    """One entry of the ingress key."""

    session: str
    """Empty where the producer named none."""
    seq: int | None
    """The producer's number of the item in its session; None where it sent none."""
    last: bool
    text: str = ""
    object: str = ""
    silence_s: float = 0.0
    mode: Mode = "narrate"
    voice: VoiceSettings = field(default_factory=VoiceSettings)


@dataclass(frozen=True, slots=True)
class IngressRequest:
    """One entry of the ingress key of requests."""

    listener: str
    """Name of whoever asks."""
    text: str
    objects: tuple[str, ...]
    """Titles of the catalogue, by their files, to be played in this order instead of a text."""
    language: str


def parse_request(fields: Mapping[bytes, bytes]) -> IngressRequest:
    """Read the fields of a request.

    Raises:
        MalformedError: in one sentence, which field is missing, unknown or out of bounds.
    """
    named = _named(fields, _REQUEST_FIELDS)
    if not named.get("listener"):
        raise MalformedError("give the field 'listener', the name of whoever asks")
    if bool(named.get("text")) == bool(named.get("objects")):
        raise MalformedError("give one of the fields 'text' and 'objects'")
    return IngressRequest(
        listener=named["listener"],
        text=named.get("text", ""),
        objects=tuple(line for line in named.get("objects", "").splitlines() if line),
        language=named.get("lang", ""),
    )


def parse_item(fields: Mapping[bytes, bytes]) -> IngressItem:
    """Read a foreign producer's fields.

    An entry without ``seq`` is a whole session, or the last item of an open one; an entry with
    ``seq`` belongs to an open session, which ends with the item whose ``last`` is 1.

    Raises:
        MalformedError: in one sentence, which field is missing, unknown or out of bounds.
    """
    named = _named(fields, _ITEM_FIELDS)
    seq = _integer(named, "seq")
    if seq is not None and not named.get("session"):
        raise MalformedError("the field 'seq' needs the field 'session'")
    last = _flag(named, "last", default=seq is None)
    if seq is None and not last:
        # an entry may be moved twice: without a position it would be heard twice
        raise MalformedError("an item that is not the last one needs the field 'seq'")
    given = [name for name in ("text", "object", "silence") if named.get(name)]
    if len(given) != 1 and not (last and "last" in named and not given):
        raise MalformedError("give one of the fields 'text', 'object' and 'silence'")
    try:
        if named.get("session"):
            check_session(named["session"])
        return IngressItem(
            session=named.get("session", ""),
            seq=seq,
            last=last,
            text=check_text(named["text"]) if named.get("text") else "",
            object=named.get("object", ""),
            silence_s=_seconds(named["silence"]) if named.get("silence") else 0.0,
            mode=_mode(named.get("mode") or "narrate"),
            voice=VoiceSettings(
                voice=named.get("voice") or "auto",
                language=named.get("lang") or "en",
                speed=_number(named.get("speed") or "1", "speed"),
                accent=named.get("accent") or "com",
            ),
        )
    except ValueError as error:
        raise MalformedError(str(error)) from None


def check_text(text: str) -> str:
    """Return the text if it can be an item.

    Raises:
        ValueError: it is empty or has more than 100,000 characters, or lone surrogates.
    """
    if not text:
        raise ValueError("the text is empty: send at least one word")
    if len(text) > LIMITS.text_chars:
        raise ValueError(
            f"the text has {len(text)} characters, more than {LIMITS.text_chars}: send it in "
            "several items of an open session"
        )
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise ValueError("the text holds half of a surrogate pair: send valid Unicode")
    return text


def _named(fields: Mapping[bytes, bytes], known: frozenset[str]) -> dict[str, str]:
    try:
        named = {name.decode(): value.decode() for name, value in fields.items()}
    except UnicodeDecodeError:
        raise MalformedError("a field is not UTF-8") from None
    unknown = sorted(named.keys() - known)
    if unknown:
        raise MalformedError(f"unknown field {unknown[0][:40]!r}; known are {sorted(known)}")
    return named


def _integer(named: Mapping[str, str], name: str) -> int | None:
    value = named.get(name)
    if not value:
        return None
    if not (value.isascii() and value.isdecimal()) or len(value) > 9:
        raise MalformedError(f"{name} {value[:40]!r} is not a number from 0 to 999999999")
    return int(value)


def _flag(named: Mapping[str, str], name: str, *, default: bool) -> bool:
    value = named.get(name)
    if not value:
        return default
    if value not in ("0", "1"):
        raise MalformedError(f"{name} {value[:40]!r} is neither 0 nor 1")
    return value == "1"


def _number(value: str, name: str) -> float:
    if not _decimal.fullmatch(value):  # float() takes far more, such as 1_0
        raise MalformedError(f"{name} {value[:40]!r} is not a number")
    return float(value)


def _seconds(value: str) -> float:
    seconds = _number(value, "silence")
    if not 0.0 < seconds <= LIMITS.silence_s:
        raise MalformedError(f"a silence of {seconds} s is not between 0 and {LIMITS.silence_s} s")
    return seconds


def _mode(value: str) -> Mode:
    modes: dict[str, Mode] = {"narrate": "narrate", "expand": "expand"}
    if value in modes:
        return modes[value]
    raise MalformedError(f"mode {value[:40]!r} is neither 'narrate' nor 'expand'")
