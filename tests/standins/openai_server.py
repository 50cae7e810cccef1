"""A stand-in for OpenAI-compatible servers: speech, words and streamed chat on a loopback socket.

Speech is real (espeak-ng's); the words it hears are always the same; the chat streams the words it
was given to stream, in the shapes that OpenAI, Ollama, vLLM and llama.cpp send.
"""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import BodyPartReader, web

from .faults import Fault, Faults, cut_short, serving
from .speech import encoded, speech

MAX_CHARS = 4096


@dataclass
class OpenAIStandin:
    """The stand-in while it runs; ``url`` ends in ``/v1``."""

    url: str = ""
    key: str = "sk-stand-in"
    spoken: list[dict[str, Any]] = field(default_factory=list)
    """Bodies of requests for speech."""
    chats: list[dict[str, Any]] = field(default_factory=list)
    """Bodies of requests for chat."""
    heard: list[dict[str, Any]] = field(default_factory=list)
    """Fields of requests for words, the file as bytes."""
    words: str = "Play a song."
    """What it always hears, and says in a chat that is not streamed."""
    events: list[str] = field(default_factory=list)
    """What the next chats stream, line by line, blank lines added."""
    faults: Faults = field(default_factory=Faults)
    container: str = ""
    """Answer in this format whatever was asked for."""
    write_bytes: int = 37
    """Bytes of a chat in each write, and so in each HTTP chunk: they end in the middle of a line or
    of a character."""

    def say(self, *deltas: str, reason: str = "stop") -> None:
        """Make the next chats stream these words."""
        self.events = [
            _event({"role": "assistant", "content": ""}),
            *(_event({"content": delta}) for delta in deltas),
            _event({}, reason),
            "data: [DONE]",
        ]

    async def speech(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {self.key}":
            message = f"Incorrect API key provided: {request.headers.get('Authorization')}"
            return web.json_response({"error": {"message": message}}, status=401)
        body = await request.json()
        self.spoken.append(body)
        fault = self.faults.next()
        instead = await self.faults.before(fault, request)
        if instead is not None:
            return instead
        if not 0 < len(body["input"]) <= MAX_CHARS or not 0.25 <= body["speed"] <= 4:
            return web.json_response({"error": {"message": "out of bounds"}}, status=400)
        samples = speech(body["input"], words_per_minute=round(175 * body["speed"]))
        audio, kind = encoded(samples, self.container or body["response_format"])
        if fault == "truncated":
            return await cut_short(request, audio, kind)
        if fault == "empty":
            audio = b""
        if fault == "broken":
            audio, kind = b'{"error":"no voice"}', "application/json"
        return web.Response(body=audio, content_type=kind)

    async def transcription(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {self.key}":
            message = f"Incorrect API key provided: {request.headers.get('Authorization')}"
            return web.json_response({"error": {"message": message}}, status=401)
        fields: dict[str, Any] = {}
        async for part in await request.multipart():
            assert isinstance(part, BodyPartReader)
            body = await part.read(decode=True)
            fields[part.name or ""] = body if part.filename else body.decode()
        self.heard.append(fields)
        fault = self.faults.next()
        instead = await self.faults.before(fault, request)
        if instead is not None:
            return instead
        answer = json.dumps({"text": self.words}).encode()
        if fault == "truncated":
            return await cut_short(request, answer, "application/json")
        answer = {"empty": b"", "broken": b"[" * 100_000}.get(fault, answer)
        return web.Response(body=answer, content_type="application/json")

    async def chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.chats.append(body)
        fault = self.faults.next()
        instead = await self.faults.before(fault, request)
        if instead is not None:
            return instead
        if fault == "broken":
            return web.Response(text="<html>login</html>", content_type="text/html")
        if not body.get("stream"):
            return await self._whole(request, fault)
        lines = [] if fault == "empty" else self.events
        stream = "".join(f"{line}\n\n" for line in lines).encode()
        if fault == "truncated":
            return await cut_short(request, stream, "text/event-stream")
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for start in range(0, len(stream), self.write_bytes):
            await response.write(stream[start : start + self.write_bytes])
        return response

    async def _whole(self, request: web.Request, fault: Fault) -> web.StreamResponse:
        message = {"role": "assistant", "content": self.words}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        answer = json.dumps({"object": "chat.completion", "choices": [choice]}).encode()
        if fault == "truncated":
            return await cut_short(request, answer, "application/json")
        return web.Response(body=b"" if fault == "empty" else answer)


def _event(delta: dict[str, Any], reason: str | None = None) -> str:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": [choice]}
    return "data: " + json.dumps(chunk, ensure_ascii=False)


@asynccontextmanager
async def openai_standin() -> AsyncGenerator[OpenAIStandin, None]:
    """Run the stand-in on a free port of the loopback interface."""
    standin = OpenAIStandin()
    app = web.Application()
    app.router.add_post("/v1/audio/speech", standin.speech)
    app.router.add_post("/v1/audio/transcriptions", standin.transcription)
    app.router.add_post("/v1/chat/completions", standin.chat)
    async with serving(app) as url:
        standin.url = f"{url}/v1"
        yield standin
        standin.faults.release.set()
