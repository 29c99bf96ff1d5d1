"""What a caller says of a call beside its arguments, for the audit log alone; pure.

HTTP: the headers ``traceparent`` and ``x-grounded-purpose``. MCP: ``_meta.traceparent`` and
``_meta["grounded/purpose"]``. Python: ``connect(..., trace=, purpose=)``. Command line: ``--trace``
and ``--purpose``.
"""

import re
from dataclasses import dataclass

TRACE_HEADER = "traceparent"
PURPOSE_HEADER = "x-grounded-purpose"
PURPOSE_META = "grounded/purpose"
LONGEST_TRACE = 128
LONGEST_PURPOSE = 200

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")


@dataclass(frozen=True)
class Caller:
    """Whose trace a call is part of, and what it is for; nothing is decided by either."""

    trace: str | None = None
    purpose: str | None = None

    @classmethod
    def of(cls, trace: object = None, purpose: object = None) -> "Caller":
        """What was sent, as far as it is text: on one line and not too long."""
        return cls(_line(trace, LONGEST_TRACE), _line(purpose, LONGEST_PURPOSE))

    @property
    def has_w3c_trace(self) -> bool:
        """Whether the trace is a W3C ``traceparent``, which is random and names nobody."""
        return self.trace is not None and _TRACEPARENT.fullmatch(self.trace) is not None


NOTHING_SAID = Caller()


def _line(given: object, longest: int) -> str | None:
    if not isinstance(given, str):
        return None
    text = "".join(sign if sign.isprintable() else " " for sign in given[: 4 * longest])
    return " ".join(text.split())[:longest] or None
