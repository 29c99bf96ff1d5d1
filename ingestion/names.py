"""The name that a source's column has in raw: dlt's snake case, with no letter lost.

dlt writes every letter beyond ASCII as ``x`` or ``_``, so two emoji columns would become one.
"""

from functools import lru_cache

from dlt.common.normalizers.naming.snake_case import NamingConvention

LOADED_AT = "_loaded_at"
DELETED_AT = "_deleted_at"
LOAD_ID = "_dlt_load_id"
LOADS = "_dlt_loads"
OUR_COLUMNS = frozenset({LOADED_AT, DELETED_AT, LOAD_ID})


@lru_cache(maxsize=65_536)
def raw_name(column: str) -> str:
    """Return the column's name in raw; letters beyond ASCII are written by their code point."""
    plain = "".join(letter if letter.isascii() else f"u{ord(letter):x}_" for letter in column)
    if not column.isascii():
        plain = plain.rstrip("_")
    return NamingConvention().normalize_identifier(plain)
