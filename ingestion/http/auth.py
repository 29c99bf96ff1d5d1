"""How an API knows us, by dlt's authenticators; every credential is a secret of the source."""

from typing import Any

from dlt.sources.helpers.rest_client.auth import (
    APIKeyAuth,
    AuthConfigBase,
    BearerTokenAuth,
    HttpBasicAuth,
    OAuth2ClientCredentials,
)
from pydantic import SecretStr
from requests import PreparedRequest

from ingestion.connection import Connection, optional_secret
from ingestion.errors import HttpFault, MissingSecret
from ingestion.http.addresses import host_of
from ingestion.http.session import ApiSession
from ingestion.spec import AuthSpec


class ClientCredentials(OAuth2ClientCredentials):
    """dlt's OAuth2 client credentials, which take no answer without a token for a token."""

    def parse_access_token(self, response_json: Any) -> str:
        """Return the token."""
        token = response_json.get("access_token") if isinstance(response_json, dict) else None
        if not isinstance(token, str) or not token:
            raise HttpFault(f"{host_of(self.access_token_url)} answered without an access token")
        return token

    def renew(self, request: PreparedRequest) -> None:
        """Put a fresh token into a request whose token was refused before its time."""
        self.obtain_token()
        self(request)


def build_auth(
    spec: AuthSpec, source: str, connection: Connection, tokens: ApiSession | None
) -> AuthConfigBase | None:
    """Return the authenticator; ``tokens`` speaks to the host of ``token_url``.

    MissingSecret says which variable to set.
    """
    if spec.type == "none":
        return None
    if spec.type == "basic":
        return HttpBasicAuth(username=_need(source, "user"), password=_need(source, "password"))
    if spec.type == "oauth2" and spec.token_url is not None and tokens is not None:
        return ClientCredentials(
            access_token_url=spec.token_url,
            client_id=_need(source, "client_id"),
            client_secret=_need(source, "client_secret"),
            access_token_request_data={"scope": spec.scope} if spec.scope else {},
            session=tokens,
        )
    token = _given(source, "token", connection.token)
    if spec.type == "bearer":
        return BearerTokenAuth(token)
    return APIKeyAuth(name=spec.name, api_key=token, location=spec.location)


def _need(source: str, field: str) -> str:
    return _given(source, field, optional_secret(source, field))


def _given(source: str, field: str, value: SecretStr | None) -> str:
    if value is None:
        raise MissingSecret(
            f"source {source} needs a {field}; set SOURCES__{source.upper()}__{field.upper()}, "
            f"or `{field}` under [sources.{source}] in .dlt/secrets.toml"
        )
    return value.get_secret_value()
