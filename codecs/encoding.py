"""Records as bytes: MessagePack maps whose ``type`` field names kind and version.

Unknown fields are ignored, so a reader understands the records of a newer minor writer; another
version number in ``type`` is malformed to it.
"""

import re
from collections.abc import Mapping
from typing import TypeVar

import msgspec

from .records import (
    MAX_RECORD_BYTES,
    MAX_TEXT_CHARS,
    SESSION_PATTERN,
    AnyRecord,
    Record,
    Text,
    VoiceSettings,
)

R = TypeVar("R", bound=Record)

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[AnyRecord] = msgspec.msgpack.Decoder(AnyRecord)
_session = re.compile(SESSION_PATTERN)
_language = re.compile(r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$")
_voice = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.:+-]{0,63}$")
_accent = re.compile(r"^[a-z]{2,3}(\.[a-z]{2,3})?$")


class MalformedError(ValueError):
    """Bytes or fields that are no record; no retry can mend them."""


def pack(record: Record) -> bytes:
    """Return the record's bytes.

    Raises:
        MalformedError: they would be over 64 KB, more than the log takes.
    """
    value = _encoder.encode(record)
    if len(value) > MAX_RECORD_BYTES:
        raise MalformedError(f"a record of {len(value)} bytes is over {MAX_RECORD_BYTES}")
    return value


def unpack(value: bytes, kind: type[R]) -> R:
    """Read back a record of the given kind.

    Raises:
        MalformedError: the bytes are no record, another kind of record, or name a session that is
            none.
    """
    try:
        record = _decoder.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedError(f"not a record: {error}") from None
    if not isinstance(record, kind):
        raise MalformedError(f"a {type(record).__name__} where a {kind.__name__} belongs")
    if record.session:
        check_session(record.session)
    return record


def check_session(session: str) -> str:
    """Return the session id if it is one; it becomes part of paths and keys.

    Raises:
        MalformedError: it is not 1 to 64 letters, digits, ``-`` or ``_``.
    """
    if not _session.fullmatch(session):
        raise MalformedError(
            f"session id {session[:80]!r} is not 1 to 64 letters, digits, '-' or '_'"
        )
    return session


def check_text(record: Text) -> Text:
    """Return the text record if what it asks for is within bounds.

    Raises:
        MalformedError: in one sentence, what is wrong and what is allowed.
    """
    check_session(record.session)
    settings = record.settings
    if not record.text.strip():
        raise MalformedError("the text is empty: send at least one word")
    if len(record.text) > MAX_TEXT_CHARS:
        raise MalformedError(
            f"the text has {len(record.text)} characters, more than {MAX_TEXT_CHARS}: split it"
        )
    if not _language.fullmatch(settings.language):
        raise MalformedError(
            f"language {settings.language[:40]!r} is not a language tag such as 'en' or 'pt-BR'"
        )
    if not _voice.fullmatch(settings.voice):
        raise MalformedError(
            f"voice {settings.voice[:40]!r} is not a voice name such as 'auto' or 'piper:joe'"
        )
    if not 0.5 <= settings.speed <= 2.0:
        raise MalformedError(f"speed {settings.speed} is not between 0.5 and 2.0")
    if not _accent.fullmatch(settings.accent):
        raise MalformedError(f"accent {settings.accent[:40]!r} is not a domain such as 'co.uk'")
    return record


def text_from_fields(fields: Mapping[bytes, bytes], session: str, created_ms: int) -> Text:
    """Read a foreign producer's bare stream fields (see docs/topics.md) as a text record.

    ``session`` and ``created_ms`` stand in where the fields do not name a session.

    Raises:
        MalformedError: a field is missing, unknown, not UTF-8 or out of bounds.
    """
    known = {"text", "session", "mode", "voice", "lang", "speed", "accent"}
    try:
        named = {name.decode(): value.decode() for name, value in fields.items()}
    except UnicodeDecodeError:
        raise MalformedError("a field is not UTF-8") from None
    if "text" not in named:
        raise MalformedError("the field 'text' is missing")
    unknown = sorted(named.keys() - known)
    if unknown:
        raise MalformedError(f"unknown field {unknown[0][:40]!r}; known are {sorted(known)}")
    try:
        speed = float(named.get("speed", "1"))
    except ValueError:
        raise MalformedError(f"speed {named['speed'][:40]!r} is no number") from None
    mode = named.get("mode", "narrate")
    if mode not in ("narrate", "expand"):
        raise MalformedError(f"mode {mode[:40]!r} is neither 'narrate' nor 'expand'")
    settings = VoiceSettings(
        voice=named.get("voice", "auto"),
        language=named.get("lang", "en"),
        speed=speed,
        accent=named.get("accent", "com"),
    )
    return check_text(
        Text(
            session=named.get("session") or session,
            text=named["text"],
            mode=mode,
            settings=settings,
            created_ms=created_ms,
        )
    )
