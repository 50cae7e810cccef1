"""Kinds of settings, and what is allowed in each."""

import re
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field

from ..storage.names import check_namespace


def checked_namespace(namespace: str) -> str:
    """Return a namespace that keys may begin with."""
    check_namespace(namespace)
    return namespace


def printable_path(path: Path) -> Path:
    """Return a path that lines of a configuration can hold."""
    if not str(path).isprintable():
        raise ValueError("a path of printable characters is needed")
    return path


def url_path(path: str) -> str:
    """Return a path that a URL may end with."""
    if not path.startswith("/") or path.endswith("/"):
        raise ValueError("begin it with '/' and do not end it with '/'")
    return path


def listed(setting: str) -> list[str]:
    """Return the words of a setting that are separated by commas."""
    return [word.strip() for word in setting.split(",") if word.strip()]


def host_names(setting: str) -> str:
    """Return a list of names that a Host header may have."""
    for name in listed(setting):
        if not re.fullmatch(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?", name):
            raise ValueError("list names without scheme and port, such as audio.example")
    return setting


def object_host_names(setting: str) -> str:
    """Return a list of hosts that files may be fetched from: ``*``, names, names with a port."""
    for name in listed(setting):
        if not re.fullmatch(r"\*|[A-Za-z0-9_.-]+(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?", name):
            raise ValueError("list hosts without scheme, such as cdn.example or 10.0.0.5:9000")
        if name != "*" and not _has_host(f"http://{name}"):
            raise ValueError(f"{name[:60]} has no port between 1 and 65535")
    return setting


def bucket_urls(setting: str) -> str:
    """Return a list of buckets by their URLs."""
    for url in listed(setting):
        bucket_of(url)
    return setting


def bucket_of(url: str) -> tuple[str, str, str]:
    """Return endpoint, bucket and region of a bucket's URL; the region is empty where it has none.

    Raises:
        ValueError: it is none.
    """
    found = re.fullmatch(
        r"(https?://[^/?#\s@]+)/([A-Za-z0-9][A-Za-z0-9._-]+)(?:\?region=([a-z0-9-]+))?", url
    )
    if not found or not _has_host(url):
        raise ValueError("name buckets such as https://store.example/music?region=eu-west-1")
    endpoint, bucket, region = found.groups(default="")
    return endpoint, bucket, region


def server_url(url: str) -> str:
    """Return the base URL of an HTTP server, or nothing."""
    if url and not (re.fullmatch(r"https?://[^/?#\s]+(/[^?#\s]*)?", url) and _has_host(url)):
        raise ValueError("name it with http:// or https://, such as http://127.0.0.1:8000/v1")
    return url


def _has_host(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port beyond 65535, or half an IPv6 address
        return False


def web_origins(setting: str) -> str:
    """Return a list of origins that an Origin header may have."""
    for origin in listed(setting):
        if not re.fullmatch(r"https?://[^/?#@\s]+", origin):
            raise ValueError("list origins such as https://app.example, without a path")
    return setting


def socket_url(url: str) -> str:
    """Return an address of a WebSocket, or nothing."""
    if url and not re.fullmatch(r"wss?://[^/?#@\s]+(/[^#\s]*)?", url):
        raise ValueError("name it with ws:// or wss://, such as wss://audio.example/xiaozhi/v1/")
    return url


Fsync = Literal["always", "everysec", "no"]
Secret = Annotated[str, Field(repr=False)]
Port = Annotated[int, Field(ge=1, le=65_535)]
