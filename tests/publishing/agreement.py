"""Holds what a snapshot answers against the rows that it was made of."""

from pathlib import Path

import lancedb

from serving import index, snapshot
from serving.store_rows import store_rows


def index_agrees(home: Path) -> None:
    """Hold each table of the index against its view's rows: keys, texts, filters and vectors."""
    folder, catalog = snapshot.current(home)
    assert catalog.index is not None
    for view, store in catalog.all_stores().values():
        if store.index_table is None:
            continue
        with store_rows(folder, catalog.views[view], store) as connection:
            expected = {
                one.chunk_id: (one.key, one.row_hash, one.text, one.content_hash)
                for one in index.documents(connection, catalog.views[view])
            }
        rows = lancedb.connect(folder / "index").open_table(store.index_table).to_arrow()
        stored = {
            row["chunk_id"]: (row["key"], row["row_hash"], row["text"], row["content_hash"])
            for row in rows.select(
                ["chunk_id", "key", "row_hash", "text", "content_hash"]
            ).to_pylist()
        }
        assert stored == expected
        assert rows.num_rows == catalog.index.chunks[store.index_table]
