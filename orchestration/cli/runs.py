"""``grounded run | follow | status | dev``: the pipeline."""

import os
import subprocess
import sys
from typing import Annotated

import typer

from orchestration.cli.options import AsJson, Home
from orchestration.cli.output import console, write_json


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("run")(run)
    app.command("follow")(follow)
    app.command("status")(status)
    app.command("dev")(dev)


def run(
    source: Annotated[
        list[str] | None, typer.Option("--source", help="Load this one alone; may be repeated.")
    ] = None,
    tour: Annotated[
        bool, typer.Option("--tour", help="Then ask one SQL, one lookup and one search.")
    ] = False,
    full_refresh: Annotated[
        bool,
        typer.Option("--full-refresh", help="Make every model whole and publish no shared file."),
    ] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> int:
    """Load every source, build and mask the views, check them and publish a snapshot.

    A source that fails fails alone: the others are published, and its views tell their age.
    """
    from orchestration.cli.progress import JsonProgress, TerminalProgress
    from orchestration.cli.summary import show_summary, show_tour
    from orchestration.resources import read_settings
    from orchestration.run import run_pipeline, start_demo

    settings = read_settings(home)
    progress = JsonProgress() if as_json else TerminalProgress(console())
    with progress:
        start_demo(settings, progress.note)
        outcome = run_pipeline(settings, sources=source, progress=progress, is_fresh=full_refresh)
    for reason in outcome.failures:
        if as_json:
            write_json({"failed": reason})
        else:
            sys.stderr.write(f"failed: {reason}\n")
    if outcome.published:
        show_summary(settings.home, as_json=as_json)
        if tour and not as_json:
            show_tour(settings.home)
    return 1 if outcome.failures else 0


def follow(
    source: Annotated[
        list[str] | None, typer.Option("--source", help="Follow this one alone; may be repeated.")
    ] = None,
    full_every: Annotated[
        int, typer.Option("--full-every", min=1, help="Minutes between two builds in full.")
    ] = 60,
    cycles: Annotated[
        int | None, typer.Option("--cycles", min=1, help="End after so many; default never.")
    ] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> int:
    """Stay, watch the sources and publish what changed within seconds.

    A change is loaded, built, masked, tested and published by its keys alone; every hour, and when
    a file of the project changes, all of it is built and searched for leaks again. What fails is
    tried again and told; what is published keeps answering. Ctrl-C ends it after the cycle.
    """
    from orchestration.resources import read_settings

    settings = read_settings(home)
    for name in source or ():
        settings.source(name)
    from orchestration.cli.following import follow_sources

    return follow_sources(
        settings,
        sources=source,
        full_every_minutes=full_every,
        cycles=cycles,
        as_json=as_json,
    )


def status(home: Home = None, as_json: AsJson = False) -> int:
    """Tell every source's last run and every view's freshness."""
    from orchestration.cli.summary import show_status
    from orchestration.resources import read_settings

    show_status(read_settings(home), as_json=as_json)
    return 0


def dev(
    port: Annotated[int, typer.Option("--port", help="Of the web page.")] = 3000,
    home: Home = None,
) -> int:
    """Open the Dagster UI with its daemon: schedules, automation and runs on a page."""
    from orchestration.resources import PROJECT_ROOT, prepare_environment, read_settings
    from orchestration.run import dagster_home, start_demo

    settings = read_settings(home)
    start_demo(settings, console().print)
    prepare_environment(settings)
    environment = {**os.environ, "DAGSTER_HOME": str(dagster_home(settings.home))}
    command = [sys.executable, "-m", "dagster", "dev", "--port", str(port)]
    return subprocess.run(command, cwd=PROJECT_ROOT, env=environment, check=False).returncode
