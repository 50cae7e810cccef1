"""What a session is: described once, when it is accepted, and read from the log by everyone after.

A process's settings are defaults for the sessions it accepts and nothing else. Whatever decides
which bytes come out is in here, so any worker of the same codec build makes the same ones.
"""

import re
from dataclasses import dataclass
from typing import Literal

import msgspec

Mode = Literal["narrate", "expand"]
"""``narrate`` speaks the text as it is; ``expand`` has a model write from it."""

_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}")
_VOICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:+-]{0,63}")
_ACCENT = re.compile(r"[a-z]{2,3}(\.[a-z]{2,3})?")


class Description(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A part of a session's description."""


class VoiceSettings(Description, frozen=True, kw_only=True, omit_defaults=True):
    """How texts are to be spoken.

    Raises:
        ValueError: in one sentence, what is wrong and what is allowed.
    """

    voice: str = "auto"
    """A voice name such as ``piper:joe``, an engine name such as ``espeak``, or ``auto``."""
    language: str = "en"
    """BCP 47 tag."""
    speed: float = 1.0
    """Rate of speech, 0.5 (slow) to 2.0 (fast)."""
    accent: str = "com"
    """Top-level domain that selects a gTTS accent; other engines ignore it."""

    def __post_init__(self) -> None:
        if not _LANGUAGE.fullmatch(self.language):
            raise ValueError(
                f"language {self.language[:40]!r} is not a language tag such as 'en' or 'pt-BR'"
            )
        if not _VOICE.fullmatch(self.voice):
            raise ValueError(
                f"voice {self.voice[:40]!r} is not a voice name such as 'auto' or 'piper:joe'"
            )
        if not 0.5 <= self.speed <= 2.0:
            raise ValueError(f"speed {self.speed} is not between 0.5 and 2.0")
        if not _ACCENT.fullmatch(self.accent):
            raise ValueError(f"accent {self.accent[:40]!r} is not a domain such as 'co.uk'")


class PausePolicy(Description, frozen=True, kw_only=True, omit_defaults=True):
    """Seconds of silence after a chunk, by what it ends at; the edges of speech do not count."""

    clause_s: float = 0.12
    sentence_s: float = 0.35
    paragraph_s: float = 0.7
    chapter_s: float = 1.5

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            if not 0.0 <= getattr(self, name) <= 10.0:
                raise ValueError(f"a pause of {getattr(self, name)} s is not between 0 and 10 s")

    def after_s(self, boundary: str) -> float:
        """Return the seconds of silence after a boundary; none after the session's end."""
        lasting = {
            "clause": self.clause_s,
            "sentence": self.sentence_s,
            "paragraph": self.paragraph_s,
            "chapter": self.chapter_s,
        }
        return lasting.get(boundary, 0.0)


def pauses_for(language: str) -> PausePolicy:
    """Return the pauses that suit a language.

    A Chinese or Japanese comma often separates what English makes sentences of.
    """
    wide = language.partition("-")[0].lower() in ("zh", "ja", "yue")
    return PausePolicy(clause_s=0.2) if wide else PausePolicy()


class Mastering(Description, frozen=True, kw_only=True, omit_defaults=True):
    """How speech and objects become the session's one run of audio."""

    target_lufs: float = -16.0
    """Integrated loudness of speech (ITU-R BS.1770-4, gated, mono), -31 to -9."""
    ceiling_dbtp: float = -2.5
    """True-peak ceiling before encoding; AAC at 96 kbit/s overshoots it by up to 0.6 dB."""
    make_up_db: float = 2.0
    """For what the limiter takes from speech: stories by espeak-ng and Joe came out 1.7 LU under
    -16 LUFS at their own gain, and 0.9 with this; more would press peaks harder and gain little."""
    even_objects: bool = True
    """Bring audio objects to the target, too, where their loudness is known."""
    edge_keep_s: float = 0.03
    """Silence kept before and after a chunk's speech; what voices add varies and is cut."""
    edge_threshold_dbfs: float = -50.0
    fade_ms: float = 5.0

    def __post_init__(self) -> None:
        if not -31.0 <= self.target_lufs <= -9.0:
            raise ValueError(f"a target of {self.target_lufs} LUFS is not between -31 and -9")
        if not -12.0 <= self.ceiling_dbtp <= 0.0:
            raise ValueError(f"a ceiling of {self.ceiling_dbtp} dBTP is not between -12 and 0")
        if not 0.0 <= self.make_up_db <= 12.0:
            raise ValueError(f"a make-up gain of {self.make_up_db} dB is not between 0 and 12")
        if not 0.0 <= self.edge_keep_s <= 1.0 or not 0.0 <= self.fade_ms <= 100.0:
            raise ValueError("edges keep 0 to 1 s and fade over 0 to 100 ms")
        if not -90.0 <= self.edge_threshold_dbfs <= -20.0:
            raise ValueError(
                f"an edge at {self.edge_threshold_dbfs} dBFS is not between -90 and -20"
            )


class Rendition(Description, frozen=True, kw_only=True, omit_defaults=True):
    """One quality of a session's HLS audio."""

    name: str = "audio"
    """Name of its playlist and segments."""
    codec: str = "aac"
    bit_rate: int = 96_000
    """Nominal bits a second, 48,000 to 192,000."""

    def __post_init__(self) -> None:
        if not 48_000 <= self.bit_rate <= 192_000:
            raise ValueError(f"bit_rate {self.bit_rate} is not between 48000 and 192000")


class DeviceFormat(Description, frozen=True, kw_only=True, omit_defaults=True):
    """What voice devices of the session are sent."""

    codec: str = "opus"
    sample_rate_hz: int = 16_000
    frame_ms: int = 60


class Form(Description, frozen=True, kw_only=True, omit_defaults=True):
    """The shape of what comes out: rates, segments, containers, renditions.

    What is asked for here may be more than this version makes; `not_made_yet` tells.
    """

    sample_rate_hz: int = 48_000
    channels: int = 1
    segment_s: float = 2.0
    """Length of an HLS segment once the ramp is over, 1 to 6 s."""
    ramp: bool = True
    """Begin with short segments, so that the first sound does not wait for a whole one."""
    container: str = "fmp4"
    renditions: tuple[Rendition, ...] = (Rendition(),)
    part_s: float = 0.0
    """Length of a low-latency HLS part; 0 for none."""
    captions: tuple[str, ...] = ()
    """Caption formats beside the audio, such as ``vtt``."""
    device: DeviceFormat | None = DeviceFormat()
    """None where no voice device will listen."""

    def __post_init__(self) -> None:
        if not 1.0 <= self.segment_s <= 6.0:
            raise ValueError(f"segment_s {self.segment_s} is not between 1 and 6 seconds")
        if not 1 <= len(self.renditions) <= 8:
            raise ValueError(f"a form has 1 to 8 renditions, not {len(self.renditions)}")


def not_made_yet(form: Form) -> str:
    """Return what this version cannot make of a form, in one sentence; empty where it can."""
    wanted: tuple[tuple[str, object, object], ...] = (
        ("sample_rate_hz", form.sample_rate_hz, 48_000),
        ("channels", form.channels, 1),
        ("container", form.container, "fmp4"),
        ("part_s", form.part_s, 0.0),
        ("captions", form.captions, ()),
        ("renditions", [(item.name, item.codec) for item in form.renditions], [("audio", "aac")]),
        ("device", form.device, form.device and DeviceFormat()),
    )
    for name, asked, made in wanted:
        if asked != made:
            return f"{name} {asked!r} cannot be made yet: leave it out, or ask for {made!r}"
    return ""


class Pace(Description, frozen=True, kw_only=True, omit_defaults=True):
    """How far production runs ahead of listeners."""

    ahead_s: float = 0.0
    """Seconds ahead of the listener furthest along, 5 to 3,600; 0 for everything at once."""

    def __post_init__(self) -> None:
        if self.ahead_s and not 5.0 <= self.ahead_s <= 3_600.0:
            raise ValueError(f"ahead_s is {self.ahead_s:g}: choose 5 to 3600 seconds, or 0 for all")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a session may ask for at most."""

    text_chars: int = 100_000
    """In one item; longer texts come in several."""
    silence_s: float = 600.0
    object_s: float = 6 * 3600.0


LIMITS = Limits()
