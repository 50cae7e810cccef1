"""A voice that speaks a few utterances at once, the most urgent first."""

from ..turns import Turns
from .described import DescribedBy
from .voice import Spoken, Utterance, Voice


class InTurns(DescribedBy):
    """A voice whose utterances wait for a turn, so that a slow one keeps no other voice waiting."""

    def __init__(self, voice: Voice, turns: Turns) -> None:
        super().__init__(voice)
        self._turns = turns

    async def prepare(self) -> None:
        await self._voice.prepare()

    async def speak(self, utterance: Utterance) -> Spoken:
        async with self._turns.take(utterance.due):
            return await self._voice.speak(utterance)

    async def close(self) -> None:
        await self._voice.close()
