"""Measure Rhapsode: every figure beside a named reference in the same run, never an assertion.

``make bench`` runs all of it in a few minutes; ``--only NAME`` one part, ``--quick`` each part
once. Servers run in temporary folders on loopback and unix sockets, and are stopped at the end.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))  # of what tests share

import answering
import asking
import first_audio
import hop
import live_sessions
import log_calls
import many_at_once
import pacing
import packing
import replaying
import stage_noop
import steady_arrivals
import uvloop
from figures import Measured, as_json, show
from rich.console import Console

DESCRIPTION = "Measure Rhapsode, each figure beside a reference in the same run."
PARTS = {
    part.NAME: part
    for part in (
        first_audio,
        answering,
        asking,
        many_at_once,
        steady_arrivals,
        live_sessions,
        packing,
        log_calls,
        stage_noop,
        hop,
        pacing,
        replaying,
    )
}


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=DESCRIPTION)
    parser.add_argument(
        "--only", action="append", choices=list(PARTS), help="run this part (may be repeated)"
    )
    parser.add_argument("--quick", action="store_true", help="one short run of each")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here too")
    chosen = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 132)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    console.print(f"{cores} cores, load {os.getloadavg()[0]:.1f}; medians of interleaved runs\n")
    found: list[Measured] = []
    for name in chosen.only or PARTS:
        found.append(_timed(PARTS[name].measure, quick=chosen.quick))
        show(found[-1], console)
        if chosen.json:  # after each part: what was measured stays if a later one fails
            chosen.json.write_text(json.dumps(as_json(found, cores or 1), indent=1) + "\n")
    return 0


def _timed(measure: Callable[..., Coroutine[Any, Any, Measured]], *, quick: bool) -> Measured:
    before = os.getloadavg()[0]
    started_s = time.perf_counter()
    measured: Measured = uvloop.run(measure(quick=quick))
    measured.took_s = time.perf_counter() - started_s
    measured.load = (before, os.getloadavg()[0])
    return measured


if __name__ == "__main__":
    sys.exit(main())
