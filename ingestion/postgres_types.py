"""How each PostgreSQL type is held in raw, whether it was read by COPY or from the log.

PgColumn -> what dlt is told | the Arrow type | text of the log to Arrow | what raw cannot hold
"""

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ingestion.postgres_numeric import MAX_DIGITS

_BOOL, _BYTEA, _INT8, _INT2, _INT4, _TEXT, _FLOAT4, _FLOAT8 = 16, 17, 20, 21, 23, 25, 700, 701
_BPCHAR, _VARCHAR, _DATE, _TIMESTAMP, _TIMESTAMPTZ, _NUMERIC = 1042, 1043, 1082, 1114, 1184, 1700
_JSON = (114, 3802)
# Their cast to text is not what they print as: 10.0.0.1 is cast to 10.0.0.1/32.
_CAST_DIFFERS = (650, 869)
_ARROW: dict[int, pa.DataType] = {
    _BOOL: pa.bool_(),
    _BYTEA: pa.binary(),
    _INT2: pa.int16(),
    _INT4: pa.int32(),
    _INT8: pa.int64(),
    _FLOAT4: pa.float32(),
    _FLOAT8: pa.float64(),
    _TEXT: pa.string(),
    _VARCHAR: pa.string(),
    _BPCHAR: pa.string(),
    _DATE: pa.date32(),
    _TIMESTAMP: pa.timestamp("us"),
    _TIMESTAMPTZ: pa.timestamp("us", tz="UTC"),
}
_YEAR_ONE_DAYS, _YEAR_TEN_THOUSAND_DAYS = -719162, 2932897
_DAY_US = 86_400_000_000

# A value's text depends on these; both ways of reading set them alike.
SETTINGS = {
    "TimeZone": "UTC",
    "DateStyle": "ISO,MDY",
    "IntervalStyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "lc_monetary": "C",
}


def session_options() -> str:
    """The settings as libpq's connection parameter ``options``."""
    return " ".join(f"-c {name}={value}" for name, value in SETTINGS.items())


@dataclass(frozen=True)
class PgColumn:
    """A column of a table: ``type_name`` as the server's format_type prints it."""

    name: str
    type_oid: int
    modifier: int
    type_name: str
    is_domain: bool = False

    @property
    def is_array(self) -> bool:
        """Arrays are JSON in raw."""
        return self.type_name.endswith("[]")

    @property
    def decimal(self) -> pa.Decimal128Type | None:
        """DuckDB's DECIMAL ends at 38 digits; a wider or unlimited numeric is text in full."""
        if self.type_oid != _NUMERIC or self.modifier < 4:
            return None
        precision = (self.modifier - 4) >> 16 & 0xFFFF
        scale = ((self.modifier - 4 & 0x7FF) ^ 1024) - 1024
        fits = precision <= 38 and 0 <= scale <= precision
        return pa.decimal128(precision, scale) if fits else None

    @property
    def short_decimal(self) -> pa.Decimal128Type | None:
        """The DECIMAL where it fits in 64 bits: it is then read in its binary form."""
        kind = self.decimal
        return kind if kind is not None and kind.precision <= MAX_DIGITS else None

    @property
    def arrow(self) -> pa.DataType:
        """The Arrow type that raw is loaded from."""
        return self.decimal or _ARROW.get(self.type_oid, pa.string())

    @property
    def is_native(self) -> bool:
        """Whether the driver hands it over as what raw holds, with no cast at the source."""
        return self.decimal is not None or self.type_oid in _ARROW

    @property
    def hint(self) -> dict[str, Any]:
        """What dlt must know beyond Arrow's type."""
        if self.is_array or self.type_oid in _JSON:
            return {"name": self.name, "data_type": "json"}
        if self.type_oid == _TIMESTAMP:
            return {"name": self.name, "data_type": "timestamp", "timezone": False}
        return {}

    @property
    def converts_at_source(self) -> bool:
        """Whether only the server can turn the text of the log into the text of a cast."""
        return self.is_array or self.is_domain or self.type_oid in _CAST_DIFFERS


def hints(columns: list[PgColumn]) -> dict[str, Any]:
    """dlt's column hints by name."""
    return {column.name: column.hint for column in columns if column.hint}


def from_text(values: pa.Array, kind: pa.DataType) -> tuple[pa.Array, pa.Array | None]:
    """Turn text as PostgreSQL prints it into Arrow; also a mask of what raw cannot hold."""
    if pa.types.is_string(kind):
        return values, None
    if pa.types.is_boolean(kind):
        return pc.equal(values, "t"), None
    if pa.types.is_binary(kind):
        plain = [
            None if value is None else bytes.fromhex(value[2:]) for value in values.to_pylist()
        ]
        return pa.array(plain, kind), None
    if pa.types.is_decimal(kind):
        return _matching(values, r"^-?[0-9.]+$", kind)
    if pa.types.is_temporal(kind):
        return _matching(values, r"^[0-9]{4}-[^B]*$", kind)
    return values.cast(kind), None


def _matching(values: Any, pattern: str, kind: pa.DataType) -> tuple[Any, Any | None]:
    try:
        return values.cast(kind), None
    except pa.ArrowInvalid:
        fits = pc.match_substring_regex(values, pattern)
    return pc.if_else(fits, values, pa.scalar(None, pa.string())).cast(kind), pc.invert(fits)


def out_of_range(values: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """A mask of dates and instants that are infinite, BC or beyond year 9999; None for none.

    The driver lets an infinite one wrap around to a year far outside of these.
    """
    kind = values.type
    if pa.types.is_date32(kind):
        numbers, unit = values.cast(pa.int32()), 1
    elif pa.types.is_timestamp(kind):
        numbers, unit = values.cast(pa.int64()), _DAY_US
    else:
        return None
    span = pc.min_max(numbers).as_py()
    low, high = _YEAR_ONE_DAYS * unit, _YEAR_TEN_THOUSAND_DAYS * unit
    if span["min"] is None or (span["min"] >= low and span["max"] < high):
        return None
    return pc.or_(pc.less(numbers, low), pc.greater_equal(numbers, high))
