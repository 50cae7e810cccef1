"""Options that several commands share, and what a shell completes them with."""

from pathlib import Path
from typing import Annotated

import typer

from ...topologies.registry import STAGE_NAMES
from ..voices import MAKERS


def _stages(context: typer.Context, incomplete: str) -> list[str]:
    given = context.params.get("stages") or ()
    return [name for name in STAGE_NAMES if name.startswith(incomplete) and name not in given]


def _voices(incomplete: str) -> list[str]:
    return [name for name in ("auto", *MAKERS) if name.startswith(incomplete)]


RedisUrl = Annotated[
    str | None,
    typer.Option(
        "--redis", metavar="URL", help="Log server: redis://, rediss:// or unix://; else embedded."
    ),
]
State = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="Folder for what must last on this machine.")
]
Host = Annotated[str | None, typer.Option(help="Address to listen on.")]
Port = Annotated[int | None, typer.Option(help="Port to listen on.")]
Json = Annotated[bool, typer.Option("--json", help="Print one line of JSON.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite files that exist.")]
Stages = Annotated[
    list[str],
    typer.Argument(
        help=f"Stages to run: {', '.join(STAGE_NAMES)}.",
        autocompletion=_stages,
        show_default=False,
    ),
]
Voice = Annotated[
    str,
    typer.Option(
        help="auto, or a voice such as espeak or piper:joe.",
        autocompletion=_voices,
    ),
]
