"""A topology as text and as a Mermaid flowchart."""

from .stage import Topology


def as_text(topology: Topology) -> str:
    """Return one line a stage: source -> stage -> sinks."""
    width = max(len(stage.source) for stage in topology)
    names = max(len(stage.name) for stage in topology)
    return "\n".join(
        f"{stage.source:>{width}} -> {stage.name:<{names}} -> {', '.join(stage.sinks)}"
        for stage in topology
    )


def as_mermaid(topology: Topology) -> str:
    """Return a Mermaid flowchart: topics are cylinders, stages boxes."""
    lines = ["flowchart LR"]
    topics = sorted({topic for stage in topology for topic in (stage.source, *stage.sinks)})
    lines += [f"    {_identifier(topic)}[({topic})]" for topic in topics]
    lines += [f"    {stage.name}[{stage.name}]" for stage in topology]
    for stage in topology:
        lines.append(f"    {_identifier(stage.source)} --> {stage.name}")
        lines += [f"    {stage.name} --> {_identifier(sink)}" for sink in stage.sinks]
    return "\n".join(lines)


def _identifier(topic: str) -> str:
    return "topic_" + topic.replace("-", "_")
