"""A voice that speaks a few utterances at once, the most urgent first."""

from ..turns import Turns
from .voice import Spoken, Utterance, Voice


class InTurns:
    """A voice whose utterances wait for a turn, so that a slow one keeps no other voice waiting."""

    def __init__(self, voice: Voice, turns: Turns) -> None:
        self._voice = voice
        self._turns = turns

    @property
    def name(self) -> str:
        return self._voice.name

    def missing(self) -> str:
        return self._voice.missing()

    def languages(self) -> tuple[str, ...]:
        return self._voice.languages()

    def speaks(self, language: str) -> bool:
        return self._voice.speaks(language)

    async def prepare(self) -> None:
        await self._voice.prepare()

    async def speak(self, utterance: Utterance) -> Spoken:
        async with self._turns.take(utterance.due):
            return await self._voice.speak(utterance)

    async def close(self) -> None:
        await self._voice.close()
