"""The ``grounded`` command: every error is one sentence on stderr and exit status 2."""

import sys

import typer
from typer.exceptions import TyperException

from orchestration.cli import (
    answers,
    audit,
    demo,
    forget,
    privacy,
    runs,
    servers,
    snapshots,
    sources,
    token,
)

app = typer.Typer(
    name="grounded",
    help="Gives every AI agent its own fresh, masked, audited copy of a company's data.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
runs.register(app)
answers.register(app)
snapshots.register(app)
servers.register(app)
token.register(app)
forget.register(app)
app.add_typer(sources.sources, name="source")
app.add_typer(sources.quarantine, name="quarantine")
app.add_typer(audit.app, name="audit")
app.add_typer(demo.app, name="demo")
app.add_typer(privacy.app, name="privacy")


def main() -> None:
    """Run the command line and leave with its exit status."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command and return its exit status: 0 done, 1 failed, 2 told what to change."""
    try:
        status = app(arguments, prog_name="grounded", standalone_mode=False)
        return status if isinstance(status, int) else 0
    except TyperException as error:
        return _usage(error)
    except (typer.Abort, KeyboardInterrupt):
        return _say("Interrupted; what was published before still answers.", 130)
    except Exception as error:
        if isinstance(error, _told()):
            return _say(str(error))
        raise


def _say(sentence: str, status: int = 2) -> int:
    sys.stderr.write(f"{sentence.rstrip()}\n")
    return status


def _usage(error: TyperException) -> int:
    """Say what is wrong with the command as typed; without any command, show the help."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "grounded"
    sentence = error.format_message()
    if sentence.startswith("Usage:"):
        return _say(sentence)
    return _say(f"{sentence.rstrip('.')}; see `{command} --help`.")


def _told() -> tuple[type[Exception], ...]:
    """The errors whose message is written for the person who typed the command."""
    from ingestion.demo.errors import DemoError
    from ingestion.errors import IngestionError
    from orchestration.errors import OrchestrationError
    from serving.errors import ServingError

    return (DemoError, IngestionError, OrchestrationError, ServingError)
