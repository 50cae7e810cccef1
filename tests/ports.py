"""Ports for servers of the tests."""

import random
import socket

FIRST, END = 10_000, 32_000
"""Below those that the kernel gives to connections: none of them takes one before a server does."""
_given: set[int] = set()


def free_port() -> int:
    """Return a port that was free a moment ago, and that this process was not given before.

    Ports are taken at random, as other processes may look for some at the same time.
    """
    while True:
        port = random.randrange(FIRST, END)
        if port in _given:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port
