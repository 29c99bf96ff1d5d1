"""A candidate that is not what its catalog says is found out before it is promoted."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import duckdb
import lancedb
import pytest
from lancedb.expr import col, lit
from small_warehouse import HashEmbedder, change_warehouse, declarations, write_warehouse

from serving import snapshot
from serving.catalog import MinGroup
from serving.declarations import DeclaredColumn, DeclaredView, Serve
from serving.errors import PublishError

VIEW = "views/agent_knowledge.duckdb"
LOOKUP = "views/agent_knowledge.sqlite"
TABLE = "agent_knowledge"


def run_sql(statement: str, view: str = VIEW) -> Callable[[Path], None]:
    def tamper(folder: Path) -> None:
        with duckdb.connect(str(folder / view)) as connection:
            connection.execute(statement)

    return tamper


def run_sqlite(statement: str) -> Callable[[Path], None]:
    def tamper(folder: Path) -> None:
        connection = sqlite3.connect(folder / LOOKUP)
        connection.execute(statement)
        connection.commit()
        connection.close()

    return tamper


def change_index(change: str) -> Callable[[Path], None]:
    def tamper(folder: Path) -> None:
        table = lancedb.connect(folder / "index").open_table(TABLE)
        if change == "drop a row":
            table.delete(col("key_text") == lit("runbooks/disk-pressure.md"))
        elif change == "swap a row":
            where = col("key_text") == lit("runbooks/disk-pressure.md")
            table.update(where=where, values={"key_text": "runbooks/gone.md"})
        else:
            table.add(table.search().limit(1).to_arrow())

    return tamper


def change_catalog(**values: object) -> Callable[[Path], None]:
    def tamper(folder: Path) -> None:
        file = folder / "catalog.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), **values}))

    return tamper


def overwrite(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(b"no such file format" * 1_000) and None


def add(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_text("stray") and None


def remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def remove_table(folder: Path) -> None:
    shutil.rmtree(folder / f"index/{TABLE}.lance")


@pytest.mark.parametrize(
    ("tamper", "told"),
    [
        pytest.param(
            run_sql("delete from agent_knowledge where title is null"), "3 rows", id="row"
        ),
        pytest.param(
            run_sql("update agent_knowledge set document_id = 'runbooks/disk-pressure.md'"),
            "1 keys in",
            id="key",
        ),
        pytest.param(
            run_sql("update agent_products set product_id = 1", "views/agent_products.duckdb"),
            "1 keys in",
            id="key of a view that is not searched",
        ),
        pytest.param(run_sql("create table other (id int)"), "other tables", id="table"),
        pytest.param(
            run_sql("alter table agent_knowledge add column email varchar"), "columns", id="column"
        ),
        pytest.param(
            run_sql("alter table agent_knowledge alter category type integer using 1"),
            "columns",
            id="type",
        ),
        pytest.param(overwrite(VIEW), "does not open", id="view file"),
        pytest.param(remove(VIEW), "lacks", id="no view file"),
        pytest.param(run_sqlite("delete from rows"), "0 rows", id="lookups"),
        pytest.param(run_sqlite("drop table rows"), "does not open", id="lookup table"),
        pytest.param(overwrite(LOOKUP), "does not open", id="lookup file"),
        pytest.param(change_index("drop a row"), "chunks", id="lost chunk"),
        pytest.param(change_index("swap a row"), "rows that the view does not", id="strange chunk"),
        pytest.param(change_index("double a row"), "chunks", id="doubled chunk"),
        pytest.param(remove_table, "does not open", id="index table"),
        pytest.param(overwrite("catalog.json"), "does not parse", id="catalog"),
        pytest.param(remove("catalog.json"), "no catalog", id="no catalog"),
        pytest.param(change_catalog(snapshot_id="other"), "another snapshot", id="catalog's id"),
        pytest.param(add("views/agent_knowledge.duckdb.wal"), "does not belong", id="wal"),
        pytest.param(add("notes.txt"), "does not belong", id="stray file"),
        pytest.param(add("index/stray"), "does not belong", id="stray index file"),
    ],
)
def test_a_tampered_candidate_does_not_pass(
    published: Path, tamper: Callable[[Path], None], told: str
) -> None:
    view = declarations().views["agent_knowledge"]
    # A changed description, so that the candidate shares no file with the published snapshot.
    own = declarations(views={TABLE: view.model_copy(update={"description": "New."})})
    candidate = snapshot.build(published, own, embedder=HashEmbedder())
    snapshot.verify(candidate)
    tamper(candidate.folder)
    with pytest.raises(PublishError, match=told):
        snapshot.verify(candidate)
    snapshot.discard(candidate)


def test_a_row_whose_text_is_not_indexed_is_found(published: Path) -> None:
    candidate = snapshot.build(published, declarations(), embedder=HashEmbedder())
    table = lancedb.connect(candidate.folder / "index").open_table(TABLE)
    keys = table.search().select(["key_text"]).to_arrow()["key_text"].to_pylist()
    twice = next(key for key in keys if keys.count(key) == 2)
    once = next(key for key in keys if keys.count(key) == 1)
    table.update(where=col("key_text") == lit(once), values={"key_text": twice})
    with pytest.raises(PublishError, match="lacks rows of the view"):
        snapshot.verify(candidate)
    snapshot.discard(candidate)


@pytest.mark.parametrize(("size", "count", "is_refused"), [(5, 4, True), (5, 5, False)])
def test_a_group_of_fewer_people_than_declared_is_refused(
    tmp_path: Path, size: int, count: int, is_refused: bool
) -> None:
    write_warehouse(tmp_path)
    change_warehouse(
        tmp_path,
        "create table agents.agent_cities (city varchar, customer_count bigint)",
        f"insert into agents.agent_cities values ('Leeds', 70), ('York', {count})",
    )
    cities = DeclaredView(
        name="agent_cities",
        unique_id="model.test.agent_cities",
        relation="agents.agent_cities",
        description="Customers by city. One row per city.",
        columns=[
            DeclaredColumn(name="city", description="The city."),
            DeclaredColumn(name="customer_count", description="How many."),
        ],
        serve=Serve(key="city", min_group=MinGroup(size=size, count="customer_count")),
        source_tables=["shop.customers"],
    )
    declared = declarations(views={"agent_cities": cities})
    candidate = snapshot.build(tmp_path, declared, embedder=HashEmbedder())
    if not is_refused:
        assert snapshot.verify(candidate).views["agent_cities"].min_group is not None
        return
    with pytest.raises(PublishError, match="agent_cities has groups of fewer than 5") as refused:
        snapshot.verify(candidate)
    assert "York" not in str(refused.value)
