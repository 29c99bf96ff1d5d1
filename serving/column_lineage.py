"""Where a published column comes from, as ``get_lineage`` answers it.

CatalogView (origins, sources) -> a row per source column
"""

from typing import Any

from serving.catalog import CatalogColumn, CatalogView, ColumnOrigin
from serving.values import to_json


def lineage(view: CatalogView, column: CatalogColumn) -> list[dict[str, Any]]:
    """Return a row per source column of a column; one without any where there is none.

    A snapshot that was published without a proof tells the source tables alone.
    """
    if column.origins is None:
        return [_row(view, column, source.table) for source in view.sources]
    if not column.origins:
        return [_row(view, column, None)]
    return [_row(view, column, origin.table, origin) for origin in column.origins]


def _row(
    view: CatalogView, column: CatalogColumn, table: str | None, origin: ColumnOrigin | None = None
) -> dict[str, Any]:
    source = next((one for one in view.sources if one.table == table), None)
    return {
        "column": column.name,
        "mask": column.mask,
        "source_table": table,
        "source_column": origin.column if origin else None,
        "class": origin.privacy if origin else None,
        "masks": origin.masks if origin else [],
        "path": origin.path if origin else [],
        "load_id": source.load_id if source else None,
        "watermark": to_json(source.watermark) if source else None,
    }
