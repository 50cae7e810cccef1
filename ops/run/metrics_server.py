"""A process's figures, for Prometheus to fetch."""

from threading import Thread
from time import sleep
from typing import Any, cast
from wsgiref.simple_server import WSGIRequestHandler, make_server

import structlog
from prometheus_client import exposition

from ..metrics import REGISTRY

PORT_TAKEN_S = 5.0
"""How often a port is tried that somebody else has."""
log = structlog.get_logger()


def serve_metrics(port: int) -> None:
    """Serve this process's figures on a port of loopback, as soon as that is free; 0: nowhere."""
    if port:
        Thread(target=_keep_serving_metrics, args=(port,), name="metrics", daemon=True).start()


def _keep_serving_metrics(port: int) -> None:
    figures = cast("Any", exposition).make_wsgi_app(REGISTRY)
    told = False
    while True:
        try:
            server = make_server(
                "127.0.0.1", port, figures, exposition.ThreadingWSGIServer, _QuietHandler
            )
        except OSError as error:
            # a stage that works is worth more than its figures; a predecessor may yet let go of it
            if not told:
                log.warning("no metrics for now", port=port, error=error.strerror)
            told = True
            sleep(PORT_TAKEN_S)
            continue
        # prometheus_client's own looks twice a second whether it is to stop, which it never is
        server.serve_forever(poll_interval=3600.0)


class _QuietHandler(WSGIRequestHandler):
    """Logs no request."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Say nothing."""
