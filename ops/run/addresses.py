"""Where a system with given settings is reached: page, devices, log."""

import errno
import ipaddress
import shlex
import socket
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ...codecs.records import Item
from ...storage.redis.connection import RedisSettings
from ...storage.redis.embedded import EmbeddedValkey
from ...storage.redis.keys import Keys
from ..settings import Settings


def log_folder(settings: Settings) -> Path:
    """Return where the embedded log keeps its data."""
    return settings.state / "valkey"


def log_files(settings: Settings) -> Path:
    """Return the folder of what processes print that were started quietly."""
    return settings.state / "log"


def with_log_url(settings: Settings) -> Settings:
    """Return settings with a URL: that of the state folder's embedded log where none is set."""
    if settings.redis_url:
        return settings
    url = EmbeddedValkey(log_folder(settings)).url
    return settings.model_copy(update={"redis_url": url})


def page_url(settings: Settings) -> str:
    """Return the URL at which this machine reaches the gateway's page."""
    return f"http://{_authority(settings)}/"


def device_url(settings: Settings) -> str:
    """Return the URL at which a voice device on this machine reaches the gateway."""
    return f"ws://{_authority(settings)}/xiaozhi/v1/"


def _authority(settings: Settings) -> str:
    host = settings.host
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return f"{host}:{settings.port}"  # a name
    if address.is_unspecified:  # listens on every address, and loopback is one of them
        host = "127.0.0.1" if address.version == 4 else "::1"
    return f"[{host}]:{settings.port}" if ":" in host else f"{host}:{settings.port}"


def port_problem(settings: Settings) -> str:
    """Return why the gateway cannot listen where it is told to and what to do, empty if it can."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM
        )[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return f"port {settings.port} is in use: choose another with --port"
        return (
            f"cannot listen on {settings.host}, port {settings.port}: {error.strerror}; choose an "
            "address of this machine with --host, or another port with --port"
        )
    return ""


def redis_cli(settings: Settings) -> str:
    """Return the shell command that talks to the log's server, without its password."""
    where = RedisSettings(with_log_url(settings).redis_url, settings.namespace)
    url = urlsplit(where.url)
    if url.scheme == "unix":
        return f"redis-cli -s {shlex.quote(unquote(url.path))}"
    password = "REDISCLI_AUTH=... " if url.password else ""
    user = f" --user {shlex.quote(unquote(url.username))}" if url.username else ""
    if where.sentinels:
        host, port = where.sentinels[0]
        asked = f"SENTINEL GET-MASTER-ADDR-BY-NAME {shlex.quote(where.service)}"
        master = f"redis-cli -h {host} -p {port} {asked} | paste -sd' ' | sed 's/ / -p /'"
        return f"{password}redis-cli -h $({master}){user}"
    if where.nodes:
        host, port = where.nodes[0]
        tls = " --tls" if url.scheme.startswith(("rediss", "valkeys")) else ""
        return f"{password}redis-cli -c -h {host} -p {port}{tls}{user}"
    return f"{password}redis-cli -u {shlex.quote(where.safe_url)}{user}"


def add_a_text(settings: Settings) -> str:
    """Return a shell command with which another program adds a text."""
    key = Keys(settings.namespace).ingress(Item.TOPIC)
    return f"{redis_cli(settings)} XADD {key} '*' text 'Hello from another program.'"
