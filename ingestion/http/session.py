"""A session that speaks to one host, and hands its credentials to no other.

Redirects and links to a next page lead where a server wants. Another host is refused unless it is
declared, and then gets a request without credentials.
"""

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import requests
from dlt.sources.helpers.requests import Session
from requests import PreparedRequest, Response

from ingestion.errors import HttpFault
from ingestion.http.adapter import PatientAdapter
from ingestion.http.addresses import host_of, origin_of

_MAX_REDIRECTS = 5
_HARMLESS_HEADERS = ("accept", "accept-encoding", "connection", "user-agent")

Renew = Callable[[PreparedRequest], None]


class ApiSession(Session):
    """dlt's session bound to the origin of ``base_url``.

    ``key_parameter`` is the query parameter that holds a credential. ``renew`` puts a fresh
    credential into a request that was refused with HTTP 401, once.
    """

    def __init__(
        self,
        base_url: str,
        adapter: PatientAdapter,
        *,
        timeout_s: float,
        redirect_hosts: Sequence[str] = (),
        key_parameter: str | None = None,
    ) -> None:
        super().__init__(timeout=timeout_s, raise_for_status=False)
        self.renew: Renew | None = None
        self.max_redirects = _MAX_REDIRECTS
        self._origin = origin_of(base_url)
        self._redirect_hosts = frozenset(host.lower() for host in redirect_hosts)
        self._key_parameter = key_parameter
        for scheme in ("http://", "https://"):
            self.mount(scheme, adapter)

    def rebuild_auth(self, prepared_request: PreparedRequest, response: Response) -> None:
        """Add nothing on a redirect: ``send`` decides which host gets credentials."""

    def send(self, request: PreparedRequest, **kwargs: Any) -> Response:
        """Return the answer; HttpFault where there is none that can be used."""
        if origin_of(request.url) != self._origin:
            self._admit_elsewhere(request)
            self._undress(request)
            return self._ask(request, **kwargs)
        try:
            return self._ask(request, **kwargs)
        except HttpFault as fault:
            if fault.status != 401 or self.renew is None:
                raise
        self.renew(request)
        return self._ask(request, **kwargs)

    def _ask(self, request: PreparedRequest, **kwargs: Any) -> Response:
        try:
            return super().send(request, **kwargs)  # type: ignore[no-untyped-call,no-any-return]
        except requests.TooManyRedirects:
            what = f"redirects more than {_MAX_REDIRECTS} times"
        except (requests.RequestException, ValueError):
            what = "redirects to an address that cannot be read"
        # Raised out here so that the library's text is not chained to it.
        raise HttpFault(f"{host_of(request.url)} {what}")

    def _admit_elsewhere(self, request: PreparedRequest) -> None:
        scheme, host, _ = origin_of(request.url)
        downgrades = self._origin[0] == "https" and scheme != "https"
        if host in self._redirect_hosts and not downgrades:
            return
        raise HttpFault(
            f"{self._origin[1]} sends us to {scheme}://{host_of(request.url)}, where we do not "
            "follow; name the host under redirect_hosts, or change the source's address"
        )

    def _undress(self, request: PreparedRequest) -> None:
        for header in list(request.headers):
            if header.lower() not in _HARMLESS_HEADERS:
                del request.headers[header]
        if self._key_parameter is not None and request.url is not None:
            parts = urlsplit(request.url)
            kept = [
                (name, value)
                for name, value in parse_qsl(parts.query, keep_blank_values=True)
                if name != self._key_parameter
            ]
            request.url = urlunsplit(parts._replace(query=urlencode(kept)))
