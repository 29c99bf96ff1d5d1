"""A base and its layer as one relation; pure, and imported by the sandbox's worker.

base (written whole) + layer (a row for each key that changed since) -> the rows as they are now
"""

from serving.identifiers import quoted

# Columns of a layer's table beside the view's; no view has columns of these names.
SEQ, LIVE, IN_BASE = "_seq", "_live", "_in_base"


def layered(base: str, layer: str, key: str) -> str:
    """Return a query over two tables, given as SQL: an entry of the layer hides the base's row."""
    return (
        f"select * from {base} anti join (select {quoted(key)} from {layer} where {IN_BASE}) "
        f"using ({quoted(key)}) "
        f"union all select * exclude ({SEQ}, {LIVE}, {IN_BASE}) from {layer} where {LIVE}"
    )
