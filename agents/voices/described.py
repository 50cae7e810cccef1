"""What a voice around another one says of itself: what that one says."""

from .voice import Voice


class DescribedBy:
    """Answers what is cheap to ask (name, languages, what is missing) by another voice."""

    def __init__(self, voice: Voice) -> None:
        self._voice = voice

    @property
    def name(self) -> str:
        return self._voice.name

    def missing(self) -> str:
        return self._voice.missing()

    def languages(self) -> tuple[str, ...]:
        return self._voice.languages()

    def speaks(self, language: str) -> bool:
        return self._voice.speaks(language)
