"""The Faust driver ``redis://``: Faust's transport interface on a `storage.log.Log`.

Registered as entry point ``faust.transports``, so a Faust app finds it by its broker URL. An app
of ours brings its own log (`Transport.on`), shared by all stages of the process.
"""

from typing import Any

from faust.exceptions import ImproperlyConfigured
from faust.transport import base
from faust.types import AppT
from faust.types.enums import ProcessingGuarantee
from yarl import URL

from ...storage.log import Groups, Log
from ...storage.opening import open_log
from .conductor import Conductor
from .consumer import Consumer
from .failed_sends import tell_failed_sends_once
from .link import OWN_REPLIES
from .patience import Patience
from .producer import Producer
from .replies import hear_answers_once

DEFAULT_NAMESPACE = "rhapsode"


class _Brokers(list[URL]):
    """Broker URLs; where they are printed they have no password."""

    def __repr__(self) -> str:
        return ", ".join(str(url.with_password("***") if url.password else url) for url in self)


def _hide_passwords(app: AppT) -> None:
    """Keep passwords out of the banner that Faust prints when a worker starts."""
    settings: dict[str, Any] = vars(app.conf)
    for name in ("_broker", "_broker_consumer", "_broker_producer"):
        if settings.get(name):
            settings[name] = _Brokers(settings[name])


class Transport(base.Transport):
    """Faust's consumers and producers on a log."""

    Consumer = Consumer
    Producer = Producer
    Conductor = Conductor

    default_port = 6379
    driver_version = "rhapsode log"

    def __init__(
        self,
        url: list[URL],
        app: AppT,
        *,
        log: Log | None = None,
        groups: Groups | None = None,
        commits_late_s: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(url, app, **kwargs)
        _hide_passwords(app)
        hear_answers_once()
        tell_failed_sends_once()
        self._log = log
        self._groups = groups
        self._owns_log = log is None
        self.partitions: dict[str, int] = {}
        """Topics seen so far, with their number of partitions."""
        self.commits_late_s = commits_late_s
        self.patience = Patience(lambda: app.should_stop)
        """Of the app, with a log that is out of reach."""

    @classmethod
    def on(cls, app: AppT, log: Log, groups: Groups, *, commits_late_s: float = 0.0) -> "Transport":
        """Put the app on a log that is open already; the caller closes it."""
        url = [URL("redis://")]
        transport = cls(url, app, log=log, groups=groups, commits_late_s=commits_late_s)
        app.transport = transport
        app.producer_transport = transport
        return transport

    @property
    def log(self) -> Log:
        """The log, opened at first use: a transport is built at import time."""
        if self._log is None:
            self._open()
        assert self._log is not None
        return self._log

    @property
    def groups(self) -> Groups:
        """The consumer groups of the same server."""
        if self._groups is None:
            self._open()
        assert self._groups is not None
        return self._groups

    def _open(self) -> None:
        url, *others = self.url
        # what else is asked of the URL, such as TLS, is the connection's
        options = [(name, value) for name, value in url.query.items() if name != "namespace"]
        namespace = url.query.get("namespace", DEFAULT_NAMESPACE)
        wanted = str(url.with_query(options))
        if url.scheme.endswith(("+sentinel", "+cluster")):
            # Faust's way to name several is to part them by ;
            # user and password are told once, whether or not each of them has them
            after = (each.raw_authority.rpartition("@")[2] for each in others)
            hosts = ",".join([url.raw_authority, *after])
            wanted = wanted.replace(url.raw_authority, hosts, 1)
        self._log, self._groups = open_log(wanted, namespace)

    async def close(self) -> None:
        """Close the log if this transport opened it."""
        if self._owns_log and self._log is not None:
            await self._log.close()
            self._log = self._groups = None

    async def declare(self, topic: str, partitions: int | None = None) -> int:
        """Make sure the topic exists; return its number of partitions.

        An existing topic keeps its number; reply topics have one (the responder may create them
        first); otherwise the given number or the app's ``topic_partitions`` counts.
        """
        known = self.partitions.get(topic)
        if known is not None:
            return known
        standing = (await self.log.topics()).get(topic)
        if standing is None:
            wanted = partitions or self.app.conf.topic_partitions
            standing = await self.log.declare(topic, 1 if topic.startswith(OWN_REPLIES) else wanted)
        self.partitions[topic] = standing
        return standing

    def create_transaction_manager(self, consumer: Any, producer: Any, **kwargs: Any) -> Any:
        """Refuse exactly-once until the log's transactions are there; otherwise Faust's own."""
        guarantee: Any = self.app.conf.processing_guarantee
        if guarantee == ProcessingGuarantee.EXACTLY_ONCE:
            raise ImproperlyConfigured(
                "processing_guarantee='exactly_once' is not available on redis:// yet; "
                "use 'at_least_once'"
            )
        return super().create_transaction_manager(consumer, producer, **kwargs)
