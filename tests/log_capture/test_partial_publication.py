"""A publication that holds rows or columns back is refused, unless that is declared."""

import pytest

from ingestion.errors import SourceFailed
from ingestion.log_capture import check_source
from ingestion.spec import SqlDatabaseSource
from tests.log_capture.conftest import Database, Declare, of_items

CREATE = "create table items (id bigint primary key, name text, price int)"
FILTERED = "create publication grounded_own for table items where (id < 100)"
NARROW = "create publication grounded_own for table items (id, name)"
LIVE = "from own.items where _deleted_at is null order by id"


@pytest.mark.parametrize(
    ("publication", "told"),
    [(FILTERED, "the rows that its filter lets pass"), (NARROW, r"columns \(not price\)")],
)
def test_what_a_publication_holds_back_is_told_with_the_remedy(
    database: Database, declare: Declare, publication: str, told: str
) -> None:
    database.execute(CREATE, "insert into items values (1, 'a', 5), (500, 'b', 6)", publication)
    spec = declare(of_items())
    assert isinstance(spec, SqlDatabaseSource)
    assert any(
        "partial: true" in fault for fault in check_source("own", spec, database.home).faults
    )
    with pytest.raises(SourceFailed, match=told) as refused:
        database.load(spec)
    assert "id < 100" not in str(refused.value) and "500" not in str(refused.value)
    remedy = str(refused.value).partition("run as its owner: ")[2].partition("; or, where")[0]
    database.execute(*remedy.split("; "))
    assert database.load(spec).alarms == []
    assert database.raw(f"select id, name, price {LIVE}") == [(1, "a", 5), (500, "b", 6)]


def test_a_publication_that_names_the_parts_of_a_table_is_refused_with_the_remedy(
    database: Database, declare: Declare
) -> None:
    database.execute(
        "create table items (id bigint primary key, name text) partition by range (id)",
        "create table items_low partition of items for values from (0) to (100)",
        "create publication grounded_own for table items",
        "insert into items values (1, 'a')",
    )
    with pytest.raises(SourceFailed, match="publish_via_partition_root = true"):
        database.load(declare(of_items()))
    database.execute("alter publication grounded_own set (publish_via_partition_root = true)")
    database.load(declare(of_items()))
    assert database.raw(f"select id {LIVE}") == [(1,)]


def test_a_filter_that_comes_later_stops_the_next_load_and_loses_nothing(
    database: Database, declare: Declare
) -> None:
    database.execute(CREATE, "insert into items values (1, 'a', 5)")
    spec = declare(of_items())
    database.load(spec)
    database.execute("alter publication grounded_own set table items where (id < 100)")
    database.execute("insert into items values (500, 'b', 6)")
    with pytest.raises(SourceFailed, match="filter"):
        database.load(spec)
    database.execute("alter publication grounded_own set table items")
    database.load(spec)
    assert database.raw(f"select id {LIVE}") == [(1,), (500,)]


def test_a_partial_table_that_is_declared_holds_what_the_publication_tells(
    database: Database, declare: Declare
) -> None:
    database.execute(
        CREATE,
        "alter table items replica identity full",
        "insert into items values (1, 'a', 5), (500, 'b', 6)",
        "create publication grounded_own for table items where (price < 6)",
    )
    spec = declare(of_items(partial=True))
    assert database.load(spec).alarms == []
    assert database.raw(f"select id {LIVE}") == [(1,)]
    database.execute(
        "update items set price = 9 where id = 1", "update items set price = 1 where id = 500"
    )
    database.load(spec)
    assert database.raw(f"select id, name, price {LIVE}") == [(500, "b", 1)]


def test_a_narrow_table_that_is_declared_has_the_columns_that_the_publication_tells(
    database: Database, declare: Declare
) -> None:
    database.execute(CREATE, "insert into items values (1, 'a', 5)", NARROW)
    spec = declare(of_items(partial=True))
    database.load(spec)
    database.execute("update items set name = 'b', price = 7")
    assert database.load(spec).alarms == []
    assert database.raw(f"select id, name {LIVE}") == [(1, "b")]
    columns = database.raw("select column_name from (describe own.items)")
    assert ("name",) in columns and ("price",) not in columns


def test_a_publication_without_the_key_is_refused_even_where_parts_are_declared(
    database: Database, declare: Declare
) -> None:
    database.execute(
        CREATE,
        "alter table items replica identity full",
        "create publication grounded_own for table items (name)",
    )
    with pytest.raises(SourceFailed, match="not id, price"):
        database.load(declare(of_items(partial=True)))
