"""The pydantic model of a table's rows, built from its declaration in sources.yaml.

rows -> RowModel -> good rows + set-aside rows with their reasons
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, create_model

from ingestion.batch import KEYLESS
from ingestion.names import OUR_COLUMNS, raw_name
from ingestion.spec import RowField
from ingestion.values import INTEGER_MAX, INTEGER_MIN, fault_of, key_text

NO_KEY = "missing_key"


def _parsed_json(value: object) -> object:
    return json.loads(value) if isinstance(value, str) else value


_TYPES: dict[str, Any] = {
    "integer": Annotated[int, Field(ge=INTEGER_MIN, le=INTEGER_MAX)],
    "number": float,
    "text": str,
    "boolean": bool,
    "timestamp": datetime,
    "date": date,
    "object": Annotated[dict[str, Any], BeforeValidator(_parsed_json)],
    "array": Annotated[list[Any], BeforeValidator(_parsed_json)],
}
DLT_TYPES = {
    "integer": "bigint",
    "number": "double",
    "text": "text",
    "boolean": "bool",
    "timestamp": "timestamp",
    "date": "date",
    "object": "json",
    "array": "json",
}

SetAside = Callable[[str, str, Mapping[str, Any]], None]


class RowModel:
    """Checks rows against a declaration; fields that it does not name pass if raw can hold them.

    A row without its key is set aside always: raw could neither change nor delete it.
    """

    def __init__(self, fields: Mapping[str, RowField], primary_key: Sequence[str]) -> None:
        self.fields = fields
        self.primary_key = list(primary_key)
        self._model: type[BaseModel] = create_model(
            "Row",
            __config__=ConfigDict(extra="allow", allow_inf_nan=False),
            **{f"f{index}__declared": _field(*named) for index, named in enumerate(fields.items())},
        )

    def check(self, row: Mapping[str, Any], set_aside: SetAside) -> dict[str, Any] | None:
        """Return the row with its declared types, or None after it was set aside."""
        reason, checked = self._judge(row)
        reason = reason or _unloadable(checked)
        if reason is None:
            return checked
        set_aside(self.key_of(row), reason, row)
        return None

    def filter_arrow(self, rows: pa.Table, set_aside: SetAside) -> pa.Table:
        """Return the Arrow rows that keep the declaration; only declared columns are read."""
        keep = self._have_keys(rows, set_aside)
        declared = [name for name in self.fields if name in rows.column_names]
        if declared:
            for index, row in enumerate(rows.select(declared).to_pylist()):
                reason, _ = self._judge(row, self.primary_key) if keep[index] else (None, {})
                if reason is not None:
                    whole = rows.slice(index, 1).to_pylist()[0]
                    set_aside(self.key_of(whole), reason, whole)
                    keep[index] = False
        return rows if all(keep) else rows.filter(pa.array(keep, pa.bool_()))

    def key_of(self, row: Mapping[str, Any]) -> str:
        """The row's key as text; a row without one is known by a hash of itself."""
        parts = [row.get(column) for column in self.primary_key]
        if any(part is None for part in parts):
            told = repr(sorted((str(name), str(value)) for name, value in row.items()))
            digest = hashlib.sha256(told.encode("utf-8", "backslashreplace")).hexdigest()
            return f"{KEYLESS}: {digest[:16]}"
        return key_text(parts)

    def _judge(
        self, row: Mapping[str, Any], present: Sequence[str] = ()
    ) -> tuple[str | None, dict[str, Any]]:
        """Return why the row breaks its declaration, or None, and the row with its types."""
        try:
            checked = self._model.model_validate(row).model_dump(by_alias=True)
        except ValidationError as error:
            return _reason(error), {}
        for column in self.primary_key:
            if column not in present and checked.get(column) is None:
                return f"{column}: {NO_KEY}", {}
        return None, checked

    def _have_keys(self, rows: pa.Table, set_aside: SetAside) -> list[bool]:
        keep = [True] * rows.num_rows
        for column in self.primary_key:
            if column not in rows.column_names or not rows[column].null_count:
                continue
            for index in pc.indices_nonzero(pc.is_null(rows[column])).to_pylist():
                if keep[index]:
                    whole = rows.slice(index, 1).to_pylist()[0]
                    set_aside(self.key_of(whole), f"{column}: {NO_KEY}", whole)
                    keep[index] = False
        return keep


def _field(name: str, declared: RowField) -> Any:
    """A field by its alias: a column's own name may be a reserved word or begin with ``_``."""
    kind = _TYPES[declared.type]
    python_type: Any = Annotated[kind, Field(ge=declared.ge, le=declared.le)]
    if declared.required:
        return (python_type, Field(alias=name))
    return (python_type | None, Field(default=None, alias=name))


def _unloadable(row: Mapping[str, Any]) -> str | None:
    """Say what keeps raw from holding a row whose declared fields are right."""
    names: dict[str, str] = {}
    for name, value in row.items():
        told = fault_of(name) or fault_of(value)
        if told is None and raw_name(name) in OUR_COLUMNS:
            told = "a name that raw keeps for itself"
        if told is None and names.setdefault(raw_name(name), name) != name:
            told = f"same_name_in_raw_as {names[raw_name(name)]}"
        if told is not None:
            return f"{name.encode('ascii', 'backslashreplace').decode()}: {told}"
    return None


def _reason(error: ValidationError) -> str:
    """Name fields and rules; pydantic's own messages for these kinds hold no values."""
    problems = error.errors(include_input=False, include_url=False, include_context=False)
    return "; ".join(
        f"{'.'.join(str(part) for part in problem['loc'][:1])}: {problem['type']}"
        for problem in problems
    )
