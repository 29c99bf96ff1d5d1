"""Answers of bounded size and duration, read as strict JSON.

socket -> BoundedBody: counts decompressed bytes and seconds -> JsonResponse.json()
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

from requests import Response
from urllib3 import BaseHTTPResponse

_CHUNK = 64 * 1024


class BodyTooLarge(Exception):
    """An answer is larger, decompressed, than the source allows; it was not read to its end."""


class BodyTooSlow(Exception):
    """An answer trickled for longer than it may take in all."""


class BoundedBody:
    """Stands before urllib3's response, and hands out its body up to a limit."""

    def __init__(
        self,
        raw: BaseHTTPResponse,
        *,
        max_bytes: int,
        max_seconds: float,
        monotonic: Callable[[], float],
    ) -> None:
        self._raw = raw
        self._max_bytes = max_bytes
        self._monotonic = monotonic
        self._deadline = monotonic() + max_seconds

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)

    def stream(self, amt: int | None = None, decode_content: bool = True) -> Iterator[bytes]:
        """Yield the decompressed body; BodyTooLarge or BodyTooSlow ends it and its connection."""
        announced = self._raw.headers.get("Content-Length", "")
        if announced.isdigit() and int(announced) > self._max_bytes:
            self._refuse(BodyTooLarge())
        count = 0
        # read1 returns what there is, so a body that trickles comes back to the clock.
        while chunk := self._raw.read1(_CHUNK, decode_content=True):
            count += len(chunk)
            if count > self._max_bytes:
                self._refuse(BodyTooLarge())
            if self._monotonic() > self._deadline:
                self._refuse(BodyTooSlow())
            yield chunk

    def read(self, amt: int | None = None, **_: object) -> bytes:
        """What is left of a broken body is not worth reading."""
        self._raw.close()
        return b""

    def _refuse(self, error: Exception) -> None:
        self._raw.close()
        raise error


class JsonResponse(Response):
    """A response whose JSON is parsed once, and never from text that had to be guessed."""

    _parsed: Any = None

    def json(self, **kwargs: Any) -> Any:
        """Return the body's JSON; ValueError for anything else, bytes that are no text included."""
        if self._parsed is None:
            charset = _charset(self.headers.get("Content-Type", ""))
            text = self.content.decode(charset) if charset else self.content
            self._parsed = json.loads(text)
        return self._parsed


def _charset(content_type: str) -> str | None:
    """The declared character set; requests' own default for text/* mangles UTF-8."""
    for part in content_type.split(";")[1:]:
        name, _, value = part.strip().partition("=")
        if name.lower() == "charset":
            return value.strip("\"' ") or None
    return None
