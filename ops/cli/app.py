"""The command line, assembled: every command by its name."""

import logging
import os
import sys
from typing import Annotated

import structlog
import typer

from ... import __version__
from . import catalogue, cleaning, dead, inspect, keys, listen, records, run
from .running import show

app = typer.Typer(
    name="rhapsode",
    help="Texts and prompts in, audio as a stream out. Start with: rhapsode up",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _command in (
    run.up,
    listen.say,
    inspect.sessions,
    inspect.replay,
    listen.device,
    inspect.doctor,
    inspect.settings,
    inspect.topics,
    records.records,
    inspect.topology,
    cleaning.gc,
    cleaning.remove,
    cleaning.mend,
    run.worker,
    run.gateway,
    run.demo,
):
    app.command()(_command)
app.add_typer(catalogue.app, name="catalogue", no_args_is_help=True)
app.add_typer(dead.app, name="dead", no_args_is_help=True)
app.add_typer(keys.app, name="keys", no_args_is_help=True)


def _version(asked: bool) -> None:
    if asked:
        show(f"rhapsode {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    _: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Texts and prompts in, audio as a stream out. Start with: rhapsode up."""
    _log_to_stderr()


def _log_to_stderr() -> None:
    """Keep standard output for results: libraries log through structlog too."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            ),
        ],
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )


def _open_standard_descriptors() -> None:
    """Have descriptors 0 to 2 lead nowhere where they were closed, or sockets of ours take them."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest one that is free
    # Python has none where it found none
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)


def main() -> None:
    """Run the command line."""
    _open_standard_descriptors()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    app()
