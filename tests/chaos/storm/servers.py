"""What a storm's log is on: one server behind a proxy, or a Cluster; and what can befall it."""

from pathlib import Path
from typing import Protocol

from broker import Broker

from . import faults
from .faults import Fault, Workers
from .proxy import Proxy

PASSWORD = "storm-password-4417"


class Servers(Protocol):
    """The log's servers."""

    destroying: frozenset[str]
    """Names of faults that destroy what was acknowledged."""

    @property
    def url(self) -> str:
        """By which the storm itself writes and reads: through no proxy."""
        ...

    @property
    def product_url(self) -> str:
        """By which Rhapsode finds them."""
        ...

    @property
    def broker_url(self) -> str:
        """By which the foreign app finds them."""
        ...

    def start(self) -> None:
        """Start all."""
        ...

    def stop(self) -> None:
        """End all."""
        ...

    def faults(self, foreign: Workers) -> dict[str, Fault]:
        """Return what can befall them, by its name, and what can befall workers meanwhile."""
        ...


class OneServer:
    """A server whose every write is on disk before its answer."""

    destroying: frozenset[str] = frozenset(("server's end cut off",))

    def __init__(self, folder: Path) -> None:
        self._broker = Broker(folder / "broker", PASSWORD)
        self._proxy = Proxy(self._broker.port)

    @property
    def url(self) -> str:
        return self._broker.url

    @property
    def product_url(self) -> str:
        return self._broker.url.replace(f":{self._broker.port}", f":{self._proxy.port}")

    @property
    def broker_url(self) -> str:
        return self.product_url

    def start(self) -> None:
        self._broker.start()
        self._proxy.start()

    def stop(self) -> None:
        self._proxy.stop()
        self._broker.kill()

    def faults(self, foreign: Workers) -> dict[str, Fault]:
        return {
            "server killed": faults.server_killed(self._broker),
            "server's end cut off": faults.server_cut(self._broker),
            "server out of memory": faults.out_of_memory(self._broker.client),
            "connections cut": faults.cut(self._proxy),
            "connections stalled": faults.stalled(self._proxy),
        }
