"""What the door to sessions refuses."""

from ..codecs.encoding import MalformedError
from ..codecs.ingress import check_text


class SessionClosedError(ValueError):
    """The session takes no more items."""


class ConflictError(ValueError):
    """The position holds another item, or those before it are missing."""


def check_new(text: str) -> str:
    """Return the text if a session can be made of it.

    Raises:
        MalformedError: it is empty, too long or not Unicode; the message tells what is allowed.
    """
    if not text.strip():
        raise MalformedError("the text is empty: send at least one word")
    return checked_text(text)


def checked_text(text: str) -> str:
    """Return the text if it can be an item.

    Raises:
        MalformedError: it is empty, too long or not Unicode; the message tells what is allowed.
    """
    try:
        return check_text(text)
    except ValueError as error:
        raise MalformedError(str(error)) from None


class QuotaError(Exception):
    """A key has no more of what is asked for; the message says of what, and until when."""
