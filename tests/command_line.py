"""The command line in this process: what a user is told, without an interpreter's start-up."""

import os
from dataclasses import dataclass

from typer.testing import CliRunner

from rhapsode.ops.cli.app import app


@dataclass(frozen=True, slots=True)
class Said:
    """How a command ended and what it said."""

    status: int
    out: str
    err: str


def command_line(*arguments: str, stdin: str = "", **variables: str) -> Said:
    """Run ``rhapsode`` with the arguments and our settings as variables; a bug is raised.

    For commands that end at once: whatever they start runs in this process.
    """
    environment: dict[str, str | None] = {
        name: None for name in os.environ if name.startswith("RHAPSODE_")
    }
    environment |= {f"RHAPSODE_{name.upper()}": value for name, value in variables.items()}
    result = CliRunner().invoke(app, arguments, input=stdin, env=environment)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Said(result.exit_code, result.stdout, result.stderr)


def one_sentence(said: Said, *words: str, status: int = 1) -> str:
    """Return what a user was told, having seen that it is one line with these words."""
    assert said.status == status, said
    assert said.err.startswith("rhapsode: "), said
    assert len(said.err.splitlines()) == 1, said
    assert "Traceback" not in said.err + said.out
    for word in words:
        assert word in said.err, said
    return said.err
