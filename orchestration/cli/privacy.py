"""``grounded privacy ...``: what stands between personal data and agents, each a command."""

import typer

from orchestration.cli import privacy_redact, privacy_report, privacy_rotate, privacy_scan

app = typer.Typer(
    help="What stands between personal data and agents.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.command("report")(privacy_report.report)
app.command("rotate-key")(privacy_rotate.rotate_key)
app.command("scan")(privacy_scan.scan)
app.command("redact")(privacy_redact.redact)


@app.callback()
def _named() -> None:
    """Keeps each command a word of its own while it is the only one."""
