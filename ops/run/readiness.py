"""Which stages have workers that own their partitions."""

from ...storage.groups import Groups
from ...topologies.registry import STAGES
from ...topologies.stage import group_id


async def stages_waiting(groups: Groups, namespace: str) -> list[str]:
    """Return the stages without a worker: not yet, not again after a rebalance, or no longer."""
    waiting: list[str] = []
    for stage in STAGES:
        group = group_id(namespace, stage.name)
        members = await groups.members(group)
        settled = [
            member not in members.lapsed
            and await groups.assignment(group, member, members.generation) is not None
            for member in members.metadata
        ]
        if not settled or not all(settled):
            waiting.append(stage.name)
    return waiting
