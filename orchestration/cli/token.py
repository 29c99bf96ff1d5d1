"""``grounded token``: who may call ``grounded serve``."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from orchestration.cli.options import AsJson, Home, home_folder
from orchestration.cli.output import console, table, write_json

_UNITS = {"min": "minutes", "h": "hours", "d": "days"}
_LENGTH = re.compile(r"(\d{1,6})(min|h|d)")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("token")(token)


def token(
    agent: Annotated[str | None, typer.Argument(help="The agent that will use it.")] = None,
    expires: Annotated[
        str, typer.Option("--expires", help="Valid for so long: 30d, 12h, 45min or never.")
    ] = "90d",
    show: Annotated[bool, typer.Option("--list", help="List tokens, without their text.")] = False,
    rotate: Annotated[
        bool, typer.Option("--rotate", help="Issue a new one and end the agent's others.")
    ] = False,
    grace: Annotated[
        str, typer.Option("--grace", help="With --rotate: the others end after so long.")
    ] = "0min",
    revoke: Annotated[
        bool, typer.Option("--revoke", help="End the agent's tokens, or the one of --id.")
    ] = False,
    token_id: Annotated[
        str | None, typer.Option("--id", help="With --revoke: this one, as --list shows it.")
    ] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> int:
    """Issue a bearer token for `grounded serve`; it is shown once and kept as a hash.

    Examples: grounded token support_agent --expires 30d
              grounded token support_agent --rotate --grace 1h
              grounded token support_agent --revoke --id 1f0c9a2e
              grounded token --list
    """
    folder = home_folder(home)
    if sum((show, rotate, revoke)) > 1:
        raise typer.BadParameter("give one of --list, --rotate and --revoke")
    if show:
        return _list(folder, agent, as_json)
    if agent is None:
        raise typer.BadParameter("name the agent: grounded token AGENT")
    if revoke:
        return _revoke(folder, agent, token_id, as_json)
    others_end = _length(grace)
    if others_end is None:
        raise typer.BadParameter("--grace is a length of time, such as 1h")
    made = _issue(folder, agent, _length(expires), others_end if rotate else None)
    if as_json:
        write_json({"agent": agent, "token": made})
    else:
        console().print(made, soft_wrap=True)
    return 0


def _issue(home: Path, agent: str, lasts: timedelta | None, grace: timedelta | None) -> str:
    from serving import tokens
    from serving.errors import Unauthenticated
    from serving.snapshot_store import current

    known = current(home)[1].agents
    if agent not in known:
        raise Unauthenticated(f"no agent {agent!r} is published; there are {', '.join(known)}")
    if grace is None:
        return tokens.issue(home, agent, lasts=lasts)
    return tokens.rotate(home, agent, lasts=lasts, grace=grace)


def _revoke(home: Path, agent: str, token_id: str | None, as_json: bool) -> int:
    from serving import tokens

    ended = tokens.revoke(home, agent, token_id=token_id)
    if as_json:
        write_json({"agent": agent, "revoked": ended})
    else:
        one = "" if token_id is None else f" with the id {token_id}"
        console().print(f"{ended} tokens of {agent}{one} have ended")
    return 0 if ended or token_id is None else 1


def _list(home: Path, agent: str | None, as_json: bool) -> int:
    from serving import tokens

    now = datetime.now(UTC)
    found = [one for one in tokens.list_tokens(home) if agent in (None, one.agent)]
    if as_json:
        for one in found:
            shown = one.model_dump(mode="json", exclude={"sha256"})
            write_json({**shown, "valid": one.is_valid(now)})
        return 0
    rows = [
        [
            one.id,
            one.agent,
            f"{one.created_at:%Y-%m-%d %H:%M}",
            "never" if one.expires_at is None else f"{one.expires_at:%Y-%m-%d %H:%M}",
            "valid" if one.is_valid(now) else "expired",
        ]
        for one in found
    ]
    console().print(table(["id", "agent", "issued (UTC)", "expires (UTC)", ""], rows))
    return 0


def _length(text: str) -> timedelta | None:
    """The length of time that is written like ``30d``; None for ``never``."""
    if text == "never":
        return None
    written = _LENGTH.fullmatch(text)
    if written is None:
        raise typer.BadParameter(f"write a time as 30d, 12h, 45min or never, not {text!r}")
    return timedelta(**{_UNITS[written[2]]: int(written[1])})
