"""Topologies as text and as a Mermaid flowchart."""

from collections.abc import Sequence

from .stage import Companion, Stage, companions_of


def as_text(stages: Sequence[Stage]) -> str:
    """Return one line a stage: sources -> stage -> sinks, and what it reads beside them.

    What runs beside the stages comes last, and has no sources.
    """
    every: list[Stage | Companion] = [*stages, *companions_of(stages)]
    rows = [(", ".join(_sources(one)), one.name, ", ".join(one.sinks)) for one in every]
    first, second, third = (max(len(row[column]) for row in rows) for column in range(3))
    return "\n".join(
        f"{source:>{first}} -> {name:<{second}} -> {sinks:<{third}}{_also(one)}".rstrip()
        for (source, name, sinks), one in zip(rows, every, strict=True)
    )


def _sources(one: Stage | Companion) -> tuple[str, ...]:
    return one.sources if isinstance(one, Stage) else ()


def _also(one: Stage | Companion) -> str:
    return f"  reads {', '.join(one.reads)}" if one.reads else ""


def as_mermaid(stages: Sequence[Stage]) -> str:
    """Return a Mermaid flowchart: topics are cylinders, stages boxes, look-ups dotted.

    What runs beside stages is a box with round ends, joined to them.
    """
    lines = ["flowchart LR"]
    topics = sorted({topic for stage in stages for topic in stage.topics})
    lines += [f"    {_identifier(topic)}[({topic})]" for topic in topics]
    lines += [f"    {stage.name}[{stage.name}]" for stage in stages]
    for stage in stages:
        lines += [f"    {_identifier(source)} --> {stage.name}" for source in stage.sources]
        lines += [f"    {_identifier(topic)} -.-> {stage.name}" for topic in stage.reads]
        lines += [f"    {stage.name} --> {_identifier(sink)}" for sink in stage.sinks]
    for companion in companions_of(stages):
        lines.append(f"    {companion.name}([{companion.name}])")
        lines += [f"    {companion.name} --- {stage}" for stage in _hosts(companion, stages)]
        lines += [f"    {_identifier(topic)} -.-> {companion.name}" for topic in companion.reads]
        lines += [f"    {companion.name} --> {_identifier(sink)}" for sink in companion.sinks]
    return "\n".join(lines)


def _hosts(companion: Companion, stages: Sequence[Stage]) -> list[str]:
    return [stage.name for stage in stages if stage.beside and stage.beside.name == companion.name]


def _identifier(topic: str) -> str:
    return "topic_" + topic.replace("-", "_")


def as_data(stages: Sequence[Stage]) -> list[dict[str, object]]:
    """Return stages as plain data, for JSON, and what runs beside them."""
    data: list[dict[str, object]] = [
        {
            "stage": stage.name,
            "sources": list(stage.sources),
            "reads": list(stage.reads),
            "sinks": list(stage.sinks),
        }
        for stage in stages
    ]
    beside: list[dict[str, object]] = [
        {
            "companion": companion.name,
            "beside": _hosts(companion, stages),
            "reads": list(companion.reads),
            "sinks": list(companion.sinks),
        }
        for companion in companions_of(stages)
    ]
    return data + beside
