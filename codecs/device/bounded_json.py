"""JSON objects from strangers: bounded in length and depth, and nothing but JSON."""

import json
import re
from typing import Any, NoReturn, cast

MAX_DEPTH = 16
"""Deepest nesting; tool descriptions (MCP) reach eight or so."""

LONE_SURROGATE = re.compile("[\ud800-\udfff]")
"""Half of a pair: a Python string may hold it, no UTF-8 can."""

_BRACKETS_OR_STRING = re.compile(r'[\[{]|[\]}]|"(?:[^"\\]|\\.)*"?', re.DOTALL)


class JsonError(ValueError):
    """Text that is not a JSON object within the bounds."""


def parse_object(text: str | bytes, max_chars: int) -> dict[str, Any]:
    """Return the object that a text of at most ``max_chars`` characters holds.

    Raises:
        JsonError: it is longer, nested deeper than ``MAX_DEPTH``, not UTF-8, not JSON (RFC 8259,
            so neither NaN nor infinity), not an object, or holds a lone surrogate.
    """
    if len(text) > (max_chars if isinstance(text, str) else 4 * max_chars):
        raise JsonError(f"a message of {len(text)} is over {max_chars} characters")
    if isinstance(text, bytes):
        try:
            text = text.decode()
        except UnicodeDecodeError:
            raise JsonError("the message is not UTF-8") from None
        return parse_object(text, max_chars)
    _check_depth(text)
    try:
        parsed = json.loads(text, parse_constant=_refuse_constant)
    except ValueError as error:
        raise JsonError(f"the message is not JSON: {error}") from None
    if not isinstance(parsed, dict):
        raise JsonError("the message is not a JSON object")
    if LONE_SURROGATE.search(json.dumps(parsed, ensure_ascii=False)):
        raise JsonError("the message holds half of a surrogate pair")
    return cast("dict[str, Any]", parsed)


def _check_depth(text: str) -> None:
    """Refuse deep nesting before the parser, which recurses, sees it."""
    depth = 0
    for match in _BRACKETS_OR_STRING.finditer(text):
        first = match[0][0]
        if first in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise JsonError(f"the message is nested deeper than {MAX_DEPTH}")
        elif first in "]}":
            depth -= 1


def _refuse_constant(name: str) -> NoReturn:
    raise JsonError(f"it has no {name}")
