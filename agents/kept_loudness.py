"""How loud each object is: measured when it is played for the first time, and kept."""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass, field

import msgspec
import structlog

from ..storage.objects.names import is_web_name, shown_name
from ..storage.objects.store import Objects, ObjectsRefusedError

FOLDER = "loudness"
CONTENT_TYPE = "application/json"
MOST_REMEMBERED = 10_000
"""Objects whose loudness is not looked up again."""
QUIETEST_LUFS, LOUDEST_LUFS = -70.0, -0.1
"""What programmes can have (ITU-R BS.1770-4); 0 means that it is not known."""
log = structlog.get_logger()


class _Measured(msgspec.Struct, frozen=True):
    lufs: float


@dataclass(frozen=True, slots=True)
class KeptLoudness:
    """Integrated loudness by object and version, as ``loudness/<digest>.json`` in a store.

    It makes an object sound better and is needed by none: a store that is away keeps nobody
    waiting.
    """

    store: Objects
    _remembered: OrderedDict[str, float] = field(default_factory=OrderedDict[str, float])

    async def of(self, name: str, etag: str) -> float:
        """Return the loudness of an object in LUFS, 0 where it is not known."""
        stored_as = _stored_as(name, etag)
        known = self._remembered.get(stored_as, 0.0)
        if known:
            return known
        try:
            stored = await self.store.get(stored_as)
        except (OSError, ObjectsRefusedError) as error:
            log.info("loudness is not looked up", object=shown_name(name), why=str(error))
            return 0.0
        try:
            lufs = msgspec.json.decode(stored.data, type=_Measured).lufs if stored else 0.0
        except msgspec.DecodeError:
            return 0.0  # it is measured again
        return self._remember(stored_as, lufs) if _is_possible(lufs) else 0.0

    async def keep(self, name: str, etag: str, lufs: float) -> None:
        """Keep what was measured."""
        if not _is_possible(lufs):
            return
        stored_as = _stored_as(name, etag)
        self._remember(stored_as, round(lufs, 2))
        try:
            data = msgspec.json.encode(_Measured(round(lufs, 2)))
            await self.store.put(stored_as, data, CONTENT_TYPE)
        except (OSError, ObjectsRefusedError) as error:
            log.info("loudness is not kept", object=shown_name(name), why=str(error))

    def _remember(self, stored_as: str, lufs: float) -> float:
        self._remembered[stored_as] = lufs
        self._remembered.move_to_end(stored_as)
        if len(self._remembered) > MOST_REMEMBERED:
            self._remembered.popitem(last=False)
        return lufs


def _is_possible(lufs: float) -> bool:
    return QUIETEST_LUFS <= lufs <= LOUDEST_LUFS


def _stored_as(name: str, etag: str) -> str:
    # a URL is signed anew each time
    plain = name.partition("?")[0] if is_web_name(name) else name
    digest = hashlib.sha256(f"{plain}\n{etag}".encode(errors="surrogatepass")).hexdigest()
    return f"{FOLDER}/{digest[:40]}.json"
