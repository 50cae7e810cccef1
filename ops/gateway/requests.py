"""What the HTTP API and the input WebSocket take, as validated models."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from ...codecs.session import LIMITS, DeviceFormat, Form, Mastering, Rendition, VoiceSettings

NOTHING_LIMITED_DB = 8.0
"""So far below the default target the limiter takes nothing from speech."""

Text = Annotated[str, Field(min_length=1, max_length=LIMITS.text_chars)]
WholeText = Annotated[Text, Field(json_schema_extra={"pattern": r"\S"})]
"""With a word in it; `refusals.check_new` says so in a sentence where there is none."""


class Body(BaseModel):
    """A JSON object with known fields only, each of its own type: ``true`` is no number."""

    model_config = ConfigDict(extra="forbid", strict=True)


class FormRequest(Body):
    """The shape of what comes out; what is left out is the server's default."""

    sample_rate_hz: int | None = None
    channels: int | None = None
    segment_s: float | None = None
    ramp: bool | None = None
    container: str | None = None
    bit_rate: int | None = None
    part_s: float | None = None
    captions: Annotated[list[str], Field(max_length=8)] | None = None
    device: bool | None = None

    def applied_to(self, form: Form) -> Form:
        """Return the form with what was asked for.

        Raises:
            ValueError: a value is out of range.
        """
        asked = self.model_dump(exclude_none=True, exclude={"bit_rate", "device", "captions"})
        values = {name: getattr(form, name) for name in form.__struct_fields__} | asked
        if self.bit_rate is not None:
            values["renditions"] = (Rendition(bit_rate=self.bit_rate),)
        if self.captions is not None:
            values["captions"] = tuple(self.captions)
        if self.device is not None:
            values["device"] = DeviceFormat() if self.device else None
        return Form(**values)


class MasteringRequest(Body):
    """How loud it becomes; what is left out is the default."""

    target_lufs: Annotated[float, Field(ge=-31.0, le=-9.0)] = -16.0
    ceiling_dbtp: Annotated[float, Field(ge=-12.0, le=0.0)] = -2.5
    even_objects: bool = True
    """Bring audio objects to the target, too, once their loudness is known."""

    def mastering(self) -> Mastering:
        """Return it with the make-up gain of the target: the quieter, the less is limited away."""
        defaults = Mastering()
        quieter_db = defaults.target_lufs - self.target_lufs
        share = min(1.0, max(0.0, 1.0 - quieter_db / NOTHING_LIMITED_DB))
        return Mastering(make_up_db=share * defaults.make_up_db, **self.model_dump())


class SessionRequest(Body):
    """What describes a session."""

    mode: Literal["narrate", "expand"] = "narrate"
    lang: Annotated[str, Field(max_length=40)] = "en"
    voice: Annotated[str, Field(max_length=64)] = "auto"
    speed: Annotated[float, Field(ge=0.5, le=2.0)] = 1.0
    accent: Annotated[str, Field(max_length=16)] = "com"
    form: FormRequest = FormRequest()
    mastering: MasteringRequest = MasteringRequest()
    idle_close_s: Annotated[float, Field(ge=1.0, le=86_400.0)] = 600.0
    ahead_s: Annotated[float, Field(ge=0.0, le=3_600.0)] = 0.0
    """Seconds that production is ahead of listeners, at least 5; 0 produces everything at once."""

    def voice_settings(self) -> VoiceSettings:
        """Return how texts are to be spoken.

        Raises:
            ValueError: a name is not one.
        """
        return VoiceSettings(
            voice=self.voice, language=self.lang, speed=self.speed, accent=self.accent
        )


class NewSession(SessionRequest):
    """What ``POST /v1/sessions`` takes: a text, or ``open`` for one that items are added to."""

    text: WholeText | None = None
    open: bool = False


class NewItem(Body):
    """What ``POST /v1/sessions/{session}/items`` takes: exactly one kind of item."""

    text: Text | None = None
    silence_s: Annotated[float, Field(gt=0.0, le=LIMITS.silence_s)] | None = None
    object: Annotated[str, Field(min_length=1, max_length=2_048)] | None = None
    upload: str | None = None
    live: Annotated[str, Field(min_length=1, max_length=2_048)] | None = None
    """URL of a stream that goes on, such as a radio station's: heard until it ends, the session is
    cancelled, or 6 hours have passed."""
    end: bool = False
    """The running text ends here: its last word is not joined to the next text."""
    last: bool = False
    seq: Annotated[int, Field(ge=0, le=999_999_999)] | None = None


class NewText(Body):
    """What ``POST /v1/sessions/{session}/text`` takes: text as a model writes it."""

    text: Text
    end: bool = False
    last: bool = False
    seq: Annotated[int, Field(ge=0, le=999_999_999)] | None = None


class Prompt(BaseModel):
    """What the seed's ``POST /audiostream/start/`` takes; more than it knew is optional."""

    prompt: str
    lang: Annotated[str, Field(max_length=40)] = "en"
    mode: Literal["narrate", "expand"] | None = None
    voice: Annotated[str, Field(max_length=64)] = "auto"


class Listening(Body):
    """What ``POST /v1/sessions/{session}/listening`` takes: where a player is."""

    position_s: Annotated[float, Field(ge=0.0, le=1_000_000.0)]
