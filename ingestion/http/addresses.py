"""Hosts and origins of addresses, with no user, path or query in them."""

import re
from urllib.parse import urlsplit

_PORTS = {"http": 80, "https": 443}

Origin = tuple[str, str, int | None]


def host_of(url: str | None) -> str:
    """Return host and, where it is written, port; safe to show."""
    _, host, port = origin_of(url)
    known = port in _PORTS.values() or port is None
    return host if known else f"{host}:{port}"


def origin_of(url: str | None) -> Origin:
    """Return scheme, host and port; what cannot be read is an origin that equals no real one."""
    try:
        parts = urlsplit(url or "")
        scheme, host, port = parts.scheme.lower(), parts.hostname or "", parts.port
    except ValueError:
        return "", "an unreadable address", None
    if not re.fullmatch(r"[a-z0-9.:_-]{1,253}", host):
        return "", "an unreadable address", None
    return scheme, host, port or _PORTS.get(scheme)
