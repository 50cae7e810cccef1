"""From texts and audio objects to live HLS and to paced Opus."""

from ..agents.admission import Gate
from ..agents.admitting import Admitter
from ..agents.backlog import Backlog
from ..agents.expand import Expand
from ..agents.fetch import Fetch
from ..agents.frame import Frame
from ..agents.journal import Journal
from ..agents.kept_loudness import KeptLoudness
from ..agents.master import ANYWAY_S, RUN_OUT_S, Master
from ..agents.pack import Pack
from ..agents.publish import Publish
from ..agents.retaining import Retainer
from ..agents.speak import Speak
from ..agents.split import Split
from ..agents.splitting import ALL_IDLE_S, SENTENCE_IDLE_S
from ..agents.uplink_source import UplinkSource
from ..codecs.records import (
    TOPICS,
    Admission,
    AudioFrame,
    Chunk,
    Control,
    DeviceFrames,
    DeviceRequest,
    Event,
    Item,
    ObjectAudio,
    Passage,
    Segment,
    Speech,
    Uplink,
)
from .stage import Companion, IdleTicks, Resources, Stage, Topology


def _expand(resources: Resources, journal: Journal) -> Expand:
    gate = Gate(resources.admissions, journal.of(Admission))
    return Expand(resources.model, journal.of(Item), journal.of(Passage), gate)


def _split(resources: Resources, journal: Journal) -> Split:
    return Split(
        journal.of(Item),
        journal.of(Passage),
        journal.of(Chunk),
        journal.of(Event),
        Gate(resources.admissions, journal.of(Admission)),
        journal.of(AudioFrame),
        journal.of(Control),
    )


async def _admit(resources: Resources, journal: Journal) -> None:
    index = resources.session_index
    await Admitter(journal, resources.admissions, resources.most_sessions, index).run()


def _speak(resources: Resources, journal: Journal) -> Speak:
    return Speak(
        resources.voice,
        resources.voice_slots,
        journal.of(Chunk),
        journal.of(Speech),
        journal.of(Control),
        Backlog(journal.of(Event), journal.of(AudioFrame)),
    )


async def _prepare_voice(resources: Resources) -> None:
    await resources.voice.prepare()


def _fetch(resources: Resources, journal: Journal) -> Fetch:
    audio, control = journal.of(ObjectAudio), journal.of(Control)
    backlog = Backlog(journal.of(Event), journal.of(AudioFrame))
    loudness = KeptLoudness(resources.store)
    decoders, live = resources.decoders, resources.live
    uplinks = UplinkSource(journal.of(Uplink))
    return Fetch(resources.objects, audio, control, decoders, backlog, loudness, live, uplinks)


async def _prepare_decoders(resources: Resources) -> None:
    await resources.decoders.prepare()


def _master(resources: Resources, journal: Journal) -> Master:
    return Master(
        resources.codec_turns,
        journal.of(Speech),
        journal.of(ObjectAudio),
        journal.of(AudioFrame),
        journal.of(Event),
        journal.of(Control),
        journal.of(Chunk),
        journal.of(Item),
        journal.of(Segment),
    )


def _pack(resources: Resources, journal: Journal) -> Pack:
    return Pack(resources.store, resources.codec_turns, journal.of(AudioFrame), journal.of(Segment))


def _publish(resources: Resources, journal: Journal) -> Publish:
    return Publish(resources.store, journal.of(Segment), journal.of(Event))


def _frame(resources: Resources, journal: Journal) -> Frame:
    return Frame(
        resources.codec_turns,
        journal.of(AudioFrame),
        journal.of(DeviceRequest),
        journal.of(DeviceFrames),
    )


_ADMIT = Companion(
    "admit",
    reads=("audio-frame", "event", "segment", "text"),
    sinks=("admission", "control"),
    run=_admit,
)
"""Beside the first stage of each session."""


async def _retain(resources: Resources, journal: Journal) -> None:
    await Retainer.on(
        journal,
        resources.store,
        resources.archive,
        resources.session_index,
        resources.readers,
        resources.retention,
    ).run()


_RETAIN = Companion("retain", reads=tuple(TOPICS), sinks=(), run=_retain)
"""Beside the last stage of each session; it writes nothing, and lets go of everything."""

SPEECH = Topology(
    "speech",
    (
        Stage(
            "expand",
            sources=("text", "admission"),
            sinks=("passage", "admission"),
            build=_expand,
            beside=_ADMIT,
        ),
        Stage(
            "split",
            sources=("text", "passage", "admission", "control"),
            sinks=("chunk", "event", "admission"),
            reads=("audio-frame",),
            build=_split,
            beside=_ADMIT,
            idle=IdleTicks(every_s=SENTENCE_IDLE_S, settled_s=ALL_IDLE_S + SENTENCE_IDLE_S),
        ),
        Stage(
            "speak",
            sources=("chunk",),
            sinks=("speech",),
            reads=("audio-frame", "control", "event"),
            build=_speak,
            prepare=_prepare_voice,
            dedicated=True,
        ),
        Stage(
            "fetch",
            sources=("chunk",),
            sinks=("object-audio",),
            reads=("audio-frame", "control", "event", "uplink"),
            build=_fetch,
            prepare=_prepare_decoders,
        ),
        Stage(
            "master",
            sources=("speech", "object-audio", "control"),
            sinks=("audio-frame", "event"),
            reads=("chunk", "segment", "text"),
            build=_master,
            idle=IdleTicks(every_s=RUN_OUT_S, settled_s=ANYWAY_S + 2 * RUN_OUT_S),
        ),
        Stage("pack", sources=("audio-frame",), sinks=("segment",), build=_pack, dedicated=True),
        Stage("publish", sources=("segment",), sinks=("event",), build=_publish, beside=_RETAIN),
        Stage(
            "frame",
            sources=("audio-frame", "device-request"),
            sinks=("device",),
            build=_frame,
        ),
    ),
)
"""Stages in the order in which a session's records go through them."""
