"""Stand-ins for servers that cannot hold the log: a Redis without ``0-*``, and no Redis at all."""

import hashlib
import socketserver
import threading
from collections.abc import Generator
from contextlib import contextmanager


class _OldRedis(socketserver.StreamRequestHandler):
    """Speaks RESP2 as Redis 6.2 does where we touch it: it refuses ids of the kind ``0-*``."""

    def handle(self) -> None:
        loaded = False
        while words := self._words():
            command = words[0].upper()
            if command == b"EVALSHA" and not loaded:
                self.wfile.write(b"-NOSCRIPT No matching script. Please use EVAL.\r\n")
            elif command == b"SCRIPT":
                loaded = True
                digest = hashlib.sha1(words[2], usedforsecurity=False).hexdigest()
                self.wfile.write(b"$40\r\n%s\r\n" % digest.encode())
            elif command == b"EVALSHA":
                # what the probe's function answers once XADD has refused the id
                why = b"ERR Invalid stream ID specified as stream command argument"
                self.wfile.write(b"*2\r\n$3\r\nOLD\r\n$%d\r\n%s\r\n" % (len(why), why))
            else:
                self.wfile.write(b"-ERR unknown command `%s`\r\n" % command)

    def _words(self) -> list[bytes]:
        head = self.rfile.readline()
        if not head.startswith(b"*"):
            return []
        words: list[bytes] = []
        for _ in range(int(head[1:])):
            length = int(self.rfile.readline()[1:])
            words.append(self.rfile.read(length))
            self.rfile.readline()
        return words


class _NoRedis(socketserver.StreamRequestHandler):
    """Answers as a web server does to what it does not understand."""

    def handle(self) -> None:
        self.rfile.readline()
        self.wfile.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")


@contextmanager
def old_redis() -> Generator[str]:
    """Run the old Redis on a free loopback port; yield its URL."""
    with _serving(_OldRedis) as url:
        yield url


@contextmanager
def no_redis() -> Generator[str]:
    """Run what is no Redis on a free loopback port; yield a URL of it."""
    with _serving(_NoRedis) as url:
        yield url


@contextmanager
def _serving(handler: type[socketserver.StreamRequestHandler]) -> Generator[str]:
    socketserver.ThreadingTCPServer.daemon_threads = True
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"redis://127.0.0.1:{server.server_address[1]}/0"
        finally:
            server.shutdown()
            thread.join()
