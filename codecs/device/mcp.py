"""The server's side of the Model Context Protocol with a device: what tools it has, and their use.

JSON-RPC 2.0 without a socket: messages in, messages out. Firmware answers ``initialize``,
``tools/list`` in pages, and ``tools/call`` (xiaozhi-esp32, ``main/mcp_server.cc``).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

PROTOCOL = "2024-11-05"
VOLUME_TOOL = "self.audio_speaker.set_volume"
MAX_TOOLS = 256
MAX_PAGES = 32
MAX_PENDING = 32
MAX_NAME_CHARS = 200
MAX_CURSOR_CHARS = 1_000
MAX_ERROR_CHARS = 300

Payload = dict[str, Any]


class McpError(ValueError):
    """A tool that cannot be called; the message says why."""


@dataclass(frozen=True, slots=True)
class ToolAnswer:
    """A device's answer to ``tools/call``."""

    id: int
    tool: str
    error: str = ""
    """Empty where it was done."""


class McpClient:
    """One device's tools."""

    def __init__(self) -> None:
        self.tools: frozenset[str] = frozenset()
        """Names of the tools known so far."""
        self._next_id = 1
        self._pages = 0
        self._pending: dict[int, str] = {}
        """What each id asked: a method, or the tool that was called."""

    @property
    def waiting(self) -> frozenset[int]:
        """Ids that the device has yet to answer."""
        return frozenset(self._pending)

    def start(self) -> Payload:
        """Return the first message, to be sent once the device has said that it has tools."""
        return self._request(
            "initialize",
            {
                "protocolVersion": PROTOCOL,
                # clients of others look up where pictures go without asking whether it is told
                "capabilities": {"vision": {"url": "", "token": ""}},
                "clientInfo": {"name": "rhapsode", "version": "1"},
            },
        )

    def call(self, tool: str, arguments: Mapping[str, Any]) -> Payload:
        """Return the message that has a tool do something.

        Raises:
            McpError: the device has no such tool, or has yet to answer too much.
        """
        if tool not in self.tools:
            raise McpError(f"this device has no tool {tool[:80]!r}")
        if len(self._pending) >= MAX_PENDING:
            raise McpError(f"this device has {MAX_PENDING} calls to answer: wait for it")
        return self._request("tools/call", {"name": tool, "arguments": dict(arguments)}, tool)

    def set_volume(self, percent: int) -> Payload:
        """Return the message that sets the speaker's volume, 0 to 100.

        Raises:
            McpError: the device cannot, or it is no volume.
        """
        if not 0 <= percent <= 100:
            raise McpError(f"a volume of {percent} is not between 0 and 100")
        return self.call(VOLUME_TOOL, {"volume": percent})

    def received(self, payload: Mapping[str, Any]) -> Payload | ToolAnswer | None:
        """Take what a device sent: return what to answer, or how a call of ours went.

        What answers nothing that was asked is ignored.
        """
        number = payload.get("id")
        if not isinstance(number, int) or isinstance(number, bool):
            return None
        asked = self._pending.pop(number, None)
        if asked is None:
            return None
        if asked == "initialize":
            return self._list("") if "result" in payload else None
        if asked == "tools/list":
            return self._listed(payload.get("result"))
        return ToolAnswer(number, asked, _error_of(payload))

    def _listed(self, result: object) -> Payload | None:
        page = cast("dict[str, Any]", result) if isinstance(result, dict) else {}
        listed = page.get("tools")
        if isinstance(listed, list):
            for tool in cast("list[object]", listed)[:MAX_TOOLS]:
                name = cast("dict[str, Any]", tool).get("name") if isinstance(tool, dict) else None
                full = len(self.tools) >= MAX_TOOLS
                if isinstance(name, str) and 0 < len(name) <= MAX_NAME_CHARS and not full:
                    self.tools |= {name}
        cursor = page.get("nextCursor")
        self._pages += 1
        wanted = self._pages < MAX_PAGES and len(self.tools) < MAX_TOOLS
        if wanted and isinstance(cursor, str) and 0 < len(cursor) <= MAX_CURSOR_CHARS:
            return self._list(cursor)
        return None

    def _list(self, cursor: str) -> Payload:
        return self._request("tools/list", {"cursor": cursor, "withUserTools": False})

    def _request(self, method: str, params: Payload, asked: str = "") -> Payload:
        number, self._next_id = self._next_id, self._next_id + 1
        self._pending[number] = asked or method
        return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}


def _error_of(payload: Mapping[str, Any]) -> str:
    """Return why a call failed, empty where it did not."""
    error = payload.get("error")
    if isinstance(error, dict):
        return str(cast("dict[str, Any]", error).get("message", "it failed"))[:MAX_ERROR_CHARS]
    result = payload.get("result")
    if isinstance(result, dict) and cast("dict[str, Any]", result).get("isError") is True:
        return str(cast("dict[str, Any]", result).get("content", "it failed"))[:MAX_ERROR_CHARS]
    return "" if "result" in payload else "it answered neither a result nor an error"
