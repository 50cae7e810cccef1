"""The topology as data: what is drawn is what there is, and every stage is listed once."""

from typing import Any

import pytest

from rhapsode.agents.journal import Journal, UndeclaredTopicError
from rhapsode.codecs.records import TOPICS
from rhapsode.topologies.draw import as_data, as_mermaid, as_text
from rhapsode.topologies.registry import (
    STAGE_NAMES,
    STAGES,
    TOPOLOGIES,
    processes,
    stages_named,
)
from rhapsode.topologies.stage import (
    Agent,
    Resources,
    Stage,
    Topology,
    TopologyError,
    companions_of,
)
from rhapsode.topologies.testing import InMemorySystem


def test_every_stage_is_listed_once_in_every_list() -> None:
    assert len(set(STAGE_NAMES)) == len(STAGE_NAMES) == len(STAGES)
    assert sorted(STAGE_NAMES) == sorted(
        stage.name for topology in TOPOLOGIES for stage in topology.stages
    )
    together = [name for names in processes() for name in names]
    assert sorted(together) == sorted(STAGE_NAMES)


def test_every_topic_of_a_stage_is_a_topic_of_records_and_none_feeds_its_own_stage() -> None:
    for stage in STAGES:
        assert stage.topics <= set(TOPICS), stage.name
        # whoever admits a session, the record wakes the stage that has passed over it
        assert set(stage.sources) & set(stage.sinks) <= {"admission"}, stage.name


def test_stages_are_found_by_name_in_the_order_of_their_topology() -> None:
    assert [stage.name for stage in stages_named(("pack", "expand"))] == ["expand", "pack"]
    with pytest.raises(ValueError, match="'sing' is not a stage; the stages are expand, "):
        stages_named(("pack", "sing"))


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"sources": "chunk"}, r'written \("chunk",\)'),
        ({"sinks": ("word-cuont",)}, "no record has the topic 'word-cuont' of its sinks"),
        ({"reads": ("chunks",)}, "codecs/records/__init__.py"),
        ({"sources": ()}, "has no sources"),
    ],
)
def test_a_stage_that_names_what_there_is_not_is_refused_in_a_sentence(
    fields: dict[str, Any], told: str
) -> None:
    whole: dict[str, Any] = {"sources": ("chunk",), "sinks": (), "build": _unused}
    with pytest.raises(TopologyError, match=told):
        Stage("count", **(whole | fields))


def test_a_topology_of_one_stage_is_a_tuple_all_the_same() -> None:
    stage: Any = Stage("count", sources=("chunk",), sinks=(), build=_unused)
    with pytest.raises(TopologyError, match=r"\(Stage\(...\),\)"):
        Topology("counting", stage)


def test_drawing_shows_sources_sinks_and_what_is_read_beside_them() -> None:
    stage = Stage(
        "b", sources=("text", "control"), sinks=("speech",), reads=("chunk",), build=_unused
    )
    plain = Stage("a", sources=("text",), sinks=("passage",), build=_unused)
    assert as_text((plain, stage)).splitlines() == [
        "         text -> a -> passage",
        "text, control -> b -> speech   reads chunk",
    ]
    drawn = as_mermaid((stage,)).splitlines()
    assert drawn[0] == "flowchart LR"
    arrows = {line.strip() for line in drawn if "->" in line}
    assert arrows == {
        "topic_text --> b",
        "topic_control --> b",
        "topic_chunk -.-> b",
        "b --> topic_speech",
    }
    assert as_data((stage,)) == [
        {"stage": "b", "sources": ["text", "control"], "reads": ["chunk"], "sinks": ["speech"]}
    ]


def test_everything_the_stages_look_up_is_drawn() -> None:
    drawn = as_mermaid(STAGES)
    text = as_text(STAGES)
    for stage in STAGES:
        for topic in stage.reads:
            assert f"topic_{topic.replace('-', '_')} -.-> {stage.name}" in drawn
    beside = companions_of(STAGES)
    assert text.count("reads") == sum(bool(one.reads) for one in (*STAGES, *beside))
    for companion in beside:
        stages = [stage.name for stage in STAGES if stage.beside is companion]
        assert all(f"{companion.name} --- {stage}" in drawn for stage in stages)
        for topic in companion.reads:
            assert f"topic_{topic.replace('-', '_')} -.-> {companion.name}" in drawn


def test_every_stage_can_be_built_with_the_topics_it_declares() -> None:
    system = InMemorySystem()
    for stage in STAGES:
        stage.agent(system)


@pytest.mark.parametrize(
    ("stage", "topic"),
    [(stage, topic) for stage in STAGES for topic in stage.reads],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_no_stage_declares_that_it_reads_what_it_does_not(stage: Stage, topic: str) -> None:
    system = InMemorySystem()
    fewer = system.journal.limited_to(stage.topics - {topic})
    with pytest.raises(UndeclaredTopicError, match=topic):
        stage.build(system, fewer)


def _unused(resources: Resources, journal: Journal) -> Agent:
    raise AssertionError("it is never built")
