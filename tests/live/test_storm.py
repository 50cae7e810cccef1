"""A short storm: what `make chaos` does for half an hour, with faults that pass quickly."""

from pathlib import Path

import pytest
from chaos.storm.servers import OneServer
from chaos.storm.storm import Storm

QUICK = (
    "connections cut",
    "foreign worker killed",
    "foreign worker left",
    "server killed",
    "server out of memory",
    "worker killed",
)


@pytest.mark.timeout(300)
def test_through_faults_a_foreign_app_loses_nothing_and_sessions_are_whole(tmp_path: Path) -> None:
    outcome = Storm(tmp_path, 11, OneServer(tmp_path)).run(len(QUICK), QUICK)
    assert outcome.foreign.sent > 100
    assert outcome.sessions > 0
    assert outcome.held, outcome.table()
