"""Every topology there is. A new one is a file of its own, and one line here."""

from .requests import REQUESTS
from .speech import SPEECH
from .stage import Stage, Topology, TopologyError

TOPOLOGIES: tuple[Topology, ...] = (SPEECH, REQUESTS)

STAGES: tuple[Stage, ...] = tuple(stage for topology in TOPOLOGIES for stage in topology.stages)
"""All stages, in the order in which a session's records go through them."""

STAGE_NAMES = tuple(stage.name for stage in STAGES)

_doubled = sorted({name for name in STAGE_NAMES if STAGE_NAMES.count(name) > 1})
if _doubled:  # groups and offsets go by the name
    raise TopologyError(f"two stages have the name {_doubled[0]!r}: rename one of them")


def stages_named(names: tuple[str, ...]) -> tuple[Stage, ...]:
    """Return the named stages, in the order of their topologies.

    Raises:
        ValueError: a name is not a stage's; the message lists those there are.
    """
    unknown = sorted(set(names) - set(STAGE_NAMES))
    if unknown:
        raise ValueError(f"{unknown[0]!r} is not a stage; the stages are {', '.join(STAGE_NAMES)}")
    return tuple(stage for stage in STAGES if stage.name in names)


def processes() -> tuple[tuple[str, ...], ...]:
    """Return the stages by worker process, as `rhapsode up` runs them."""
    alone = tuple((stage.name,) for stage in STAGES if stage.dedicated)
    together = tuple(stage.name for stage in STAGES if not stage.dedicated)
    return (*alone, together) if together else alone
