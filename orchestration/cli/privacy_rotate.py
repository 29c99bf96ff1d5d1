"""``grounded privacy rotate-key``: another key for every pseudonym."""

from typing import Annotated

import typer

from orchestration.cli.options import AsJson, Home
from orchestration.cli.output import console, write_json


def rotate_key(
    wait: Annotated[
        float, typer.Option("--wait", help="Seconds for readers of old snapshots.", min=0)
    ] = 60.0,
    home: Home = None,
    as_json: AsJson = False,
) -> int:
    """Make every pseudonym anew with another key, publish, and delete all older snapshots.

    The demo makes its new key itself. Elsewhere set GROUNDED_PRIVACY_KEY to the new key first;
    where people were erased, set GROUNDED_PRIVACY_KEY_OLD to the key before, for this one command.
    A rotation that was interrupted is finished by typing the same again.
    """
    from orchestration.cli.progress import JsonProgress, TerminalProgress
    from orchestration.resources import read_settings
    from orchestration.rotation import rotate

    settings = read_settings(home)
    progress = JsonProgress() if as_json else TerminalProgress(console())
    with progress:
        done = rotate(settings, progress, wait)
    if as_json:
        write_json(vars(done))
        return 0
    if done.snapshot_id is None:
        console().print("the key is changed; nothing had been published with the old one")
        return 0
    console().print(
        f"snapshot {done.snapshot_id}: {done.new_pseudonyms:,} pseudonyms of the new key, none of "
        f"the {done.old_pseudonyms:,} of the old; {len(done.withdrawn)} older snapshots are deleted"
        + (f", {len(done.forced)} of them while they were read" if done.forced else "")
        + ". Start again what runs with the old key."
    )
    return 0
