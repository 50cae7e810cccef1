"""The first step of the command line: it loads the rest, which takes a second or two."""

import sys

INTERRUPTED = 130
"""128 and the number of SIGINT, as shells have it."""


def main() -> None:
    """Run the command line; Ctrl-C ends it quietly while it loads, too."""
    try:
        from .app import main as run  # noqa: PLC0415 - what this is for
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    run()
