"""Where a source is and how it knows us: from dlt's secret providers, or the demo.

The secret ``sources.<name>.url`` is the environment variable ``SOURCES__<NAME>__URL`` or the key
``url`` under ``[sources.<name>]`` in ``.dlt/secrets.toml``.
"""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import dlt
from pydantic import SecretStr
from typing_extensions import TypeIs

from ingestion.demo import Demo, find
from ingestion.errors import MissingSecret
from ingestion.spec import FilesSource, SourceSpec


@dataclass(frozen=True)
class Connection:
    """An address and, where the source asks for one, a token; neither shows in a repr."""

    url: SecretStr
    token: SecretStr | None = None


def points_at_demo(name: str, spec: SourceSpec) -> bool:
    """Say whether this source reads the demo upstream because no address is set."""
    return spec.demo and _secret(name, "url") is None


def reads_home(spec: SourceSpec) -> TypeIs[FilesSource]:
    """Say whether this source is a folder of our own, which needs no address."""
    return isinstance(spec, FilesSource) and spec.home_folder is not None


def connect(name: str, spec: SourceSpec, home: Path) -> Connection:
    """Return where the source is; MissingSecret says which variable to set."""
    if reads_home(spec):
        return Connection(SecretStr(str(home / str(spec.home_folder))))
    url = _secret(name, "url")
    if url is not None:
        return Connection(SecretStr(url), optional_secret(name, "token"))
    if spec.demo:
        demo = find(home)
        if demo is None:
            raise MissingSecret(
                f"source {name} reads the demo, which has not been started; "
                f"type `grounded demo up`, or set SOURCES__{name.upper()}__URL"
            )
        return _demo_connection(name, demo)
    raise MissingSecret(
        f"source {name} has no address; set SOURCES__{name.upper()}__URL, "
        f"or `url` under [sources.{name}] in .dlt/secrets.toml"
    )


def credentials(name: str, spec: SourceSpec, home: Path) -> list[SecretStr]:
    """Return the password and the token by which a source knows us; none where it has no address.

    They are what no artefact may hold.
    """
    try:
        connection = connect(name, spec, home)
    except MissingSecret:
        return []
    password = urlsplit(connection.url.get_secret_value()).password
    found = [SecretStr(unquote(password))] if password else []
    return [*found, *([connection.token] if connection.token else [])]


def _demo_connection(name: str, demo: Demo) -> Connection:
    known = {
        "shop": Connection(SecretStr(demo.shop_url)),
        "helpdesk": Connection(SecretStr(demo.helpdesk_url), demo.helpdesk_token),
        "runbooks": Connection(SecretStr(str(demo.runbooks_path))),
    }
    try:
        return known[name]
    except KeyError as error:
        raise MissingSecret(
            f"source {name} says `demo: true`, but the demo has only {', '.join(known)}"
        ) from error


def _secret(name: str, field: str) -> str | None:
    value: object = dlt.secrets.get(f"sources.{name}.{field}")
    return None if value is None else str(value)


def optional_secret(name: str, field: str) -> SecretStr | None:
    """Return the secret ``sources.<name>.<field>`` where it is set."""
    value = _secret(name, field)
    return None if value is None else SecretStr(value)
