"""The flow: from a text to live HLS and to paced Opus."""

from ..agents.expand import Expand
from ..agents.frame import Frame
from ..agents.master import Master
from ..agents.pack import Pack
from ..agents.publish import Publish
from ..agents.speak import Speak
from ..agents.split import Split
from ..codecs.records import AudioFrame, Chunk, DeviceFrames, Passage, Segment, Speech, Text
from .stage import Parts, Stage, Topology


def _expand(parts: Parts) -> Expand:
    return Expand(parts.model, parts.history(Passage))


def _split(parts: Parts) -> Split:
    return Split(parts.history(Passage), parts.history(Chunk))


def _speak(parts: Parts) -> Speak:
    return Speak(parts.voice, parts.history(Speech), parts.turns)


def _master(parts: Parts) -> Master:
    return Master(parts.history(Speech), parts.history(AudioFrame))


def _pack(parts: Parts) -> Pack:
    return Pack(
        parts.grid,
        parts.bit_rate,
        parts.store,
        parts.history(AudioFrame),
        parts.history(Segment),
    )


def _publish(parts: Parts) -> Publish:
    return Publish(
        parts.grid, parts.bit_rate, parts.store, parts.history(Text), parts.history(Segment)
    )


def _frame(parts: Parts) -> Frame:
    return Frame(parts.history(AudioFrame), parts.history(DeviceFrames))


SPEECH: Topology = (
    Stage("expand", source="text", sinks=("passage", "event"), build=_expand),
    Stage("split", source="passage", sinks=("chunk",), build=_split),
    Stage("speak", source="chunk", sinks=("speech",), build=_speak),
    Stage("master", source="speech", sinks=("audio-frame", "event"), build=_master),
    Stage("pack", source="audio-frame", sinks=("segment",), build=_pack),
    Stage("publish", source="segment", sinks=("event",), build=_publish),
    Stage("frame", source="audio-frame", sinks=("device",), build=_frame),
)
"""Stages in the order a text walks through them; ``frame`` is the second reader of the audio."""

STAGE_NAMES = tuple(stage.name for stage in SPEECH)


def stages_named(names: tuple[str, ...]) -> Topology:
    """Return the named stages, in the flow's order.

    Raises:
        ValueError: a name is no stage; the message lists those there are.
    """
    unknown = sorted(set(names) - set(STAGE_NAMES))
    if unknown:
        raise ValueError(f"{unknown[0]!r} is no stage; the stages are {', '.join(STAGE_NAMES)}")
    return tuple(stage for stage in SPEECH if stage.name in names)
