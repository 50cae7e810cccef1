"""A worker's figures are served on its port, also where that is free only later."""

import socket
import time
from http.client import HTTPConnection

import pytest
from ports import free_port

from rhapsode.ops.run import metrics_server


def test_figures_are_served_once_a_predecessor_has_let_go_of_the_port(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(metrics_server, "PORT_TAKEN_S", 0.02)
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        metrics_server.serve_metrics(port)
    assert b"rhapsode_" in fetched(port)


def fetched(port: int) -> bytes:
    end_s = time.monotonic() + 10.0
    while True:
        connection = HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("GET", "/metrics")
            return connection.getresponse().read()
        except OSError:
            assert time.monotonic() < end_s, "nobody serves"
            time.sleep(0.01)  # until the thread has tried again
        finally:
            connection.close()
