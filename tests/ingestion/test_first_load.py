"""What makes a first load fast, and that it changes no value."""

import math
import os
import random
import signal
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import adbc_driver_postgresql.dbapi as adbc
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dlt.common.data_writers import BufferedDataWriter, DataWriter
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.plain_parquet import write_plainly
from ingestion.postgres_numeric import MAX_DIGITS, from_binary
from ingestion.spec import SourceSpec
from tests.grounded import environment, warm
from tests.ingestion.conftest import Database
from tests.ingestion.first_load_and_die import declared
from tests.servers import Postgres

KILLED_IN = ("extracting", "loading", "loading")
Declare = Callable[[dict[str, Any]], SourceSpec]
Numbers = tuple[int, int, list[Decimal | None]]


@st.composite
def numerics(draw: st.DrawFn) -> Numbers:
    """A precision, a scale and values that a column of these can hold."""
    precision = draw(st.integers(1, MAX_DIGITS))
    scale = draw(st.integers(0, precision))
    most = 10**precision - 1
    whole = st.one_of(
        st.sampled_from([0, 1, -1, most, -most]),
        st.integers(-most, most),
        st.integers(0, precision - 1).map(lambda power: 10**power),
    )
    value = st.one_of(
        st.none(), st.just(Decimal("NaN")), whole.map(lambda n: Decimal(n).scaleb(-scale))
    )
    return precision, scale, draw(st.lists(value, max_size=30))


def test_a_numeric_read_in_its_binary_form_is_the_number_that_was_stored(server: Postgres) -> None:
    # One connection for all examples: each would start a process of the server.
    with adbc.connect(server.url()) as connection, connection.cursor() as cursor:

        @settings(max_examples=150, deadline=None)
        @given(numbers=numerics())
        def is_read_as_it_was_stored(numbers: Numbers) -> None:
            _assert_read_as_stored(cursor, *numbers)

        is_read_as_it_was_stored()


def _assert_read_as_stored(
    cursor: adbc.Cursor, precision: int, scale: int, values: list[Decimal | None]
) -> None:
    texts = ", ".join("null" if value is None else f"'{value}'" for value in values)
    rows = f"unnest(array[{texts}]::numeric({precision}, {scale})[]) with ordinality as t (v, i)"
    cursor.execute(f"select numeric_send(v) as v from {rows} order by i")
    binary = cursor.fetch_arrow_table()["v"]
    kind = pa.decimal128(precision, scale)
    read, unfit = from_binary(binary, kind)
    is_nan = [value is not None and math.isnan(value) for value in values]
    assert read.type == kind
    assert read.to_pylist() == [
        None if nan else value for nan, value in zip(is_nan, values, strict=True)
    ]
    assert ([False] * len(values) if unfit is None else unfit.to_pylist()) == is_nan
    # A slice has the buffers of the whole.
    assert from_binary(binary.slice(1), kind)[0].to_pylist() == read.to_pylist()[1:]


def test_a_load_package_is_written_without_dictionaries_and_statistics(tmp_path: Any) -> None:
    write_plainly()
    spec = DataWriter.writer_spec_from_file_format("parquet", "arrow")
    rows = pa.table({"text": ["a", "a"], "price": pa.array([Decimal("1.50"), None])})
    with BufferedDataWriter(spec, str(tmp_path / "%s")) as writer:
        writer.write_data_item(rows, {})
    written = pq.ParquetFile(writer.closed_files[0].file_path)
    column = written.metadata.row_group(0).column(0)
    assert (column.has_dictionary_page, column.is_stats_set) == (False, False)
    assert written.read().to_pydict() == rows.to_pydict()


def test_a_load_killed_as_the_warehouse_is_made_leaves_none_that_cannot_be_opened(
    database: Database,
) -> None:
    database.execute(
        "create table items (id bigint primary key, changed_at timestamptz)",
        "insert into items values (1, now())",
    )
    home = str(database.home)
    env = environment(database.home, SOURCES__OWN__URL=database.url)
    entry = "tests.ingestion.first_load_and_die:main"
    killed = warm().run([home, "cursor"], env, ("warehouse.duckdb", 1), entry=entry)
    assert killed.status == -signal.SIGKILL and not (database.home / "warehouse.duckdb").exists()
    again = warm().run([home, "cursor"], env, entry=entry)
    assert again.status == 0, again.err
    assert database.raw("select id from own.items") == [(1,)]


@pytest.mark.timeout(180)
@pytest.mark.parametrize("capture", ["cursor", "log"])
def test_a_first_load_killed_anywhere_neither_loses_nor_doubles_a_row(
    database: Database, request: pytest.FixtureRequest, capture: str
) -> None:
    seed = int(os.environ.get("GROUNDED_SEED", "0")) or random.SystemRandom().randrange(1, 10**9)
    chance = random.Random(seed)
    request.node.add_report_section("call", "seed", f"GROUNDED_SEED={seed}")
    database.execute(
        "create table items (id bigint primary key, code text, price numeric(12, 2), "
        "changed_at timestamptz not null default now())",
        "insert into items (id, code, price) "
        "select i, md5(i::text), -i / 100.0 from generate_series(1, 200000) i",
    )
    for phase in KILLED_IN:
        kill_in(database, capture, phase, chance.uniform(0, 0.6))
    database.load(declared(capture))
    assert database.raw(
        "select count(*), count(distinct id), sum(price) from own.items "
        "where code = md5(id::varchar) and _deleted_at is null"
    ) == [(200_000, 200_000, Decimal("-200001000.00"))]


def kill_in(database: Database, capture: str, phase: str, after: float) -> None:
    """Load, and kill the load so many seconds after it said that it is in this phase."""
    process = warm().start(
        [str(database.home), capture],
        environment(database.home, SOURCES__OWN__URL=database.url),
        entry="tests.ingestion.first_load_and_die:main",
    )
    try:
        next(line for line in process.out if line.startswith(phase))
        # Not a wait for something: the instant of the kill is the test's input.
        time.sleep(after)
    finally:
        process.kill()
