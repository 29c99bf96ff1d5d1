"""The options that every command takes."""

import os
from pathlib import Path
from typing import Annotated

import typer

Home = Annotated[
    Path | None,
    typer.Option("--home", help="Run-time folder; default $GROUNDED_HOME, or data/ here."),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="The envelope, or one JSON object a line, for programs.")
]
AgentName = Annotated[
    str, typer.Option("--agent", help="Who asks; an exposure with meta.agent in dbt's YAML.")
]


def home_folder(home: Path | None) -> Path:
    """Return the run-time folder without reading any other setting."""
    default = Path(__file__).resolve().parents[2] / "data"
    return (home or Path(os.environ.get("GROUNDED_HOME", default))).resolve()
