"""Keyed models hold what their queries give, however their inputs came to be."""

import random
import shutil
from pathlib import Path

import duckdb
import pytest

from tests.keyed.small_project import MODELS, RAW, SmallProject, make

KEYED = [name for name in MODELS if not name.startswith("stg_")]
KEYS = {
    "customers": ("id",),
    "orders": ("id",),
    "lines": ("order_id", "no"),
    "notes": ("id",),
    "regions": ("id",),
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The folder of a project over some rows, and a copy of it after its first build."""
    project = make(tmp_path_factory.mktemp("keyed") / "project")
    load(project, "0", random.Random(7), changes=60)
    project.build()
    kept = project.folder.with_name("kept")
    shutil.copytree(project.folder, kept)
    return project.folder, kept


@pytest.fixture
def project(built: tuple[Path, Path]) -> SmallProject:
    """The project as it was built, in the same place: elsewhere dbt would parse it anew."""
    folder, kept = built
    shutil.rmtree(folder)
    shutil.copytree(kept, folder)
    return SmallProject(folder)


def load(project: SmallProject, load_id: str, chance: random.Random, *, changes: int) -> None:
    """Change random rows as one load would: upserts, tombstones, rows that are as they were."""
    with project.connect() as connection:
        for _ in range(changes):
            table = chance.choice(list(RAW))
            values = {
                "id": chance.randrange(12),
                "order_id": chance.randrange(12),
                "no": chance.randrange(3),
                "customer_id": chance.choice([None, *range(8)]),
                "region_id": chance.choice([None, *range(4)]),
                "amount": chance.randrange(100),
                "name": chance.choice("abc"),
                "title": chance.choice("xyz"),
                "body": chance.choice("pq"),
                "updated_at": f"2026-01-{chance.randrange(1, 28):02}",
            }
            upsert(connection, table, values, load_id, chance.random())


def upsert(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    values: dict[str, object],
    load_id: str,
    kind: float,
) -> None:
    """Replace one row; a quarter of them by a tombstone, some by what they were."""
    same = " and ".join(f"{name} = ${name}" for name in KEYS[table])
    keys = {name: values[name] for name in KEYS[table]}
    if kind < 0.1:
        query = f"update shop.{table} set _dlt_load_id = $load_id where {same}"
        connection.execute(query, {**keys, "load_id": load_id})
        return
    connection.execute(f"delete from shop.{table} where {same}", keys)
    names = [column.split()[0] for column in RAW[table].split(", ")]
    row = {name: values[name] if kind > 0.3 or name in keys else None for name in names}
    gone = "null" if kind > 0.3 else "now()"
    marks = ", ".join(f"${name}" for name in names)
    connection.execute(
        f"insert into shop.{table} values ({marks}, {gone}, $load_id)", {**row, "load_id": load_id}
    )


def wrong(project: SmallProject) -> dict[str, int]:
    """For each model that differs from its whole query over all inputs, by how many rows."""
    compiled = project.folder / "target" / "compiled" / "grounded" / "models"
    found = {}
    with project.connect() as connection:
        connection.execute("create schema whole")
        for name in KEYED:
            sql = (compiled / f"{name}.sql").read_text()
            for other in KEYED:
                sql = sql.replace(f'"warehouse"."main"."{other}"', f'whole."{other}"')
            connection.execute(f"create table whole.{name} as {sql}")
            differing = connection.execute(
                f"select count(*) from ((from main.{name} except all from whole.{name}) "
                f"union all (from whole.{name} except all from main.{name}))"
            ).fetchone()
            assert differing is not None
            if differing[0]:
                found[name] = differing[0]
        connection.execute("drop schema whole cascade")
    return found


@pytest.mark.thorough
@pytest.mark.parametrize("seed", [1, None])
def test_random_histories_end_in_what_a_build_of_everything_gives(
    tmp_path: Path, seed: int | None
) -> None:
    seed = random.SystemRandom().randrange(10**6) if seed is None else seed
    chance = random.Random(seed)
    project = make(tmp_path / "project")
    load(project, "0", chance, changes=120)
    project.build()
    ways = set()
    for number in range(1, 8):
        for part in range(chance.choice([1, 1, 2])):
            load(project, f"{number}.{part}", chance, changes=chance.choice([0, 1, 2, 3, 40]))
        chosen = chance.choice([[], [], ["--select", "orders+"], ["--select", "customers"]])
        ended = project.build(*chosen)
        ways |= {ended[name] for name in KEYED if name in ended}
        if not chosen:
            assert wrong(project) == {}, f"seed {seed}, load {number}"
    project.build()
    assert wrong(project) == {}, f"seed {seed}"
    assert ways == {"UNCHANGED", "KEYS", "WHOLE"}


def test_what_a_raw_table_that_is_read_anew_no_longer_has_is_gone(project: SmallProject) -> None:
    project.build("--vars", "share: 0.1")
    with project.connect() as connection:
        connection.execute("delete from shop.orders where id = (select min(id) from shop.orders)")
        connection.execute("update shop.orders set _dlt_load_id = 'anew'")
    project.build("--vars", "share: 0.1")
    assert wrong(project) == {}


def test_a_raw_table_whose_rows_name_no_load_is_compared_each_time(project: SmallProject) -> None:
    with project.connect() as connection:
        connection.execute("update shop.customers set _dlt_load_id = null")
        connection.execute("delete from changes.loads where table_name = 'shop.customers'")
        connection.execute("update shop.customers set name = 'z'")
    assert project.build()["customers"] == "WHOLE"
    assert wrong(project) == {}


def test_a_model_whose_file_changed_after_it_was_parsed_is_made_again_by_the_new_one(
    project: SmallProject,
) -> None:
    before = project.parse()
    project.write("customers", MODELS["customers"].replace("name,", "upper(name) as name,", 1))
    with project.connect() as connection:
        connection.execute("update shop.customers set _dlt_load_id = '1' where id = 1")
    project.build(manifest=before)
    project.build()
    names = {name for (name,) in project.rows("select name from customers")}
    assert names == {name.upper() for name in names if name}
    assert wrong(project) == {}


def test_another_query_of_a_view_makes_what_reads_it_anew_and_nothing_else(
    project: SmallProject,
) -> None:
    before = dict(project.rows("select name, generation from changes.models"))
    changed = MODELS["stg_regions"].replace("title from", "upper(title) as title from")
    project.write("stg_regions", changed)
    project.build()
    after = dict(project.rows("select name, generation from changes.models"))
    assert {name for name in before if before[name] != after[name]} == {"customers"}
    assert wrong(project) == {}


def test_a_model_that_follows_by_another_column_finds_it_in_the_log(project: SmallProject) -> None:
    by_name = MODELS["sizes"].replace("'customers': 'region_id'", "'customers': 'name'")
    by_name = by_name.replace("'by': 'region_id'", "'by': 'name'")
    project.write("sizes", by_name.replace("coalesce(region_id, -1)", "name"))
    project.build()
    with project.connect() as connection:
        connection.execute("update shop.customers set name = 'z', _dlt_load_id = '1' where id < 4")
    project.build()
    assert wrong(project) == {}


@pytest.mark.parametrize("place", ["mixed", "stg_regions"])
def test_a_query_that_asks_for_the_date_follows_the_day(project: SmallProject, place: str) -> None:
    if place == "stg_regions":
        dated = MODELS[place].replace("title from", "title || current_date as title from")
        project.write(place, dated)
        project.build()
    model = {"mixed": "mixed", "stg_regions": "customers"}[place]
    assert project.build()[model] == "UNCHANGED"
    with project.connect() as connection:
        connection.execute("update changes.positions set generation = 'x' where input = 'day'")
    assert project.build()[model] == "WHOLE"


@pytest.mark.parametrize("asked", ["now()", "current_timestamp", "random()"])
def test_a_query_that_asks_for_the_time_or_for_chance_is_compared_each_time(
    project: SmallProject, asked: str
) -> None:
    project.write("mixed", MODELS["mixed"].replace("current_date as day", f"{asked} as day"))
    project.build()
    assert project.build()["mixed"] == "WHOLE"


def test_a_test_that_reads_another_model_runs_with_the_whole_alone(project: SmallProject) -> None:
    file = project.folder / "models" / "models.yml"
    file.write_text(file.read_text().replace("enabled: false", "enabled: true"))
    project.build()
    with project.connect() as connection:
        connection.execute("insert into shop.orders values (70, 1, '2026-02-01', null, '1')")
    assert project.build()["orders"] == "KEYS"


def test_what_nothing_changed_in_is_not_built(project: SmallProject) -> None:
    ended = project.build()
    assert {ended[name] for name in KEYED} == {"UNCHANGED"}


def test_a_changed_row_is_followed_to_every_row_that_is_made_of_it(project: SmallProject) -> None:
    with project.connect() as connection:
        connection.execute("insert into shop.customers values (50, 1, 'new', null, '1')")
        connection.execute("insert into shop.orders values (70, 50, '2026-02-01', null, '1')")
    project.build()
    assert project.rows("select name from orders where order_id = 70") == [("new",)]
    with project.connect() as connection:
        connection.execute(
            "update shop.customers set name = 'renamed', _dlt_load_id = '2' where id = 50"
        )
    project.build()
    assert project.rows("select name from orders where order_id = 70") == [("renamed",)]
    assert project.rows("select orders from buyers where buyer = 'c50'") == [(1,)]
    logged = project.rows("select distinct order_id from changes.orders where seq = 2")
    assert logged == [(70,)]
    assert project.build()["orders"] == "UNCHANGED"


def test_a_row_that_did_not_change_is_found_wherever_it_stands(project: SmallProject) -> None:
    # What a merge has just written stands at its table's end, and this customer does not.
    first = "(select arg_min(customer_id, rowid) from customers)"
    with project.connect() as connection:
        connection.execute(f"insert into shop.orders values (70, {first}, '2026-02-01', null, '1')")
    before = project.rows(f"select name, orders + 1 from buyers where buyer = 'c' || {first}")
    assert project.build()["buyers"] == "KEYS"
    assert project.rows(f"select name, orders from buyers where buyer = 'c' || {first}") == before
    assert wrong(project) == {}


def test_a_row_that_is_loaded_again_as_it_was_is_no_change_downstream(
    project: SmallProject,
) -> None:
    with project.connect() as connection:
        connection.execute(
            "update shop.customers set _dlt_load_id = '1' where id = (select min(customer_id) "
            "from customers)"
        )
    assert project.build()["customers"] == "KEYS"
    assert project.rows("select last_seq from changes.models where name = 'customers'") == [(0,)]
    assert project.build()["buyers"] == "UNCHANGED"


def test_a_row_that_fails_a_test_leaves_the_table_and_its_log_as_they_were(
    project: SmallProject,
) -> None:
    before = project.rows("from orders order by all")
    with project.connect() as connection:
        connection.execute("insert into shop.orders values (70, 1, '2026-02-01', null, '1')")
        connection.execute("insert into shop.lines values (70, 1, -5, null, '1')")
    result = project.try_build()
    assert not result.success
    failed = {one.node.name: one.message for one in result.result if one.status == "error"}  # type: ignore[union-attr]
    assert list(failed) == ["orders"]
    assert "not_negative_orders_amount" in str(failed["orders"])
    assert project.rows("from orders order by all") == before
    with project.connect() as connection:
        connection.execute("update shop.lines set amount = 5, _dlt_load_id = '2' where amount < 0")
    project.build()
    assert wrong(project) == {}


def test_another_query_makes_the_table_anew_and_those_downstream_agree(
    project: SmallProject,
) -> None:
    changed = MODELS["customers"].replace("name, region_id", "upper(name) as name, region_id")
    project.write("customers", changed)
    project.build()
    names = {name for (name,) in project.rows("select name from buyers")}
    assert names <= {"A", "B", "C"} and names
    assert wrong(project) == {}


def test_a_new_column_makes_the_table_anew(project: SmallProject) -> None:
    project.write("regions", MODELS["regions"].replace("as buyers,", "as buyers, 1 as one,"))
    project.build()
    assert project.rows("select distinct one from regions") == [(1,)]


@pytest.mark.parametrize("instead", ["select 1", "create view customers as select 1 as id"])
def test_a_table_that_somebody_dropped_or_put_a_view_for_is_made_anew(
    project: SmallProject, instead: str
) -> None:
    with project.connect() as connection:
        connection.execute("drop table customers")
        connection.execute(instead)
    project.build()
    assert project.rows("from customers")
    assert wrong(project) == {}


def test_a_full_refresh_makes_all_tables_anew(project: SmallProject) -> None:
    before = dict(project.rows("select name, generation from changes.models"))
    project.build("--full-refresh")
    after = dict(project.rows("select name, generation from changes.models"))
    assert before.keys() == after.keys()
    assert not set(before.values()) & set(after.values())
    assert wrong(project) == {}


def test_who_has_not_followed_for_longer_than_the_log_compares_the_whole(
    project: SmallProject,
) -> None:
    with project.connect() as connection:
        connection.execute("update shop.customers set name = 'q', _dlt_load_id = '1'")
    project.build("--select", "customers")
    with project.connect() as connection:
        connection.execute("delete from changes.customers")
        connection.execute("update changes.models set first_seq = 9 where name = 'customers'")
    project.build()
    assert wrong(project) == {}


def test_comparing_in_full_mends_what_differs_and_counts_it(
    project: SmallProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    with project.connect() as connection:
        connection.execute(
            "update orders set amount = -1 where order_id = (select min(order_id) from orders)"
        )
    assert project.build()["orders"] == "UNCHANGED"
    monkeypatch.setenv("GROUNDED_COMPARE_IN_FULL", "1")
    assert project.build()["orders"] != "UNCHANGED"
    assert wrong(project) == {}


def test_an_input_that_is_read_twice_cannot_be_narrowed(project: SmallProject) -> None:
    twice = MODELS["buyers"] + " where customer_id in (select customer_id from {{ ref('orders') }})"
    project.write("buyers", twice)
    project.build()
    with project.connect() as connection:
        connection.execute("update shop.orders set updated_at = '2027-01-01', _dlt_load_id = '1'")
    result = project.try_build()
    failed = [one.message for one in result.result if one.status == "error"]  # type: ignore[union-attr]
    assert len(failed) == 1 and "buyers must read orders once" in str(failed[0])


def test_a_column_that_no_change_can_be_followed_by_is_told(project: SmallProject) -> None:
    project.write(
        "orders", MODELS["orders"].replace("'stg_lines': 'order_id'", "'stg_lines': 'no'")
    )
    result = project.try_build("--select", "orders")
    message = str(result.result.results[-1].message)  # type: ignore[union-attr]
    assert "changes of stg_lines cannot be followed by no" in message
