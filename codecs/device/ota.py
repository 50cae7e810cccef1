"""OTA bootstrap of the xiaozhi protocol: a device reports itself and is told where to connect.

Layouts are those of xiaozhi-esp32 (``main/ota.cc``, ``main/boards/common/board.cc``).
"""

from dataclasses import dataclass
from typing import Any, cast

from .bounded_json import JsonError, parse_object

MAX_REPORT_CHARS = 32_000
"""A real report has some 1,500."""
DEFAULT_LEAD = 5
SMALL_CHIP_LEAD = 2
"""A burst of five frames resets an ESP32-C3 (xiaozhi-esp32-server issue 3349)."""
UNKNOWN_VERSION = "1.0.0"
_MAX_FIELD_CHARS = 100


@dataclass(frozen=True, slots=True)
class DeviceReport:
    """What a device says of itself."""

    firmware: str = UNKNOWN_VERSION
    chip: str = ""
    board: str = ""

    def lead(self, usual: int = DEFAULT_LEAD) -> int:
        """Return how many frames ahead the device can be sent."""
        return min(usual, SMALL_CHIP_LEAD) if self._is_small else usual

    @property
    def _is_small(self) -> bool:
        named = f"{self.chip} {self.board}".lower().replace("-", "").replace("_", "")
        return "esp32c3" in named or named.endswith("c3") or "c3 " in named


def parse_report(body: str | bytes, user_agent: str = "") -> DeviceReport:
    """Read the body of an OTA request; an empty one, of old firmware, tells nothing.

    Args:
        body: JSON, or nothing.
        user_agent: ``BOARD/VERSION``, which tells what the body leaves out.

    Raises:
        JsonError: in one sentence, what is wrong.
    """
    fields = parse_object(body, MAX_REPORT_CHARS) if body.strip() else {}
    named, _, version = user_agent.partition("/")
    application, board = _object(fields, "application"), _object(fields, "board")
    return DeviceReport(
        firmware=_text(application, "version") or version[:_MAX_FIELD_CHARS] or UNKNOWN_VERSION,
        chip=_text(fields, "chip_model_name"),
        board=_text(board, "type") or _text(board, "name") or named[:_MAX_FIELD_CHARS],
    )


def ota_answer(
    report: DeviceReport,
    *,
    url: str,
    token: str,
    version: int,
    now_ms: int,
    timezone_offset_min: int = 0,
) -> dict[str, Any]:
    """Return what a device is told.

    There is no ``mqtt``, which wins over a WebSocket, and no ``activation``, on which a device
    would wait; the firmware is the device's own, or it would upgrade.

    Args:
        report: What the device said.
        url: Of the WebSocket.
        token: To be shown there; empty where none is needed.
        version: Of the binary protocol, 1 to 3.
        now_ms: Unix milliseconds.
        timezone_offset_min: Of the clock that the device shows.
    """
    return {
        "server_time": {"timestamp": now_ms, "timezone_offset": timezone_offset_min},
        "firmware": {"version": report.firmware, "url": ""},
        "websocket": {"url": url, "token": token, "version": version},
    }


def _object(fields: dict[str, Any], name: str) -> dict[str, Any]:
    value = fields.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise JsonError(f"{name!r} is not an object")
    return cast("dict[str, Any]", value)


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name, "")
    if not isinstance(value, str) or len(value) > _MAX_FIELD_CHARS:
        raise JsonError(f"{name!r} is not a string of at most {_MAX_FIELD_CHARS} characters")
    return value
