"""Topologies as text and as a Mermaid flowchart."""

from collections.abc import Sequence

from .stage import Stage


def as_text(stages: Sequence[Stage]) -> str:
    """Return one line a stage: sources -> stage -> sinks, and what it reads beside them."""
    rows = [(", ".join(stage.sources), stage.name, ", ".join(stage.sinks)) for stage in stages]
    first, second, third = (max(len(row[column]) for row in rows) for column in range(3))
    return "\n".join(
        f"{source:>{first}} -> {name:<{second}} -> {sinks:<{third}}{_also(stage)}".rstrip()
        for (source, name, sinks), stage in zip(rows, stages, strict=True)
    )


def _also(stage: Stage) -> str:
    return f"  reads {', '.join(stage.reads)}" if stage.reads else ""


def as_mermaid(stages: Sequence[Stage]) -> str:
    """Return a Mermaid flowchart: topics are cylinders, stages boxes, look-ups dotted."""
    lines = ["flowchart LR"]
    topics = sorted({topic for stage in stages for topic in stage.topics})
    lines += [f"    {_identifier(topic)}[({topic})]" for topic in topics]
    lines += [f"    {stage.name}[{stage.name}]" for stage in stages]
    for stage in stages:
        lines += [f"    {_identifier(source)} --> {stage.name}" for source in stage.sources]
        lines += [f"    {_identifier(topic)} -.-> {stage.name}" for topic in stage.reads]
        lines += [f"    {stage.name} --> {_identifier(sink)}" for sink in stage.sinks]
    return "\n".join(lines)


def _identifier(topic: str) -> str:
    return "topic_" + topic.replace("-", "_")


def as_data(stages: Sequence[Stage]) -> list[dict[str, object]]:
    """Return stages as plain data, for JSON."""
    return [
        {
            "stage": stage.name,
            "sources": list(stage.sources),
            "reads": list(stage.reads),
            "sinks": list(stage.sinks),
        }
        for stage in stages
    ]
