"""The dbt-duckdb plugin that gives every DuckDB session the privacy key as two HMAC pads.

    DBT_ENV_SECRET_PRIVACY_KEY -> profiles.yml -> Plugin -> set variable privacy_ipad, privacy_opad
                                                      and privacy_key_id, which opens nothing

dbt runs it, as a plugin of a profile: `{module: orchestration.dbt_plugin, config: {key, home}}`.
"""

from hashlib import sha256
from pathlib import Path
from typing import Any

from dbt.adapters.duckdb.plugins import BasePlugin
from dbt_common.exceptions import DbtRuntimeError
from duckdb import DuckDBPyConnection

from orchestration.key_store import key_id, recorded_id
from orchestration.key_strength import MIN_KEY_LENGTH, weakness

_BLOCK_SIZE = 64
_INNER_BYTE = 0x36
_OUTER_BYTE = 0x5C


class PrivacyKeyError(DbtRuntimeError):
    """The privacy key is missing, can be guessed or is not the one of the pseudonyms here."""


def hmac_pads(key: str) -> tuple[bytes, bytes]:
    """The inner and the outer padded key of HMAC-SHA256, 64 bytes each.

    Raises PrivacyKeyError, which never shows the key.
    """
    problem = weakness(key)
    if problem:
        raise PrivacyKeyError(
            f"The privacy key {problem}. Masking needs a secret of at least {MIN_KEY_LENGTH} "
            "characters, and nothing was built. Set DBT_ENV_SECRET_PRIVACY_KEY, for example to the "
            "output of: openssl rand -hex 32"
        )
    secret = key.encode()
    block = (sha256(secret).digest() if len(secret) > _BLOCK_SIZE else secret).ljust(
        _BLOCK_SIZE, b"\0"
    )
    return bytes(b ^ _INNER_BYTE for b in block), bytes(b ^ _OUTER_BYTE for b in block)


class Plugin(BasePlugin):
    """Sets them on each cursor, as DuckDB's variables belong to one connection."""

    def initialize(self, plugin_config: dict[str, Any]) -> None:
        """Takes the pads from the setting `key`; raises PrivacyKeyError.

        A process that was started before a rotation has the old key, and `home` says so.
        """
        key = str(plugin_config.get("key") or "")
        self._inner_pad, self._outer_pad = hmac_pads(key)
        recorded = recorded_id(Path(str(plugin_config["home"])))
        if recorded not in (None, key_id(key)):
            raise PrivacyKeyError(
                "The privacy key is not the one that the pseudonyms here are made with, and "
                "nothing was built. Start this process again with the key that is in use now"
            )
        self._key_id = key_id(key)

    def configure_cursor(self, cursor: DuckDBPyConnection) -> None:
        """Sets `privacy_ipad`, `privacy_opad` and `privacy_key_id` on one cursor."""
        cursor.execute("set variable privacy_ipad = ?", [self._inner_pad])
        cursor.execute("set variable privacy_opad = ?", [self._outer_pad])
        cursor.execute("set variable privacy_key_id = ?", [self._key_id])
