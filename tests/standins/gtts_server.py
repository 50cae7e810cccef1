"""A stand-in for the service behind gTTS: its protocol on a loopback socket, never Google.

It takes the ``jQ1olc`` call that gTTS 2.5 sends and answers with real speech (espeak-ng's) as
24 kHz mono MP3, or with a fault on request.
"""

import base64
import json
import urllib.parse
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from .faults import Fault, Faults, cut_short, serving
from .speech import mp3, speech

PATH = "/_/TranslateWebserverUi/data/batchexecute"
MAX_CHARS = 100


@dataclass(frozen=True)
class Asked:
    """One request, parsed."""

    text: str
    language: str
    slow: bool
    peer: tuple[str, int]


@dataclass
class GttsStandin:
    """The stand-in while it runs."""

    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    """Why requests were answered with status 400."""
    faults: Faults = field(default_factory=Faults)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        try:
            asked = _parsed(await request.text(), request)
        except (ValueError, KeyError, IndexError, TypeError) as error:
            self.refused.append(str(error))
            return web.Response(status=400, text=str(error))
        self.asked.append(asked)
        fault = self.faults.next()
        instead = await self.faults.before(fault, request)
        if instead is not None:
            return instead
        body = _body(asked, fault)
        if fault == "truncated":
            return await cut_short(request, body, "application/json")
        return web.Response(body=body, content_type="application/json")


def _parsed(body: str, request: web.Request) -> Asked:
    (calls,) = json.loads(urllib.parse.parse_qs(body)["f.req"][0])
    ((name, arguments, nothing, kind),) = calls
    text, language, slow, null = json.loads(arguments)
    if (name, nothing, kind, null) != ("jQ1olc", None, "generic", "null"):
        raise ValueError(f"not the call gTTS makes: {name!r}")
    if slow not in (True, None):
        raise ValueError(f"speed {slow!r} is neither true nor null")
    if not 0 < len(text) <= MAX_CHARS:
        raise ValueError(f"{len(text)} characters are not 1 to {MAX_CHARS}")
    if not request.headers["Content-Type"].startswith("application/x-www-form-urlencoded"):
        raise ValueError(f"content type {request.headers['Content-Type']}")
    assert request.transport is not None
    return Asked(text, language, slow is True, request.transport.get_extra_info("peername"))


def _body(asked: Asked, fault: Fault) -> bytes:
    audio = mp3(speech(asked.text, asked.language, 100 if asked.slow else 175))
    if fault == "broken":
        audio = b"\0" * 64
    inner = "[]" if fault == "empty" else json.dumps([base64.b64encode(audio).decode()])
    rows = json.dumps([["wrb.fr", "jQ1olc", inner, None, None, None, "generic"]])
    rows = rows.replace('", "', '","')  # gTTS looks for it without the space
    return f')]}}\'\n\n{len(rows)}\n{rows}\n25\n[["e",4,null,null,{len(rows)}]]\n'.encode()


@asynccontextmanager
async def gtts_standin() -> AsyncGenerator[GttsStandin, None]:
    """Run the stand-in on a free port of the loopback interface."""
    standin = GttsStandin()
    app = web.Application()
    app.router.add_post(PATH, standin.answer)
    async with serving(app) as url:
        standin.url = url
        yield standin
        standin.faults.release.set()
