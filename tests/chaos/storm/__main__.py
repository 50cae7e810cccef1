"""``python -m chaos.storm`` in ``tests``: prints a table, and ends with 1 if a promise broke."""

import argparse
import sys
import tempfile
from pathlib import Path

from .cluster_servers import ClusterServers
from .servers import OneServer
from .storm import Storm


def main() -> int:
    """Run one storm; a seed that broke something runs again by ``--seed``."""
    parser = argparse.ArgumentParser(prog="chaos.storm", description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", action="append", default=[], help="a fault; may be repeated")
    parser.add_argument("--cluster", action="store_true", help="the log is on a Cluster")
    parser.add_argument("--folder", type=Path, help="keep state and logs in here")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="storm-") as temporary:
        folder = asked.folder or Path(temporary)
        servers = ClusterServers(folder) if asked.cluster else OneServer(folder)
        storm = Storm(folder, asked.seed, servers, _tell)
        outcome = storm.run(asked.rounds, asked.only)
    _tell(outcome.table())
    return 0 if outcome.held else 1


def _tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
