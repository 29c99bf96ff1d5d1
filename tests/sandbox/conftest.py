"""Small view files, as a snapshot holds them, and a sandbox over them."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from serving.catalog import Limits
from serving.sandbox import SqlSandbox

VIEWS = {
    "agent_orders": """
        select i as id, i % 2000 as customer_id, ((i % 500) / 3.0)::decimal(18, 2) as amount,
            ['web', 'store', 'app'][i % 3 + 1] as channel, date '2024-01-01' + (i % 700)::int as d,
            timestamptz '2024-01-01 00:00:00+00' + to_minutes(i) as placed_at,
            json_array(json_object('sku', 'S-' || (i % 7), 'quantity', i % 4)) as items
        from range(20000) t(i)
    """,
    "agent_customers": """
        select i as id, 'pseudonym-' || md5(i::varchar) as pseud, ['DE', 'FR'][i % 2 + 1] as country
        from range(2000) t(i)
    """,
    "agent_notes": """
        select i as id, repeat('refund AB-12 please ', (i % 100)::int) as body
        from range(500) t(i)
    """,
}


def write_views(folder: Path, views: dict[str, str]) -> dict[str, Path]:
    files = {}
    for name, select in views.items():
        files[name] = folder / f"{name}.duckdb"
        with duckdb.connect(str(files[name])) as connection:
            connection.execute(f"create table {name} as {select}")
            connection.execute("checkpoint")
    return files


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_views(tmp_path_factory.mktemp("published"), VIEWS)


@pytest.fixture(scope="session")
def sandbox(files: dict[str, Path]) -> Iterator[SqlSandbox]:
    with SqlSandbox(files, Limits(seconds=20)) as opened:
        yield opened
